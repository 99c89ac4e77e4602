"""Access tokens: shown once, kept as a hash, never above their owner, gone when revoked."""

from __future__ import annotations

import re
from datetime import date

import pytest
from django.contrib.auth.models import User
from django.test import Client

from station import tokens
from station.models import ApiToken
from station.roles import Role, assign

FAR = "192.0.2.1"


def owner(role: Role = Role.INSTALLER) -> User:
    user = User.objects.create_user(f"o-{role.word}")
    assign(user, role)
    return user


def ask(client: Client, secret: str) -> int:
    return client.get("/metrics", headers={"authorization": f"Bearer {secret}"}, REMOTE_ADDR=FAR).status_code


def made(inside: Client, role: Role = Role.VIEWER) -> str:
    shown = inside.post("/tokens", {"name": "grafana", "role": int(role)}).content.decode()
    assert f"</b>, role {role.word}." in shown
    secret = re.search(r"<code>(station_[^<]+)</code>", shown)
    assert secret
    return secret[1]


def test_a_token_is_shown_once_and_only_its_hash_is_kept(inside: Client) -> None:
    secret = made(inside)
    assert secret not in inside.get("/tokens").content.decode()
    assert secret not in str(ApiToken.objects.values())
    assert "grafana" in inside.get("/tokens").content.decode()


def test_a_token_opens_what_its_role_may_and_the_day_of_its_use_is_noted(inside: Client, client: Client) -> None:
    secret = made(inside)
    assert ask(client, secret) == 404  # let in: the metrics are off
    assert isinstance(ApiToken.objects.get().last_used_on, date)
    assert ask(client, secret[:-1]) == 401
    assert ask(client, "") == 401


def test_a_wrong_token_is_refused_even_with_a_session(inside: Client) -> None:
    assert ask(inside, "station_x") == 401


def test_a_revoked_token_is_dead(inside: Client, client: Client) -> None:
    secret = made(inside)
    inside.post(f"/tokens/{ApiToken.objects.get().pk}/revoke")
    assert ask(client, secret) == 401


def test_no_token_may_more_than_its_owner() -> None:
    with pytest.raises(ValueError, match="at most the role of its owner, operator"):
        tokens.issue("x", Role.INSTALLER, owner(Role.OPERATOR))
    client = Client()
    client.force_login(owner(Role.INSTALLER))
    assert client.post("/tokens", {"name": "x", "role": int(Role.MANUFACTURER)}).status_code == 200
    assert not ApiToken.objects.exists()


def test_a_token_follows_its_owner_down_and_out() -> None:
    user = owner()
    secret = tokens.issue("x", Role.INSTALLER, user)[1]
    assign(user, Role.VIEWER)
    assert tokens.role_of_token(ApiToken.objects.get()) is Role.VIEWER
    user.delete()
    assert ask(Client(), secret) == 401


def test_only_installers_make_tokens() -> None:
    client = Client()
    client.force_login(owner(Role.OPERATOR))
    assert client.get("/tokens").status_code == 403
    assert client.post("/tokens", {"name": "x", "role": 1}).status_code == 403
