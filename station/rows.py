"""One table ⇄ one kind of record, in plain SQL: the ORM needs longer to compose a statement than SQLite to run it.

Column names equal the field names of the record; the tables themselves come from `models.py` and its migrations.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from django.db import connection, models

from ocppclient.sentence import Sentence
from station.sentences import SentenceField, packed, unpacked

Record = TypeVar("Record", bound=Any)


class Table(Generic[Record]):
    """The rows of a model as frozen records of `record_type`.

    Args:
        extra: columns that the record does not have; writing methods take their values by keyword.
        keyed: the record brings the primary key; otherwise SQLite gives one.
    """

    def __init__(
        self, model: type[models.Model], record_type: type[Record], extra: Sequence[str] = (), keyed: bool = False
    ) -> None:
        self._record_type = record_type
        self._names = [field.name for field in fields(record_type)]
        self._quoted = f'"{model._meta.db_table}"'
        primary_key = model._meta.pk
        assert primary_key is not None
        self._key = primary_key.column
        self._times = [
            index for index, name in enumerate(self._names) if isinstance(_field(model, name), models.DateTimeField)
        ]
        self._sentences = [
            index for index, name in enumerate(self._names) if isinstance(_field(model, name), SentenceField)
        ]
        self._lists = [index for index, field in enumerate(fields(record_type)) if "tuple" in str(field.type)]
        self._select = f"SELECT {', '.join(self._names)} FROM {self._quoted} "
        self._writable = [name for name in (*self._names, *extra) if keyed or name != self._key]

    def select(self, rest: str, *parameters: Any) -> list[Record]:
        """The records of `SELECT … <rest>`."""
        with connection.cursor() as cursor:
            rows = cursor.execute(self._select + rest, parameters).fetchall()
        return [self._record(row) for row in rows]

    def first(self, rest: str, *parameters: Any) -> Record | None:
        """The first record of `SELECT … <rest>`."""
        return next(iter(self.select(f"{rest} LIMIT 1", *parameters)), None)

    def count(self, rest: str, *parameters: Any) -> int:
        """`SELECT COUNT(*) … <rest>`."""
        with connection.cursor() as cursor:
            (number,) = cursor.execute(f"SELECT COUNT(*) FROM {self._quoted} {rest}", parameters).fetchone()
        return int(number)

    def insert(self, record: Record, replace_on: Sequence[str] = (), **extra: Any) -> int:
        """Insert; with `replace_on` (columns of a unique constraint) the row that is there is replaced. The new key."""
        row = self._row(record, extra, self._writable)
        with connection.cursor() as cursor:
            cursor.execute(self._insert(replace_on), row)
            return int(cursor.lastrowid)

    def insert_all(
        self, records: Iterable[Record], extras: Iterable[dict[str, Any]], replace_on: Sequence[str] = ()
    ) -> None:
        """`insert` for many: one statement, prepared once; `extras` holds the extra columns of each record."""
        rows = [self._row(record, extra, self._writable) for record, extra in zip(records, extras, strict=True)]
        with connection.cursor() as cursor:
            cursor.executemany(self._insert(replace_on), rows)

    def _insert(self, replace_on: Sequence[str]) -> str:
        sql = (
            f"INSERT INTO {self._quoted} ({', '.join(self._writable)}) "
            f"VALUES ({', '.join(['%s'] * len(self._writable))})"
        )
        if replace_on:
            changes = (f"{name} = excluded.{name}" for name in self._writable if name not in replace_on)
            sql += f" ON CONFLICT ({', '.join(replace_on)}) DO UPDATE SET {', '.join(changes)}"
        return sql

    def update(self, record: Record, former: Record | None, rest: str, *parameters: Any) -> int:
        """Write the fields that differ from `former` (None: all) into the rows of `<rest>`; returns how many rows."""
        names = [
            name
            for name in self._names
            if name != self._key and (former is None or getattr(record, name) != getattr(former, name))
        ]
        if not names:
            return 0
        sql = f"UPDATE {self._quoted} SET {', '.join(f'{name} = %s' for name in names)} {rest}"
        with connection.cursor() as cursor:
            return int(cursor.execute(sql, [*self._row(record, {}, names), *parameters]).rowcount)

    def delete(self, rest: str, *parameters: Any) -> int:
        """Delete the rows of `<rest>`; returns how many."""
        with connection.cursor() as cursor:
            return int(cursor.execute(f"DELETE FROM {self._quoted} {rest}", parameters).rowcount)

    def _row(self, record: Record, extra: dict[str, Any], names: Iterable[str]) -> list[Any]:
        return [column(extra[name] if name in extra else getattr(record, name)) for name in names]

    def _record(self, row: Sequence[Any]) -> Record:
        columns = list(row)
        for index in self._times:
            if columns[index] is not None:
                columns[index] = columns[index].replace(tzinfo=UTC)
        for index in self._sentences:
            columns[index] = unpacked(columns[index])
        for index in self._lists:
            columns[index] = tuple(json.loads(columns[index]))
        record: Record = self._record_type(*columns)
        return record


def _field(model: type[models.Model], name: str) -> Any:
    return model._meta.get_field(name)


def column(value: Any) -> Any:
    """A field as SQLite keeps it."""
    if isinstance(value, datetime):
        return str(value.astimezone(UTC).replace(tzinfo=None))  # as Django writes it
    if isinstance(value, Sentence):
        return packed(value)
    if isinstance(value, tuple):
        return json.dumps(value, ensure_ascii=False)
    return value
