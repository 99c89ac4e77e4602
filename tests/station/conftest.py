"""Every test of the appliance starts with an empty database in a temporary data folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.appliance import empty_tables


@pytest.fixture(autouse=True)
def _new_station() -> Iterator[None]:
    empty_tables()
    yield
    empty_tables()


@pytest.fixture
def user() -> User:
    return User.objects.create_superuser("admin", password="correct horse")


@pytest.fixture
def client() -> Client:
    """A browser that is not logged in."""
    return Client()


@pytest.fixture
def inside(user: User) -> Client:
    """A browser that is logged in."""
    client = Client()
    client.force_login(user)
    return client
