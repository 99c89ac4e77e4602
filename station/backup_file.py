"""The file of a backup: a ZIP with a manifest that anybody may read, and the data, encrypted if there is a passphrase.

Encryption: AES-256-GCM under a key that scrypt makes of the passphrase; the manifest is authenticated with it. Why:
docs/decisions/0008-backup.md.
"""

from __future__ import annotations

import json
import os
import secrets
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as noop

from ocppclient.clock import parse_utc

FORMAT = 1
#: The largest file that is written or read, and the largest database inside it, bytes.
MOST_FILE, MOST_DATABASE = 64 * 2**20, 512 * 2**20
#: Somebody may try passphrases against a file for years: a shorter one is refused.
SHORTEST_PASSPHRASE = 12
_MOST_MANIFEST = 64 * 2**10
_MANIFEST, _DATA = "backup.json", "data"
_BLOCK = 2**20


class BackupProblem(ValueError):
    """The backup cannot be made or used; the text says why, and what to do."""


@dataclass(frozen=True)
class Manifest:
    """What the file tells without its passphrase.

    Attributes:
        unit, serial: of the station that made it.
        parts: names of `backup.PARTS`.
        migrations: those of the database inside.
        salt: of scrypt, hexadecimal; "" when the file is not encrypted and holds no secrets.
    """

    unit: str
    serial: str
    software: str
    made_at: str
    parts: tuple[str, ...]
    migrations: tuple[str, ...]
    salt: str = ""

    @property
    def encrypted(self) -> bool:
        """It needs its passphrase, and holds the secrets of its parts."""
        return bool(self.salt)


def new_salt(passphrase: str) -> str:
    """For the manifest; "" without a passphrase.

    Raises:
        BackupProblem: the passphrase is too short.
    """
    if not passphrase:
        return ""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise BackupProblem(
            gettext("The passphrase needs at least %(shortest_passphrase)s characters.")
            % {"shortest_passphrase": SHORTEST_PASSPHRASE}
        )
    return secrets.token_hex(16)


def write(target: Path, manifest: Manifest, database: Path, passphrase: str) -> None:
    """Write the file (mode 0600), over a former one only when it is complete.

    Raises:
        BackupProblem: it would become too large, or the disk does not take it.
    """
    head = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1).encode()
    data = _compressed(database)
    if manifest.encrypted:
        data = AESGCM(_key(passphrase, manifest.salt)).encrypt(bytes(12), data, head)  # the key is used once
    if len(data) > MOST_FILE - _MOST_MANIFEST:
        raise BackupProblem(gettext("The backup would be too large. Leave the sessions out."))
    draft = target.with_name(f"{target.name}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr(_MANIFEST, head)
                archive.writestr(_DATA, data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise BackupProblem(
            gettext("%(target)s cannot be written (%(strerror)s).") % {"target": target, "strerror": error.strerror}
        ) from error


def read_manifest(source: Path) -> Manifest:
    """What the file tells about itself.

    Raises:
        BackupProblem: it is no backup, is damaged, or is of a newer format.
    """
    return _manifest(_member(source, _MANIFEST, _MOST_MANIFEST))


def read(source: Path, passphrase: str, target: Path) -> Manifest:
    """Unpack the database to `target`.

    Raises:
        BackupProblem: as `read_manifest`; the passphrase is missing or wrong.
    """
    head = _member(source, _MANIFEST, _MOST_MANIFEST)
    manifest = _manifest(head)
    data = _member(source, _DATA, MOST_FILE)
    if manifest.encrypted:
        if not passphrase:
            raise BackupProblem(gettext("This backup is encrypted: give its passphrase."))
        try:
            data = AESGCM(_key(passphrase, manifest.salt)).decrypt(bytes(12), data, head)
        except InvalidTag:
            raise BackupProblem(
                gettext("The passphrase is wrong, or the file was changed after it was made.")
            ) from None
    _decompress(data, target)
    return manifest


def _key(passphrase: str, salt: str) -> bytes:
    # 32 MiB of memory and about 0.1 s a guess; the numbers belong to the format, a file cannot choose heavier ones
    return Scrypt(salt=bytes.fromhex(salt), length=32, n=2**15, r=8, p=1).derive(passphrase.encode())


def _manifest(head: bytes) -> Manifest:
    try:
        told = json.loads(head)
        if told.pop("format") != FORMAT:
            raise BackupProblem(gettext("This backup was made by a newer software. Update this station first."))
        texts = {name: told[name] for name in ("unit", "serial", "software", "made_at", "salt")}
        parts, migrations = tuple(told["parts"]), tuple(told["migrations"])
        if not all(isinstance(text, str) for text in (*texts.values(), *parts, *migrations)):
            raise ValueError("a text is missing")
        bytes.fromhex(texts["salt"])
        parse_utc(texts["made_at"])
    except BackupProblem:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupProblem(gettext(_DAMAGED)) from error
    return Manifest(parts=parts, migrations=migrations, **texts)


_DAMAGED = noop("This is not a backup of a station, or the file is damaged. Take another copy of it.")


def _member(source: Path, name: str, most: int) -> bytes:
    try:
        if source.stat().st_size > MOST_FILE:
            raise BackupProblem(
                gettext("The file is larger than %(most_file)s MiB: it is not a backup of a station.")
                % {"most_file": MOST_FILE // 2**20}
            )
        with zipfile.ZipFile(source) as archive, archive.open(name) as member:
            found = member.read(most + 1)
            if len(found) > most:
                raise BackupProblem(gettext(_DAMAGED))
            member.read(1)  # the end: here the check sum is compared
            return found
    except OSError as error:
        raise BackupProblem(
            gettext("The backup %(name)s cannot be read (%(strerror)s).")
            % {"name": source.name, "strerror": error.strerror}
        ) from error
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise BackupProblem(gettext(_DAMAGED)) from error


def _compressed(database: Path) -> bytes:
    packer, packed = zlib.compressobj(6), bytearray()
    with database.open("rb") as file:
        while block := file.read(_BLOCK):
            packed += packer.compress(block)
            if len(packed) > MOST_FILE:
                raise BackupProblem(gettext("The backup would be too large. Leave the sessions out."))
    return bytes(packed + packer.flush())


def _decompress(data: bytes, target: Path) -> None:
    unpacker, written = zlib.decompressobj(), 0
    try:
        with target.open("wb") as file:
            while True:
                block = unpacker.decompress(data, _BLOCK)
                written += file.write(block)
                if written > MOST_DATABASE:
                    raise BackupProblem(gettext("The database inside the backup is too large for a station."))
                data = unpacker.unconsumed_tail
                if unpacker.eof:
                    break
                if not block and not data:
                    raise BackupProblem(gettext(_DAMAGED))
            file.flush()
            os.fsync(file.fileno())
    except zlib.error as error:
        raise BackupProblem(gettext(_DAMAGED)) from error
    except OSError as error:
        raise BackupProblem(
            gettext("There is no room to unpack the backup (%(strerror)s).") % {"strerror": error.strerror}
        ) from error
