"""A browser without a screen: signs in, gets pages, posts forms."""

from __future__ import annotations

import http.cookiejar
import re
import ssl
import urllib.parse
import urllib.request

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin


class Browser:
    """Signs in as "admin".

    Args:
        base: scheme, host and port.
        trusting: with HTTPS, whose certificates count.
    """

    def __init__(self, base: str, password: str, trusting: ssl.SSLContext | None = None) -> None:
        self._base = base
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._cookies),
            urllib.request.HTTPSHandler(context=trusting),
        )
        self.first_page = self.post("/login", username="admin", password=password)

    def live(self) -> ClientConnection:
        """The websocket of an open page."""
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._cookies)
        address = f"{self._base.replace('http', 'ws', 1)}/ws/live"
        return connect(address, origin=Origin(self._base), additional_headers={"Cookie": cookies})

    def get(self, path: str) -> str:
        with self._opener.open(self._base + path, timeout=20) as answer:
            return answer.read().decode()

    def post(self, path: str, form_on: str = "", **fields: object) -> str:
        """`form_on`: the page with the form, when it is another one."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(form_on or path))
        assert token
        data = urllib.parse.urlencode({**fields, "csrfmiddlewaretoken": token[1]}).encode()
        request = urllib.request.Request(self._base + path, data, {"Referer": self._base + path})
        with self._opener.open(request, timeout=20) as answer:
            return answer.read().decode()
