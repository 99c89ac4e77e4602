"""Meter values: sampled, clock-aligned, and the transactionData of StopTransaction (OCPP 1.6 section 3.16)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from ocppclient.averages import Averages
from ocppclient.clock import Clock, format_utc
from ocppclient.codec import Payload, dumps
from ocppclient.configuration import Configuration
from ocppclient.events import Reading
from ocppclient.facts import Facts
from ocppclient.outbox import Outbox
from ocppclient.settings import Electrical
from ocppclient.store import Store, Transaction

Context = Literal["Transaction.Begin", "Transaction.End", "Sample.Periodic", "Sample.Clock", "Trigger"]
Location = Literal["Outlet", "Inlet"]

ENERGY = "Energy.Active.Import.Register"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # a UTC midnight: the grid restarts at each of them
_DAY_S = 86_400
#: An aligned value is taken at most this late (a stalled process); later it is no value of that moment any more.
_LATE_S = 60.0


_UNITS = {
    "Power.Active.Import": "W",
    "Current.Import": "A",
    "Voltage": "V",
    "Current.Offered": "A",
    "Power.Offered": "W",
    "Temperature": "Celcius",  # (sic) is what the schemas of every edition know (conformance RPC-33)
    "Frequency": "",  # none means Hz (errata v4.0 section 3.84)
}


def levels(reading: Reading, electrical: Electrical) -> dict[str, float | None]:
    """What is measured or offered at this moment, by measurand: everything but the energy register."""
    meter = reading.meter
    return {
        "Power.Active.Import": meter.power_w if meter else None,
        "Current.Import": meter.current_a if meter else None,
        "Voltage": meter.voltage_v if meter else None,
        "Current.Offered": reading.offered_a,
        "Power.Offered": reading.offered_a * electrical.nominal_voltage_v * electrical.phases,
        "Temperature": meter.temperature_c if meter else None,
        "Frequency": meter.frequency_hz if meter else None,
    }


def sampled_values(
    measurands: tuple[str, ...],
    values: Mapping[str, float | None],
    energy_wh: int | None,
    context: Context,
    location: Location = "Outlet",
) -> list[Payload]:
    """One SampledValue per measurand that has a value (section 7.43).

    Energy is the lifetime register in Wh (None: it is not wanted here); the others have one decimal and are never
    negative (the station only takes energy in). The list may be empty: then there is nothing to send (the PDU wants at
    least one).
    """
    sampled = []
    for measurand in measurands or (ENERGY,):  # conformance MTR-19
        if measurand == ENERGY:
            if energy_wh is None:
                continue
            text, unit = str(energy_wh), "Wh"
        else:
            value = values.get(measurand)  # a factory may name what is not measured here
            if value is None or not math.isfinite(value):
                continue
            text, unit = f"{value if measurand == 'Temperature' else max(value, 0.0):.1f}", _UNITS[measurand]
        one: Payload = {
            "value": text,
            "context": context,
            "format": "Raw",
            "measurand": measurand,
            "location": location,
        }
        sampled.append({**one, "unit": unit} if unit else one)
    return sampled


def thin(entries: list[Payload], longest: int) -> list[Payload]:
    """At most `longest` entries: every second inner one goes, the first and the last never do (conformance MTR-16)."""
    while len(entries) > max(longest, 2):
        entries = [entries[0], *entries[2:-1:2], entries[-1]]
    return entries


class MeterValues:
    """Takes samples when they fall due; during a transaction they belong to it, outside only aligned ones are taken."""

    def __init__(
        self, store: Store, clock: Clock, config: Configuration, facts: Facts, outbox: Outbox, electrical: Electrical
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._facts = facts
        self._outbox = outbox
        self.electrical = electrical
        self._sampled_uid = ""  # the transaction that the next two belong to
        self._origin = 0.0  # monotonic start of the sampling grid
        self._interval_s = 0
        self._taken = 0  # samples taken since the origin
        self._aligned_interval_s = 0
        self._last_slot = 0
        self._averages = Averages()
        self._averaged_uid = ""  # the transaction that the averages belong to

    def begin(self, transaction: Transaction) -> Transaction:
        """The Transaction.Begin entry, and the start of the sampling grid."""
        self._restart(transaction.uid, self._clock.monotonic(), self._config.meter_value_sample_interval)
        return self._collect(transaction, "Transaction.Begin", transaction.started_at, transaction.meter_start_wh)

    def end(self, transaction: Transaction, moment: datetime, energy_wh: int) -> list[Payload]:
        """transactionData of StopTransaction: what was collected and the Transaction.End entry; [] when not wanted."""
        self._sampled_uid = ""
        transaction = self._collect(transaction, "Transaction.End", moment, energy_wh)
        entries: list[Payload] = json.loads(transaction.data)
        return entries

    def trigger(self, connector_id: int = 1) -> Payload | None:
        """MeterValues.req with the values of now, for TriggerMessage (conformance MTR-18); None if there are none.

        Connector 0 asks for the main meter (section 4.7): the one meter of this station measures all that it draws.
        Its values belong to no transaction (conformance MTR-07).
        """
        if self._facts.energy_wh is None:
            return None
        if connector_id == 0:
            values = sampled_values(
                self._config.meter_values_sampled_data, self._levels(), self._facts.energy_wh, "Trigger", "Inlet"
            )
            meter_value = {"timestamp": format_utc(self._clock.utc()), "sampledValue": values}
            return {"connectorId": 0, "meterValue": [meter_value]} if values else None
        transaction = self._store.open_transaction()
        entries = self._entries(
            self._config.meter_values_sampled_data, "Trigger", self._clock.utc(), self._energy_wh(transaction)
        )
        if not entries:
            return None
        if transaction is None or transaction.transaction_id is None:
            return {"connectorId": 1, "meterValue": entries}
        return {"connectorId": 1, "transactionId": transaction.transaction_id, "meterValue": entries}

    def update(self) -> None:
        """Take the samples that fell due."""
        if self._facts.energy_wh is None:
            return
        transaction = self._store.open_transaction()
        if transaction is not None:
            if transaction.boot_id != self._facts.boot_id:
                return  # of the former boot, still to be closed or resumed
            self._sample(transaction)
            transaction = self._store.open_transaction()
        self._sample_aligned(transaction)

    def _levels(self) -> dict[str, float | None]:
        return levels(self._facts.reading, self.electrical)

    def _restart(self, uid: str, origin: float, interval_s: int) -> None:
        self._sampled_uid, self._origin, self._interval_s, self._taken = uid, origin, interval_s, 0

    def _sample(self, transaction: Transaction) -> None:
        interval_s = self._config.meter_value_sample_interval
        now = self._clock.monotonic()
        if self._sampled_uid != transaction.uid or self._interval_s != interval_s:
            self._restart(transaction.uid, now, interval_s)
        if interval_s <= 0:
            return
        due = int((now - self._origin) // interval_s)
        if due <= self._taken:
            return
        self._taken = due
        # the timestamp is the moment on the grid: samples are exactly one interval apart (conformance TXQ-08)
        moment = self._clock.utc_at(self._origin + due * interval_s)
        self._record(
            transaction, moment, "Sample.Periodic",
            self._config.meter_values_sampled_data, self._config.stop_txn_sampled_data,
        )  # fmt: skip

    def _sample_aligned(self, transaction: Transaction | None) -> None:
        interval_s = self._config.clock_aligned_data_interval
        if interval_s <= 0:
            self._aligned_interval_s = 0
            return
        now_s = (self._clock.utc() - _EPOCH).total_seconds()
        days, in_day_s = divmod(now_s, _DAY_S)
        slot = int(days) * _DAY_S + int(in_day_s // interval_s) * interval_s
        self._averages.take(self._clock.monotonic(), self._levels())
        uid = transaction.uid if transaction else ""
        just_switched_on = self._aligned_interval_s != interval_s
        if (
            just_switched_on or self._averaged_uid != uid
        ):  # no interval mixes what lies within a transaction and outside
            self._averaged_uid = uid
            self._averages.restart(self._clock.monotonic(), self._clock.utc())
        if just_switched_on:  # the first one is the next on the grid
            self._aligned_interval_s, self._last_slot = interval_s, slot
            return
        if slot <= self._last_slot:
            # The clock was set back: no value twice for the same moment. Only after a large step the grid starts anew.
            if slot < self._last_slot - interval_s:
                self._last_slot = slot
            return
        self._last_slot = slot
        moment = _EPOCH + timedelta(seconds=slot)
        if now_s - slot <= _LATE_S:  # else the clock was set forward, or the process slept
            self._record(
                transaction, moment, "Sample.Clock",
                self._config.meter_values_aligned_data, self._config.stop_txn_aligned_data,
            )  # fmt: skip
        self._averages.restart(self._clock.monotonic(), moment)

    def _record(
        self,
        transaction: Transaction | None,
        moment: datetime,
        context: Context,
        measurands: tuple[str, ...],
        stop_measurands: tuple[str, ...],
    ) -> None:
        energy_wh = self._energy_wh(transaction)
        if entries := self._entries(measurands, context, moment, energy_wh):
            self._outbox.enqueue(
                "MeterValues",
                {"connectorId": 1, "meterValue": entries},
                transaction.uid if transaction else "",
                needs_transaction_id=transaction is not None,
            )
        if transaction is not None:
            if stop_measurands:
                transaction = self._append(transaction, stop_measurands, context, moment, energy_wh)
            self._store.save_transaction(replace(transaction, last_wh=energy_wh, last_seen_at=moment))

    def _entries(
        self, measurands: tuple[str, ...], context: Context, moment: datetime, energy_wh: int
    ) -> list[Payload]:
        """The MeterValues (section 7.33) of a moment: one, or of an aligned interval two.

        Section 9.1.5: what is no register is averaged over the interval and carries the time of its start; the register
        is read at its end.
        """
        averaged: list[Payload] = []
        values: Mapping[str, float | None] = self._levels()
        if context == "Sample.Clock" and self._averages.began is not None:
            means, values = self._averages.means(self._clock.monotonic()), {}
            levels_only = tuple(measurand for measurand in measurands if measurand != ENERGY)
            if levels_only and (told := sampled_values(levels_only, means, None, context)):
                averaged = [{"timestamp": format_utc(self._averages.began), "sampledValue": told}]
        told = sampled_values(measurands, values, energy_wh, context)
        return [*averaged, {"timestamp": format_utc(moment), "sampledValue": told}] if told else averaged

    def _energy_wh(self, transaction: Transaction | None) -> int:
        """The register now; within a transaction it never falls behind what was journalled (conformance MTR-10)."""
        return max(self._facts.energy_wh or 0, transaction.last_wh if transaction else 0)

    def _collect(self, transaction: Transaction, context: Context, moment: datetime, energy_wh: int) -> Transaction:
        """Begin and End carry every configured measurand of both StopTxn lists (errata v4.0 section 3.14)."""
        measurands = tuple(dict.fromkeys((*self._config.stop_txn_sampled_data, *self._config.stop_txn_aligned_data)))
        return self._append(transaction, measurands, context, moment, energy_wh) if measurands else transaction

    def _append(
        self, transaction: Transaction, measurands: tuple[str, ...], context: Context, moment: datetime, energy_wh: int
    ) -> Transaction:
        more = self._entries(measurands, context, moment, energy_wh)
        if not more:
            return transaction
        entries = [*json.loads(transaction.data), *more]
        return replace(transaction, data=dumps(thin(entries, self._config.stop_transaction_max_meter_values)))
