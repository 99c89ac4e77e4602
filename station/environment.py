"""The environment contract (design.md, section 5): reading it, and the folder that holds everything that lasts."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from station.errors import EX_CANTCREAT, StartupError


def address(name: str, default: str) -> tuple[str, int]:
    """`host:port` from an environment variable (an IPv6 host in brackets).

    Raises:
        StartupError: it is not host:port, or the port is not 0…65535.
    """
    text = os.environ.get(name, "").strip() or default
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise StartupError(f"{name} is {text!r}, but must be host:port, for example {default}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def optional_address(name: str) -> tuple[str, int | None]:
    """Like `address`, but ("", None) when the variable is not set.

    Raises:
        StartupError: see `address`.
    """
    return address(name, "0.0.0.0:443") if os.environ.get(name, "").strip() else ("", None)


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """One of the allowed words, in upper case, from an environment variable.

    Raises:
        StartupError: it is another word.
    """
    text = os.environ.get(name, "").strip().upper() or default
    if text not in allowed:
        raise StartupError(f"{name} is {text!r}, but must be one of {', '.join(allowed)}")
    return text


def data_folder(default: Path) -> Path:
    """STATION_DATA_DIR; made when missing, readable by its owner only (secrets lie in it).

    Raises:
        StartupError: it cannot be made or written.
    """
    folder = Path(os.environ.get("STATION_DATA_DIR", "").strip() or default).absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(
            f"The data folder {folder} cannot be made ({error.strerror}). "
            "Set STATION_DATA_DIR to a folder that this user may write.",
            EX_CANTCREAT,
        ) from error
    if os.statvfs(folder).f_flag & os.ST_RDONLY:  # a worn-out card makes itself so
        raise StartupError(
            f"The data folder {folder} lies on a disk that is read-only: a worn-out memory card does that by itself. "
            "Save what is on it, replace it, or mount it writable again.",
            EX_CANTCREAT,
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StartupError(
            f"The data folder {folder} cannot be written. Give it to the user of the station (chown), "
            "or set STATION_DATA_DIR to another folder.",
            EX_CANTCREAT,
        )
    return folder


def secret_key(folder: Path) -> str:
    """Django's key of this very station, made at the first use into `secret_key` (mode 0600).

    Raises:
        StartupError: it cannot be made.
    """
    path = folder / "secret_key"
    try:
        if not path.exists():
            draft = folder / f"secret_key.{os.getpid()}"
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(48))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)  # atomic: of two processes that start together one wins, both read the same key
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        key = path.read_text().strip()
    except OSError as error:
        raise StartupError(f"The key file {path} cannot be made or read ({error.strerror}).", EX_CANTCREAT) from error
    if len(key) < 32:
        raise StartupError(f"The key file {path} is damaged. Delete it: a new one is made, everybody logs in again.")
    return key
