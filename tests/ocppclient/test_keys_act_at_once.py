"""Section 27 of the checklist: a change of any key the backend may write acts at once, without a reboot (CFG-04)."""

from __future__ import annotations

import pytest

from ocppclient.configuration import KEYS, Access, Configuration, Key
from ocppclient.events import Disconnected, Reboot, SetPingInterval
from ocppclient.store import IdTagEntry
from tests.ocppclient.harness import Bench, of, statuses

ENERGY, VOLTAGE = "Energy.Active.Import.Register", "Voltage"
QUIET = {"MeterValueSampleInterval": "0", "ConnectionTimeOut": "999"}


class Scene(Bench):
    """A registered station; `set` changes a key over the wire and must be Accepted."""

    def __init__(self, **configuration):
        super().__init__({**QUIET, **configuration})
        self.ready()

    def set(self, key, text):
        assert self.call("ChangeConfiguration", key=key, value=text)[2] == {"status": "Accepted"}

    def know(self, *sources):
        for source in sources:
            entry = IdTagEntry("CARD1", "Accepted", source)
            (self.store.save_cache_entry if source == "cache" else self.store.save_list_entry)(entry)

    def offline_verdict(self):
        if self.cp.outbox.online:
            self.disconnect()
        self.swipe("CARD1")
        return self.feedback()[-1]

    def refused_start(self):
        """A session whose card the backend refuses in StartTransaction.conf."""
        self.read(ev_connected=True)
        self.swipe("CARD1")
        self.settle(StartTransaction={"transactionId": 7, "idTagInfo": {"status": "Invalid"}})
        return self

    def sampled(self, seconds=10.1):
        self.wait(seconds)
        return [
            [value["measurand"] for value in payload["meterValue"][0]["sampledValue"]]
            for _, payload in of(self.settle(), "MeterValues")
        ]

    def stop_data(self):
        self.swipe("CARD1")
        self.open_contactor()
        ((_, payload),) = of(self.settle(), "StopTransaction")
        return [value["measurand"] for entry in payload.get("transactionData", []) for value in entry["sampledValue"]]


def allow_offline_tx_for_unknown_id(scene):
    assert scene.offline_verdict() == "rejected"
    scene.connect()
    scene.set("AllowOfflineTxForUnknownId", "true")
    assert scene.offline_verdict() == "accepted"


def authorization_cache_enabled(scene):
    scene.know("cache")
    scene.set("AuthorizationCacheEnabled", "false")
    assert scene.offline_verdict() == "rejected"


def authorize_remote_tx_requests(scene):
    scene.set("AuthorizeRemoteTxRequests", "false")
    scene.call("RemoteStartTransaction", idTag="CARD1")
    assert scene.status == "Preparing"
    assert of(scene.settle(), "Authorize") == []


def clock_aligned_data_interval(scene):
    scene.set("ClockAlignedDataInterval", "5")
    assert len(scene.sampled(10.5)) == 2
    scene.set("ClockAlignedDataInterval", "0")
    assert scene.sampled(20) == []


def connection_time_out(scene):
    scene.swipe("CARD1")
    scene.settle()
    scene.set("ConnectionTimeOut", "5")
    assert scene.status == "Preparing"
    scene.wait(5.1)
    assert scene.status == "Available"


def connector_phase_rotation(scene):
    scene.set("ConnectorPhaseRotation", "0.NotApplicable, 1.RST")
    (entry,) = scene.call("GetConfiguration", key=["ConnectorPhaseRotation"])[2]["configurationKey"]
    assert entry["value"] == "0.NotApplicable,1.RST"


def heartbeat_interval(scene):
    scene.set("HeartbeatInterval", "7")
    scene.wait(7.2)
    assert scene.expect("Heartbeat") == {}


def local_authorize_offline(scene):
    scene.know("cache")
    scene.set("LocalAuthorizeOffline", "false")
    assert scene.offline_verdict() == "rejected"


def local_pre_authorize(scene):
    scene.know("cache")
    scene.set("LocalPreAuthorize", "true")
    scene.swipe("CARD1")
    assert (scene.feedback()[-1], of(scene.settle(), "Authorize")) == ("accepted", [])


def max_energy_on_invalid_id(scene):
    scene.set("StopTransactionOnInvalidId", "false")
    scene.set("MaxEnergyOnInvalidId", "100")
    scene.refused_start()
    assert scene.setpoint.authorised
    scene.read(energy_wh=1100)
    assert not scene.setpoint.authorised


def message_timeout(scene):
    scene.call("TriggerMessage", requestedMessage="Heartbeat")
    scene.call("TriggerMessage", requestedMessage="Heartbeat")
    scene.set("MessageTimeout", "3")
    scene.wait(3.2)
    assert len(of([call[1:] for call in scene.calls], "Heartbeat")) == 2


def meter_values_aligned_data(scene):
    scene.read(meter=scene.reading.meter.__class__(scene.time.now, 1000, voltage_v=230.0))
    scene.set("MeterValuesAlignedData", VOLTAGE)
    scene.set("ClockAlignedDataInterval", "10")
    assert scene.sampled() == [[VOLTAGE]]


def meter_values_sampled_data(scene):
    scene.read(meter=scene.reading.meter.__class__(scene.time.now, 1000, voltage_v=230.0))
    scene.charge()
    scene.set("MeterValueSampleInterval", "10")
    scene.set("MeterValuesSampledData", f"{ENERGY}, {VOLTAGE}")
    assert scene.sampled() == [[ENERGY, VOLTAGE]]


