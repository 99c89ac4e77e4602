"""Getting in and the users: one-time passwords open one page, guessing is slowed, an installer always remains."""

from __future__ import annotations

import asyncio
import re

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from station import people, provisioning
from station.asgi import application
from station.models import OneTimePassword
from station.roles import Role, assign, role_of

GOOD = "a battery staple of 9"


@pytest.fixture(autouse=True)
def _nobody_guessed_yet() -> None:
    cache.clear()


@pytest.fixture
def installer(client: Client) -> Client:
    user = User.objects.create_user("boss", password=GOOD)
    assign(user, Role.INSTALLER)
    client.force_login(user)
    return client


def text(answer: object) -> str:
    content: bytes = answer.content  # type: ignore[attr-defined]
    return re.sub(r"\s+", " ", content.decode())


def sign_in(client: Client, name: str, password: str) -> object:
    return client.post("/login", {"username": name, "password": password}, follow=True)


# -- the one-time password


def test_a_one_time_password_opens_only_the_page_that_asks_for_an_own_one(client: Client) -> None:
    secret = provisioning.apply(provisioning.Provision()).one_time_password
    assert "Choose your own password" in text(sign_in(client, "admin", secret))
    for path in ("/", "/transactions", "/users", "/admin/", "/session", "/nowhere"):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"]) == (302, "/password"), path
    assert client.post("/users/add", {"username": "x", "role": 3})["Location"] == "/password"
    assert client.get("/static/station/station.css").status_code == 200
    assert client.get("/healthz").status_code == 200


def test_a_one_time_password_opens_no_live_socket(client: Client) -> None:
    secret = provisioning.apply(provisioning.Provision()).one_time_password
    sign_in(client, "admin", secret)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}".encode()
    headers = [(b"origin", b"http://127.0.0.1:8080"), (b"host", b"127.0.0.1:8080"), (b"cookie", cookie)]

    async def knock() -> bool:
        socket = WebsocketCommunicator(application, "/ws/live", headers)
        accepted, _ = await socket.connect()
        await socket.disconnect()
        return bool(accepted)

    assert not asyncio.run(knock())


def test_an_own_password_opens_everything_and_the_one_time_one_is_dead(client: Client) -> None:
    secret = provisioning.apply(provisioning.Provision()).one_time_password
    sign_in(client, "admin", secret)
    answer = client.post("/password", {"new_password1": GOOD, "new_password2": GOOD}, follow=True)
    assert "Your new password counts from now on." in text(answer)
    assert client.get("/").status_code == 200
    assert OneTimePassword.objects.count() == 0
    other = Client()
    assert "do not belong together" in text(sign_in(other, "admin", secret))
    assert sign_in(other, "admin", GOOD).redirect_chain == [("/", 302)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("", "", "This field is required"),
        ("short7!", "short7!", "at least 10 characters"),
        ("password1234", "password1234", "too common"),
        (GOOD, GOOD + "x", "didn’t match"),
    ],
)
def test_a_password_that_is_no_password_is_refused(client: Client, first: str, second: str, said: str) -> None:
    secret = provisioning.apply(provisioning.Provision()).one_time_password
    sign_in(client, "admin", secret)
    assert said in text(client.post("/password", {"new_password1": first, "new_password2": second})).replace(
        "&#x27;", "’"
    )
    assert client.get("/")["Location"] == "/password"


def test_a_provisioned_password_is_not_asked_for_again(client: Client) -> None:
    web = provisioning.WebSettings("admin", provisioning.Secret(GOOD))
    provisioning.apply(provisioning.Provision(web=web))
    assert sign_in(client, "admin", GOOD).redirect_chain == [("/setup", 302)]  # type: ignore[attr-defined]


def test_a_password_is_changed_only_by_who_knows_it(installer: Client) -> None:
    wrong = {"old_password": "no", "new_password1": "another staple 7", "new_password2": "another staple 7"}
    assert "That is not your present password." in text(installer.post("/password", wrong))
    right = {**wrong, "old_password": GOOD}
    assert "counts from now on" in text(installer.post("/password", right, follow=True))
    assert installer.get("/").status_code == 200  # still signed in


# -- guessing


def test_the_sixth_guess_waits(client: Client) -> None:
    User.objects.create_user("boss", password=GOOD)
    for _ in range(4):
        assert client.post("/login", {"username": "boss", "password": "wrong"}).status_code == 200
    assert client.post("/login", {"username": "boss", "password": "wrong"}).status_code == 429
    answer = client.post("/login", {"username": "boss", "password": GOOD})
    assert answer.status_code == 429
    assert "Too many wrong passwords for this name. Wait 15 minutes" in text(answer)


def test_guessing_one_name_locks_out_nobody_else(client: Client) -> None:
    for name in ("boss", "owner"):
        assign(User.objects.create_user(name, password=GOOD), Role.VIEWER)
    for _ in range(6):
        client.post("/login", {"username": "boss", "password": "wrong"})
    assert sign_in(client, "owner", GOOD).redirect_chain == [("/", 302)]  # type: ignore[attr-defined]
    elsewhere = Client(REMOTE_ADDR="127.0.0.9")
    assert sign_in(elsewhere, "boss", GOOD).redirect_chain == [("/", 302)]  # type: ignore[attr-defined]


