"""Security profiles, the password and the ways back (security white paper A00, A01, A05; conformance SEC, PWD, UPG)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ocppclient.events import (
    Connect,
    Connected,
    Disconnected,
    Explain,
    KeyFormAccepted,
    SecurityEventSeen,
    SecurityLogDiscarded,
    SettingsChanged,
    UpdateLink,
)
from ocppclient.security import TRIAL_ATTEMPTS
from ocppclient.settings import Identity
from tests.ocppclient.certificates import NOW, Issued, issue, sign
from tests.ocppclient.harness import Bench
from tests.ocppclient.test_certificates import install
from tests.ocppclient.test_charge_point_certificate import signed, trigger

OLD = "the former password"
NEW = b"OCA_OCTT_admin_test".hex()  # as the test tool sends it


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def root(folder: Path) -> Issued:
    return issue(folder, "cpo-root", ends=timedelta(days=3650))


def station(profile: int = 1, key: str = OLD, **configuration: str) -> Bench:
    said = {"SecurityProfile": str(profile), "AuthorizationKey": key, "CpoName": "Acme", **configuration}
    bench = Bench(said, system_utc=NOW, identity=Identity(serial_number="SN-1")).ready()
    bench.wait(0.2)
    bench.settle()
    return bench


def change(bench: Bench, key: str, value: Any) -> str:
    status: str = bench.call("ChangeConfiguration", key=key, value=str(value))[2]["status"]
    return status


def credentials(bench: Bench) -> tuple[int, str]:
    found = bench.cp.security.credentials()
    return found.security_profile, found.authorization_key


def connects(bench: Bench) -> int:
    return sum(isinstance(action, Connect) for action in bench.actions)


def fail(bench: Bench, kind: str, times: int = TRIAL_ATTEMPTS) -> None:
    """The new connection is not possible."""
    for _ in range(times):
        bench.do(Disconnected(f"failed: {kind}", kind))


def events(bench: Bench) -> list[str]:
    return [event.type for event in bench.store.security_events()][1:]


# -- raising the profile


def test_the_profile_is_raised_answered_and_then_the_link_is_opened_anew(root: Issued) -> None:
    """SEC-01, UPG-03, UPG-05, PWD-04, T:TC_083: the answer and a Reset right behind it pass over the old connection"""
    bench = station()
    install(bench, root.pem)
    assert change(bench, "SecurityProfile", 2) == "Accepted"
    assert bench.call("Reset", type="Soft")[2] == {"status": "Accepted"}
    assert connects(bench) == 0
    bench.wait(1.2)
    assert connects(bench) == 1
    assert credentials(bench) == (2, OLD)
    assert "ReconfigurationOfSecurityParameters" in events(bench)
    bench.reboot()
    assert credentials(bench) == (2, OLD)


@pytest.mark.parametrize("value", ["0", "1", "2"])
def test_a_profile_that_is_not_higher_is_rejected(value: str) -> None:
    """UPG-01, T:TC_084"""
    bench = station(2)
    assert change(bench, "SecurityProfile", value) == "Rejected"
    bench.wait(5)
    assert connects(bench) == 0
    assert credentials(bench) == (2, OLD)
    assert "can only be raised" in bench.reasons()[-1]


@pytest.mark.parametrize("value", ["4", "-1", "x", "", "1.0", "99999999999"])
def test_a_profile_that_does_not_exist_is_rejected(value: str) -> None:
    """UPG-02"""
    bench = station(1)
    assert change(bench, "SecurityProfile", value) == "Rejected"
    assert credentials(bench) == (1, OLD)


def test_each_profile_has_its_preconditions(folder: Path, root: Issued) -> None:
    """UPG-02: A05.FR.02…04"""
    bench = station(0, key="")
    assert change(bench, "SecurityProfile", 1) == "Rejected"
    assert "needs an AuthorizationKey" in bench.reasons()[-1]
    assert change(bench, "AuthorizationKey", OLD) == "Accepted"
    assert change(bench, "SecurityProfile", 2) == "Rejected"
    assert "needs an installed CentralSystemRootCertificate" in bench.reasons()[-1]
    install(bench, root.pem)
    assert change(bench, "SecurityProfile", 3) == "Rejected"
    assert "needs a ChargePointCertificate" in bench.reasons()[-1]
    assert change(bench, "SecurityProfile", 1) == "Accepted"
    assert change(bench, "SecurityProfile", 2) == "Accepted"
    signed(bench, sign(folder, trigger(bench), root).pem)
    assert change(bench, "SecurityProfile", 3) == "Accepted"


def test_an_outdated_certificate_is_no_precondition_met(folder: Path, root: Issued) -> None:
    bench = station(1)
    install(bench, root.pem)
    signed(bench, sign(folder, trigger(bench), root, ends=timedelta(minutes=10)).pem)
    bench.wait(1200, step_s=60)
    bench.calls.clear()
    assert change(bench, "SecurityProfile", 3) == "Rejected"


def test_an_identity_with_a_colon_cannot_have_a_password() -> None:
    bench = station(0)
    bench.settings = replace(bench.settings, charge_point_id="CP:1")
    bench.reboot()
    bench.read()
    bench.boot()
    assert change(bench, "SecurityProfile", 1) == "Rejected"


# -- the way back


def upgraded(root: Issued) -> Bench:
    bench = station()
    install(bench, root.pem)
    assert change(bench, "SecurityProfile", 2) == "Accepted"
    bench.wait(1.2)
    bench.disconnect()
    bench.actions.clear()
    return bench


@pytest.mark.parametrize("kind", ["refused", "reset", "timeout", "certificate", "tls", "http", "password", "settings"])
def test_a_profile_that_does_not_connect_is_taken_back(kind: str, root: Issued) -> None:
    """UPG-04, field problem 8"""
    bench = upgraded(root)
    fail(bench, kind, TRIAL_ATTEMPTS - 1)
    assert credentials(bench) == (2, OLD)
    fail(bench, kind, 1)
    assert credentials(bench) == (1, OLD)
    assert any(isinstance(action, UpdateLink) for action in bench.actions)
    assert [action.verdict for action in bench.actions if isinstance(action, Explain)] == ["taken back"]
    assert events(bench)[-1] == "ReconfigurationOfSecurityParameters"


@pytest.mark.parametrize("kind", ["dns", "network"])
def test_an_outage_of_the_network_says_nothing_about_the_profile(kind: str, root: Issued) -> None:
    bench = upgraded(root)
    fail(bench, kind, TRIAL_ATTEMPTS + 1)
    assert credentials(bench) == (2, OLD)


def test_after_one_success_the_lower_profile_never_comes_back(root: Issued) -> None:
    """UPG-04, T:TC_083"""
    bench = upgraded(root)
    bench.connect()
    bench.disconnect()
    fail(bench, "refused", TRIAL_ATTEMPTS + 1)
    bench.reboot()
    fail(bench, "refused", TRIAL_ATTEMPTS + 1)
    assert credentials(bench) == (2, OLD)


def test_the_trial_survives_a_power_cut(root: Issued) -> None:
    bench = upgraded(root)
    bench.reboot()
    fail(bench, "refused")
    assert credentials(bench) == (1, OLD)


def test_when_neither_connects_both_are_tried_by_turns(root: Issued) -> None:
    """The backend may have gone over to the new profile while it could not be reached."""
    bench = upgraded(root)
    seen = []
    for _ in range(4):
        fail(bench, "refused")
        seen.append(credentials(bench)[0])
    assert seen == [1, 2, 1, 2]
    bench.connect()
    bench.disconnect()
    fail(bench, "refused", 10)
    assert credentials(bench)[0] == 2


def test_a_second_raise_before_the_first_has_worked_goes_back_to_what_did(folder: Path, root: Issued) -> None:
    bench = station(0, key=OLD)
    install(bench, root.pem)
    assert change(bench, "SecurityProfile", 1) == "Accepted"
    assert change(bench, "SecurityProfile", 2) == "Accepted"
    bench.disconnect()
    fail(bench, "refused")
    assert credentials(bench) == (0, OLD)


# -- the password


@pytest.mark.parametrize("key", [NEW, "a plain password", "x" * 40, "0" * 32])
def test_a_new_password_is_used_by_the_next_connection(key: str) -> None:
    """PWD-01, T:TC_073, settled question 3"""
    bench = station()
    assert change(bench, "AuthorizationKey", key) == "Accepted"
    assert connects(bench) == 0
    bench.wait(1.2)
    assert connects(bench) == 1
    assert credentials(bench) == (1, key)
    assert bench.call("GetConfiguration", key=["AuthorizationKey"])[2]["configurationKey"][0].get("value") is None


@pytest.mark.parametrize("key", ["", "x" * 15, "x" * 41, "päßword with umlauts", "a\nb" * 8])
def test_a_password_that_does_not_fit_is_rejected_and_never_told(key: str) -> None:
    """PWD-02"""
    bench = station()
    assert change(bench, "AuthorizationKey", key) == "Rejected"
    assert credentials(bench) == (1, OLD)
    explain = next(action for action in reversed(bench.actions) if isinstance(action, Explain))
    assert explain.value == ""
    assert not key or key not in explain.rule


@pytest.mark.parametrize("profile", [0, 3])
def test_without_basic_authentication_a_new_password_needs_no_new_connection(profile: int) -> None:
    bench = station(profile)
    bench.actions.clear()
    assert change(bench, "AuthorizationKey", NEW) == "Accepted"
    bench.wait(5)
    assert connects(bench) == 0


def test_the_same_password_again_changes_nothing() -> None:
    bench = station()
    assert change(bench, "AuthorizationKey", OLD) == "Accepted"
    bench.wait(5)
    assert connects(bench) == 0
    assert events(bench) == []


def test_a_refused_password_is_taken_back() -> None:
    """PWD-02: only when the backend itself refuses it"""
    bench = station()
    change(bench, "AuthorizationKey", NEW)
    bench.disconnect()
    fail(bench, "refused", TRIAL_ATTEMPTS + 1)
    fail(bench, "timeout", TRIAL_ATTEMPTS + 1)
    assert credentials(bench) == (1, NEW)
    fail(bench, "password")
    assert credentials(bench) == (1, OLD)


def test_after_one_success_the_former_password_is_forgotten() -> None:
    bench = station()
    change(bench, "AuthorizationKey", NEW)
    bench.disconnect()
    bench.connect()
    bench.disconnect()
    fail(bench, "password", TRIAL_ATTEMPTS + 1)
    assert credentials(bench) == (1, NEW)
    assert OLD not in str(bench.store.values(""))


def test_the_form_of_the_key_is_remembered_until_the_key_changes() -> None:
    """Field problem 7"""
    bench = station(key=NEW)
    bench.do(KeyFormAccepted(True))
    bench.reboot()
    assert bench.cp.security.credentials().key_as_text
    bench.read()
    bench.boot()
    change(bench, "AuthorizationKey", "ab" * 16)
    assert not bench.cp.security.credentials().key_as_text


def test_a_change_is_logged_and_no_secret_is_told() -> None:
    """PWD-03, DIA-05"""
    bench = station()
    change(bench, "AuthorizationKey", NEW)
    bench.disconnect()
    fail(bench, "password")
    logged = str(bench.store.security_events())
    assert "AuthorizationKey, by the backend" in logged
    everything = logged + str(bench.actions) + repr(bench.cp.security.credentials())
    assert NEW not in everything
    assert OLD not in everything


def test_charging_goes_on_while_the_credentials_change() -> None:
    bench = station()
    bench.charge()
    before = bench.setpoint
    change(bench, "AuthorizationKey", NEW)
    bench.wait(1.2)
    bench.disconnect()
    fail(bench, "password")
    assert bench.setpoint == before
    assert bench.store.open_transaction() is not None


# -- people


def configured(bench: Bench, changes: Mapping[str, str]) -> SettingsChanged:
    """The settings with other credentials, as people stored them."""
    configuration = {**bench.settings.configuration, **changes}
    bench.settings = replace(bench.settings, configuration=configuration, connection=str(changes))
    return SettingsChanged(bench.settings)


def test_people_may_lower_the_profile_and_that_has_its_way_back(root: Issued) -> None:
    """SEC-03: local means only"""
    bench = upgraded(root)
    bench.connect()
    bench.settle()
    bench.actions.clear()
    bench.do(configured(bench, {"SecurityProfile": "0"}))
    assert credentials(bench) == (0, OLD)
    assert connects(bench) == 1
    assert "by a person at the station" in bench.store.security_events()[-1].tech_info
    fail(bench, "http")
    assert credentials(bench) == (2, OLD)


def test_what_the_backend_said_last_counts_until_people_change_it_again() -> None:
    bench = station()
    change(bench, "AuthorizationKey", NEW)
    bench.do(SettingsChanged(bench.settings))  # something else was changed
    assert credentials(bench) == (1, NEW)
    bench.do(configured(bench, {"AuthorizationKey": "another password"}))
    assert credentials(bench) == (1, "another password")
    assert change(bench, "SecurityProfile", 1) == "Rejected"


def test_settings_that_were_changed_while_the_station_was_off_count() -> None:
    bench = station()
    change(bench, "AuthorizationKey", NEW)
    bench.wait(0.1)
    configured(bench, {"AuthorizationKey": "another password"})
    bench.reboot()
    bench.read()
    assert credentials(bench) == (1, "another password")
    assert any(isinstance(action, UpdateLink) for action in bench.actions)


# -- faults of the link

FAULTS = {
    "certificate": ["InvalidCentralSystemCertificate", "CentralSystemFailedToAuthenticate"],
    "tls_version": ["InvalidTLSVersion"],
    "tls_cipher": ["InvalidTLSCipherSuite"],
    "password": ["FailedToAuthenticateAtCentralSystem"],
    "unauthorised": ["FailedToAuthenticateAtCentralSystem"],
    "dns": [],
    "refused": [],
}


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_its_event_once_per_outage(kind: str) -> None:
    """SEC-07, SEC-08, SEC-11, SEC-18, field problem 9, T:TC_078"""
    bench = station(2)
    for outage in (1, 2):
        bench.do(Disconnected("lost", "closed"))
        fail(bench, kind, 10)
        assert events(bench) == FAULTS[kind] * outage
        bench.do(Connected())


def test_an_invalid_certificate_of_the_backend_is_told_when_the_valid_one_is_back() -> None:
    """T:TC_078"""
    bench = station(2)
    bench.disconnect()
    fail(bench, "certificate", 5)
    bench.connect()
    bench.wait(0.2)
    told = [payload["type"] for action, payload in bench.settle() if action == "SecurityEventNotification"]
    assert told == ["InvalidCentralSystemCertificate"]


def test_a_session_that_ends_is_no_failed_attempt() -> None:
    bench = station()
    bench.do(Disconnected("x", "unauthorised"))
    assert events(bench) == []


# -- what others see


def test_people_clear_the_log_and_others_report_events() -> None:
    bench = station()
    bench.do(SecurityEventSeen("MemoryExhaustion", "disk 99 % full"))
    assert events(bench) == ["MemoryExhaustion"]
    bench.settle()
    bench.do(SecurityLogDiscarded("admin"))
    assert [event.type for event in bench.store.security_events()] == ["SecurityLogWasCleared"]


def test_the_backend_may_allow_certificates_that_fit_by_a_wildcard() -> None:
    """SEC-12"""
    bench = station()
    assert not bench.cp.security.credentials().allow_wildcards
    assert change(bench, "AllowCentralSystemTLSWildcards", "true") == "Accepted"
    assert bench.cp.security.credentials().allow_wildcards
