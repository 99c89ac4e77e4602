"""Which language a person gets: the choice of this browser, else the station's, else what the browser asks for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from channels.layers import channel_layers, get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from station import commissioning, languages, live
from station.asgi import application
from station.roles import Role, assign


def shown(client: Client, path: str = "/login", **headers: str) -> str:
    return client.get(path, headers=headers).content.decode()


def test_a_browser_is_answered_in_its_own_language(client: Client) -> None:
    assert '<html lang="ko">' in shown(client, accept_language="fr-FR,fr;q=0.9,ko-KR;q=0.8,en;q=0.7")
    assert "Passwort" in shown(client, accept_language="de-AT")
    assert '<html lang="en">' in shown(client, accept_language="fr, tlh;q=0.5, *;q=0.1")
    assert '<html lang="en">' in shown(client)


def test_the_language_of_the_station_wins_over_the_browsers(client: Client) -> None:
    commissioning.say("language", language="ko", time_zone="Asia/Seoul")
    assert '<html lang="ko">' in shown(client, accept_language="de")


def test_a_driver_gets_the_browsers_language_first_and_then_the_stations(client: Client) -> None:
    commissioning.say("language", language="ko", time_zone="Asia/Seoul")
    assert '<html lang="de">' in shown(client, "/driver", accept_language="de")
    assert '<html lang="ko">' in shown(client, "/driver", accept_language="fr")


def test_a_switch_on_every_page_is_remembered_by_the_browser(client: Client) -> None:
    commissioning.say("language", language="ko", time_zone="Asia/Seoul")
    page = shown(client, "/login?next=/why", accept_language="de")
    assert 'href="?next=%2Fwhy&amp;language=de"' in page
    assert '<html lang="de">' in shown(client, "/login?language=de")
    assert '<html lang="de">' in shown(client), "the cookie"
    assert client.cookies[settings.LANGUAGE_COOKIE_NAME]["samesite"] == "Lax"
    assert '<html lang="de">' in shown(client, "/login?language=tlh"), "none of ours changes nothing"


def test_a_form_that_is_sent_switches_nothing(client: Client) -> None:
    client.post("/login?language=de", {})
    assert settings.LANGUAGE_COOKIE_NAME not in client.cookies


def test_programs_are_answered_in_english(client: Client) -> None:
    commissioning.say("language", language="de", time_zone="Europe/Berlin")
    assert client.get("/api/v1/state").headers["Content-Language"] == "en"
    assert client.get("/healthz").headers["Content-Language"] == "en"


def test_the_scripts_get_the_words_of_a_language(client: Client) -> None:
    answer = client.get("/words/de.js")
    assert answer["Content-Type"].startswith("text/javascript")
    assert "gettext" in answer.content.decode()
    assert client.get("/words/tlh.js").status_code == 404


def test_a_refusal_over_the_live_socket_is_in_the_persons_language() -> None:
    channel_layers.backends.clear()
    user = User.objects.create_user("viewer")
    assign(user, Role.VIEWER)
    client = Client()
    client.force_login(user)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items()).encode()
    headers = [(b"origin", b"http://127.0.0.1:8080"), (b"host", b"127.0.0.1:8080"), (b"cookie", cookie)]

    async def talk() -> Any:
        socket = WebsocketCommunicator(application, "/ws/live", headers)
        assert (await socket.connect())[0]
        await get_channel_layer().receive(live.STATION)
        await socket.send_json_to({"type": "command", "command": "swipe", "argument": "04A1"})
        heard = await socket.receive_json_from()
        await socket.disconnect()
        return heard

    heard = asyncio.run(asyncio.wait_for(talk(), 20))
    assert heard["text"].startswith("Dafür ist die Rolle Betreiber nötig")


def test_the_wizards_languages_are_those_with_a_catalogue() -> None:
    assert list(commissioning.LANGUAGES) == list(languages.LANGUAGES)


@pytest.mark.parametrize(
    ("path", "words"),
    [("/keys", ">fest<"), ("/backup", "Mindestens 12 Zeichen")],
)
def test_what_is_made_when_the_station_starts_is_in_the_language_of_the_reader(
    inside: Client, path: str, words: str
) -> None:
    assert words in inside.get(path, headers={"accept-language": "de"}).content.decode()