def meter_value_sample_interval(scene):
    scene.charge()
    scene.set("MeterValueSampleInterval", "5")
    assert len(scene.sampled(10.5)) == 2
    scene.set("MeterValueSampleInterval", "0")
    assert scene.sampled(20) == []


def minimum_status_duration(scene):
    scene.set("MinimumStatusDuration", "5")
    scene.read(ev_connected=True)
    assert statuses(scene.settle()) == []
    scene.wait(5.1)
    assert statuses(scene.settle()) == ["Preparing"]


def reset_retries(scene):
    scene.set("ResetRetries", "9")
    scene.call("Reset", type="Hard")
    scene.wait(1.2)
    assert Reboot(True, 9) in scene.actions


def stop_transaction_on_ev_side_disconnect(scene):
    scene.charge()
    scene.set("StopTransactionOnEVSideDisconnect", "false")
    scene.read(ev_connected=False, contactor_closed=False)
    assert scene.status == "SuspendedEV"
    scene.set("StopTransactionOnEVSideDisconnect", "true")
    scene.wait(0.1)
    assert len(of(scene.settle(), "StopTransaction")) == 1


def stop_transaction_on_invalid_id(scene):
    scene.set("StopTransactionOnInvalidId", "false")
    scene.refused_start()
    assert scene.status == "SuspendedEVSE"


def stop_txn_aligned_data(scene):
    scene.charge()
    scene.set("StopTxnAlignedData", ENERGY)
    scene.set("ClockAlignedDataInterval", "10")
    scene.sampled()
    assert scene.stop_data() == [ENERGY, ENERGY]


def stop_txn_sampled_data(scene):
    scene.set("StopTxnSampledData", ENERGY)
    scene.charge()
    assert scene.stop_data() == [ENERGY, ENERGY]


def transaction_message_attempts(scene):
    scene.set("TransactionMessageAttempts", "1")
    scene.charge()
    scene.swipe("CARD1")
    scene.open_contactor()
    scene.settle_until("StopTransaction")
    scene.refuse()
    assert scene.cp.view().parked == 1


def transaction_message_retry_interval(scene):
    scene.charge()
    scene.swipe("CARD1")
    scene.open_contactor()
    scene.settle_until("StopTransaction")
    scene.set("TransactionMessageRetryInterval", "4")
    scene.refuse()
    scene.settle()
    scene.wait(3.8)
    assert of([call[1:] for call in scene.calls], "StopTransaction") == []
    scene.wait(0.4)
    assert scene.expect("StopTransaction")


def web_socket_ping_interval(scene):
    scene.set("WebSocketPingInterval", "33")
    assert SetPingInterval(33) in scene.actions


def local_auth_list_enabled(scene):
    scene.know("backend")
    scene.set("LocalAuthListEnabled", "false")
    assert scene.offline_verdict() == "rejected"


def loss_of_control_time_out(scene):
    scene.set("OpenStation.LossOfControlTimeOut", "10")
    scene.do(Disconnected())
    scene.wait(10.1)
    assert scene.cp.view().limit_a == 6.0


def loss_of_control_current(scene):
    loss_of_control_time_out(scene)
    scene.connect()
    scene.set("OpenStation.LossOfControlCurrent", "9")
    scene.do(Disconnected())
    scene.wait(10.1)
    assert scene.cp.view().limit_a == 9.0


def peak_hours(scene):
    scene.charge()
    scene.set("OpenStation.PeakHours", "Mon-Sun 00:00-24:00")
    assert scene.setpoint.amps == 0.0


def randomised_delay(scene):
    scene.set("OpenStation.RandomisedDelay", "1800")
    scene.chance.seed(16)  # 1,482 s
    scene.charge()
    assert scene.setpoint.amps == 0.0
    scene.set("OpenStation.RandomisedDelay", "0")
    assert scene.setpoint.amps == 16.0


def power_return_delay_max(scene):
    scene.charge()
    scene.set("OpenStation.PowerReturnDelayMin", "60")
    scene.set("OpenStation.PowerReturnDelayMax", "60")
    scene.reboot()
    scene.ready()
    scene.swipe("CARD1")
    scene.settle()
    assert scene.setpoint.amps == 0.0
    scene.set("OpenStation.PowerReturnDelayMax", "0")
    assert scene.setpoint.amps == 16.0


def power_return_delay_min(scene):
    """Only the draw looks at it, at the next return of the power."""
    power_return_delay_max(scene)


#: Each function above is named after the attribute of its key.
SCENES = {
    key.name: globals()[attribute]
    for attribute, key in vars(Configuration).items()
    if isinstance(key, Key) and attribute in globals()
}


@pytest.mark.parametrize("key", sorted(SCENES))
def test_a_change_acts_at_once(key):
    """CFG-04, section 27"""
    SCENES[key](Scene())


def test_every_key_that_the_backend_may_write_has_its_scene():
    """Section 27: a new key has to be shown acting, here or where its feature is tested"""
    writable = {key.name for key in KEYS.values() if key.access is not Access.R}
    profiles_of_others = {key.name for key in KEYS.values() if key.profile not in ("Core", "LocalAuthListManagement")}
    assert writable - profiles_of_others <= set(SCENES)
