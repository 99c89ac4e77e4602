"""Everything that is not electronics: mains, contactor, car, heat, and what flows (hardware.md, section 10)."""

from __future__ import annotations

from hardware.simulator.ev import ElectricVehicle
from hardware.simulator.mains import Mains
from hardware.simulator.metrology import Metrology, PhaseValues
from hardware.simulator.openevse_build import BoardSense
from hardware.simulator.pilot import Pilot, PilotMode
from hardware.simulator.thermal import Thermal

# faults that are habits of the car
_CAR_FAULTS = {
    "diode_short": "diode_short",
    "vent": "ventilate",
    "overdraw": "overdraw_a",
    "ignore_pwm_off": "ignore_pwm_off",
}

_VOLTAGE_FAULTS = {"brownout": 0.80, "overvoltage": 1.15}  # of the nominal voltage, without a value


class World:
    """One parking place. `step` moves it by world seconds; the properties are the truth, not what a device measures.

    Attributes:
        faults: the active faults and their values.
        mains_on: the grid is there.
        energised: mains reaches the car's cable.
        phases: the true values of each phase.
        time_s: world seconds since the start.
    """

    def __init__(self, *, phases: int, nominal_v: float, seed: int, metrology: Metrology) -> None:
        self.ev = ElectricVehicle()
        self.mains = Mains(nominal_v, phases, seed)
        self.metrology = metrology
        self.thermal = Thermal()
        self.faults: dict[str, float] = {}
        self.mains_on = True
        self.energised = False
        self.time_s = 0.0
        self.frequency_hz = self.mains.nominal_hz
        self._pilot = Pilot()
        self._amps = [0.0] * phases
        self.phases = tuple(PhaseValues(self.mains.voltage_v(n, 0.0, 0.0)) for n in range(phases))

    def set_fault(self, name: str, active: bool, value: float) -> None:
        """Switch a fault on or off; a fault that happens once happens at `active`."""
        if name == "meter_reset" or name == "meter_jump":
            if active:
                base_wh = self.metrology.energy_wh if name == "meter_jump" else 0.0
                self.metrology.set_register(base_wh + value)
            return
        if active:
            self.faults[name] = value
        else:
            self.faults.pop(name, None)
        if name in _CAR_FAULTS:
            self.ev.change({_CAR_FAULTS[name]: (value if active else 0.0) if name == "overdraw" else active})
        self._apply_faults()

    def _apply_faults(self) -> None:
        self.mains.forced_v = None
        for name, share in _VOLTAGE_FAULTS.items():
            if name in self.faults:
                self.mains.forced_v = self.faults[name] or share * self.mains.nominal_v
        self.thermal.forced_c = self.faults.get("overtemp")
        self.metrology.frozen = "meter_freeze" in self.faults

    def plug(self, changes: dict[str, object]) -> None:
        """Plug a car in; its habits by fault stay. Raises ValueError for a bad parameter."""
        self.ev.plug(changes)
        habits = {
            _CAR_FAULTS[name]: self.faults[name] if name == "overdraw" else True
            for name in self.faults
            if name in _CAR_FAULTS
        }
        self.ev.change(habits)

    @property
    def cp(self) -> str:
        """The J1772 state of the pilot: A..F; E also while the board has no supply."""
        if "pilot_short" in self.faults or self._pilot.mode is PilotMode.OFF:
            return "E"
        return "F" if self._pilot.mode is PilotMode.FAULT else self.ev.pilot_load

    @property
    def current_a(self) -> float:
        """Of the most loaded phase."""
        return max(phase.amps for phase in self.phases)

    @property
    def power_w(self) -> float:
        """Of all phases."""
        return sum(phase.watts for phase in self.phases)

    @property
    def voltage_v(self) -> float:
        """Mean of the phases, 0 in a power cut."""
        return sum(phase.volts for phase in self.phases) / len(self.phases)

    def sense(self) -> BoardSense:
        """What the board's sensors find."""
        return BoardSense(
            pilot_load="E" if "pilot_short" in self.faults else self.ev.pilot_load,
            diode_ok=not (self.ev.plugged and self.ev.parameters.diode_short),
            ground_ok="no_ground" not in self.faults,
            leakage_ma=self.faults.get("ground_fault", 0.0) if self.energised else 0.0,
            output_live=self.energised,
            current_a=self._amps[0],
            temperature_c=self.thermal.temperature_c,
            gfi_test_passes="gfci_test_fail" not in self.faults,
        )

    def step(self, dt: float, pilot: Pilot, coil_on: bool) -> None:
        """Let `dt` world seconds pass with the board driving `pilot` and the contactor's coil."""
        self.time_s += dt
        self._pilot = pilot
        contacts_closed = "weld" in self.faults or (coil_on and "relay_open" not in self.faults)
        self.energised = self.mains_on and contacts_closed
        volts = [
            self.mains.voltage_v(n, self.time_s, amps) if self.mains_on else 0.0 for n, amps in enumerate(self._amps)
        ]
        seen_pilot = Pilot() if "pilot_short" in self.faults else pilot
        self.ev.step(dt, seen_pilot, volts if self.energised else ())
        used = self.ev.parameters.phases
        self._amps = [self.ev.current_a if n < used else 0.0 for n in range(len(volts))]
        power_factor = self.ev.power_factor
        self.phases = tuple(PhaseValues(v, a, power_factor) for v, a in zip(volts, self._amps, strict=True))
        self.frequency_hz = self.mains.frequency_hz(self.time_s) if self.mains_on else 0.0
        self.thermal.step(dt, self.ev.current_a)
        if self.mains_on:
            self.metrology.step(dt, self.phases, self.frequency_hz)
