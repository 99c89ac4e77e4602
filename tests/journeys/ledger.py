"""The promises about transactions, judged from the frames alone (reliability-and-security.md section 2, P1 to P7).

`read_ledger` follows the transaction messages in the order of their first transmission and writes down what it finds:
the transactions, and every broken promise as one sentence.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.journeys.story import CALLRESULT, Entry
from tests.journeys.wire import STATION_ENDED

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
#: The backend's time is adopted with every BootNotification and Heartbeat: a few milliseconds of network each time.
CLOCK_STEP = timedelta(milliseconds=250)
#: An answer counts as received when the connection lived on for this long after it.
RECEIVED_AFTER_S = 1.0
TRANSACTION_MESSAGES = ("StartTransaction", "MeterValues", "StopTransaction")


@dataclass
class LedgerTransaction:
    """One transaction as the backend knows it."""

    start: Entry
    transaction_ids: set[int] = field(default_factory=set)
    meter_values: list[Entry] = field(default_factory=list)
    stop: Entry | None = None
    copies: int = 0

    @property
    def energy_wh(self) -> int:
        return self.stop.payload["meterStop"] - self.start.payload["meterStart"] if self.stop else 0


@dataclass
class Ledger:
    """The transactions in order, and what is wrong with them."""

    transactions: list[LedgerTransaction] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    @property
    def open(self) -> LedgerTransaction | None:
        return self.transactions[-1] if self.transactions and self.transactions[-1].stop is None else None


def check_ledger(entries: list[Entry], *, open_transactions: int = 0, unknown_id: bool = False) -> Ledger:
    """Assert that no promise is broken; returns the ledger.

    Args:
        open_transactions: how many transactions have no StopTransaction yet at the end of the story (0 or 1).
        unknown_id: the journey makes the station give a StartTransaction up, so transactionId -1 is right (P5).
    """
    ledger = read_ledger(entries, unknown_id=unknown_id)
    still_open = sum(t.stop is None for t in ledger.transactions)
    if still_open != open_transactions:
        ledger.violations.append(f"{still_open} transactions without StopTransaction, expected {open_transactions}")
    assert not ledger.violations, "broken promises:\n  " + "\n  ".join(ledger.violations)
    return ledger


def read_ledger(entries: list[Entry], *, unknown_id: bool = False) -> Ledger:
    """Follow the transaction messages; see `check_ledger`."""
    ledger = Ledger()
    line = _Line(entries)
    last_new: Entry | None = None
    seen: set[str] = set()
    last_time: datetime | None = None
    register: int | None = None

    for entry in entries:
        if entry.source != "station" or not entry.is_call() or entry.action not in TRANSACTION_MESSAGES:
            continue
        if _triggered(entry):
            continue
        problem = ledger.violations.append
        for text in _timestamps(entry.payload):
            if not (isinstance(text, str) and TIMESTAMP.fullmatch(text)):
                problem(f"timestamp {text!r} is not ISO 8601 in UTC with Z: {entry.text[:200]}")

        if entry.content in seen:
            if last_new is None or entry.content != last_new.content:
                problem(f"an old message came again after newer ones: {entry.text[:200]}")
            elif why_not := line.copy_not_allowed(entry):
                problem(f"{why_not}: {entry.text[:200]}")
            line.sent(entry)
            if entry.action == "StartTransaction" and ledger.transactions:
                ledger.transactions[-1].copies += 1
                ledger.transactions[-1].transaction_ids |= line.transaction_id(entry)
            continue
        seen.add(entry.content)
        line.sent(entry)
        last_new = entry

        moment = _moment(entry)
        if moment is not None:
            if last_time is not None and moment < last_time - CLOCK_STEP:
                problem(f"older than the message before it ({last_time.isoformat()}): {entry.text[:200]}")
            last_time = moment

        open_one = ledger.open
        match entry.action:
            case "StartTransaction":
                if open_one is not None:
                    problem(
                        f"a second StartTransaction of different content before the StopTransaction: {entry.text[:200]}"
                    )
                open_one = LedgerTransaction(entry, line.transaction_id(entry))
                ledger.transactions.append(open_one)
            case "StopTransaction" | "MeterValues":
                transaction_id = entry.payload.get("transactionId")
                if transaction_id is None and entry.action == "MeterValues":
                    pass
                elif open_one is None:
                    problem(f"{entry.action} while no transaction is open: {entry.text[:200]}")
                elif transaction_id not in open_one.transaction_ids and not (unknown_id and transaction_id == -1):
                    problem(
                        f"{entry.action} with transactionId {transaction_id}, StartTransaction was answered with "
                        f"{sorted(open_one.transaction_ids)}: {entry.text[:200]}"
                    )
                elif entry.action == "StopTransaction":
                    open_one.stop = entry
                else:
                    open_one.meter_values.append(entry)

        for value in _register_values(entry):
            if register is not None and value < register:
                problem(f"the register went back from {register} to {value} Wh: {entry.text[:200]}")
            register = value
    return ledger


class _Line:
    """Which CALL was answered, and how long its connection lived afterwards."""

    def __init__(self, entries: list[Entry]) -> None:
        self._answers: dict[str, list[Entry]] = {}
        for e in entries:
            if e.source == "backend" and e.message and len(e.message) >= 3 and e.message[0] == CALLRESULT:
                self._answers.setdefault(e.message[1], []).append(e)
        self._ends: dict[int, float] = {}
        for e in entries:
            if e.source == "note" and e.connection and e.text.startswith("disconnected"):
                self._ends.setdefault(e.connection, e.at)
        self._deaths = [e.at for e in entries if e.source == "note" and e.text.startswith(STATION_ENDED)]
        self._transmissions: dict[str, list[Entry]] = {}

    def sent(self, entry: Entry) -> None:
        self._transmissions.setdefault(entry.content, []).append(entry)

    def transaction_id(self, start: Entry) -> set[int]:
        """Every transactionId the backend answered to this transmission of a StartTransaction."""
        ids = set()
        for answer in self._answers.get(start.id, []):
            payload = answer.message[2]
            value = payload.get("transactionId") if isinstance(payload, dict) else None
            if isinstance(value, str) and value.strip().lstrip("-").isdigit():
                value = int(value)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
                ids.add(int(value))
        return ids

    def copy_not_allowed(self, copy: Entry) -> str | None:
        """Why this content must not be sent again (P3); None when the former answer may have been lost."""
        for former in self._transmissions[copy.content]:
            for answer in self._answers.get(former.id, []):
                if answer.at >= copy.at:
                    continue
                if answer.connection == copy.connection:
                    return "sent again on the connection that brought the answer"
                end = min(
                    [self._ends.get(answer.connection, copy.at), *(d for d in self._deaths if d > answer.at)],
                    default=copy.at,
                )
                if end - answer.at > RECEIVED_AFTER_S:
                    return f"sent again though the answer had {end - answer.at:.1f} s to arrive"
        return None


def _triggered(entry: Entry) -> bool:
    """MeterValues on a TriggerMessage are current data, not queued history (TXQ-11)."""
    return any(
        sample.get("context") == "Trigger"
        for value in entry.payload.get("meterValue", [])
        for sample in value.get("sampledValue", [])
    )


def _timestamps(payload: dict) -> list:
    own = [payload["timestamp"]] if "timestamp" in payload else []
    return own + [v.get("timestamp") for v in payload.get("meterValue", []) + payload.get("transactionData", [])]


def _moment(entry: Entry) -> datetime | None:
    """When the event happened that this message reports."""
    stamps = _timestamps(entry.payload)
    if not stamps or not isinstance(stamps[0], str):
        return None
    try:
        return datetime.fromisoformat(stamps[0])
    except ValueError:
        return None


def register_values(meter_values: list[dict]) -> list[int]:
    """The energy register in Wh of each MeterValue that has it."""
    values = []
    for meter_value in meter_values:
        for sample in meter_value.get("sampledValue", []):
            if sample.get("measurand", "Energy.Active.Import.Register") == "Energy.Active.Import.Register":
                factor = 1000 if sample.get("unit") == "kWh" else 1
                values.append(round(float(sample["value"]) * factor))
    return values


def _register_values(entry: Entry) -> list[int]:
    payload = entry.payload
    match entry.action:
        case "StartTransaction":
            return [payload["meterStart"]]
        case "MeterValues":
            return register_values(payload["meterValue"])
        case _:
            # transactionData repeats what was reported before: only its own order and its end count.
            data = register_values(payload.get("transactionData", []))
            return (
                [payload["meterStop"]]
                if data == sorted(data) and max(data, default=0) <= payload["meterStop"]
                else [-1]
            )
