"""What a station says when it runs."""

from __future__ import annotations

import pytest

import tests.appliance  # noqa: F401
from station.greeting import greeting
from station.provision_file import Provision
from station.provisioning import Applied


@pytest.mark.parametrize("web_url", ["http://127.0.0.1:8080/", ""])
def test_the_one_time_password_is_told_also_when_another_process_has_the_pages(web_url: str) -> None:
    told = greeting(web_url, "", "", Applied(Provision(), "abcd-efgh"))
    assert "admin with the one-time password abcd-efgh" in told
    assert "password" not in greeting(web_url, "", "", Applied(Provision()))
