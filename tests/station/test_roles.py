"""The roles: every route and every command has one, and who lacks it is told why."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from channels.layers import channel_layers, get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from ocppclient.store import Transaction
from station import live, navigation
from station.asgi import application
from station.consumers import COMMANDS
from station.roles import Role, assign, role_of
from tests.appliance import disk_store
from tests.station.test_pages import NOON, OPEN

ROLES = [Role.VIEWER, Role.OPERATOR, Role.INSTALLER, Role.MANUFACTURER]


def somebody(role: Role) -> User:
    user = User.objects.create_user(f"a-{role.word}")
    assign(user, role)
    return user


def browser(role: Role) -> Client:
    client = Client()
    client.force_login(somebody(role))
    return client


def test_every_route_names_the_role_it_needs() -> None:
    nameless = []
    for pattern in get_resolver().url_patterns:
        if isinstance(pattern, URLResolver):
            assert str(pattern.pattern) in ("admin/", "api/v1/"), "others name theirs here"
            continue
        assert isinstance(pattern, URLPattern)
        route = re.sub(r"<[^>]*>", "1", f"/{pattern.pattern}")
        if route not in OPEN and route != "/logout" and not isinstance(getattr(pattern.callback, "role", None), Role):
            nameless.append(route)
    assert nameless == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_its_pages_and_no_others(role: Role) -> None:
    client = browser(role)
    for entry in (entry for entries in navigation.PAGES.values() for entry in entries):
        assert client.get(entry.url).status_code == (200 if role >= entry.role else 403), entry.url


@pytest.mark.parametrize("role", ROLES)
def test_the_navigation_shows_what_may_be_opened(role: Role) -> None:
    page = browser(role).get("/more").content.decode()
    for entry in (entry for entries in navigation.PAGES.values() for entry in entries):
        assert (f'href="{entry.url}"' in page) == (role >= entry.role), entry.url


def test_every_page_in_the_navigation_says_what_it_is_for_and_has_its_icon() -> None:
    icons = (settings.BASE_DIR / "static" / "station" / "icons.svg").read_text()
    for entry in (entry for entries in navigation.PAGES.values() for entry in entries):
        assert entry.purpose
        assert f'id="{entry.icon}"' in icons


def test_a_refused_page_says_which_role_is_missing() -> None:
    answer = browser(Role.VIEWER).get("/why")
    assert answer.status_code == 403
    assert "This needs the role operator; you are signed in as viewer." in answer.content.decode()


def test_a_user_without_a_role_sees_nothing() -> None:
    client = Client()
    client.force_login(User.objects.create_user("new"))
    assert client.get("/").status_code == 403


def test_an_inactive_user_and_a_stranger_have_no_role() -> None:
    user = somebody(Role.INSTALLER)
    user.is_active = False
    assert role_of(user) is Role.NOBODY
    assert role_of(AnonymousUser()) is Role.NOBODY


def test_another_role_takes_the_place_of_the_old_one() -> None:
    user = somebody(Role.INSTALLER)
    assert user.is_staff
    assign(user, Role.VIEWER)
    assert role_of(user) is Role.VIEWER
    assert not user.is_staff


def test_an_operator_manages_the_list_in_the_admin_and_a_viewer_does_not_get_in() -> None:
    assert browser(Role.OPERATOR).get("/admin/station/idtag/add/").status_code == 200
    assert browser(Role.VIEWER).get("/admin/station/idtag/").status_code in (302, 403)


def test_an_installer_is_no_superuser_in_the_admin() -> None:
    assert browser(Role.INSTALLER).get("/admin/auth/user/").status_code == 403


def test_a_viewer_sees_only_a_part_of_a_card_number() -> None:
    disk_store().save_transaction(
        Transaction(uid="u", connector_id=1, id_tag="04A1B2C3", meter_start_wh=0, started_at=NOON)
    )
    for path in ("/", "/transactions"):
        assert "04A1B2C3" in browser_page(Role.OPERATOR, path)
        seen = browser_page(Role.VIEWER, path)
        assert "04A1B2C3" not in seen
        assert "04…C3" in seen


def browser_page(role: Role, path: str) -> str:
    User.objects.filter(username=f"a-{role.word}").delete()
    return re.sub(r"\s+", " ", browser(role).get(path).content.decode())


# -- the live socket


@pytest.fixture(autouse=True)
def _no_old_messages() -> None:
    channel_layers.backends.clear()


def said(role: Role, *, send: dict[str, Any] | None = None, group: dict[str, Any] | None = None) -> list[Any]:
    """What a page of that role hears, and then what reached the station."""
    client = browser(role)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}".encode()
    headers = [(b"origin", b"http://127.0.0.1:8080"), (b"host", b"127.0.0.1:8080"), (b"cookie", cookie)]

    async def talk() -> list[Any]:
        socket = WebsocketCommunicator(application, "/ws/live?frames=1", headers)
        accepted, _ = await socket.connect()
        assert accepted
        question = await get_channel_layer().receive(live.STATION)
        heard: list[Any] = [question["frames"]]
        if group:
            await get_channel_layer().group_send(live.GROUP, group)
            heard.append(await socket.receive_json_from())
        if send:
            await socket.send_json_to({"type": "command", **send})
            if role >= COMMANDS[send["command"]][1]:
                heard.append((await get_channel_layer().receive(live.STATION))["command"])
            else:
                heard.append(await socket.receive_json_from())
        await socket.disconnect()
        return heard

    return asyncio.run(asyncio.wait_for(talk(), 20))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("command", "argument"), [("stop", None), ("swipe", "04A1"), ("resend", 3), ("acknowledge", None)]
)
def test_a_command_needs_its_role(command: str, argument: Any, role: Role) -> None:
    answer = said(role, send={"command": command, "argument": argument})[-1]
    if role >= COMMANDS[command][1]:
        assert answer == command
    else:
        assert answer["ok"] is False
        assert "This needs the role operator; you are signed in as viewer." in answer["text"]


def test_a_viewer_gets_no_frames_and_a_masked_card_on_the_live_page() -> None:
    snapshot = {
        "session": {"id_tag": "04A1B2C3", "energy_wh": 5},
        "reservation": {"id": 17, "id_tag": "04A1B2C9"},
        "state": {"sentence": "The station is reserved until 14:20 UTC for card 04A1B2C9."},
    }
    frames, heard = said(Role.VIEWER, group={"type": "live.snapshot", "snapshot": snapshot})
    assert frames is False
    assert heard["snapshot"]["session"] == {"id_tag": "04…C3", "energy_wh": 5}
    assert heard["snapshot"]["reservation"] == {"id": 17, "id_tag": "04…C9"}
    assert heard["snapshot"]["state"]["sentence"] == "The station is reserved until 14:20 UTC for card 04…C9."
    assert heard["snapshot"]["role"] == "viewer"
    frames, heard = said(Role.OPERATOR, group={"type": "live.snapshot", "snapshot": snapshot})
    assert frames is True
    assert heard["snapshot"]["session"]["id_tag"] == "04A1B2C3"
    assert "04A1B2C9" in heard["snapshot"]["state"]["sentence"]
