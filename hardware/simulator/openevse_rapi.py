"""The RAPI commands of the OpenEVSE firmware 8.2.3 and what they do to the board (hardware.md, section 2.3)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from hardware import rapi
from hardware.simulator import openevse_memory as memory
from hardware.simulator.openevse_controller import ChargeController
from hardware.simulator.openevse_memory import State

RAPI_VERSION = "5.2.1"
_ACKNOWLEDGE_MISS = 165
_LCD_COLUMNS = 16


@dataclass(frozen=True)
class Answer:
    """`$OK` or `$NK` and the words after it."""

    ok: bool = True
    params: str = ""


_OK = Answer()
_NK = Answer(False)


class BoardDisplay:
    """The 16x2 text display: what a passer-by can read."""

    def __init__(self) -> None:
        self.lines = [" " * _LCD_COLUMNS, " " * _LCD_COLUMNS]
        self.backlight = 7

    def write(self, column: int, row: int, text: str) -> None:
        """Put `text` at a place; what does not fit is cut."""
        if 0 <= row < len(self.lines) and 0 <= column < _LCD_COLUMNS:
            line = self.lines[row]
            self.lines[row] = (line[:column] + text + line[column + len(text) :])[:_LCD_COLUMNS]


class RapiCommands:
    """Executes commands on one board. A command that is not compiled in answers `$NK`."""

    def __init__(
        self,
        controller: ChargeController,
        display: BoardDisplay,
        write_eeprom: Callable[..., None],
        reboot: Callable[[], None],
    ) -> None:
        self._controller = controller
        self._eeprom = controller.eeprom
        self._display = display
        self._write_eeprom = write_eeprom
        self._reboot = reboot

    def execute(self, command: rapi.Command) -> Answer | None:
        """The answer, None when the board says nothing (`$FR`)."""
        handler = _HANDLERS.get(command.name)
        if handler is None:
            return _NK
        try:
            return handler(self, command.params)
        except (ValueError, IndexError):
            return _NK

    # --- gets ---------------------------------------------------------------------------------------------------

    def _get_version(self, params: tuple[str, ...]) -> Answer:
        return Answer(params=f"{self._controller.build.firmware} {RAPI_VERSION}")

    def _get_state(self, params: tuple[str, ...]) -> Answer:
        c = self._controller
        return Answer(params=f"{c.state:02x} {int(c.elapsed_s)} {c.pilot_state:02x} {c.vflags:04x}")

    def _get_connected(self, params: tuple[str, ...]) -> Answer:
        if self._controller.state is State.DISABLED:
            return Answer(params="2")
        return Answer(params="1" if self._controller.ev_connected else "0")

    def _get_settings(self, params: tuple[str, ...]) -> Answer:
        return Answer(params=f"{self._controller.limit.capacity_a} {self._eeprom.flags:04x}")

    def _get_capacity(self, params: tuple[str, ...]) -> Answer:
        hardware_a = self._eeprom.hardware_max_a or memory.HARDWARE_MAX_A
        return Answer(
            params=f"{memory.MIN_A} {hardware_a} {self._controller.limit.capacity_a} {self._eeprom.ceiling_a}"
        )

    def _get_current(self, params: tuple[str, ...]) -> Answer:
        return Answer(params=f"{self._controller.ammeter.milliamps} {self._controller.supposed_millivolts}")

    def _get_energy(self, params: tuple[str, ...]) -> Answer:
        return Answer(params=f"{int(self._controller.ammeter.session_ws)} {int(self._eeprom.total_wh)}")

    def _get_temperatures(self, params: tuple[str, ...]) -> Answer:
        return Answer(params=f"{round(self._controller.sense.temperature_c * 10)} -2560 -2560")

    def _get_trips(self, params: tuple[str, ...]) -> Answer:
        e = self._eeprom
        return Answer(params=f"{e.trips_gfi:x} {e.trips_no_ground:x} {e.trips_stuck:x}")

    def _get_serial(self, params: tuple[str, ...]) -> Answer:
        return Answer(params=f" {self._eeprom.serial}")  # the firmware sends two spaces

    def _get_time(self, params: tuple[str, ...]) -> Answer:
        now = time.gmtime()
        return Answer(params=f"{now.tm_year % 100} {now.tm_mon} {now.tm_mday} {now.tm_hour} {now.tm_min} {now.tm_sec}")

    def _get_ammeter(self, params: tuple[str, ...]) -> Answer:
        return Answer(params=f"{self._eeprom.ammeter_scale} {self._eeprom.ammeter_offset}")

    def _get_heartbeat(self, params: tuple[str, ...]) -> Answer:
        return Answer(params=self._heartbeat_words())

    def _get_authorisation_lock(self, params: tuple[str, ...]) -> Answer:
        return Answer(params=str(int(self._controller.auth_locked))) if self._controller.build.auth_lock else _NK

    def _get_lock(self, params: tuple[str, ...]) -> Answer:
        return Answer(params="0")

    # --- functions ----------------------------------------------------------------------------------------------

    def _enable(self, params: tuple[str, ...]) -> Answer:
        self._controller.enable()
        return _OK

    def _sleep(self, params: tuple[str, ...]) -> Answer:
        self._controller.sleep()
        return _OK

    def _disable(self, params: tuple[str, ...]) -> Answer:
        self._controller.disable()
        return _OK

    def _restart(self, params: tuple[str, ...]) -> None:
        self._reboot()

    def _press_button(self, params: tuple[str, ...]) -> Answer:
        if self._controller.state is State.SLEEPING:
            self._controller.enable()
        else:
            self._controller.sleep()
        return _OK

    def _accept(self, params: tuple[str, ...]) -> Answer:
        return _OK

    def _set_backlight(self, params: tuple[str, ...]) -> Answer:
        self._display.backlight = int(params[0])
        return _OK

    def _print(self, params: tuple[str, ...]) -> Answer:
        self._display.write(int(params[0]), int(params[1]), " ".join(params[2:]).replace("\x11", " "))
        return _OK

    def _switch_check(self, params: tuple[str, ...]) -> Answer:
        letter, switch = params[0], params[1]
        if letter == "E":  # echo of the line: not simulated
            return _OK
        bit = memory.CHECK_LETTERS.get(letter)
        if bit is None or switch not in ("0", "1"):
            return _NK
        flags = self._eeprom.flags
        self._write_eeprom(flags=flags & ~bit if switch == "1" else flags | bit)
        return _OK

    # --- sets ---------------------------------------------------------------------------------------------------

    def _clear_boot_lock(self, params: tuple[str, ...]) -> Answer:
        if not self._controller.build.boot_lock:
            return _NK
        if self._controller.state.is_fault or self._controller.post_failed:
            return Answer(params="1")
        self._controller.boot_locked = False
        return Answer(params="0")

    def _set_authorisation_lock(self, params: tuple[str, ...]) -> Answer:
        if not self._controller.build.auth_lock or params[0] not in ("0", "1"):
            return _NK
        self._controller.lock(params[0] == "1")
        return _OK

    def _set_capacity(self, params: tuple[str, ...]) -> Answer:
        wanted_a = int(params[0]) & 0xFF  # the firmware parses into a byte: 300 becomes 44
        kind = params[1] if len(params) > 1 else ""
        controller, eeprom = self._controller, self._eeprom
        hardware_a = eeprom.hardware_max_a or memory.HARDWARE_MAX_A
        if kind == "M":
            if eeprom.hardware_max_a:
                return Answer(False, str(eeprom.hardware_max_a))
            applied_a = max(memory.MIN_A, min(wanted_a, memory.HARDWARE_MAX_A))
            self._write_eeprom(hardware_max_a=applied_a, max_a=min(eeprom.max_a, applied_a))
            controller.limit.set(min(controller.limit.capacity_a, eeprom.ceiling_a))
            return Answer(applied_a == wanted_a, str(applied_a))
        if kind == "V":
            controller.limit.set(max(memory.MIN_A, min(wanted_a, eeprom.ceiling_a)))
        else:
            self._write_eeprom(max_a=max(memory.MIN_A, min(wanted_a, hardware_a)))
            controller.limit.set(eeprom.ceiling_a)
        return Answer(controller.limit.capacity_a == wanted_a, str(controller.limit.capacity_a))

    def _set_level(self, params: tuple[str, ...]) -> Answer:
        flags = self._eeprom.flags
        match params[0]:
            case "1":
                flags = (flags | memory.NO_AUTO_LEVEL) & ~memory.LEVEL_2
            case "2":
                flags |= memory.NO_AUTO_LEVEL | memory.LEVEL_2
            case "A":
                flags &= ~memory.NO_AUTO_LEVEL
            case _:
                return _NK
        self._write_eeprom(flags=flags)
        self._controller.limit.set(self._eeprom.ceiling_a)
        return _OK

    def _set_voltage(self, params: tuple[str, ...]) -> Answer:
        self._controller.millivolts = int(params[0])
        return _OK

    def _set_ammeter(self, params: tuple[str, ...]) -> Answer:
        self._write_eeprom(ammeter_scale=int(params[0]), ammeter_offset=int(params[1]))
        return _OK

    def _heartbeat(self, params: tuple[str, ...]) -> Answer:
        controller = self._controller
        if len(params) >= 2:
            self._write_eeprom(heartbeat_s=int(params[0]) & 0xFFFF, heartbeat_a=int(params[1]) & 0xFF)
            controller.limit.pulse(controller.now)
            return Answer(params=self._heartbeat_words())
        if params:
            if int(params[0]) != _ACKNOWLEDGE_MISS:
                return _NK
            controller.limit.acknowledge_miss(controller.now)
            return Answer(params=self._heartbeat_words())
        controller.limit.pulse(controller.now)
        return Answer(controller.limit.heartbeat_trips != 2, self._heartbeat_words())

    def _heartbeat_words(self) -> str:
        return f"{self._eeprom.heartbeat_s} {self._eeprom.heartbeat_a} {self._controller.limit.heartbeat_trips}"


# `$S3 $G3 $SH $GH` (limits) are not compiled in: they fall through to `$NK`.
_HANDLERS: dict[str, Callable[[RapiCommands, tuple[str, ...]], Answer | None]] = {
    "GV": RapiCommands._get_version,
    "GS": RapiCommands._get_state,
    "G0": RapiCommands._get_connected,
    "GE": RapiCommands._get_settings,
    "GC": RapiCommands._get_capacity,
    "GG": RapiCommands._get_current,
    "GU": RapiCommands._get_energy,
    "GP": RapiCommands._get_temperatures,
    "GF": RapiCommands._get_trips,
    "GI": RapiCommands._get_serial,
    "GT": RapiCommands._get_time,
    "GA": RapiCommands._get_ammeter,
    "GY": RapiCommands._get_heartbeat,
    "G4": RapiCommands._get_authorisation_lock,
    "G5": RapiCommands._get_lock,
    "FE": RapiCommands._enable,
    "FS": RapiCommands._sleep,
    "FD": RapiCommands._disable,
    "FR": RapiCommands._restart,
    "F0": RapiCommands._accept,
    "F1": RapiCommands._press_button,
    "FB": RapiCommands._set_backlight,
    "FF": RapiCommands._switch_check,
    "FP": RapiCommands._print,
    "S1": RapiCommands._accept,
    "S4": RapiCommands._set_authorisation_lock,
    "S5": RapiCommands._accept,
    "SA": RapiCommands._set_ammeter,
    "SB": RapiCommands._clear_boot_lock,
    "SC": RapiCommands._set_capacity,
    "SL": RapiCommands._set_level,
    "SV": RapiCommands._set_voltage,
    "SY": RapiCommands._heartbeat,
}
