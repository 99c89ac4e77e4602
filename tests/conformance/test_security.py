"""Security: profiles 1 to 3, passwords, certificates and their events (OCTT group 25; firmware and logs are beside)."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ocppclient import pki
from tests.journeys.backend import Connection
from tests.journeys.rig import Rig, RigMaker
from tests.ocppclient.certificates import Issued, issue, sign

PASSWORD = "a password of 24 letters"
#: As the tool sends it.
NEW_PASSWORD = b"OCA_OCTT_admin_test"
CENTRAL, MANUFACTURER = "CentralSystemRootCertificate", "ManufacturerRootCertificate"
SERIAL = "SN-0815"


class Authority:
    """The operator's certificates: a root, the backend's certificate and the station's first one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "issued"  # what comes later must not replace the files of a station
        self.folder.mkdir()
        self.root = issue(folder, "cpo-root", rsa_bits=2048, ends=timedelta(days=3650))
        self.server = issue(folder, "backend", self.root, hosts=("127.0.0.1",), rsa_bits=2048)
        self.station = issue(folder, SERIAL, self.root, organisation="Acme", ends=timedelta(days=400))

    def context(
        self, server: Issued | None = None, *, clients: bool = False, ciphers: str = "", root: Issued | None = None
    ) -> ssl.SSLContext:
        """A server's context; with `clients` it wants certificates of the operator."""
        server = server or self.server
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server.cert_file, server.key_file)
        if ciphers:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers)
        if clients:
            context.load_verify_locations(cadata=(root or self.root).pem)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def provision(self, profile: int, **backend: object) -> dict:
        """A station of this operator at this profile."""
        tables: dict[str, dict[str, object]] = {
            "identity": {"serial_number": SERIAL},
            "backend": {
                "security_profile": profile,
                "authorization_key": PASSWORD,
                "root_certificates": [self.root.cert_file],
                **backend,
            },
            "ocpp": {"CpoName": "Acme"},
        }
        if profile == 3:
            tables["backend"] |= {"client_certificate": self.station.cert_file, "client_key": self.station.key_file}
        return tables


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def shared_provision(authority: Authority) -> dict:
    return authority.provision(1)


def basic(password: bytes) -> str:
    return "Basic " + base64.b64encode(b"CP1:" + password).decode()


def only(password: bytes) -> Callable[[dict[str, str]], bool]:
    """A backend that knows this password."""
    return lambda headers: headers.get("authorization") == basic(password)


def reconnected(rig: Rig, former: Connection) -> Connection:
    """The connection after this one."""
    rig.backend.story.wait(lambda: rig.backend.connection not in (None, former), 20)
    connection = rig.backend.wait_connected()
    assert connection is not former
    return connection


def security_event(rig: Rig, event_type: str) -> None:
    rig.backend.wait_for("SecurityEventNotification", lambda payload: payload["type"] == event_type, 15, event_type)


# -- the password


def test_TC_085_basic_authentication_valid_username_password_combination(rig: Rig):
    """SEC-04, SEC-05"""
    connection = rig.backend.wait_connected()
    assert connection.headers["authorization"] == basic(PASSWORD.encode())
    assert connection.path.endswith("/CP1")


def test_TC_073_update_charge_point_password_for_http_basic_authentication(rig: Rig):
    """PWD-01, PWD-03, CFG-09"""
    for text, password in ((NEW_PASSWORD.hex(), NEW_PASSWORD), (PASSWORD, PASSWORD.encode())):
        former = rig.backend.wait_connected()
        rig.backend.admits = only(password)
        assert rig.command("ChangeConfiguration", key="AuthorizationKey", value=text) == "Accepted"
        assert reconnected(rig, former).headers["authorization"] == basic(password)
        rig.backend.call("GetLocalListVersion")  # and it speaks
    assert NEW_PASSWORD.hex() not in rig.station.log()
    assert NEW_PASSWORD.decode() not in rig.station.log()
    assert PASSWORD not in rig.station.log()


