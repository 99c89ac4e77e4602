"""docs/spec-map.md: where each message and each configuration key lives, and which test files use it."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from types import FunctionType
from typing import Any

from ocppclient.charge_point import ChargePoint
from ocppclient.clock import Clock
from ocppclient.configuration import KEYS, Configuration, Key
from ocppclient.memory_store import MemoryStore
from ocppclient.settings import ChargePointSettings
from station.generated_docs.checklist import sections
from station.generated_docs.page import ROOT, made_from, table
from station.generated_docs.tests_read import read_tests

_INTRODUCTION = (
    "Each message and configuration key that this station has. Where they live is read from the two tables of the "
    "front door and from the code; a test file is named when one of its tests uses the name."
)
_NONE = "–"


def spec_map() -> str:
    """The page."""
    charge_point = ChargePoint(MemoryStore(), Clock(), ChargePointSettings())
    senders = _senders()
    lines = ["# Map of the specification", "", made_from("ocppclient/ and tests/"), _INTRODUCTION, ""]
    lines += ["## Messages of the backend", ""]
    lines += table(
        ("message", "answered by", "tests"),
        ((name, _name(handler), _test_files(name)) for name, handler in sorted(charge_point.requests.items())),
    )
    lines += ["", "## Messages of the station", ""]
    lines += table(
        ("message", "sent by", "its answer goes to", "tests"),
        (
            (name, _listed(senders[name]), _name(handler), _test_files(name))
            for name, handler in sorted(charge_point.replies.items())
        ),
    )
    lines += ["", "## Configuration keys", ""]
    lines += table(
        ("key", "in the table", "read by", "tests"),
        (
            (
                key.name,
                f"`configuration.Configuration.{attribute}`",
                _listed(_readers()[attribute]),
                _test_files(key.name),
            )
            for attribute, key in _keys()
        ),
    )
    [keys] = [section for section in sections() if section.title == "Configuration keys"]
    lines += ["", "Keys of the specification that this station does not have:", ""]
    lines += [f"- {row.name}: {row.not_applicable}" for row in keys.rows if row.not_applicable]
    return "\n".join(lines) + "\n"


def _keys() -> list[tuple[str, Key[Any]]]:
    return [(name, key) for name, key in vars(Configuration).items() if isinstance(key, Key) and key in KEYS.values()]


def _name(handler: Callable[..., object]) -> str:
    """`module.Class.method` of a table's entry; a lambda hands on to what it calls, one that calls nothing is none."""
    if isinstance(handler, FunctionType) and handler.__name__ == "<lambda>":
        variables = inspect.getclosurevars(handler)
        called = [one for one in variables.globals.values() if callable(one)]
        called += [
            method
            for owner in variables.nonlocals.values()
            for name in sorted(variables.unbound)
            if inspect.ismethod(method := getattr(owner, name, None))
        ]
        return _name(called[0]) if called else _NONE
    return f"`{_module(handler.__module__)}.{handler.__qualname__}`"


def _module(name: str) -> str:
    return name.removeprefix("ocppclient.")


@cache
def _senders() -> dict[str, list[str]]:
    """Message of the station → the methods that give it to the outbox."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for where, node in _methods():
        for call in ast.walk(node):
            match call:
                case ast.Call(func=ast.Attribute(attr="send" | "enqueue"), args=[ast.Constant(value=str(action)), *_]):
                    if where not in found[action]:
                        found[action].append(where)
    return found


@cache
def _readers() -> dict[str, list[str]]:
    """Attribute of Configuration → the modules that read it."""
    attributes = {attribute for attribute, _ in _keys()}
    found: defaultdict[str, list[str]] = defaultdict(list)
    for where, node in _methods():
        module = where.partition(".")[0]
        for one in ast.walk(node):
            if isinstance(one, ast.Attribute) and one.attr in attributes and module not in found[one.attr]:
                found[one.attr].append(module)
    return found


def _methods() -> Iterable[tuple[str, ast.AST]]:
    """Every method and function of ocppclient as `module.Class.method`."""
    for path in sorted((ROOT / "ocppclient").glob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            match node:
                case ast.ClassDef(name=owner, body=body):
                    yield from (
                        (f"{path.stem}.{owner}.{one.name}", one) for one in body if isinstance(one, ast.FunctionDef)
                    )
                case ast.FunctionDef(name=name):
                    yield f"{path.stem}.{name}", node


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or _NONE


def _test_files(name: str) -> str:
    """The test files in which a test uses this name."""
    return ", ".join(sorted({test.path for test in read_tests(ROOT / "tests") if name in test.words}))
