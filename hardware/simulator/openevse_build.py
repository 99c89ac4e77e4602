"""What an OpenEVSE board is made of: how its firmware was compiled, and what its sensors find."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BoardSense:
    """What the board measures: pilot load A..E, the pilot diode, earth, leakage, its output, current, temperature."""

    pilot_load: str = "A"
    diode_ok: bool = True
    ground_ok: bool = True
    leakage_ma: float = 0.0
    output_live: bool = False
    current_a: float = 0.0
    temperature_c: float = 25.0
    gfi_test_passes: bool = True


@dataclass(frozen=True)
class BoardBuild:
    """How the firmware was compiled and how long its slow steps take (world seconds)."""

    firmware: str = "8.2.3"
    boot_lock: bool = True  # waits for `$SB` after power-up
    post_s: float = 2.0  # 1..6 s on the real board
    gfi_test_s: float = 1.1  # 1.1..2.5 s
    auth_lock: bool = False  # locked at power-up and after every car, until `$S4 0`

    @property
    def is_eu(self) -> bool:
        """European builds trip on over-current and suppose 230 V."""
        return self.firmware.endswith(".EU")