def test_a_right_password_forgets_the_wrong_ones(client: Client) -> None:
    assign(User.objects.create_user("boss", password=GOOD), Role.VIEWER)
    for _ in range(2):
        for _ in range(4):
            client.post("/login", {"username": "boss", "password": "wrong"})
        assert sign_in(client, "boss", GOOD).redirect_chain == [("/", 302)]  # type: ignore[attr-defined]
        client.post("/logout")


# -- the users


def test_a_new_user_gets_a_one_time_password_that_is_shown_once(installer: Client) -> None:
    page = text(installer.post("/users/add", {"username": "anna", "role": int(Role.OPERATOR)}))
    secret = re.search(r"<code>([a-z0-9-]{19})</code>", page)
    assert secret
    assert role_of(User.objects.get(username="anna")) is Role.OPERATOR
    assert secret[1] not in text(installer.get("/users"))
    assert "has not chosen a password yet" in text(installer.get("/users"))
    assert "Choose your own password" in text(sign_in(Client(), "anna", secret[1]))


@pytest.mark.parametrize(
    ("name", "role", "said"),
    [
        ("boss", Role.VIEWER, "There is a user boss already."),
        ("BOSS", Role.VIEWER, "There is a user BOSS already."),
        ("a b", Role.VIEWER, "Letters, digits and"),
        ("", Role.VIEWER, "This field is required."),
        ("anna", Role.MANUFACTURER, "Select a valid choice."),
        ("anna", Role.NOBODY, "Select a valid choice."),
    ],
)
def test_a_user_that_cannot_be_is_refused(installer: Client, name: str, role: Role, said: str) -> None:
    assert said in text(installer.post("/users/add", {"username": name, "role": int(role)}))
    assert User.objects.count() == 1


def test_the_last_installer_stays(installer: Client) -> None:
    boss = User.objects.get(username="boss")
    for order in ({"role": int(Role.VIEWER)}, {"delete": "yes", "sure": "on"}):
        assert "This is the last installer of the station." in text(
            installer.post(f"/users/{boss.pk}", order, follow=True)
        )
    assert role_of(User.objects.get(username="boss")) is Role.INSTALLER
    people.add("anna", Role.INSTALLER)
    installer.post(f"/users/{boss.pk}", {"role": int(Role.VIEWER)})
    assert role_of(User.objects.get(username="boss")) is Role.VIEWER


def test_a_user_is_removed_only_by_somebody_who_is_sure(installer: Client) -> None:
    anna, _ = people.add("anna", Role.OPERATOR)
    assert "Yes, anna may never sign in again" in text(installer.post(f"/users/{anna.pk}", {"delete": "yes"}))
    assert User.objects.filter(username="anna").exists()
    installer.post(f"/users/{anna.pk}", {"delete": "yes", "sure": "on"})
    assert not User.objects.filter(username="anna").exists()


def test_an_inactive_installer_does_not_count_as_one(installer: Client) -> None:
    anna, _ = people.add("anna", Role.INSTALLER)
    anna.is_active = False
    anna.save()
    with pytest.raises(people.LastInstaller):
        people.remove(User.objects.get(username="boss"))


def test_an_installer_changes_no_manufacturer(installer: Client, user: User) -> None:
    for order in ({"role": int(Role.VIEWER)}, {"delete": "yes", "sure": "on"}, {"reset": "yes"}):
        answer = text(installer.post(f"/users/{user.pk}", order, follow=True))
        assert "admin is manufacturer; only another one of that role changes that." in answer
    assert role_of(User.objects.get(pk=user.pk)) is Role.MANUFACTURER


def test_a_new_one_time_password_signs_the_user_out(installer: Client) -> None:
    anna, _ = people.add("anna", Role.VIEWER)
    theirs = Client()
    theirs.force_login(anna)
    assert theirs.get("/").status_code == 200
    installer.post(f"/users/{anna.pk}", {"reset": "yes"})
    assert theirs.get("/").status_code == 302


def test_a_removed_user_is_out(installer: Client) -> None:
    anna, _ = people.add("anna", Role.VIEWER)
    theirs = Client()
    theirs.force_login(anna)
    assert "anna is removed and signed out." in text(
        installer.post(f"/users/{anna.pk}", {"delete": "yes", "sure": "on"}, follow=True)
    )
    assert theirs.get("/").status_code == 302


def test_a_lower_role_acts_at_once(installer: Client) -> None:
    anna, _ = people.add("anna", Role.OPERATOR)
    theirs = Client()
    theirs.force_login(anna)
    assert theirs.get("/why").status_code == 200
    installer.post(f"/users/{anna.pk}", {"role": int(Role.VIEWER)})
    assert theirs.get("/why").status_code == 403
