"""Another backend while the station runs: nothing counts before it is proven, and what does not work goes back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ocppclient.clock import Clock
from ocppclient.events import Action, Event, SettingsChanged
from ocppclient.link import ConnectionSettings, LinkStatus, address_for, final_url
from ocppclient.security import Credentials
from ocppclient.settings import ChargePointSettings
from station import backend_settings, provisioning
from station.backend_desk import ATTEMPTS, CONFIRM_S, BackendDesk
from station.backend_settings import Unfit
from station.provision_file import Provision
from station.wiring import charge_point_settings
from tests.station.test_cards import configure
from tests.station.test_worker import VIEW

KEY = "k" * 16
OLD = {"url": "ws://old.example/ocpp", "charge_point_id": "CP1", "security_profile": 1, "authorization_key": KEY}
NEW: dict[str, Any] = {
    "url": "ws://new.example/ocpp", "charge_point_id": "CP2", "security_profile": 0, "authorization_key": "",
    "system_roots": False,
}  # fmt: skip


@dataclass
class Station:
    """The rest of the station: it does what a test says."""

    now: float = 0.0
    view_now: Any = field(default_factory=lambda: replace(VIEW, online=True, registration="accepted"))
    link_now: LinkStatus = field(default_factory=lambda: LinkStatus("connected", "ws://old.example/ocpp/CP1"))
    key: str = KEY
    handled: list[Event] = field(default_factory=list)

    def handle(self, event: Event) -> list[Action]:
        """The charge point hears of other settings: another link is opened."""
        self.handled.append(event)
        self.view_now = replace(VIEW, online=False, registration="waiting")
        self.link_now = LinkStatus("connecting")
        return []

    def settings(self) -> ChargePointSettings:
        return charge_point_settings(provisioning.load())

    def credentials(self) -> Credentials:
        profile = provisioning.load().backend.security_profile
        return Credentials(profile, self.key, False, (), None, False)

    def trial_link(self, provision: Provision) -> ConnectionSettings:
        backend = provision.backend
        return ConnectionSettings(
            url=address_for(backend.security_profile, backend.url, backend.secure_url),
            charge_point_id=backend.charge_point_id,
            security_profile=backend.security_profile,
            authorization_key=backend.authorization_key,
        )

    def desk(self) -> BackendDesk:
        return BackendDesk(Clock(lambda: self.now), self, self.handle, lambda: self.view_now, lambda: self.link_now)

    def pass_time(self, desk: BackendDesk, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += 0.5
            desk.tick()

    def accepted(self) -> None:
        self.view_now = replace(VIEW, online=True, registration="accepted")
        self.link_now = LinkStatus("connected", "ws://new.example/ocpp/CP2")


@pytest.fixture
def station() -> Station:
    configure(backend=OLD)
    return Station()


def stored(name: str) -> Any:
    return backend_settings.stored().get(name)


def state() -> str:
    change = backend_settings.change()
    assert change is not None
    return str(change["state"])


def test_saved_settings_are_confirmed_when_the_new_link_was_accepted(station: Station) -> None:
    desk = station.desk()
    assert "count when the backend accepts" in desk.save(NEW, "ann", unproven=False)
    assert (stored("url"), state()) == ("ws://new.example/ocpp", "on trial")
    assert [type(event) for event in station.handled] == [SettingsChanged]
    station.pass_time(desk, CONFIRM_S / 2)
    assert state() == "on trial"
    station.accepted()
    station.pass_time(desk, 1)
    change = backend_settings.change()
    assert change is not None
    assert (change["state"], change["by"]) == ("confirmed", "ann")
    station.pass_time(desk, 2 * CONFIRM_S)
    assert stored("url") == "ws://new.example/ocpp"
    assert len(station.handled) == 1


def test_the_old_settings_come_back_when_nobody_accepts_in_time(station: Station) -> None:
    desk = station.desk()
    desk.save(NEW, "ann", unproven=False)
    station.pass_time(desk, CONFIRM_S + 1)
    assert backend_settings.stored() == OLD
    assert state() == "taken back"
    assert [type(event) for event in station.handled] == [SettingsChanged, SettingsChanged]


def test_failed_attempts_bring_them_back_earlier_with_the_reason(station: Station) -> None:
    desk = station.desk()
    desk.save(NEW, "ann", unproven=False)
    station.link_now = LinkStatus("waiting", attempts=ATTEMPTS, last_error="404: path or id wrong")
    station.pass_time(desk, 1)
    change = backend_settings.change()
    assert change is not None
    assert (change["state"], change["why"]) == ("taken back", "404: path or id wrong")
    assert change["wanted"]["url"] == "ws://new.example/ocpp"  # nothing has to be typed twice
    assert stored("url") == OLD["url"]


def test_attempts_of_the_old_backend_do_not_count_against_the_new_one(station: Station) -> None:
    station.link_now = LinkStatus("waiting", attempts=70)
    desk = station.desk()
    desk.save(NEW, "ann", unproven=False)
    station.link_now = LinkStatus("waiting", attempts=71)
    station.pass_time(desk, 1)
    assert state() == "on trial"


@pytest.mark.parametrize(("registration", "words"), [("pending", "(Pending)"), ("rejected", "has to register the id")])
def test_a_backend_that_postpones_or_rejects_is_named_as_the_reason(
    station: Station, registration: str, words: str
) -> None:
    desk = station.desk()
    desk.save(NEW, "ann", unproven=False)
    station.view_now = replace(VIEW, online=True, registration=registration)
    station.link_now = LinkStatus("connected", "ws://new.example/ocpp/CP2")
    station.pass_time(desk, CONFIRM_S + 1)
    change = backend_settings.change()
    assert change is not None
    assert change["state"] == "taken back"
    assert words in change["why"]


def test_settings_saved_without_proof_stay(station: Station) -> None:
    desk = station.desk()
    assert desk.save(NEW, "ann", unproven=True) == "Saved without proof."
    station.link_now = LinkStatus("waiting", attempts=9)
    station.pass_time(desk, 2 * CONFIRM_S)
    assert (stored("url"), state()) == ("ws://new.example/ocpp", "kept")


def test_no_backend_needs_no_proof(station: Station) -> None:
    desk = station.desk()
    assert "without a backend" in desk.save({**NEW, "url": ""}, "ann", unproven=False)
    station.pass_time(desk, 2 * CONFIRM_S)
    assert (stored("url"), state()) == ("", "kept")


def test_a_power_cut_during_the_trial_does_not_lose_the_old_settings(station: Station) -> None:
    station.desk().save(NEW, "ann", unproven=False)
    after = station.desk()  # a new process
    station.pass_time(after, CONFIRM_S / 2)
    assert state() == "on trial"
    station.pass_time(after, CONFIRM_S)
    assert (backend_settings.stored(), state()) == (OLD, "taken back")


def test_a_second_change_goes_back_to_what_worked(station: Station) -> None:
    desk = station.desk()
    desk.save(NEW, "ann", unproven=False)
    desk.save({**NEW, "url": "ws://third.example/ocpp"}, "ann", unproven=False)
    station.pass_time(desk, CONFIRM_S + 1)
    assert backend_settings.stored() == OLD


def test_a_key_that_the_backend_changed_meanwhile_comes_back(station: Station) -> None:
    station.key = "from the backend, 24 chr"
    desk = station.desk()
    desk.save(NEW, "ann", unproven=False)
    station.pass_time(desk, CONFIRM_S + 1)
    assert stored("authorization_key") == "from the backend, 24 chr"


def test_nothing_is_told_of_the_key(station: Station) -> None:
    desk = station.desk()
    desk.save({**NEW, "security_profile": 1, "authorization_key": "s" * 20}, "ann", unproven=False)
    station.accepted()
    station.pass_time(desk, 1)
    assert "s" * 20 not in str(backend_settings.change())
    assert KEY not in str(backend_settings.change())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"url": "http://new.example"}, "write ws:// instead"),
        ({"charge_point_id": ""}, "charge_point_id is missing"),
        ({"security_profile": 2}, "wss://"),
        ({"security_profile": 7}, "use one of"),
        ({"security_profile": 1}, "needs an authorization key"),  # the old one is not for another host
        ({"security_profile": 1, "authorization_key": "short"}, "16 to 40"),
        ({"security_profile": 1, "authorization_key": KEY, "charge_point_id": "a:b"}, "remove it"),
    ],
)
def test_what_cannot_work_changes_nothing(station: Station, values: dict[str, Any], words: str) -> None:
    desk = station.desk()
    for attempt in (lambda: desk.prepare({**NEW, **values}), lambda: desk.save({**NEW, **values}, "a", unproven=False)):
        with pytest.raises(Unfit, match=words.replace("(", r"\(")):
            attempt()
    assert (backend_settings.stored(), backend_settings.change(), station.handled) == (OLD, None, [])


def test_the_stored_key_stays_with_its_backend(station: Station) -> None:
    desk = station.desk()
    same = desk.prepare({**OLD, "authorization_key": "", "charge_point_id": "CP3", "system_roots": False})
    assert same.link.authorization_key == KEY
    other = desk.prepare(NEW)
    assert other.link.authorization_key == ""


def test_a_trial_with_the_running_address_and_id_is_gentle(station: Station) -> None:
    desk = station.desk()
    prepared = desk.prepare({**OLD, "system_roots": False})
    assert final_url(prepared.link) == station.link_now.url
    assert "many backends would drop it" in prepared.gently
    assert desk.prepare(NEW).gently == ""
    station.link_now = LinkStatus("waiting", "ws://old.example/ocpp/CP1")
    assert desk.prepare({**OLD, "system_roots": False}).gently == ""


def test_there_is_nothing_to_try_without_an_address(station: Station) -> None:
    with pytest.raises(Unfit, match="nothing to try"):
        station.desk().prepare({**NEW, "url": ""})
