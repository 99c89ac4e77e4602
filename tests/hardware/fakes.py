"""What the hardware tests share: time that tests own, and small devices with behaviour on in-process lines.

A line's reader drives the time of its device: `read` waits (or jumps) to the next thing that happens on it.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Protocol

from hypothesis import settings

from hardware import modbus_rtu as rtu
from hardware import pn532
from hardware.rapi import BoardDecoder, Command, encode_async, encode_response
from hardware.serial_port import LineLost

# The same examples on every run, small enough for two cores.
repeatable = settings(derandomize=True, deadline=None, max_examples=150, database=None)


class VirtualTime:
    """A clock that stands still until something waits on it."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def __call__(self) -> float:
        return self.now

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), action))

    def wait(self, until: float, done: Callable[[], bool]) -> None:
        """Let things happen until `done()` or the time is `until`."""
        while not done():
            if not self._events or self._events[0][0] > until:
                self.now = max(self.now, until)
                return
            at, _, action = heapq.heappop(self._events)
            self.now = max(self.now, at)
            action()


class RealTime:
    """The same on the real clock, `speed` times faster, for tests with threads. One per device."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._changed = threading.Condition()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def __call__(self) -> float:
        return time.monotonic() * self.speed

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        with self._changed:
            heapq.heappush(self._events, (self() + seconds, next(self._order), action))
            self._changed.notify_all()

    def wait(self, until: float, done: Callable[[], bool]) -> None:
        while True:
            with self._changed:
                if done():
                    return
                now = self()
                if not self._events or self._events[0][0] > now:
                    if now >= until:
                        return
                    next_at = min(until, self._events[0][0]) if self._events else until
                    self._changed.wait((next_at - now) / self.speed)
                    continue
                _, _, action = heapq.heappop(self._events)
            action()


Time = VirtualTime | RealTime


class Wired(Protocol):
    line: FakeLine

    def receive(self, data: bytes) -> None: ...


class FakeLine:
    """A serial line between a driver and a fake device."""

    def __init__(self, clock: Time, device: Wired) -> None:
        self._clock = clock
        self._device = device
        self._incoming = bytearray()
        self._woken = False
        self.sent: list[bytes] = []
        self.is_cut = False
        self.is_closed = False
        self.chunk = 4096  # how many bytes a read returns at most
        device.line = self

    # the driver's end
    def write(self, data: bytes) -> None:
        if self.is_cut:
            raise LineLost("cut")
        self.sent.append(data)
        self._device.receive(data)

    def read(self, timeout_s: float) -> bytes:
        # A real poll has millisecond steps: time always moves on.
        self._clock.wait(
            self._clock() + max(timeout_s, 0.0005), lambda: bool(self._incoming) or self._woken or self.is_cut
        )
        self._woken = False
        if self.is_cut:
            raise LineLost("cut")
        data = bytes(self._incoming[: self.chunk])
        del self._incoming[: self.chunk]
        return data

    def wake(self) -> None:
        def woken() -> None:
            self._woken = True

        self._clock.after(0, woken)

    def close(self) -> None:
        self.is_closed = True

    # the device's end
    def deliver(self, data: bytes, after_s: float = 0.0) -> None:
        def arrive() -> None:
            self._incoming.extend(data)

        self._clock.after(after_s, arrive)

    def cut(self) -> None:
        self.is_cut = True


class FakeBoard:
    """An OpenEVSE controller, as far as a driver can tell: states, flags, boot lock, heartbeat, faults, deafness.

    The car (`plug`) closes its S2 `s2_after_s` after it sees the pilot. `commands` has what was received, in order.
    """

    line: FakeLine

    def __init__(self, clock: Time, *, eeprom_a: int = 32, boot_locked: bool = False, firmware: str = "8.2.3") -> None:
        self.clock = clock
        self.eeprom_a = eeprom_a
        self.boot_locked = boot_locked
        self.firmware = firmware
        self.state, self.amps = 0x01, eeprom_a
        self.plugged = self.ready = self.relay = False
        self.auth_lock: bool | None = None  # None: not compiled in
        self.has_boot_lock = True  # compiled in
        self.hard_fault = False
        self.missed_heartbeat = 0
        self.heartbeat = (0, 0)
        self.temperature = 274
        self.ecf = "0021"
        self.deaf = self.welded = self.stubborn = self.reset_is_broken = False
        self.hot_cap: int | None = None  # over-temperature: refuses more than this
        self.s2_after_s, self.relay_opens_after_s, self.boot_s = 1.2, 0.5, 3.0
        self.garble_next_answer = False
        self.commands: list[str] = []
        self.times: list[float] = []
        self._decoder = BoardDecoder()
        if boot_locked:
            self.state = 0x00

    # --- what happens to it ---
    def plug(self, *, ready: bool = True) -> None:
        self.plugged, self.ready = True, ready
        self._car_reacts()
        self.say_state()

    def unplug(self) -> None:
        self.plugged = self.relay = False
        if self.state in (2, 3):
            self.state = 1
            if self.auth_lock is False:
                self.auth_lock = True
        self.say_state()

    def fail(self, state: int, *, hard: bool = False) -> None:
        self.state, self.hard_fault, self.relay = state, hard, self.welded
        self.say_state()

    def boot(self, post: str = "00") -> None:
        self.amps, self.missed_heartbeat, self.relay = self.eeprom_a, 0, False
        self.deaf = False
        self.state = {"00": 0x00 if self.boot_locked else 0x01}.get(post, int(post, 16))
        self.line.deliver(b"\nrelayCloseMs: 100\r\n" + encode_async("AB", f"{post} {self.firmware}"))
        self._car_reacts()

    def _enabled(self) -> None:
        if self.state == 0:
            self.state = 1
            self._car_reacts()
            self.say_state()

    def _power_on(self) -> None:
        self.line.deliver(b"\nrelayCloseMs: 100\r\n" + encode_async("AT", f"00 00 0 {self.flags & 0x4200:04x}"))

    def say_state(self) -> None:
        if not self.deaf:
            self.line.deliver(encode_async("AT", f"{self.state:02x} 01 {self.amps} {self.flags:04x}"), 0.002)

    @property
    def flags(self) -> int:
        return (
            (0x0002 if self.hard_fault else 0)
            | (0x0008 if self.auth_lock else 0)
            | (0x0040 if self.relay else 0)
            | (0x0100 if self.plugged else 0)
            | 0x0200
            | (0x4000 if self.boot_locked else 0)
        )

    def _car_reacts(self) -> None:
        """Enabled, plugged: state B at once, C (relay) when the car is ready and has seen the pilot."""
        if self.state in (1, 2, 3) and self.plugged and not self.auth_lock:
            self.state = 2
            if self.ready:
                self.clock.after(self.s2_after_s, self._s2_closes)

    def _s2_closes(self) -> None:
        if self.state == 2 and self.plugged and self.ready:
            self.state, self.relay = 3, True
            self.line.deliver(b"\nrelayCloseMs: 100\r\nrelayHoldPwm: 255\r\n")
            self.say_state()

    def _relay_opens(self) -> None:
        if self.state != 3 and not self.welded:
            self.relay = False

    # --- what it answers ---
    def receive(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            if self.deaf:
                continue
            if not isinstance(frame, Command):
                self.line.deliver(encode_response(False), 0.002)
                continue
            text = " ".join((frame.name, *frame.params))
            self.commands.append(text)
            self.times.append(self.clock())
            before = self.flags, self.state
            ok, answer = self._answer(frame.name, [int(p) for p in frame.params if p.isdigit()])
            if frame.name == "FR":
                continue
            reply = encode_response(ok, answer, frame.seq)
            if self.garble_next_answer:
                reply, self.garble_next_answer = reply.replace(b"$", b"#"), False
            self.line.deliver(reply, 0.002)
            if before != (self.flags, self.state) and self.state:
                self.say_state()

    def _answer(self, name: str, numbers: list[int]) -> tuple[bool, str]:
        match name:
            case "GV":
                return True, f"{self.firmware} 5.2.1"
            case "GS":
                return True, f"{self.state:02x} 125 01 {self.flags:04x}"
            case "GE":
                return True, f"{self.amps} {self.ecf}"
            case "GC":
                return True, f"6 80 {self.amps} {self.eeprom_a}"
            case "G4":
                return (False, "") if self.auth_lock is None else (True, str(int(self.auth_lock)))
            case "S4" if self.auth_lock is not None:
                self.auth_lock = bool(numbers[0])
                self._car_reacts()
                return True, ""
            case "GF":
                return True, "a 0 1"
            case "GP":
                return True, f"{self.temperature} -2560 -2560"
            case "GI":
                return True, " W2ABC"
            case "SV":
                return True, ""
            case "SY" | "GY":
                return self._heartbeat(numbers)
            case "SC":
                return self._capacity(numbers[0])
            case "FE":
                if self.state in (0xFE, 0xFF):
                    self.state = 0  # for a moment it has none
                    self.clock.after(0.05, self._enabled)
                return True, ""
            case "FS" | "FD":
                return self._switch_off(name)
            case "SB" if self.has_boot_lock:
                self.boot_locked = False
                if self.state == 0:
                    self.state = 1
                return True, "0"
            case "FR":
                if not self.reset_is_broken:
                    self.deaf = True
                    self.clock.after(0.5, self._power_on)
                    self.clock.after(self.boot_s, self.boot)
                return True, ""
        return False, ""

    def _heartbeat(self, numbers: list[int]) -> tuple[bool, str]:
        if numbers == [165]:
            self.missed_heartbeat = 1
            self.amps = self.eeprom_a  # the firmware restores its EEPROM limit
        elif len(numbers) == 2:
            self.heartbeat = (numbers[0], numbers[1])
        return self.missed_heartbeat != 2, f"{self.heartbeat[0]} {self.heartbeat[1]} {self.missed_heartbeat}"

    def _capacity(self, wanted: int) -> tuple[bool, str]:
        applied = max(6, min(wanted, self.eeprom_a))
        if self.hot_cap is not None:
            applied = min(applied, self.hot_cap)
        if self.stubborn:
            applied = self.amps
        self.amps = applied
        return applied == wanted, str(applied)

    def _switch_off(self, name: str) -> tuple[bool, str]:
        self.state = 0xFE if name == "FS" else 0xFF
        if name == "FD" and not self.welded:
            self.relay = False
        self.clock.after(self.relay_opens_after_s, self._relay_opens)
        return True, ""


class FakeMeter:
    """An SDM meter: registers, and the ways in which such a line goes wrong."""

    line: FakeLine

    def __init__(self, clock: Time, unit: int = 1) -> None:
        self.clock = clock
        self.unit = unit
        self.values: dict[int, float] = {0: 230.0, 6: 0.0, 12: 0.0, 0x46: 50.0, 0x48: 12.345, 0x4A: 0.0}
        self.mute = self.echo = False
        self.corrupt = 0  # so many answers are damaged
        self.late_s = 0.0  # the next answer comes so late
        self.exception = 0
        self.requests: list[tuple[int, int]] = []
        self.times: list[float] = []
        self._decoder = rtu.RequestDecoder()

    def receive(self, data: bytes) -> None:
        if self.echo:
            self.line.deliver(data)
        for request in self._decoder.feed(data):
            if not isinstance(request, rtu.ReadRegisters) or request.unit != self.unit:
                continue
            self.requests.append((request.address, request.count))
            self.times.append(self.clock())
            if self.mute:
                continue
            registers: list[int] = []
            for address in range(request.address, request.address + request.count, 2):
                registers += rtu.float_registers(self.values.get(address, 0.0))
            answer = rtu.read_response(self.unit, request.function, registers)
            if self.exception:
                answer = rtu.exception_response(self.unit, request.function, self.exception)
            if self.corrupt:
                self.corrupt -= 1
                answer = answer[:5] + bytes([answer[5] ^ 0x10]) + answer[6:]
            delay, self.late_s = self.late_s or 0.04, 0.0
            self.line.deliver(answer, delay)


class FakeChip:
    """A PN532 with a card in its field, or none."""

    line: FakeLine

    def __init__(self, clock: Time) -> None:
        self.clock = clock
        self.card: bytes | None = None
        self.mute = False
        self.awake = False
        self.forever = True  # polls block until a card comes, unless the retries were set
        self.codes: list[int] = []
        self._decoder = pn532.Decoder()

    def power_cycle(self) -> None:
        self.awake, self.forever = False, True

    def receive(self, data: bytes) -> None:
        self.awake |= data.startswith(b"\x55\x55")
        for frame in self._decoder.feed(data):
            if self.mute or not self.awake or not isinstance(frame, pn532.Frame):
                continue
            self.codes.append(frame.data[0])
            self.line.deliver(pn532.ACK, 0.002)
            answer = self._answer(frame.data)
            if answer is not None:
                self.line.deliver(pn532.encode_frame(pn532.CHIP, answer), 0.03)

    def _answer(self, command: bytes) -> bytes | None:
        match command[0]:
            case pn532.GET_FIRMWARE_VERSION:
                return bytes.fromhex("0332010607")
            case pn532.RF_CONFIGURATION:
                self.forever = False
            case pn532.IN_LIST_PASSIVE_TARGET:
                if self.card is None:
                    return None if self.forever else b"\x4b\x00"
                return pn532.poll_answer([pn532.Target(self.card, 0x0004, 0x08)])
        return bytes([command[0] + 1])
