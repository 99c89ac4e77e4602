"""Django's settings, all from the environment contract of design.md section 5; nothing here is edited on a station."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from station.environment import address, choice, data_folder, optional_address, secret_key
from station.hosts import OwnHosts

BASE_DIR = Path(__file__).resolve().parent.parent
#: Everything that lasts.
DATA_DIR = data_folder(BASE_DIR / "var")
#: Where the web listens, and where the simulator's control does.
HTTP_HOST, HTTP_PORT = address("STATION_HTTP", "127.0.0.1:8080")
#: With it the pages live there only, and plain HTTP redirects (station/front_door.py). None: no HTTPS.
HTTPS_HOST, HTTPS_PORT = optional_address("STATION_HTTPS")
SIM_HTTP_HOST, SIM_HTTP_PORT = address("STATION_SIM_HTTP", "127.0.0.1:8081")
REDIS_URL = os.environ.get("STATION_REDIS_URL", "").strip()
#: ON: this machine is a station, and NetworkManager is its to rule; anybody else's network is left alone.
NETWORK = choice("STATION_NETWORK", "OFF", ("ON", "OFF")) == "ON"
#: ON: this computer's clock and time servers are the station's to set; READ: it only looks at them; OFF: it does not,
#: so that a station on a laptop has its time from its backend alone, like a box without time servers.
CLOCK = choice("STATION_CLOCK", "OFF", ("ON", "READ", "OFF"))
LOG_LEVEL = choice("STATION_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))

SECRET_KEY = secret_key(DATA_DIR)
DEBUG = False
ROOT_URLCONF = "station.urls"
ASGI_APPLICATION = "station.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
# The texts in the source are English; station/locale has the others (docs/translations.md).
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("ko", "한국어")]
#: Named here, so that the station's words win over Django's own for the same English ones.
LOCALE_PATHS = [BASE_DIR / "station" / "locale"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "station.apps.StationConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "station.middleware.content_security_policy",
    "station.middleware.StaticFiles",
    "station.languages.language",
    "station.front_door.front_door",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "station.middleware.session_idle",
    "django.middleware.common.CommonMiddleware",  # refuses foreign Host headers
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Every view needs a login unless it says @login_not_required: a forgotten decorator closes, it does not open.
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "station.middleware.own_password_first",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "station.middleware.room_for_uploads",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["station.templatetags.sentences"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "station.views.pages.station_facts",
            ],
        },
    },
]

#: WAL + FULL: a commit is on the disk before anything is sent (runtime.md, section 3). IMMEDIATE: the web's rare writes
#: wait for the station's, instead of failing half-way.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "station.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 5,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; "
                "PRAGMA journal_size_limit=8388608;"
            ),
        },
    }
}

if REDIS_URL:
    # socket_timeout None: with redis-py's default an idle worker dies after 6 s (runtime.md, section 1.6).
    CHANNEL_LAYERS: dict[str, Any] = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}]},
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# -- security
_named = [f"[{host}]" if ":" in host else host for host in (HTTP_HOST, HTTPS_HOST) if host not in ("", "0.0.0.0", "::")]
ALLOWED_HOSTS = OwnHosts(*_named)
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# Wrong passwords are counted by name and address, in memory: an attacker must not wear the SD card, and locks out only
# themselves.
AXES_HANDLER = "axes.handlers.cache.AxesCacheHandler"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "station.views.people.locked_out"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
#: scrypt: a login takes 0.2 s here instead of PBKDF2's second on a Pi; both are accepted.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
#: Idle time after which a person logs in again, seconds; an open and visible page counts as activity.
SESSION_COOKIE_AGE = 15 * 60
# Several stations run side by side on one machine, and cookies know no ports: a name of its own for each.
SESSION_COOKIE_NAME = f"station_session_{HTTP_PORT}"
CSRF_COOKIE_NAME = f"station_csrf_{HTTP_PORT}"
LANGUAGE_COOKIE_NAME = f"station_language_{HTTP_PORT}"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_PORT is not None
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
#: A release may be larger than what a temporary folder in memory holds.
FILE_UPLOAD_TEMP_DIR = DATA_DIR
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# -- static files come straight from static/ and from the installed apps: no collectstatic step
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 60
WHITENOISE_ALLOW_ALL_ORIGINS = False

# -- the JSON API (station/api); neither of its frameworks is an installed app: the worker never imports them
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Charging station",
    "DESCRIPTION": "What the pages of the station show and do, for programs.",
    "VERSION": "1",
    # names for fields that are called alike and take different words
    "ENUM_NAME_OVERRIDES": {
        "NetworkKind": ["ethernet", "wifi", "mobile"],
        "RootKind": ["CentralSystemRootCertificate", "ManufacturerRootCertificate"],
        "BackupPart": "station.backup.PARTS",
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "story": {
            "format": "{asctime}.{msecs:03.0f} {levelname:<7} {name} {message}",
            "datefmt": "%H:%M:%S",
            "style": "{",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "story"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # The frameworks speak up when something is wrong; the story is the station's own.
        name: {"level": "WARNING", "handlers": [], "propagate": True}
        for name in (
            "django",
            "daphne",
            "twisted",
            "asyncio",
            "websockets",
            "channels",
            "celery",
            "kombu",
            "asgiref",
            "axes",
        )
    },
}