def test_a_password_that_the_backend_refuses_is_taken_back(rig: Rig):
    """PWD-02, field problem 8"""
    former = rig.backend.wait_connected()
    rig.backend.admits = only(PASSWORD.encode())
    assert rig.command("ChangeConfiguration", key="AuthorizationKey", value="0123456789abcdef0123456789abcdef")
    assert reconnected(rig, former).headers["authorization"] == basic(PASSWORD.encode())


# -- certificates


@pytest.mark.parametrize("kind", [pytest.param(MANUFACTURER, id="TC_075_1"), pytest.param(CENTRAL, id="TC_075_2")])
def test_TC_075_1_TC_075_2_TC_076_install_and_delete_a_certificate(rig: Rig, authority: Authority, kind: str):
    """CRT-09, CRT-10, CRT-11, CRT-13"""
    root = issue(authority.folder, f"new-{kind}")
    assert rig.command("InstallCertificate", certificateType=kind, certificate=root.pem) == "Accepted"
    wanted = {
        "hashAlgorithm": "SHA256",
        **{
            name: getattr(pki.hash_data(root.certificate, root.certificate, "SHA256"), field)
            for name, field in (
                ("issuerNameHash", "issuer_name_hash"),
                ("issuerKeyHash", "issuer_key_hash"),
                ("serialNumber", "serial_number"),
            )
        },
    }
    listed = rig.backend.call("GetInstalledCertificateIds", {"certificateType": kind})
    assert listed["status"] == "Accepted"
    assert wanted in listed["certificateHashData"]
    assert rig.command("DeleteCertificate", certificateHashData=wanted) == "Accepted"
    listed = rig.backend.call("GetInstalledCertificateIds", {"certificateType": kind})
    assert wanted not in listed.get("certificateHashData", [])
    assert rig.command("DeleteCertificate", certificateHashData=wanted) == "NotFound"


def request_certificate(rig: Rig) -> str:
    """Trigger a request; returns its CSR."""
    trigger = {"requestedMessage": "SignChargePointCertificate"}
    assert rig.command("ExtendedTriggerMessage", **trigger) == "Accepted"
    csr: str = rig.backend.next("SignCertificate").payload["csr"]
    return csr


def test_TC_077_invalid_charge_point_certificate_security_event(rig: Rig, authority: Authority):
    """CRT-05, CRT-06"""
    stranger = issue(authority.folder, "stranger")
    bad = sign(authority.folder, request_certificate(rig), stranger)
    assert rig.command("CertificateSigned", certificateChain=bad.pem) == "Rejected"
    security_event(rig, "InvalidChargePointCertificate")


def test_TC_074_update_charge_point_certificate_by_request_of_central_system(make_rig: RigMaker, authority: Authority):
    """CRT-01, CRT-05, CRT-07, SEC-13"""
    rig = make_rig(authority.provision(3), tls=authority.context(clients=True)).start()
    former = rig.backend.wait_connected()
    assert f"commonName={SERIAL}" in former.client
    renewed = sign(authority.folder, request_certificate(rig), authority.root)
    assert rig.command("CertificateSigned", certificateChain=renewed.pem) == "Accepted"
    connection = reconnected(rig, former)
    assert f"commonName={SERIAL}" in connection.client
    assert connection.client_serial == f"{renewed.certificate.serial_number:X}"
    assert former.client_serial == f"{authority.station.certificate.serial_number:X}"


# -- TLS


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "AES256-GCM-SHA384"])
def test_TC_086_tls_server_side_certificate_valid_certificate(make_rig: RigMaker, authority: Authority, cipher: str):
    """SEC-04, SEC-07, SEC-09: a server that speaks only one of the two certified suites (product.md, SEC-4)"""
    rig = make_rig(authority.provision(2), tls=authority.context(ciphers=cipher)).start()
    connection = rig.backend.wait_connected()
    assert (connection.tls_version, connection.cipher) == ("TLSv1.2", cipher)
    assert connection.headers["authorization"] == basic(PASSWORD.encode())


def test_TC_087_tls_client_side_certificate_valid_certificate(make_rig: RigMaker, authority: Authority):
    """SEC-13, SEC-14"""
    rig = make_rig(authority.provision(3), tls=authority.context(clients=True)).start()
    connection = rig.backend.wait_connected()
    assert connection.client == f"organizationName=Acme, commonName={SERIAL}"
    assert "authorization" not in connection.headers


