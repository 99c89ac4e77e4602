"""Django on a data folder of its own in a temporary place: import this before anything of `station`."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import django

# In memory where the system has such a place: thousands of commits wait for no disk.
_memory = Path("/dev/shm")
_roomy = os.access(_memory, os.W_OK) and shutil.disk_usage(_memory).free > 1_000_000_000
os.environ["STATION_DATA_DIR"] = _folder = tempfile.mkdtemp(prefix="station-test-", dir=_memory if _roomy else None)
for _name in (
    "STATION_HTTP",
    "STATION_HTTPS",
    "STATION_SIM_HTTP",
    "STATION_REDIS_URL",
    "STATION_LOG_LEVEL",
    "STATION_PROVISION",
):
    os.environ.pop(_name, None)
os.environ["DJANGO_SETTINGS_MODULE"] = "station.settings"
atexit.register(shutil.rmtree, _folder, ignore_errors=True)

django.setup()

from django.apps import apps  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import connection, connections  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from station.database import open_store  # noqa: E402
from station.store import DjangoStore  # noqa: E402

setup_test_environment()
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the tests are not about slow hashes
open_store()


#: Users and what hangs on them.
PEOPLE = ("auth_user_groups", "auth_user_user_permissions", "auth_user")


def empty_tables() -> None:
    """Delete every row, so that a test starts with a new station; sequences start again as well."""
    ours = [model._meta.db_table for model in apps.get_app_config("station").get_models()]
    with connection.cursor() as cursor:
        for table in (*ours, "django_admin_log", "django_session", *PEOPLE):
            cursor.execute(f'DELETE FROM "{table}"')
        cursor.execute("DELETE FROM sqlite_sequence")


def disk_store() -> DjangoStore:
    """The store as it is after a crash: what is not committed is lost."""
    if connection.connection is not None:
        connection.connection.close()  # behind Django's back, as a crash would
    del connections["default"]
    return DjangoStore()
