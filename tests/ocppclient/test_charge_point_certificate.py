"""The station's own certificate (security white paper A02, A03; conformance CRT-01…CRT-08, TRG-07)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ocppclient import pki
from ocppclient.charge_point_certificate import REQUEST
from ocppclient.events import CertificateDiscarded, CertificateRequested, Connect, Disconnected, UpdateLink
from ocppclient.sentence import unpacked
from ocppclient.settings import Identity
from tests.ocppclient.certificates import NOW, Issued, issue, sign
from tests.ocppclient.harness import Bench, of
from tests.ocppclient.test_certificates import delete, install

CPO = {"CpoName": "Acme Charging", "TransactionMessageRetryInterval": "10"}
KIND = "ChargePointCertificate"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def root(folder: Path) -> Issued:
    return issue(folder, "cpo-root", ends=timedelta(days=3650))


def station(root: Issued, **configuration: str) -> Bench:
    bench = Bench({**CPO, **configuration}, system_utc=NOW, identity=Identity(serial_number="SN-0815")).ready()
    assert install(bench, root.pem) == "Accepted"
    return bench


def trigger(bench: Bench) -> str:
    """Ask for a request; returns the CSR."""
    assert bench.call("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate")[2] == {
        "status": "Accepted"
    }
    bench.wait(0.1)
    csr: str = bench.expect("SignCertificate")["csr"]
    bench.answer(status="Accepted")
    return csr


def signed(bench: Bench, pem: str) -> str:
    status: str = bench.call("CertificateSigned", certificateChain=pem)[2]["status"]
    return status


def events(bench: Bench) -> list[str]:
    return [event.type for event in bench.store.security_events()]


def secured(bench: Bench) -> None:
    """Raise to profile 3, and let the new connection open."""
    assert bench.call("ChangeConfiguration", key="SecurityProfile", value="3")[2]["status"] == "Accepted"
    bench.wait(2)
    bench.disconnect()
    bench.connect()
    bench.settle()
    bench.actions.clear()


# -- the request


def test_the_request_names_the_serial_number_and_the_owner_and_proves_the_key(root: Issued) -> None:
    """CRT-01, SEC-14, SEC-15"""
    text = trigger(station(root))
    request = x509.load_pem_x509_csr(text.encode())
    assert len(text) <= 5500
    assert request.is_signature_valid
    assert request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "SN-0815"
    assert request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "Acme Charging"
    key = request.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.key_size == 256
    assert isinstance(request.signature_hash_algorithm, hashes.SHA256)


def test_without_a_serial_number_the_identity_is_the_name() -> None:
    bench = Bench(CPO, system_utc=NOW).ready()
    request = x509.load_pem_x509_csr(trigger(bench).encode())
    assert request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "CP1"


def test_every_request_has_a_new_key_pair(root: Issued) -> None:
    bench = station(root)
    keys = [x509.load_pem_x509_csr(trigger(bench).encode()).public_key() for _ in range(2)]
    assert keys[0] != keys[1]


def test_without_cpo_name_the_trigger_is_rejected_with_the_reason() -> None:
    bench = Bench(system_utc=NOW).ready()
    answer = bench.call("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate")[2]
    assert answer == {"status": "Rejected"}
    assert "CpoName is not set" in bench.reasons()[-1]


def became(bench: Bench) -> tuple[str, str, str]:
    """Who wanted the newest request, what became of it, and why."""
    told = json.loads(bench.store.value(REQUEST) or "")
    return told["by"], told["state"], unpacked(told["reason"])


def test_a_person_asks_for_a_certificate_and_sees_what_becomes_of_it(folder: Path, root: Issued) -> None:
    """CRT-01"""
    bench = station(root)
    bench.do(CertificateRequested("ann"))
    assert became(bench) == ("person:ann", "waiting", "")
    bench.wait(0.1)
    csr = bench.expect("SignCertificate")["csr"]
    bench.answer(status="Accepted")
    assert became(bench) == ("person:ann", "accepted", "")
    assert signed(bench, "nonsense") == "Rejected"
    assert became(bench)[1:] == ("discarded", bench.reasons()[-1].removeprefix("The certificate was discarded: ")[:-1])
    assert signed(bench, sign(folder, csr, root).pem) == "Accepted"
    assert became(bench) == ("person:ann", "installed", "")
    assert signed(bench, "nonsense") == "Rejected"
    assert became(bench) == ("person:ann", "installed", ""), "that one answered no request"
    trigger(bench)
    assert became(bench) == ("backend", "accepted", "")


def test_a_request_that_the_backend_refuses_says_so_and_another_may_follow(root: Issued) -> None:
    """CRT-04"""
    bench = station(root)
    bench.do(CertificateRequested("ann"))
    bench.wait(0.1)
    bench.expect("SignCertificate")
    bench.answer(status="Rejected")
    assert became(bench) == ("person:ann", "refused", "it answered Rejected")
    bench.do(CertificateRequested("ann"))
    bench.wait(0.1)
    bench.expect("SignCertificate")


def test_a_person_reads_why_no_certificate_is_asked_for(root: Issued) -> None:
    """CRT-01: one at a time, with an owner to name, over a connection that counts"""

    def said(bench: Bench) -> str:
        before = len(bench.store.private_key_ids())
        bench.do(CertificateRequested("ann"))
        assert len(bench.store.private_key_ids()) == before
        return bench.reasons()[-1].removeprefix("No certificate is asked for: ")

    bench = Bench(system_utc=NOW).ready()
    assert said(bench) == "CpoName is not set, and the certificate has to name its owner."
    bench = station(root)
    bench.do(CertificateRequested("ann"))
    assert said(bench) == "the request before it has no answer yet."
    bench = station(root)
    bench.disconnect()
    assert said(bench) == "the backend is not connected, and it has to pass the request on."
    bench = Bench(CPO, system_utc=NOW)
    bench.read()
    bench.connect()
    assert said(bench) == "the backend has not accepted the station yet."


def test_the_private_key_never_leaves(root: Issued) -> None:
    """CRT-02"""
    bench = station(root)
    trigger(bench)
    (key_id,) = bench.store.private_key_ids()
    secret = (bench.store.private_key(key_id) or "").splitlines()[1]
    everything = str(bench.actions) + str(bench.frames) + str(bench.call("GetConfiguration"))
    assert secret not in everything
    assert secret not in str([event.tech_info for event in bench.store.security_events()])


def test_a_request_without_an_answer_goes_out_again_also_after_a_power_cut(root: Issued) -> None:
    bench = station(root)
    bench.call("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate")
    bench.wait(0.1)
    first = bench.expect("SignCertificate")["csr"]
    bench.reboot()
    bench.read()
    bench.boot()
    sent = of(bench.live(2), "SignCertificate")
    assert len(sent) == 1
    keys = [x509.load_pem_x509_csr(csr.encode()).public_key() for csr in (first, sent[0][1]["csr"])]
    assert keys[0] == keys[1]


def test_an_accepted_request_is_never_repeated_by_itself(root: Issued) -> None:
    """CRT-04"""
    bench = station(root)
    trigger(bench)
    assert of(bench.live(7200, step_s=30), "SignCertificate") == []


@pytest.mark.parametrize("refusal", ["Rejected", "NotImplemented"])
def test_a_refused_request_ends_with_its_key(root: Issued, refusal: str) -> None:
    bench = station(root)
    bench.call("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate")
    bench.wait(0.1)
    bench.expect("SignCertificate")
    bench.answer(status="Rejected") if refusal == "Rejected" else bench.refuse(refusal)
    assert bench.store.private_key_ids() == []
    assert of(bench.live(120, step_s=1), "SignCertificate") == []
    assert "CRT-04" in bench.clauses()


def test_a_triggered_request_passes_while_the_registration_is_pending(root: Issued) -> None:
    bench = Bench(CPO, system_utc=NOW)
    bench.read()
    bench.boot(status="Pending")
    trigger(bench)


# -- the arrival


def test_a_signed_certificate_is_installed_and_used_from_profile_3_on(folder: Path, root: Issued) -> None:
    """CRT-05, CRT-07, T:TC_074, decision D-14"""
    bench = station(root)
    issued = sign(folder, trigger(bench), root)
    assert signed(bench, issued.pem) == "Accepted"
    assert events(bench)[-1] == "ReconfigurationOfSecurityParameters"
    bench.wait(5)
    assert not any(isinstance(action, Connect) for action in bench.actions)
    client = bench.cp.security.credentials().client
    assert client is not None
    assert client.chain == issued.pem
    assert pki.private_key_id(client.key) == pki.key_id(issued.certificate)


def test_with_profile_3_a_new_certificate_opens_the_link_anew(folder: Path, root: Issued) -> None:
    """T:TC_074: the answer first, the new connection a moment later"""
    bench = station(root)
    signed(bench, sign(folder, trigger(bench), root).pem)
    secured(bench)
    newer = sign(folder, trigger(bench), root, starts=timedelta(minutes=-1))
    assert signed(bench, newer.pem) == "Accepted"
    assert not any(isinstance(action, Connect) for action in bench.actions)
    bench.wait(1.2)
    assert any(isinstance(action, Connect) for action in bench.actions)
    client = bench.cp.security.credentials().client
    assert client is not None
    assert client.chain == newer.pem


def test_the_chain_may_contain_sub_authorities(folder: Path, root: Issued) -> None:
    bench = station(root)
    upper = issue(folder, "upper", root, ca=True, path_length=1)
    lower = issue(folder, "lower", upper, ca=True)
    leaf = sign(folder, trigger(bench), lower)
    assert signed(bench, leaf.pem + lower.pem + upper.pem) == "Accepted"
    assert bench.store.certificates(KIND)[0].pem == leaf.pem + lower.pem + upper.pem


def bad(folder: Path, csr: str, root: Issued) -> dict[str, str]:
    """Why → a chain that must be discarded."""
    stranger = issue(folder, "stranger")
    no_authority = issue(folder, "no-authority", root)
    short = issue(folder, "short-path", root, ca=True, path_length=0)
    below = issue(folder, "below", short, ca=True)
    old = issue(folder, "old-authority", root, ca=True, ends=timedelta(hours=-1))
    usage = x509.KeyUsage(False, False, True, False, False, False, False, False, False)
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    unchained = sign(folder, csr, short).pem
    return {
        "no readable certificate": "nonsense",
        "does not belong to a key of this station": issue(folder, "SN-0815", root, organisation="Acme Charging").pem,
        "it expired on": sign(folder, csr, root, ends=timedelta(hours=-1)).pem,
        "its CN is 'SN-0816'": sign(folder, csr, root, name="SN-0816").pem,
        "its O is 'Other'": sign(folder, csr, root, organisation="Other").pem,
        "the certificate of an authority": sign(folder, csr, root, ca=True).pem,
        "its key usage": sign(folder, csr, root, extensions=(usage,)).pem,
        "its extended key usage": sign(folder, csr, root, extensions=(server,)).pem,
        "does not lead to an installed root": sign(folder, csr, stranger).pem,
        "it does not lead to an installed root": unchained,
        "'no-authority' may not issue it": sign(folder, csr, no_authority).pem + no_authority.pem,
        "'short-path' may not issue it": sign(folder, csr, below).pem + below.pem + short.pem,
        "the issuer 'old-authority' cannot be used: it expired": sign(folder, csr, old).pem + old.pem,
        "not lead to an installed root certificate": sign(folder, csr, root, signed_by=stranger.key).pem,
        "CertificateSignedMaxChainSize": root.pem * 20,
    }


def test_a_bad_certificate_is_rejected_discarded_and_told(folder: Path, root: Issued) -> None:
    """CRT-05, CRT-06, T:TC_077"""
    bench = station(root, SecurityProfile="1", CertificateSignedMaxChainSize="9000")
    bench.settle()
    for words, chain in bad(folder, trigger(bench), root).items():
        bench.settle()
        assert signed(bench, chain) == "Rejected", words
        assert words in bench.reasons()[-1], words
        bench.wait(0.1)
        told = of(bench.settle(), "SecurityEventNotification")
        assert [payload["type"] for _, payload in told] == ["InvalidChargePointCertificate"], words
    assert bench.store.certificates(KIND) == []


def test_after_a_bad_certificate_the_good_one_still_fits(folder: Path, root: Issued) -> None:
    bench = station(root)
    csr = trigger(bench)
    assert signed(bench, sign(folder, csr, root, name="SN-0816").pem) == "Rejected"
    assert signed(bench, sign(folder, csr, root).pem) == "Accepted"


def test_a_signed_certificate_outlives_a_power_cut(folder: Path, root: Issued) -> None:
    bench = station(root)
    signed(bench, sign(folder, trigger(bench), root).pem)
    before = bench.cp.security.credentials().client
    bench.reboot()
    assert bench.cp.security.credentials().client == before


def test_a_certificate_of_the_future_waits_for_its_time(folder: Path, root: Issued) -> None:
    """CRT-07, CRT-08"""
    bench = station(root)
    signed(bench, sign(folder, trigger(bench), root).pem)
    secured(bench)
    future = sign(folder, trigger(bench), root, starts=timedelta(hours=1))
    assert signed(bench, future.pem) == "Accepted"
    bench.live(1800, step_s=30)
    assert not any(isinstance(action, Connect) for action in bench.actions)
    bench.live(1900, step_s=30)
    assert any(isinstance(action, Connect) for action in bench.actions)
    client = bench.cp.security.credentials().client
    assert client is not None
    assert client.chain == future.pem


def test_the_former_certificate_steps_in_when_the_backend_refuses_the_new_one(folder: Path, root: Issued) -> None:
    """CRT-08: kept about a month as fallback"""
    bench = station(root)
    old = sign(folder, trigger(bench), root)
    signed(bench, old.pem)
    secured(bench)
    new = sign(folder, trigger(bench), root, starts=timedelta(minutes=-1))
    signed(bench, new.pem)
    bench.disconnect()
    tried = []
    for _ in range(3):
        bench.do(Disconnected("certificate unknown", "unauthorised"))
        assert isinstance(bench.actions[-1], UpdateLink)
        client = bench.cp.security.credentials().client
        assert client is not None
        tried.append(client.chain)
    assert tried == [old.pem, new.pem, old.pem]


def test_of_two_that_began_together_the_newer_is_used(folder: Path, root: Issued) -> None:
    """Authorities round the beginning to the day."""
    bench = station(root)
    signed(bench, sign(folder, trigger(bench), root).pem)
    newer = sign(folder, trigger(bench), root)
    signed(bench, newer.pem)
    client = bench.cp.security.credentials().client
    assert client is not None
    assert client.chain == newer.pem


def test_a_replaced_certificate_is_removed_after_a_month(folder: Path, root: Issued) -> None:
    bench = station(root)
    long = timedelta(days=400)
    signed(bench, sign(folder, trigger(bench), root, ends=long).pem)
    signed(bench, sign(folder, trigger(bench), root, starts=timedelta(minutes=-1), ends=long).pem)
    bench.wait(86_400 * 29, step_s=3600)
    assert len(bench.store.certificates(KIND)) == 2
    bench.wait(86_400 * 2, step_s=3600)
    assert len(bench.store.certificates(KIND)) == 1
    assert len(bench.store.private_key_ids()) == 1


# -- renewal


def requests_of(bench: Bench, days: float) -> int:
    """How many requests leave in so many days, with a backend that accepts them and sends nothing."""
    bench.wait(days * 86_400, step_s=21_600)
    return len(of(bench.live(10, step_s=5), "SignCertificate"))


@pytest.mark.parametrize(("life_days", "before_days"), [(365, 30), (9, 3)])
def test_before_its_end_a_new_one_is_asked_for_once(
    folder: Path, root: Issued, life_days: int, before_days: int
) -> None:
    """CRT-03: one month before, of a short life the last third"""
    bench = station(root)
    life = {"starts": timedelta(0), "ends": timedelta(days=life_days)}
    signed(bench, sign(folder, trigger(bench), root, **life).pem)
    bench.DEFAULTS = {**Bench.DEFAULTS, "SignCertificate": {"status": "Accepted"}}
    assert requests_of(bench, life_days - before_days - 1) == 0
    assert requests_of(bench, 1.5) == 1
    assert requests_of(bench, 1) == 0


def test_a_renewal_that_is_answered_is_followed_by_the_next(folder: Path, root: Issued) -> None:
    bench = station(root)
    life = {"starts": timedelta(0), "ends": timedelta(days=9)}
    signed(bench, sign(folder, trigger(bench), root, **life).pem)
    bench.wait(6.5 * 86_400, step_s=21_600)
    csr = of(bench.live(10, step_s=5), "SignCertificate")[0][1]["csr"]
    signed(bench, sign(folder, csr, root, starts=timedelta(days=6), ends=timedelta(days=15)).pem)
    assert requests_of(bench, 1) == 0
    assert requests_of(bench, 5) == 1


def test_a_renewal_that_cannot_be_asked_for_is_explained(folder: Path, root: Issued) -> None:
    bench = station(root)
    signed(bench, sign(folder, trigger(bench), root, ends=timedelta(days=40)).pem)
    bench.call("ChangeConfiguration", key="CpoName", value="")
    assert requests_of(bench, 35) == 0
    assert "CRT-03" in bench.clauses()
    assert "CpoName is not set" in bench.reasons()[-1]


# -- removal


def test_the_backend_cannot_delete_it_and_people_can(folder: Path, root: Issued) -> None:
    """CRT-11, M04.FR.05, AQ-3, settled question 14"""
    bench = station(root)
    issued = sign(folder, trigger(bench), root)
    signed(bench, issued.pem)
    data = pki.hash_data(issued.certificate, root.certificate, "SHA256")
    wanted = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": data.issuer_name_hash,
        "issuerKeyHash": data.issuer_key_hash,
        "serialNumber": data.serial_number,
    }
    assert delete(bench, wanted) == "Failed"
    bench.do(CertificateDiscarded(KIND, pki.fingerprint(issued.certificate), "installer"))
    assert bench.store.certificates(KIND) == []
    assert bench.store.private_key_ids() == []
    assert bench.cp.security.credentials().client is None


# -- ExtendedTriggerMessage


@pytest.mark.parametrize("message", ["Heartbeat", "MeterValues", "StatusNotification"])
def test_the_other_messages_come_as_with_trigger_message(message: str) -> None:
    """TRG-07"""
    bench = Bench().ready()
    assert bench.call("ExtendedTriggerMessage", requestedMessage=message)[2] == {"status": "Accepted"}
    assert message in [action for action, _ in bench.settle()]


def test_a_boot_notification_after_accepted_and_a_strange_connector_are_rejected() -> None:
    """TRG-04, TRG-10"""
    bench = Bench().ready()
    for request in ({"requestedMessage": "BootNotification"}, {"requestedMessage": "MeterValues", "connectorId": 2}):
        assert bench.call("ExtendedTriggerMessage", **request)[2] == {"status": "Rejected"}


def test_an_unknown_message_is_a_property_constraint_violation() -> None:
    answer = Bench().ready().call("ExtendedTriggerMessage", requestedMessage="Nonsense")
    assert answer[0] == 4
    assert answer[2] == "PropertyConstraintViolation"