def test_TC_078_invalid_central_system_certificate_security_event(make_rig: RigMaker, authority: Authority):
    """SEC-11, SEC-18, CRT-17, field problem 9: refused, tried again, told once when the valid one is back"""
    good = authority.context()
    rig = make_rig(authority.provision(2), tls=good).start()
    stranger = issue(authority.folder, "strange-root")
    foreign = issue(authority.folder, "foreign", stranger, hosts=("127.0.0.1",), rsa_bits=2048)
    rig.backend.tls = authority.context(foreign)
    rig.backend.drop()
    refused = "the TLS handshake failed"
    rig.backend.story.wait(lambda: sum(refused in entry.text for entry in rig.entries()) >= 3, 20)
    assert rig.backend.connection is None
    rig.backend.skip()
    rig.backend.tls = good
    rig.backend.wait_connected(20)
    security_event(rig, "InvalidCentralSystemCertificate")
    rig.backend.expect_no("SecurityEventNotification", 1.0)
    bad = issue(authority.folder, "outdated", ends=timedelta(hours=-1))
    assert rig.command("InstallCertificate", certificateType=CENTRAL, certificate=bad.pem) == "Rejected"
    security_event(rig, "InvalidCentralSystemCertificate")


# -- changes of the profile


def test_TC_083_upgrade_security_profile(make_rig: RigMaker, authority: Authority):
    """UPG-02, UPG-03, UPG-04, SEC-01: from 1 to 2 and from 2 to 3; never back"""
    rig = make_rig(authority.provision(1)).start()
    assert rig.command("ChangeConfiguration", key="SecurityProfile", value="3") == "Rejected"  # no certificate yet
    assert rig.command("ChangeConfiguration", key="SecurityProfile", value="2") == "Accepted"
    assert rig.command("Reset", type="Hard") == "Accepted"
    plain = rig.backend.connection
    rig.backend.tls = authority.context()
    rig.backend.drop()
    rig.wait_online(timeout_s=40)
    connection = rig.backend.wait_connected()
    assert connection is not plain
    assert connection.tls_version
    assert connection.headers["authorization"] == basic(PASSWORD.encode())

    rig.backend.tls = None  # the tool offers only profile 1
    rig.backend.drop()
    rig.backend.story.wait(lambda: False, 3)
    assert rig.backend.connection is None
    rig.backend.tls = authority.context()
    assert rig.backend.wait_connected(20).tls_version

    signed = sign(authority.folder, request_certificate(rig), authority.root)
    assert rig.command("CertificateSigned", certificateChain=signed.pem) == "Accepted"
    former = rig.backend.wait_connected()
    rig.backend.tls = authority.context(clients=True)
    assert rig.command("ChangeConfiguration", key="SecurityProfile", value="3") == "Accepted"
    connection = reconnected(rig, former)
    assert f"commonName={SERIAL}" in connection.client
    assert "authorization" not in connection.headers
    assert rig.value("SecurityProfile") == "3"


def test_TC_084_downgrade_security_profile_rejected(rig: Rig):
    """SEC-03, UPG-01"""
    connection = rig.backend.wait_connected()
    for value in ("0", "1"):
        assert rig.command("ChangeConfiguration", key="SecurityProfile", value=value) == "Rejected"
    assert rig.value("SecurityProfile") == "1"
    assert rig.backend.connection is connection


def test_a_profile_that_does_not_connect_is_taken_back(make_rig: RigMaker, authority: Authority):
    """UPG-04, field problem 8: charging goes on meanwhile"""
    rig = make_rig(authority.provision(1)).start()
    rig.start_session()
    former = rig.backend.wait_connected()
    assert rig.command("ChangeConfiguration", key="SecurityProfile", value="2") == "Accepted"  # nobody speaks TLS here
    connection = reconnected(rig, former)
    assert not connection.tls_version
    assert rig.value("SecurityProfile") == "1"
    assert rig.sim.state()["relay"]
