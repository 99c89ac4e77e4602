"""Whose clock judges the dates of certificates, and what it may say while nobody has confirmed it (CLK-06, SEC-11)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from ocppclient import pki
from ocppclient.charge_point_certificate import CHARGE_POINT
from ocppclient.clock import Clock, format_utc
from ocppclient.events import CertificateChosen, Connected, Disconnect, Disconnected, TimeTold
from ocppclient.store import Certificate
from ocppclient.tls import client_context
from tests.ocppclient.backend import backend, station
from tests.ocppclient.certificates import Issued, issue
from tests.ocppclient.harness import START, Bench
from tests.ocppclient.test_tls import in_loop, secure, server_context

DAY = timedelta(days=1)
YEAR = 365 * DAY


def clock_at(ahead: timedelta, *, confirmed: bool) -> Clock:
    """The station's clock, so far ahead of the operating system's."""
    clock = Clock(system_utc=lambda: datetime.now(UTC) + ahead)
    if confirmed:
        clock.confirm()
    return clock


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dates")


@pytest.fixture(scope="module")
def root(folder: Path) -> Issued:
    return issue(folder, "root", starts=-YEAR, ends=9 * YEAR)


@pytest.mark.parametrize(
    ("starts", "ends", "ahead", "confirmed", "words"),
    [
        pytest.param(-DAY, YEAR, -DAY * 30, False, "", id="a guess that is behind refuses nothing"),
        pytest.param(-DAY, YEAR, -DAY * 30, True, "not valid yet", id="a sure clock does"),
        pytest.param(-DAY, DAY, 2 * DAY, False, "has expired", id="what has ended by a guess has ended"),
        pytest.param(-DAY, DAY, 2 * DAY, True, "has expired", id="by a sure clock as well"),
        pytest.param(DAY, YEAR, 2 * DAY, True, "", id="the system's clock has no say about the beginning"),
        pytest.param(-9 * DAY, -DAY, -5 * DAY, True, "", id="nor about the end"),
    ],
)
@in_loop
async def test_the_stations_clock_judges_as_far_as_it_is_sure(
    folder: Path, root: Issued, starts: timedelta, ends: timedelta, ahead: timedelta, confirmed: bool, words: str
) -> None:
    """CLK-06, SEC-11, F10"""
    server = issue(folder, "server", root, hosts=("localhost",), starts=starts, ends=ends)
    clock = clock_at(ahead, confirmed=confirmed)
    async with (
        backend(ssl=server_context(server)) as (port, _),
        station(secure(port, root), clock=clock) as (connection, events),
    ):
        if not words:
            connected = await events.until(Connected)
            assert connected.valid == (
                server.certificate.not_valid_before_utc,
                min(server.certificate.not_valid_after_utc, root.certificate.not_valid_after_utc),
            )
            return
        assert words in (await events.until(Disconnected)).reason
        assert connection.status().last_error_kind == "certificate"
        assert events.count(Connected) == 0


@in_loop
async def test_an_issuer_that_has_ended_is_named_as_the_issuer(folder: Path) -> None:
    old = issue(folder, "old-root", ends=-DAY / 2)
    server = issue(folder, "server-of-old", old, hosts=("localhost",))
    async with backend(ssl=server_context(server)) as (port, _), station(secure(port, old)) as (_, events):
        assert "the issuer of the certificate of localhost has expired" in (await events.until(Disconnected)).reason


@pytest.mark.parametrize("old_first", [True, False])
@in_loop
async def test_a_renewed_root_with_the_same_key_counts_whatever_the_order(folder: Path, old_first: bool) -> None:
    """CRT-16: the library itself would take whichever it finds first"""
    new = issue(folder, "same-root", starts=-YEAR)
    builder = (
        x509.CertificateBuilder()
        .subject_name(new.certificate.subject)
        .issuer_name(new.certificate.subject)
        .public_key(new.certificate.public_key())
        .serial_number(7)
        .not_valid_before(datetime.now(UTC) - 2 * YEAR)
        .not_valid_after(datetime.now(UTC) - DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    old = builder.sign(new.key, new.certificate.signature_hash_algorithm)
    server = issue(folder, "server-of-same", new, hosts=("localhost",))
    roots = [pki.pem([old]), new.pem]
    settings_roots = tuple(roots if old_first else reversed(roots))
    async with (
        backend(ssl=server_context(server)) as (port, _),
        station(secure(port, new, root_certificates=settings_roots)) as (_, events),
    ):
        await events.until(Connected)


def test_a_root_that_is_no_certificate_is_still_refused_in_words(root: Issued) -> None:
    with pytest.raises(ValueError, match="an installed root certificate cannot be used"):
        client_context(secure(1, root, root_certificates=("nonsense",)), Clock())


# --- in the domain ---------------------------------------------------------------------------------------------------


def behind(bench: Bench, by: timedelta) -> Bench:
    """The station starts with a plausible clock that is behind."""
    bench.start = START - by
    bench._make()
    bench.read()
    return bench


@pytest.mark.parametrize(("since", "fits"), [(START - DAY, True), (START + DAY, False)])
def test_certificates_are_judged_again_as_soon_as_the_clock_is_confirmed(since: datetime, fits: bool) -> None:
    """CLK-06: what a guess let through is refused by the time that the backend itself tells"""
    bench = behind(Bench(), 9 * DAY)
    bench.do(Connected((), (since, since + YEAR)))
    assert not [action for action in bench.actions if isinstance(action, Disconnect)]
    bench.answer(status="Accepted", interval=300, currentTime=format_utc(START))
    ended = [action.reason for action in bench.actions if isinstance(action, Disconnect)]
    events = [row for row in bench.store.security_events() if row.type == "InvalidCentralSystemCertificate"]
    if fits:
        assert (ended, events) == ([], [])
    else:
        assert len(ended) == len(events) == 1
        assert "valid from 2026-03-02" in ended[0]
        assert "CLK-06" in bench.clauses()


def test_a_connection_of_a_confirmed_clock_is_not_judged_twice() -> None:
    bench = Bench()
    bench.read()
    bench.do(TimeTold("ntp", START, bench.time.now, ""))
    bench.do(Connected((), (START - DAY, START + timedelta(seconds=30))))
    bench.wait(60, step_s=1)
    assert not [action for action in bench.actions if isinstance(action, Disconnect)]


def test_a_root_that_begins_later_is_installed_while_the_clock_is_a_guess(folder: Path) -> None:
    """SEC-11: a station that was in a box for months meets the certificate of this morning"""
    fresh = issue(folder, "fresh")
    bench = behind(Bench(), timedelta())
    chosen = CertificateChosen("CentralSystemRootCertificate", fresh.pem, "ann")
    if fresh.certificate.not_valid_before_utc <= bench.clock.utc():
        pytest.fail("the certificate has to begin later than the clock of the bench")
    bench.do(chosen)
    assert len(bench.store.certificates("CentralSystemRootCertificate")) == 1


def test_a_root_that_begins_later_is_refused_by_a_sure_clock(folder: Path) -> None:
    bench = behind(Bench(), timedelta())
    bench.do(TimeTold("ntp", START, bench.time.now, ""))
    bench.do(CertificateChosen("CentralSystemRootCertificate", issue(folder, "later").pem, "ann"))
    assert bench.store.certificates("CentralSystemRootCertificate") == []
    assert "not valid before" in bench.reasons()[-1]


@pytest.mark.parametrize(("is_sure", "presented"), [(False, "fresh client"), (True, None)])
def test_the_stations_own_certificate_is_presented_though_a_guess_has_it_begin_later(
    folder: Path, is_sure: bool, presented: str | None
) -> None:
    """SEC-13: otherwise a station with profile 3 could never ask its backend for the time"""
    bench = behind(Bench(), timedelta())
    for name, starts in (("fresh client", -DAY), ("fresher client", -DAY / 2)):
        client = issue(folder, name, starts=starts)
        key_id = pki.key_id(client.certificate)
        bench.store.save_private_key(key_id, client.key_pem)
        fingerprint = pki.fingerprint(client.certificate)
        bench.store.save_certificate(Certificate(CHARGE_POINT, fingerprint, client.pem, START, key_id=key_id))
    if is_sure:
        bench.do(TimeTold("ntp", START, bench.time.now, ""))
    bench.cp.charge_point_certificate.forget()
    shown = bench.cp.charge_point_certificate.client()
    found = pki.describe(pki.read_chain(shown.chain)[0]).name if shown else None
    assert found == presented
