"""Asking for the list of updates, from a real server over https."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import tests.appliance  # noqa: F401
from ocppclient.certificates import CENTRAL_SYSTEM_ROOT, MANUFACTURER_ROOT
from ocppclient.clock import format_utc
from ocppclient.store import Certificate
from station.jobs import JobFailed, Task
from station.models import Setting
from station.updates import published
from station.updates.job import look
from station.updates.published import make
from tests.appliance import disk_store
from tests.ocppclient.certificates import NOW, Issued, issue
from tests.station.transfer.servers import Web, web
from tests.station.updates.test_published import OFFER, sign

Serve = Callable[[Callable[[Any], None]], Web]


@pytest.fixture
def maker(tmp_path: Path) -> Issued:
    root = issue(tmp_path, "Manufacturer Root")
    disk_store().save_certificate(Certificate(MANUFACTURER_ROOT, "f", root.pem, NOW))
    return issue(tmp_path, "signer", root)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A seller's server, whose root is trusted and whose address may be reached."""
    Setting.objects.create(section="factory", name="allow_local_transfers", value="true")
    Setting.objects.create(section="identity", name="model", value='"AC-1"')
    root = issue(tmp_path, "Web Root")
    disk_store().save_certificate(Certificate(CENTRAL_SYSTEM_ROOT, "w", root.pem, NOW))
    made = issue(tmp_path, "seller", root, hosts=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert_file, made.key_file)
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(web(answer, context))


def ask(address: str, folder: Path, former: str = "") -> Any:
    arguments = {"location": address, "former": former, "now": format_utc(NOW), "sure": True}
    try:
        return look(Task("uid", 1, arguments, folder, lambda stage, percent: None))
    finally:
        assert not list(folder.glob("uid*"))  # nothing stays, however it ends


def refusal(address: str, folder: Path, former: str = "") -> JobFailed:
    with pytest.raises(JobFailed) as caught:
        ask(address, folder, former)
    return caught.value


def test_what_fits_the_station_is_told(tmp_path: Path, maker: Issued, serve: Serve):
    content = make([OFFER], NOW, sign(maker))
    server = serve(lambda handler: handler.reply(200, content, ETag='"1"'))
    told = ask(server.url("/updates.json"), tmp_path)
    assert told["made"] == format_utc(NOW)
    assert (told["offer"]["version"], told["offer"]["location"]) == ("2.0.0", server.url("/2.0.0.release"))
    assert json.dumps(told)
    # nothing tells the seller who asks
    [(method, path, headers)] = server.seen
    assert (method, path) == ("GET", "/updates.json")
    assert set(headers) == {"Host", "User-Agent", "Accept-Encoding", "Connection"}


def test_nothing_newer_is_told_as_nothing(tmp_path: Path, maker: Issued, serve: Serve):
    content = make([], NOW, sign(maker))
    assert ask(serve(lambda handler: handler.reply(200, content)).url(), tmp_path)["offer"] is None


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [(404, b"", "missing"), (503, b"", "network"), (200, b"<html>", "list"), (200, make([], NOW, None), "signature")],
)
def test_another_answer_is_a_failure_of_its_kind(
    tmp_path: Path, maker: Issued, serve: Serve, status: int, body: bytes, failure: str
):
    assert refusal(serve(lambda handler: handler.reply(status, body)).url(), tmp_path).failure == failure


def test_an_old_list_is_refused(tmp_path: Path, maker: Issued, serve: Serve):
    content = make([OFFER], NOW, sign(maker))
    server = serve(lambda handler: handler.reply(200, content))
    assert refusal(server.url(), tmp_path, format_utc(NOW + timedelta(hours=1))).failure == "list"


def test_a_list_that_is_too_large_is_not_read(tmp_path: Path, maker: Issued, serve: Serve):
    server = serve(lambda handler: handler.reply(200, b" " * (published.LARGEST + 1)))
    assert refusal(server.url(), tmp_path).failure == "size"


def test_a_way_to_plain_http_is_not_taken(tmp_path: Path, maker: Issued, serve: Serve):
    content = make([OFFER], NOW, sign(maker))
    with web(lambda handler: handler.reply(200, content)) as plain:
        server = serve(lambda handler: handler.reply(302, Location=plain.url()))
        assert refusal(server.url(), tmp_path).failure == "refused"
        assert plain.seen == []


def test_the_station_itself_is_not_asked(tmp_path: Path, maker: Issued, serve: Serve):
    """A12"""
    server = serve(lambda handler: handler.reply(200, b""))
    Setting.objects.filter(name="allow_local_transfers").delete()
    assert refusal(server.url(), tmp_path).failure == "refused"
    assert server.seen == []
