"""Safe mode with the real launcher and releases of a few words: when it comes, who may do what there, how it ends."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import sqlite3
import ssl
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from http.cookiejar import CookieJar
from io import BytesIO
from pathlib import Path

import pytest
from django.contrib.auth.hashers import BasePasswordHasher, PBKDF2PasswordHasher, ScryptPasswordHasher

import tests.appliance  # noqa: F401
from station.releases import Releases
from station.web_certificate import WebCertificate
from tests.deploy.test_launcher import BLOCK, LAUNCHER, RUNS, START, WAIT, current, slot, starts, until
from tests.journeys.station import free_port

sys.path.append(str(LAUNCHER.parent))

import installers
import recovery_page
from recovery_html import LANGUAGES, Words, page, starting

#: Says why, and ends: as manage.py does with a StartupError.
REFUSES = START + "sys.stderr.write('first line\\nThe setting <b> is wrong.\\n')\nsys.exit(78)\n"
#: Crashes as the station does.
CRASHES = START + "sys.stderr.write('card 04A1B2C3\\nRuntimeError: secret\\n')\nsys.exit(70)\n"
PROOF = "os.write(int(os.environ['STATION_PROOF_FD']), b'+')\n"
#: Works, and dies later: an end like any other.
DIES_LATER = START + PROOF + "sys.exit(70)\n"
WORKS = START + BLOCK + "if 'STATION_PROOF_FD' in os.environ: " + PROOF + WAIT


class Bench:
    """Launchers on one folder of releases, and a browser for the page."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "data"
        self.data.mkdir()
        self.http = f"127.0.0.1:{free_port()}"
        self.variables = {"STATION_DATA_DIR": str(self.data), "STATION_HTTP": self.http}
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.processes: list[subprocess.Popen[bytes]] = []

    def launch(self, *words: str, boots: int = 1, retry_s: float = 3600.0, **variables: str) -> subprocess.Popen[bytes]:
        code = (
            f"import sys; sys.path.insert(0, {str(LAUNCHER.parent)!r}); import launcher, safe_mode; "
            f"from pathlib import Path; launcher.PAUSE_S = 0.01; launcher.FAILED_BOOTS = {boots}; "
            f"safe_mode.RETRY_S = {retry_s}; "
            f"words = {list(words or ('runstation',))!r}; "
            f"made = launcher.Launcher(Path({str(self.home)!r}), words); "
            "sys.exit(made.run() if words[0] == 'runstation' else made.follow())"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, **self.variables, **variables}, start_new_session=True
        )
        self.processes.append(process)
        return process

    def release(self, code: str, name: str = "old") -> None:
        (self.home / "slots" / name / "manage.py").write_text(code)

    def starts(self) -> int:
        return len(starts(self.home))

    def is_safe(self) -> bool:
        return (self.home / "safe_mode.json").exists()

    def get(self, path: str = "/", **headers: str) -> tuple[int, str]:
        """Status and text; (0, "") while nobody answers."""
        return self._ask(urllib.request.Request(f"http://{self.http}{path}", headers=headers))

    def post(self, path: str, **fields: str) -> tuple[int, str]:
        return self._ask(urllib.request.Request(f"http://{self.http}{path}", urllib.parse.urlencode(fields).encode()))

    def _ask(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with self._browser.open(request, timeout=20) as answer:
                return answer.status, answer.read().decode("latin-1" if "zip" in request.full_url else "utf-8")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_page(self) -> str:
        until(lambda: self.get()[0] == 200, "the page is served")
        return self.get()[1]

    def people(self, **groups: str) -> None:
        """The users of the station: name → group; all have the password "right"."""
        with sqlite3.connect(self.data / "station.sqlite3") as database:
            database.executescript(
                "CREATE TABLE auth_user (id INTEGER PRIMARY KEY, username, password, is_active, is_superuser);"
                "CREATE TABLE auth_group (id INTEGER PRIMARY KEY, name);"
                "CREATE TABLE auth_user_groups (user_id, group_id);"
            )
            for number, (name, group) in enumerate(groups.items()):
                kept = ScryptPasswordHasher().encode("right", "salt")
                database.execute("INSERT INTO auth_user VALUES (?, ?, ?, 1, 0)", (number, name, kept))
                database.execute("INSERT INTO auth_group VALUES (?, ?)", (number, group))
                database.execute("INSERT INTO auth_user_groups VALUES (?, ?)", (number, number))
        database.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    slot(tmp_path, "old")
    (tmp_path / "current").symlink_to("slots/old")
    made = Bench(tmp_path)
    yield made
    for process in made.processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def test_three_failed_boots_lead_to_a_page_with_the_reason(bench: Bench) -> None:
    """F33: no energy, the page with the reason, the data as they are; nothing about people for strangers"""
    bench.release(REFUSES)
    bench.launch(boots=3)
    text = bench.wait_page()
    assert bench.starts() == 3
    assert "The setting &lt;b&gt; is wrong." in text
    assert "first line" not in text
    assert "Try again" not in text
    assert bench.get("/healthz")[0] == 503
    assert bench.get("/any/other/page")[1] == text
    assert "설치자" in bench.get(**{"Accept-Language": "fr, ko-KR;q=0.8"})[1]
    text = bench.post("/act", action="again")[1]
    assert "Sign in" in text
    assert bench.get("/diagnostics.zip")[1] == text
    assert bench.is_safe()


def test_over_https_the_page_has_the_certificate_of_the_pages(bench: Bench) -> None:
    WebCertificate(bench.data / "https").make()
    port = free_port()
    bench.release(REFUSES)
    bench.launch(STATION_HTTPS=f"127.0.0.1:{port}")
    trusting = ssl.create_default_context(cafile=str(bench.data / "https" / "made.pem"))
    trusting.check_hostname = False

    def get() -> str:
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/", timeout=10, context=trusting) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    until(lambda: "is wrong" in get(), "the page is served")
    plain = http.client.HTTPConnection(bench.http, timeout=10)
    plain.request("GET", "/generate_204")
    assert plain.getresponse().headers["Location"] == f"https://127.0.0.1:{port}/"
    plain.close()


def test_without_a_certificate_yet_the_page_is_there_without_it(bench: Bench) -> None:
    """A new box, and one that listens on IPv6"""
    bench.http = f"[::1]:{free_port()}"
    bench.variables["STATION_HTTP"] = bench.http
    bench.release(REFUSES)
    process = bench.launch(STATION_HTTPS=f"127.0.0.1:{free_port()}")
    assert "is wrong" in bench.wait_page()
    process.terminate()
    process.wait(20)


def test_what_a_crash_said_last_is_for_installers_only(bench: Bench) -> None:
    bench.people(ines="installer", otto="operator")
    (bench.data / "logs").mkdir()
    (bench.data / "logs" / "station.log").write_text("the story")
    bench.release(CRASHES)
    bench.launch()
    assert "secret" not in bench.wait_page()
    assert bench.post("/login", username="otto", password="right")[0] == 403
    assert bench.post("/login", username="ines", password="wrong")[0] == 403
    status, text = bench.post("/login", username="ines", password="right")
    assert (status, "RuntimeError: secret" in text, "card 04A1B2C3" in text) == (200, True, True)
    with zipfile.ZipFile(BytesIO(bench.get("/diagnostics.zip")[1].encode("latin-1"))) as found:
        assert found.read("logs/station.log") == b"the story"
        assert json.loads(found.read("safe_mode.json"))["code"] == 70
        assert not [name for name in found.namelist() if "sqlite" in name]


def test_whoever_guesses_passwords_is_shut_out(bench: Bench) -> None:
    bench.people(ines="installer")
    bench.release(REFUSES)
    bench.launch()
    bench.wait_page()
    for _ in range(5):
        bench.post("/login", username="ines", password="wrong")
    status, text = bench.post("/login", username="ines", password="right")
    assert (status, "Wait 15 minutes" in text) == (403, True)


def test_a_person_tries_again_and_one_more_failure_leads_back(bench: Bench) -> None:
    bench.people(ines="installer")
    bench.release(REFUSES)
    bench.launch()
    bench.wait_page()
    bench.post("/login", username="ines", password="right")
    assert "The station starts" in bench.post("/act", action="again")[1]
    until(lambda: bench.starts() == 2 and bench.is_safe(), "it tried once")
    until(lambda: bench.get()[0] == 200, "the page is back")
    bench.release(WORKS)
    bench.post("/login", username="ines", password="right")
    bench.post("/act", action="again")
    until(lambda: bench.starts() == 3, "it runs")
    until(lambda: not bench.is_safe() and bench.get()[0] == 0, "the page has made room")
    last = Releases(bench.home, "old").last_safe_mode()
    assert last is not None
    assert last[0] == "The setting <b> is wrong."


def test_a_person_goes_back_to_the_former_release(bench: Bench) -> None:
    slot(bench.home, "new")
    Releases(bench.home, "old").switch("new")
    Releases(bench.home, "new").confirm()
    bench.people(ines="installer")
    bench.release(REFUSES, "new")
    bench.launch()
    bench.wait_page()
    assert "Go back to release old" in bench.post("/login", username="ines", password="right")[1]
    bench.post("/act", action="back")
    until(lambda: starts(bench.home)[-1] == "old", "the former release runs")
    assert current(bench.home) == "slots/old"
    assert os.readlink(bench.home / "fallback") == "slots/new"  # on trial: it might be no better


def test_there_is_no_way_back_to_a_release_with_other_tables(bench: Bench) -> None:
    slot(bench.home, "new")
    (bench.home / "slots/new/release.json").write_text('{"version": "2", "schema": "0099_more"}')
    Releases(bench.home, "old").switch("new")
    Releases(bench.home, "new").confirm()
    bench.people(ines="installer")
    bench.release(REFUSES, "new")
    bench.launch()
    bench.wait_page()
    text = bench.post("/login", username="ines", password="right")[1]
    assert "Try again" in text
    assert "Go back" not in text


def test_without_a_person_it_tries_again_after_a_while(bench: Bench) -> None:
    bench.release(REFUSES)
    process = bench.launch(retry_s=0.5)
    until(lambda: bench.starts() >= 3, "it tries by itself")
    process.terminate()
    process.wait(20)


def test_a_boot_that_hangs_has_failed(bench: Bench) -> None:
    bench.release(RUNS)
    bench.launch(STATION_BOOT_S="0.3")
    assert "It was not up within 0.3 s." in bench.wait_page()


def test_an_end_after_a_good_boot_is_none_of_the_counted(bench: Bench) -> None:
    bench.release(DIES_LATER)
    assert bench.launch().wait(20) == 70
    assert bench.starts() == 1


def test_the_pages_beside_it_give_way_to_the_page_and_come_back(bench: Bench) -> None:
    """In the appliance another process holds the ports of the web; jobs wait without a page."""
    bench.release(RUNS)
    web = bench.launch("runweb")
    until(lambda: bench.starts() == 1, "the web runs")
    bench.release(REFUSES)
    station = bench.launch("runstation", "--no-web")
    assert "is wrong" in bench.wait_page()
    bench.release(WORKS)
    station.kill()
    station.wait(10)
    bench.launch("runstation", "--no-web")
    until(lambda: bench.starts() == 4, "station and web run")
    assert not bench.is_safe()
    web.terminate()
    assert web.wait(20) == 0


# --- pieces ----------------------------------------------------------------------------------------------------------


def test_users_are_read_from_a_copy_only_when_the_database_is_damaged(bench: Bench) -> None:
    bench.people(ines="installer")
    database = bench.data / "station.sqlite3"
    known = installers.Installers(bench.data).knows
    (bench.data / "copies").mkdir()
    (bench.data / "copies" / "station-20261123.sqlite3").write_bytes(database.read_bytes())
    with sqlite3.connect(database) as changed:
        changed.execute("DELETE FROM auth_user")
    changed.close()
    assert not known("ines", "right")
    database.write_bytes(b"no database" * 1000)
    assert known("ines", "right")
    assert not known("ines", "wrong")
    (bench.data / "copies" / "station-20261123.sqlite3").unlink()
    with pytest.raises(installers.Unreadable):
        known("ines", "right")


@pytest.mark.parametrize("hasher", [ScryptPasswordHasher(), PBKDF2PasswordHasher()], ids=lambda h: h.algorithm)
def test_passwords_are_checked_as_django_keeps_them(hasher: BasePasswordHasher) -> None:
    kept = hasher.encode("ünlock", "salt")
    assert installers.fits("ünlock", kept)
    assert not installers.fits("unlock", kept)
    assert not installers.fits("x", "!unusable")
    assert not installers.fits("x", "scrypt$a$b$c$d$e")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_exists_in_every_language(language: str) -> None:
    state = {"reason": "r", "code": 78, "former": "a", "former_release": "1.0", "contactor": "open"}

    def words(say: Words) -> set[str]:
        shown = page(state, say, is_installer=True) + page({}, say, is_installer=False) + starting(say)
        assert f'lang="{say.language}"' in shown
        return {text.strip() for text in re.findall(r">([^<>]+)<", shown)}

    same = words(Words(language)) & words(Words("en")) - {"r"}
    assert language == "en" or same <= {"Name"}  # which German calls so as well


def test_the_page_has_every_colour_that_its_looks_use(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(LAUNCHER.parents[1])
    css = recovery_page.Page(tmp_path, dict).css().decode()
    used = set(re.findall(r"var\((--[a-z-]+[0-9]?)\)", css))
    assert used
    assert used - set(re.findall(r"(--[a-z-]+[0-9]?):", css)) == set()


def test_a_release_without_looks_still_has_the_page(tmp_path: Path) -> None:
    assert recovery_page.Page(tmp_path, dict).css() == b""
