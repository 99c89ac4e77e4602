"""The control pilot of SAE J1772 / IEC 61851-1: what the station puts on the wire and what amperes it means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class PilotMode(Enum):
    """What the station drives the pilot with."""

    OFF = "off"  # 0 V: the board has no supply
    STEADY = "steady"  # +12 V: present, no energy offered
    PWM = "pwm"  # 1 kHz: energy offered, the duty cycle tells the current
    FAULT = "fault"  # -12 V: not available


@dataclass(frozen=True)
class Pilot:
    """The station's end of the pilot. `duty_percent` means something in PWM only (0..100)."""

    mode: PilotMode = PilotMode.OFF
    duty_percent: float = 0.0

    @property
    def offered_a(self) -> float:
        """Amperes per phase that a car may draw, 0 while nothing is offered."""
        return duty_to_amps(self.duty_percent) if self.mode is PilotMode.PWM else 0.0


def amps_to_duty(amps: float) -> float:
    """Duty cycle in percent for 6..80 A (hardware.md, section 1)."""
    return amps / 0.6 if amps <= 51 else amps / 2.5 + 64


def duty_to_amps(duty_percent: float) -> float:
    """Amperes for a duty cycle; 0 for the ranges that mean an error or digital communication (hardware.md, 1)."""
    if duty_percent < 8 or duty_percent > 97:
        return 0.0
    if duty_percent < 10:
        return 6.0
    if duty_percent <= 85:
        return duty_percent * 0.6
    return min((duty_percent - 64) * 2.5, 80.0)
