"""Cards as CSV: what is written harms no spreadsheet, what is read is taken with tolerance or refused with a cure."""

from __future__ import annotations

import contextlib
import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocppclient.store import IdTagEntry
from station import card_csv
from station.card_csv import COLUMNS, Line, UnusableFile, read, write

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEADER = "id_tag,status,parent_id_tag,expiry_date,note,source\n"


def entry(id_tag: str = "A", **more: object) -> IdTagEntry:
    return IdTagEntry(**{"id_tag": id_tag, "status": "Accepted", "source": "station", **more})  # type: ignore[arg-type]


def one(text: str) -> Line:
    (line,) = read(text.encode())
    return line


def told(line: Line) -> tuple[str, str]:
    """Column and whole sentence of the only problem."""
    (problem,) = line.problems
    return problem.column, f"{problem.reason} {problem.cure}"


# -- writing


def test_a_file_has_a_header_and_lines_that_end_with_crlf_and_no_byte_order_mark() -> None:
    text = write([entry("04A1", parent_id_tag="P", expiry_date=NOON, note='the "blue", car'), entry("B")])
    assert text == (
        "id_tag,status,parent_id_tag,expiry_date,note,source\r\n"
        '04A1,Accepted,P,2026-03-01T12:00:00.000Z,"the ""blue"", car",station\r\n'
        "B,Accepted,,,,station\r\n"
    )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝", "'=", "''+"])
def test_no_cell_is_a_formula(start: str) -> None:
    text = write([entry(f"{start}1"[:20], note=f"{start}cmd|' /C calc'!A0", parent_id_tag=f"{start}P")])
    for cell in list(csv.reader(io.StringIO(text, newline="")))[1]:
        assert cell[:1] not in "=+-@\t\r＝" or cell == ""


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.builds(
            entry,
            st.text("=+-@'AZ09;,\" ", min_size=1, max_size=20).map(str.strip).filter(
                lambda tag: tag and not card_csv._LONG_NUMBER.fullmatch(tag)
            ),
            status=st.sampled_from(["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"]),
            parent_id_tag=st.text("=+-@'AZ", max_size=20),
            expiry_date=st.none() | st.just(NOON),
            note=st.text("=+-@'aé한;,\"\t ".replace("\t", ""), max_size=100).map(str.strip),
            source=st.sampled_from(["station", "backend"]),
        ),
        min_size=1, max_size=5, unique_by=lambda row: row.id_tag.casefold(),
    )
)  # fmt: skip
def test_what_was_exported_is_read_as_it_was(rows: list[IdTagEntry]) -> None:
    lines = read(write(rows).encode())
    assert [line.problems for line in lines] == [()] * len(rows)
    assert [
        IdTagEntry(line.id_tag, source=line.source, **line.fields)  # type: ignore[arg-type]
        for line in lines
    ] == rows


# -- reading what fits


def test_the_columns_come_in_the_order_of_the_header() -> None:
    line = one("Note;Expiry Date;ID-Tag;STATUS\nBob;2026-03-01T13:00:00+01:00;04a1;blocked\n")
    assert line == Line(2, "04a1", {"note": "Bob", "expiry_date": NOON, "status": "Blocked"})


def test_without_a_header_the_columns_have_the_order_of_the_export() -> None:
    line = one("04A1,Blocked,P,2026-03-01,Bob,station")
    assert line.fields == {
        "status": "Blocked", "parent_id_tag": "P", "expiry_date": datetime(2026, 3, 1, tzinfo=UTC), "note": "Bob",
    }  # fmt: skip
    assert (line.number, line.source) == (1, "station")


def test_only_card_numbers_are_enough() -> None:
    assert [line.id_tag for line in read(b"04A1\n04A2\r\n04A3")] == ["04A1", "04A2", "04A3"]
    assert one("id_tag\n04A1").fields == {}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_any_separator_line_end_and_byte_order_mark(separator: str, header: bool, end: str, mark: str) -> None:
    rows = [["04A1", "Accepted", "P", "", "a, b; c\td".replace("\t", " "), ""], ["04A2", "Blocked", "", "", "", ""]]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=end)
    writer.writerows([list(COLUMNS), *rows] if header else rows)
    lines = read((mark + text.getvalue()).encode())
    assert [(line.id_tag, line.fields["status"]) for line in lines] == [("04A1", "Accepted"), ("04A2", "Blocked")]
    assert lines[0].fields["note"] == "a, b; c d"


def test_commas_in_a_note_do_not_hide_the_semicolons() -> None:
    assert one("04A1;Accepted;;;Smith, John, Ann, Eve, Zoe").fields["note"] == "Smith, John, Ann, Eve, Zoe"


