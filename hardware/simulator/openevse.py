"""The OpenEVSE controller as a device: supply, boot, self-test, UART, announcements (hardware.md, 2.2, 2.6, 10.1)."""

from __future__ import annotations

from collections.abc import Callable

from hardware import rapi
from hardware.simulator import openevse_memory as memory
from hardware.simulator.openevse_build import BoardBuild, BoardSense
from hardware.simulator.openevse_controller import RELAY_TEXT, ChargeController
from hardware.simulator.openevse_memory import Eeprom, State
from hardware.simulator.openevse_rapi import BoardDisplay, RapiCommands
from hardware.simulator.pilot import Pilot

_FIFO_BYTES = 64
_REBOOT_ENDS_CHARGE_S = 3.0
_MODES = {State.A: "available", State.B: "connected", State.C: "charging", State.UNKNOWN: "starting"}
_POST_CODES = {State.NO_GROUND: "07", State.STUCK_RELAY: "08", State.GFI_TEST: "09"}


class OpenEvse:
    """One controller: feed it bytes with `receive` and time with `step`; see `pilot`, `relay_closed`, `take_output`.

    `on_eeprom_change` is called after each write of the EEPROM.

    Attributes:
        powered: mains is there. ready: the self-test after power-up was passed.
        valid_frames: commands with a good checksum since the simulator started.
        reset_fails: `$FR` is ignored.
    """

    kind = "openevse"
    section = "board"  # of the non-volatile memory

    def __init__(self, eeprom: Eeprom, build: BoardBuild, on_eeprom_change: Callable[[], None] = lambda: None) -> None:
        self.eeprom = eeprom
        self.build = build
        self.display = BoardDisplay()
        self.powered = False
        self.ready = False
        self.valid_frames = 0
        self.reset_fails = False
        self._on_eeprom_change = on_eeprom_change
        self._output = bytearray()
        self._boot(0.0)

    @property
    def pilot(self) -> Pilot:
        """What the board drives the control pilot with."""
        return self.controller.pilot if self.powered else Pilot()

    @property
    def relay_closed(self) -> bool:
        """The coil is energised."""
        return self.powered and self.controller.relay_closed

    @property
    def is_moving(self) -> bool:
        """Something changes within tenths of a second: the simulation must tick finely."""
        return self.controller.is_moving

    @property
    def mode(self) -> str:
        """One word for people."""
        controller = self.controller
        if controller.post_failed or controller.state.is_fault:
            return "fault"
        if not self.ready:
            return "booting"
        if controller.boot_locked or (controller.auth_locked and controller.state is State.B):
            return "locked"
        return _MODES.get(controller.state, controller.state.name.lower())

    @property
    def state_name(self) -> str:
        """The firmware's state."""
        return self.controller.state.name

    def memory(self) -> dict[str, object]:
        """What survives a power cut."""
        return dict(self.eeprom.to_dict())

    def report(self) -> dict[str, object]:
        """Its inside for people."""
        controller, eeprom = self.controller, self.eeprom
        return {
            "kind": self.kind,
            "firmware": self.build.firmware,
            "state": f"{controller.state:02x}",
            "vflags": f"{controller.vflags:04x}",
            "coil": self.relay_closed,
            "capacity_a": controller.limit.capacity_a,
            "max_a": eeprom.ceiling_a,
            "eeprom_max_a": eeprom.max_a,
            "boot_locked": controller.boot_locked,
            "auth_locked": controller.auth_locked,
            "hard_fault": controller.hard_fault,
            "heartbeat_s": eeprom.heartbeat_s,
            "heartbeat_trips": controller.limit.heartbeat_trips,
            "trips": {"gfi": eeprom.trips_gfi, "no_ground": eeprom.trips_no_ground, "stuck": eeprom.trips_stuck},
            "valid_frames": self.valid_frames,
            "display": list(self.display.lines),
            "backlight": self.display.backlight,
        }

    # --- supply and boot ----------------------------------------------------------------------------------------

    def _boot(self, now: float) -> None:
        self.ready = False
        self._rebooting = False
        self._decoder = rapi.BoardDecoder()
        self._fifo = bytearray()
        self._announced: tuple[object, ...] = ()
        self.controller = ChargeController(
            self.eeprom, self.build, now, self.write_eeprom, self._output.extend, self._announce_change
        )
        self._commands = RapiCommands(self.controller, self.display, self.write_eeprom, self.reboot)

    def power_on(self, now: float) -> None:
        """Mains arrived: boot. `now` is real monotonic seconds."""
        self.powered = True
        self._boot(now)
        self._output += RELAY_TEXT
        self._announce()
        self.controller.block(self.build.post_s, self._finish_self_test)

    def power_off(self) -> None:
        """Mains is gone: pilot dead, relay open, not a byte more."""
        self.powered = self.ready = False
        self._boot(0.0)
        self._output.clear()

    def reboot(self) -> None:
        """`$FR`: the watchdog resets the chip, after at most 3 s to end a charge. Nothing is answered."""
        if self.reset_fails:
            return
        delay_s = _REBOOT_ENDS_CHARGE_S if self.controller.relay_closed else 0.0
        self.controller.sleep()
        self.controller.block(delay_s, lambda: None)
        self._rebooting = True

    def _finish_self_test(self) -> None:
        controller, flags = self.controller, self.eeprom.flags
        if not flags & memory.NO_AUTO_LEVEL:
            self.write_eeprom(flags=flags & ~memory.LEVEL_2)  # takes 230 V line-to-neutral for level 1 (2.5, trap 5)
        controller.limit.set(self.eeprom.ceiling_a)
        sense = controller.sense
        if not sense.ground_ok and not flags & memory.NO_GROUND_CHECK:
            self._fail_self_test(State.NO_GROUND)
        elif sense.output_live and not flags & memory.NO_RELAY_CHECK:
            self._fail_self_test(State.STUCK_RELAY)
        elif not sense.gfi_test_passes and not flags & memory.NO_GFI_TEST:
            self._fail_self_test(State.GFI_TEST)
        else:
            self.ready = True
            self._output += rapi.encode_async("AB", f"00 {self.build.firmware}")

    def _fail_self_test(self, state: State) -> None:
        """The firmware announces the failure and spins until it is reset; the line stays alive."""
        self._output += rapi.encode_async("AB", f"{_POST_CODES[state]} {self.build.firmware}")
        self.controller.post_failed = True
        self.controller.raise_fault(state, hard=True)

    def write_eeprom(self, **values: int | float) -> None:
        """Change EEPROM cells by name; nothing is written when nothing changes."""
        changed = {name: value for name, value in values.items() if getattr(self.eeprom, name) != value}
        for name, value in changed.items():
            setattr(self.eeprom, name, value)
        if changed:
            self._on_eeprom_change()

    # --- time and line ------------------------------------------------------------------------------------------

    def step(self, dt: float, now: float, sense: BoardSense) -> None:
        """One pass of the firmware's loop: `dt` world seconds later, at `now` real monotonic seconds."""
        if not self.powered:
            return
        self.controller.pass_time(dt, now, sense)
        if self.controller.is_busy:
            return
        if self._rebooting:
            self.power_on(now)
            return
        if self._fifo:
            waiting, self._fifo = bytes(self._fifo), bytearray()
            self.receive(waiting)
            if self.controller.is_busy:
                return
        self.controller.update()
        self._announce_change()

    def receive(self, data: bytes) -> None:
        """Bytes of the host. While the firmware is busy they wait in the UART's 64-byte FIFO; the rest is lost."""
        if not self.powered:
            return
        if self.controller.is_busy:
            self._fifo += data[: _FIFO_BYTES - len(self._fifo)]
            return
        for command in self._decoder.feed(data):
            if isinstance(command, rapi.BadCommand):
                self._output += rapi.encode_response(False)
                continue
            self.valid_frames += 1
            answer = self._commands.execute(command)
            if answer is not None:
                self._output += rapi.encode_response(answer.ok, answer.params, command.seq)
            if self.controller.is_busy:
                return  # rebooting: what followed in the buffer is lost
            self._announce_change()

    def take_output(self) -> bytes:
        """The bytes sent since the last call."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def _announce_change(self) -> None:
        """`$AT` when state, pilot state, capacity or an announced flag changed; UNKNOWN is announced at boot only."""
        facts = self._facts()
        if facts != self._announced and self.controller.state is not State.UNKNOWN:
            self._announce()

    def _announce(self) -> None:
        self._announced = self._facts()
        controller = self.controller
        words = (
            f"{controller.state:02x} {controller.pilot_state:02x} {controller.limit.capacity_a} {controller.vflags:04x}"
        )
        self._output += rapi.encode_async("AT", words)

    def _facts(self) -> tuple[object, ...]:
        controller = self.controller
        flags = controller.vflags & memory.ANNOUNCED_FLAGS
        return (controller.state, controller.pilot_state, controller.limit.capacity_a, flags)
