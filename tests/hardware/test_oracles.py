"""pymodbus as an independent judge of the second families, both ways: its server behind our drivers, its client before
our simulated devices. (nfcpy and the SDM meter: simulator/test_process.py.)
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymodbus.client import ModbusSerialClient
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from hardware.drivers.evse_din import EvseDin
from hardware.drivers.modbus_meter import ModbusMeter
from hardware.drivers.orno import OrnoRegisters
from hardware.evse import Demand, Mode
from hardware.interfaces import BoardState, MeterSample
from hardware.serial_port import Counters
from tests.hardware.simulator.test_process import Running

FLAGS = 0x0209


class TheirServer:
    """A pymodbus server on a pseudo-terminal; the other end is a `Line` of ours."""

    def __init__(self, registers: dict[int, list[int]]) -> None:
        self._ours, theirs = os.openpty()
        tty.setraw(theirs)
        self._path = os.ttyname(theirs)
        self._theirs = theirs
        blocks = [SimData(address, values=values, datatype=DataType.REGISTERS) for address, values in registers.items()]
        self._device = SimDevice(1, simdata=blocks)
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._listening.wait(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)

        async def serve() -> None:
            self._server = ModbusSerialServer(self._device, port=self._path, baudrate=9600)
            await self._server.serve_forever(background=True)
            self._listening.set()

        self._loop.run_until_complete(serve())
        self._loop.run_forever()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
        os.close(self._ours)
        os.close(self._theirs)

    # our end
    def write(self, data: bytes) -> None:
        os.write(self._ours, data)

    def read(self, timeout_s: float) -> bytes:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, timeout_s))
        return os.read(self._ours, 4096) if ready else b""

    def wake(self) -> None:
        """Nobody wakes it here."""


@pytest.fixture
def their_board() -> Iterator[TheirServer]:
    server = TheirServer(
        {
            1000: [32, 0, 1, 5, 0, 18, 1, 0, 0, 0],
            2000: [32, 1, 5, 1, 0, FLAGS, 0, 0, 0xFFFF, 3, 6, 10, 16, 25, 32, 48, 63, 80],
        }
    )
    yield server
    server.close()


def test_our_board_driver_reads_and_writes_their_registers(their_board: TheirServer) -> None:
    states: list[BoardState] = []

    def supervise(state: BoardState) -> Demand:
        states.append(state)
        return Demand(Mode.OFF, 16)

    counters = Counters()
    driver = EvseDin(time.monotonic, counters, supervise, lambda: None)
    driver.attach(their_board)  # type: ignore[arg-type]
    driver.step()
    assert states[-1].synchronised
    assert (states[-1].cp, states[-1].firmware, states[-1].enabled) == ("A", "18", False)
    assert counters.timeouts == counters.checksum_errors == 0
    assert states[-1].limit_a == 0, "register 1000 was written and read back"


def test_our_meter_driver_reads_their_registers() -> None:
    server = TheirServer(
        {0x130: [5001], 0x131: [23142], 0x139: [0, 0x05C1], 0x140: [0, 0x0147], 0xA000: [0x0003, 0x0530]}
    )
    samples: list[MeterSample] = []
    try:
        meter = ModbusMeter("orno514", OrnoRegisters(), time.monotonic, Counters(), samples.append, lambda _: None)
        meter.attach(server)  # type: ignore[arg-type]
        meter.step()
    finally:
        server.close()
    (sample,) = samples
    assert (sample.energy_wh, sample.current_a, sample.power_w) == (1_979_360, 1.473, 327.0)


def test_their_client_reads_and_writes_our_simulated_devices(tmp_path: Path) -> None:
    with Running(tmp_path, "--board=evse_din", "--meter=orno514") as running:
        pause = threading.Event()
        board = ModbusSerialClient(running.path("board"), baudrate=9600, timeout=2)
        meter = ModbusSerialClient(running.path("meter"), baudrate=9600, timeout=2)
        try:
            assert board.connect()
            assert meter.connect()
            assert board.read_holding_registers(2000, count=18, device_id=1).registers[:3] == [32, 1, 5]
            pause.wait(0.3)
            assert not board.write_registers(1000, [16], device_id=1).isError()
            pause.wait(0.3)
            assert board.read_holding_registers(1000, count=10, device_id=1).registers[0] == 16
            pause.wait(0.3)
            assert board.write_registers(2005, [0x8000], device_id=1).exception_code == 3, "the boot loader is closed"
            assert meter.read_holding_registers(0x131, count=1, device_id=1).registers[0] == pytest.approx(
                23000, abs=500
            )
            assert meter.read_holding_registers(0xA000, count=2, device_id=1).registers == [0, 0]
            assert meter.read_holding_registers(0x130, count=18, device_id=1).exception_code == 2
        finally:
            board.close()
            meter.close()
