"""The snapshot as OpenMetrics: state, power, energy, queue, frames, faults, lines, and the memory of the process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, StateSetMetricFamily
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from ocppclient.clock import parse_utc
from station import __version__
from station.live import LINKS, STATES
from station.updates.kept import Found

CONTENT_TYPE = CONTENT_TYPE_LATEST


def text(shown: dict[str, Any] | None, found: Found) -> bytes:
    """All metrics; without a snapshot (the worker does not answer) only `station_up` 0, updates and the process.

    Args:
        found: what became of looking for updates.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Snapshot(shown))
    registry.register(_Updates(found))
    return bytes(generate_latest(registry))  # type: ignore[no-untyped-call]


class _Updates(Collector):
    """Nothing on a station that asks nobody."""

    def __init__(self, found: Found) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """Made for one scrape."""
        found, offer = self._found, self._found.offer
        if not found.address:
            return
        available = GaugeMetricFamily(
            "station_update_available", "1: a newer release can be installed.", labels=["version", "security"]
        )
        if offer is not None:
            available.add_metric([offer.version, str(offer.security).lower()], 1)
        yield available
        if found.answered_at:
            answered_s = parse_utc(found.answered_at).timestamp()
            yield GaugeMetricFamily(
                "station_update_list_timestamp_seconds", "When the list of updates was read last.", value=answered_s
            )


class _Snapshot(Collector):
    def __init__(self, shown: dict[str, Any] | None) -> None:
        self._shown = shown

    def collect(self) -> Iterator[Metric]:
        """Made for one scrape."""
        yield GaugeMetricFamily("station_up", "The station's controller answers.", value=self._shown is not None)
        yield InfoMetricFamily("station_software", "The running software.", value={"version": __version__})
        if self._shown is None:
            return
        shown, backend = self._shown, self._shown["backend"]
        yield StateSetMetricFamily(
            "station_connector_status",
            "ChargePointStatus of OCPP 1.6.",
            value={name: name == shown["state"]["status"] for name in STATES},
        )
        yield StateSetMetricFamily(
            "station_backend_link",
            "The connection to the backend.",
            value={name: name == backend["state"] for name in LINKS},
        )
        gauges = (
            ("station_power_watts", "Power now.", shown["meter"]["power_w"]),
            ("station_current_amperes", "Current now.", shown["meter"]["current_a"]),
            ("station_voltage_volts", "Voltage now.", shown["meter"]["voltage_v"]),
            ("station_temperature_celsius", "The hottest sensor of the box.", shown["meter"]["temperature_c"]),
            ("station_offered_amperes", "What the car is offered, a phase.", shown["limit"]["offered_a"]),
            ("station_limit_amperes", "What it may be offered now, a phase.", shown["limit"]["limit_a"]),
            ("station_session", "A session is running.", float(bool(shown["session"] and shown["session"]["running"]))),
            ("station_queue_messages", "Messages that wait for the backend.", backend["queue_depth"]),
            ("station_parked_messages", "Messages that were given up and kept.", backend["parked"]),
            ("station_backend_last_byte_age_seconds", "Since the backend was heard.", backend["last_byte_age_s"]),
            ("station_clock_synchronised", "The clock is plausible.", float(shown["clock"]["synchronised"])),
            ("station_clock_confirmed", "Somebody told the time.", float(shown["clock"]["confirmed"])),
            ("station_clock_told_age_seconds", "Since somebody told the time.", shown["clock"]["told_s"]),
            ("station_clock_held_seconds", "So far ahead until the session ends.", shown["clock"]["held_s"]),
        )
        yield StateSetMetricFamily(
            "station_clock_source",
            "Who told the time last.",
            value={name: name == shown["clock"]["source"] for name in ("ntp", "backend", "phone")},
        )
        for name, meaning, number in gauges:
            if number is not None:
                yield GaugeMetricFamily(name, meaning, value=number)
        if (energy_wh := shown["meter"]["energy_wh"]) is not None:
            yield CounterMetricFamily("station_energy_watt_hours", "The meter's register.", value=energy_wh)
        frames = CounterMetricFamily("station_ocpp_frames", "OCPP messages since the start.", labels=["direction"])
        for direction, count in shown["frames"].items():
            frames.add_metric([direction], count)
        yield frames
        faults = GaugeMetricFamily("station_fault", "1 for each active fault.", labels=["code", "blocking"])
        for fault in shown["box"]["faults"]:
            faults.add_metric([fault["code"], str(fault["blocking"]).lower()], 1)
        yield faults
        yield from self._lines()

    def _lines(self) -> Iterator[Metric]:
        assert self._shown is not None
        ports = self._shown["box"]["ports"]
        for key, meaning in (
            ("frames", "Good frames on a serial line."),
            ("checksum_errors", "Frames with a wrong checksum."),
            ("timeouts", "Requests without an answer."),
            ("reconnects", "Times the line was opened again."),
        ):
            family = CounterMetricFamily(f"station_line_{key}", meaning, labels=["line"])
            for port in ports:
                family.add_metric([port["name"]], port[key])
            yield family
        ages = GaugeMetricFamily("station_line_last_frame_age_seconds", "Since the last good frame.", labels=["line"])
        for port in ports:
            if port["last_frame_age_s"] is not None:
                ages.add_metric([port["name"]], port["last_frame_age_s"])
        yield ages
