"""The station with STATION_HTTPS: pages and live socket are behind TLS, plain HTTP leads there."""

from __future__ import annotations

import http.cookiejar
import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.journeys.station import Station, free_port, until

PASSWORD = "correct horse battery"


def test_the_pages_live_behind_tls_and_plain_http_leads_there(tmp_path: Path):
    port = free_port()
    station = Station(
        tmp_path,
        {"web": {"admin_user": "admin", "admin_password": PASSWORD}},
        web=True,
        environment={"STATION_HTTPS": f"127.0.0.1:{port}"},
    )
    try:
        station.start()
        until(lambda: f"https://127.0.0.1:{port}/" in station.log_tail(), 30, "the greeting names the secure address")
        pem = station.data / "https" / "made.pem"
        assert pem.stat().st_mode & 0o777 == 0o600
        trusting = ssl.create_default_context(cafile=str(pem))

        plain = f"http://127.0.0.1:{station.http_port}"
        with urllib.request.urlopen(f"{plain}/", timeout=20) as answer:
            assert f"https://127.0.0.1:{port}/" in answer.read().decode()

        jar = http.cookiejar.CookieJar()
        opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(jar), urllib.request.HTTPSHandler(context=trusting)
        )
        with opener.open(f"{plain}/login", timeout=20) as answer:
            assert answer.url == f"https://127.0.0.1:{port}/login"
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.read().decode())
        fields = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        login = urllib.request.Request(
            f"https://127.0.0.1:{port}/login",
            urllib.parse.urlencode(fields).encode(),
            {"Referer": f"https://127.0.0.1:{port}/login"},
        )
        with opener.open(login, timeout=20) as answer:
            assert answer.url == f"https://127.0.0.1:{port}/setup"  # of a new station
        assert jar
        assert all(cookie.secure for cookie in jar)

        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)
        origin = {"origin": f"https://127.0.0.1:{port}", "additional_headers": {"Cookie": cookies}}
        with connect(f"wss://127.0.0.1:{port}/ws/live", ssl=trusting, **origin) as live:
            assert json.loads(live.recv(20))["type"] == "snapshot"
        with pytest.raises(InvalidStatus):
            connect(f"ws://127.0.0.1:{station.http_port}/ws/live", **origin)
        foreign = urllib.request.Request(f"https://127.0.0.1:{port}/login", headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError, match="400"):
            opener.open(foreign, timeout=20)
        assert station.terminate() == 0
    finally:
        station.close()