def test_the_line_that_excel_puts_first_is_understood() -> None:
    line = one("sep=;\r\n04A1;Blocked\r\n")
    assert (line.number, line.fields["status"]) == (2, "Blocked")


def test_blank_lines_are_passed_over_and_numbers_are_those_of_the_file() -> None:
    lines = read(b'id_tag,note\n\n04A1,"x"\n,,\n  \n04A2,"y"\n')
    assert [(line.number, line.id_tag) for line in lines] == [(3, "04A1"), (6, "04A2")]


def test_a_line_number_is_that_of_its_first_line() -> None:
    lines = read(b'id_tag,note\n04A1,"two\nlines"\n04A2,x\n')
    assert [line.number for line in lines] == [2, 4]


# -- what is wrong in a line


@pytest.mark.parametrize(
    ("text", "column", "sentence"),
    [
        ("id_tag,note\n,Bob", "id_tag", "missing. Give 1 to 20"),
        ("note,id_tag\nBob", "id_tag", "missing"),
        ("X" * 21, "id_tag", "has 21 characters. OCPP has room for 20"),
        ("Müller", "id_tag", "the character '\\xfc'. Use letters"),
        ('"A\tB"', "id_tag", "the character '\\t'"),
        ("4.12E+15", "id_tag", "spreadsheet shortens it, no card number. Format the column as text"),
        ("A,Fine", "status", "'Fine' is no status. Use one of: Accepted, Blocked"),
        ("A,Accepted," + "P" * 21, "parent_id_tag", "has 21 characters"),
        ("A,Accepted,,31.12.2026", "expiry_date", "'31.12.2026' is no date. Write it like 2026-12-31"),
        ("A,Accepted,,9999-12-31T23:59:59-05:00", "expiry_date", "is no date"),
        ("A,Accepted,,," + "n" * 101, "note", "has 101 characters. Shorten it to 100"),
        ('A,Accepted,,,"two\nlines"', "note", "line break"),
        ("A,Accepted,,,,cache", "source", "'cache' is no source. Write station"),
        ("A,Accepted,,,note,,more", "7", "has 7 columns; 6 are known. Put a text that holds the separator"),
    ],
)
def test_a_bad_cell_is_told_with_its_column_its_reason_and_its_cure(text: str, column: str, sentence: str) -> None:
    found, said = told(one(text))
    assert found == column
    assert sentence in said


def test_all_bad_cells_of_a_line_are_told_at_once() -> None:
    assert [problem.column for problem in one("A,Fine,,never,note").problems] == ["status", "expiry_date"]


def test_a_card_that_comes_twice_is_an_error_in_its_second_line() -> None:
    lines = read(b"id_tag\n04a1\n04B2\n04A1\n")
    assert [bool(line.problems) for line in lines] == [False, False, True]
    assert told(lines[2])[1].startswith("The card stands in line 2 already")


# -- files that cannot be used


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty"),
        (b"\xef\xbb\xbf\r\n \r\n", "The file is empty"),
        (b"id_tag,status\r\n", "a header but no cards"),
        ("id_tag,note\nA,x\nB,Müller\n".encode("latin-1"), "not in UTF-8: line 3 holds the byte 0xfc"),
        ("id_tag\nA\n".encode("utf-16"), "in UTF-16"),
        (b"PK\x03\x04....", "an Excel workbook"),
        (b"\x00\x01\x02", "no text file"),
        (b"status,note\nAccepted,x\n", "no column id_tag"),
        (b"id_tag,expiry\nA,2026-01-01\n", "a column 'expiry' that is not known"),
        (b"id_tag,note,note\nA,x,y\n", "the column note twice"),
        (b'id_tag,note\nA,x\nB,"never closed\nC,y\n', "Line 3 cannot be read"),
        (b'id_tag,note\nA,"x"y\n', "Line 2 cannot be read"),
        (b"A" * (card_csv.MAX_BYTES + 1), "larger than 4 MB"),
        (b"".join(b"%d\n" % number for number in range(10_001)), "holds 10001 cards; at most 10000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_cannot_be_used_is_refused_with_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(UnusableFile, match=sentence):
        read(data)


def test_ten_thousand_lines_are_read() -> None:
    data = (HEADER + "".join(f"CARD{number:06},Accepted,P,2026-12-31,note,\n" for number in range(10_000))).encode()
    assert len(read(data)) == 10_000


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text("id_tag,;\"\n\r\t'=A é", max_size=80).map(str.encode))
def test_no_file_brings_the_reader_down(data: bytes) -> None:
    with contextlib.suppress(UnusableFile):
        assert read(data)
