"""Modbus RTU codec: golden frames (hardware.md sections 3.1 and 4.1), hostile bytes, and pymodbus as a judge."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterRequest,
)

from hardware.modbus_rtu import (
    ExceptionReply,
    OtherRequest,
    ReadRegisters,
    RegistersReply,
    ReplyDecoder,
    RequestDecoder,
    WriteRegisters,
    WriteReply,
    crc16,
    exception_response,
    float_registers,
    read_request,
    read_response,
    registers_float,
    write_register_request,
    write_registers_request,
    write_registers_response,
)
from tests.hardware.fakes import repeatable

words = st.integers(0, 0xFFFF)
units = st.integers(1, 247)


def hexa(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


V_REQUEST = hexa("01 04 00 00 00 02 71 CB")
V_REPLY = hexa("01 04 04 43 66 00 00 0E 1F")


@pytest.mark.parametrize(
    ("request_frame", "expected"),
    [
        (read_request(1, 4, 0x0000, 2), "01 04 00 00 00 02 71 CB"),
        (read_request(1, 4, 0x0048, 2), "01 04 00 48 00 02 F1 DD"),
        (read_request(1, 3, 0x07D0, 18), "01 03 07 D0 00 12 C5 4A"),
        (read_request(1, 3, 0x03E8, 10), "01 03 03 E8 00 0A 45 BD"),
        (read_request(1, 3, 0x0064, 13), "01 03 00 64 00 0D C5 D0"),
        (write_registers_request(1, 0x03E8, [16]), "01 10 03 E8 00 01 02 00 10 83 B4"),
        (write_registers_request(1, 0x03EC, [1]), "01 10 03 EC 00 01 02 00 01 42 3C"),
        (write_registers_request(1, 0x001C, float_registers(2.0)), "01 10 00 1C 00 02 04 40 00 00 00 E7 36"),
        (write_registers_request(1, 0x0014, float_registers(2.0)), "01 10 00 14 00 02 04 40 00 00 00 E6 90"),
        (write_registers_response(1, 0x03E8, 1), "01 10 03 E8 00 01 81 B9"),
        (write_registers_response(1, 0x001C, 2), "01 10 00 1C 00 02 80 0E"),
        (write_register_request(1, 0x0070, 1), "01 06 00 70 00 01 49 D1"),
        (write_register_request(1, 0x006A, 160), "01 06 00 6A 00 A0 A9 AE"),
        (read_response(1, 4, float_registers(230.0)), "01 04 04 43 66 00 00 0E 1F"),
        (read_response(1, 4, float_registers(12.345)), "01 04 04 41 45 85 1F DD 35"),
        (exception_response(1, 4, 2), "01 84 02 C2 C1"),
    ],
)
def test_golden_frame_is_built(request_frame: bytes, expected: str) -> None:
    assert request_frame == hexa(expected)


@pytest.mark.parametrize(
    ("frame", "volts"), [("01 04 04 43 66 00 00 0E 1F", 230.0), ("01 04 04 43 67 AF 55 E2 10", 231.68)]
)
def test_golden_voltage_is_read(frame: str, volts: float) -> None:
    reply = ReplyDecoder(1, 4, 2).feed(hexa(frame))
    assert isinstance(reply, RegistersReply)
    assert registers_float(*reply.registers) == pytest.approx(volts, abs=0.005)


def test_golden_evse_din_blocks_are_read() -> None:
    config = hexa(
        "01 03 24 0020 0001 0005 0001 0000 0209 0000 0000 FFFF 0003 0006 000A 0010 0019 0020 0030 003F 0050 42 EE"
    )
    reply = ReplyDecoder(1, 3, 18).feed(config)
    assert isinstance(reply, RegistersReply)
    assert reply.registers[:6] == (32, 1, 5, 1, 0, 0x0209)
    status = hexa("01 03 14 0020 0000 0001 0005 0000 0012 0001 0000 0000 0000 21 C5")
    assert ReplyDecoder(1, 3, 10).feed(status) == RegistersReply(1, 3, (32, 0, 1, 5, 0, 18, 1, 0, 0, 0))


def test_write_replies_are_read() -> None:
    assert ReplyDecoder(1, 16, 1).feed(hexa("01 10 03 E8 00 01 81 B9")) == WriteReply(1, 16, 0x03E8, 1)
    assert ReplyDecoder(1, 6, 1).feed(hexa("01 06 00 70 00 01 49 D1")) == WriteReply(1, 6, 0x0070, 1)


def test_exception_is_an_answer() -> None:
    assert ReplyDecoder(1, 4, 14).feed(hexa("01 84 02 C2 C1")) == ExceptionReply(1, 4, 2)


def test_garbage_and_own_echo_before_the_reply_are_skipped() -> None:
    decoder = ReplyDecoder(1, 4, 2)
    assert decoder.feed(b"\x00\xff\x01" + V_REQUEST + b"\x01\x04" + V_REPLY) == RegistersReply(1, 4, (0x4366, 0))


def test_own_echo_of_a_write_is_not_its_answer() -> None:
    decoder = ReplyDecoder(1, 16, 1)
    assert decoder.feed(hexa("01 10 03 E8 00 01 02 00 10 83 B4")) is None
    assert decoder.feed(hexa("01 10 03 E8 00 01 81 B9")) == WriteReply(1, 16, 0x03E8, 1)


@pytest.mark.parametrize(
    "foreign",
    [
        read_response(2, 4, (1, 2)),  # another unit
        read_response(1, 3, (1, 2)),  # another function
        read_response(1, 4, (1, 2, 3, 4)),  # another length: a late reply to another block
        exception_response(2, 4, 2),
        V_REPLY[:-1] + b"\x00",  # bad checksum
        V_REPLY[:-1],  # cut short
    ],
)
def test_a_foreign_or_damaged_frame_is_not_the_reply(foreign: bytes) -> None:
    assert ReplyDecoder(1, 4, 2).feed(foreign) is None


def test_a_reply_whose_byte_count_contradicts_its_length_is_not_taken() -> None:
    lying = b"\x01\x04\x08" + bytes(4)
    assert ReplyDecoder(1, 4, 2).feed(lying + crc16(lying).to_bytes(2, "little")) is None


def test_checksum_errors_are_counted_once() -> None:
    decoder = ReplyDecoder(1, 4, 2)
    decoder.feed(V_REPLY[:-1] + b"\x00")
    decoder.feed(b"\x55" * 10)
    assert decoder.checksum_errors == 1


def test_slave_reads_every_kind_of_request() -> None:
    stream = (
        read_request(3, 4, 70, 6)
        + b"\xee"
        + write_registers_request(3, 28, (0x4000, 0))
        + write_register_request(4, 1, 2)
        + ReadCoils
        + read_request(3, 3, 1, 2)
    )
    assert RequestDecoder().feed(stream) == [
        ReadRegisters(3, 4, 70, 6),
        WriteRegisters(3, 16, 28, (0x4000, 0)),
        WriteRegisters(4, 6, 1, (2,)),
        OtherRequest(3, 1),
        ReadRegisters(3, 3, 1, 2),
    ]


ReadCoils = hexa("03 01 00 00 00 01") + crc16(hexa("03 01 00 00 00 01")).to_bytes(2, "little")


def test_slave_skips_a_write_whose_byte_count_contradicts_its_register_count() -> None:
    lying = hexa("01 10 00 00 00 02 02 00 01")
    lying += crc16(lying).to_bytes(2, "little")
    assert RequestDecoder().feed(lying + read_request(1, 4, 0, 2)) == [ReadRegisters(1, 4, 0, 2)]


@pytest.mark.parametrize("value", [0.0, -1.5, 230.0, 2.0**-149, math.inf, -math.inf])
def test_floats_survive(value: float) -> None:
    assert registers_float(*float_registers(value)) == value


def test_a_float_too_large_becomes_infinite_and_nan_stays_nan() -> None:
    assert registers_float(*float_registers(1e300)) == math.inf
    assert registers_float(*float_registers(-1e300)) == -math.inf
    assert math.isnan(registers_float(*float_registers(math.nan)))


@repeatable
@given(st.binary(max_size=600))
def test_no_bytes_ever_raise(data: bytes) -> None:
    ReplyDecoder(1, 4, 14).feed(data)
    ReplyDecoder(data[0] if data else 1, 16, 1).feed(data)
    RequestDecoder().feed(data)


@repeatable
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_a_reply_is_found_behind_any_garbage_and_any_split(garbage: bytes, more: bytes) -> None:
    stream = garbage + V_REPLY
    whole = ReplyDecoder(1, 4, 2).feed(stream + more)
    assert whole == RegistersReply(1, 4, (0x4366, 0))
    for cut in range(len(stream)):
        decoder = ReplyDecoder(1, 4, 2)
        assert (decoder.feed(stream[:cut]) or decoder.feed(stream[cut:])) == whole


@repeatable
@given(st.integers(0, 8 * len(V_REPLY) - 1), st.integers(0, 8 * len(V_REPLY) - 1))
def test_one_or_two_flipped_bits_are_always_seen(first: int, second: int) -> None:
    damaged = bytearray(V_REPLY)
    for bit in {first, second}:
        damaged[bit // 8] ^= 1 << bit % 8
    assert ReplyDecoder(1, 4, 2).feed(bytes(damaged)) is None


@repeatable
@given(st.lists(st.one_of(st.binary(max_size=12), st.just(V_REQUEST), st.just(ReadCoils)), max_size=6), st.data())
def test_splitting_the_requests_anywhere_changes_nothing(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cut = data.draw(st.integers(0, len(stream)))
    decoder = RequestDecoder()
    assert decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]) == RequestDecoder().feed(stream)


# --- pymodbus reads what we write, and writes what we read ------------------------------------------------------------
to_client, to_server = FramerRTU(DecodePDU(False)), FramerRTU(DecodePDU(True))


@repeatable
@given(units, words, st.integers(1, 125))
def test_pymodbus_agrees_on_reads(unit: int, address: int, count: int) -> None:
    for function, kind in ((3, ReadHoldingRegistersRequest), (4, ReadInputRegistersRequest)):
        frame = to_server.buildFrame(kind(address=address, count=count, dev_id=unit))
        assert frame == read_request(unit, function, address, count)
        assert RequestDecoder().feed(frame) == [ReadRegisters(unit, function, address, count)]


@repeatable
@given(units, words, st.lists(words, min_size=1, max_size=123))
def test_pymodbus_agrees_on_writes_and_replies(unit: int, address: int, values: list[int]) -> None:
    frame = to_server.buildFrame(WriteMultipleRegistersRequest(address=address, registers=values, dev_id=unit))
    assert frame == write_registers_request(unit, address, values)
    assert RequestDecoder().feed(frame) == [WriteRegisters(unit, 16, address, tuple(values))]
    frame = to_server.buildFrame(WriteSingleRegisterRequest(address=address, registers=values[:1], dev_id=unit))
    assert frame == write_register_request(unit, address, values[0])
    frame = to_client.buildFrame(WriteMultipleRegistersResponse(address=address, count=len(values), dev_id=unit))
    assert frame == write_registers_response(unit, address, len(values))
    for function, kind in ((3, ReadHoldingRegistersResponse), (4, ReadInputRegistersResponse)):
        frame = to_client.buildFrame(kind(registers=values, dev_id=unit))
        assert frame == read_response(unit, function, values)
        assert ReplyDecoder(unit, function, len(values)).feed(frame) == RegistersReply(unit, function, tuple(values))
        # … and it decodes our frame to the same registers.
        used, pdu = to_client.handleFrame(read_response(unit, function, values), unit, 0)
        assert used == len(frame)
        assert pdu is not None
        assert pdu.registers == values


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_pymodbus_agrees_on_exceptions(code: int) -> None:
    assert to_client.buildFrame(ExceptionResponse(4, code, device_id=9)) == exception_response(9, 4, code)
