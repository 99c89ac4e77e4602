"""One release as one file: reading it without trusting it, unpacking it safely, and making it (docs/firmware.md)."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from ocppclient.firmware_signature import BadCertificate, BadSignature, check_certificate, check_signature
from ocppclient.sentence import Sentence

FORMAT, PRODUCT = 1, "openstation"
MANIFEST, SIGNATURE, CERTIFICATE, CONTENT = "manifest.json", "manifest.sig", "signer.pem", "content.tar.gz"
_SMALL = 64 * 1024
#: Of the unpacked content.
_MOST_BYTES, _MOST_FILES, _LONGEST_NAME, _DEEPEST = 1024 * 1024 * 1024, 50_000, 200, 20
_PIECE = 256 * 1024
#: How a version is spelled.
VERSION = re.compile(r"\d+(\.\d+){0,3}([.+-]?[0-9A-Za-z.+-]{0,30})?")
#: What a release must hold to be one.
_NEEDED = ("manage.py", "station/__init__.py", "ocppclient/__init__.py", "hardware/__init__.py")


class BadRelease(Exception):
    """The file is not to be installed.

    Attributes:
        failure: "archive" (damaged or malicious), "signature", "model" or "version".
    """

    def __init__(self, failure: str, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure


@dataclass(frozen=True)
class Manifest:
    """What a release says about itself; `raw` are the very bytes that were signed.

    Attributes:
        models: chargePointModels it is made for; empty for all.
        schema: the newest migration of the database it brings.
        sha256, size: of the packed content.
    """

    version: str
    models: tuple[str, ...]
    schema: str
    sha256: str
    size: int
    raw: bytes


@dataclass(frozen=True)
class Trust:
    """Whose releases are installed.

    Attributes:
        proven: a signature over the whole file was checked already (SignedUpdateFirmware).
        roots: ManufacturerRootCertificates, PEM.
        algorithms: which signatures count.
        allow_unsigned: a factory setting, for test rigs.
        now: UTC, for the validity of certificates; `sure` as in `check_certificate`.
    """

    proven: bool
    roots: tuple[str, ...]
    algorithms: tuple[str, ...]
    allow_unsigned: bool
    now: datetime
    sure: bool


class ReleaseFile:
    """An open release file. What was checked is what is unpacked: everything reads from the one descriptor.

    Raises:
        BadRelease: it is no release file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._members: dict[str, tuple[int, int]] = {}
        self.manifest = self._read_manifest()

    def _read_manifest(self) -> Manifest:
        file_size = self._file.seek(0, io.SEEK_END)
        self._file.seek(0)
        while len(header := self._file.read(512)) == 512 and header[0]:
            name, size = _header(header)
            if name not in (MANIFEST, SIGNATURE, CERTIFICATE, CONTENT) or name in self._members:
                raise BadRelease("archive", Sentence("the file holds something that does not belong into a release"))
            offset = self._file.tell()
            if offset + size > file_size:
                raise BadRelease("archive", Sentence("the file is cut off"))
            self._members[name] = (offset, size)
            self._file.seek(offset + (size + 511) // 512 * 512)
        if MANIFEST not in self._members or CONTENT not in self._members:
            raise BadRelease("archive", Sentence("the file is not a release of this station"))
        return _manifest(self._small(MANIFEST))

    def _small(self, name: str) -> bytes:
        offset, size = self._members[name]
        if size > _SMALL:
            raise BadRelease("archive", Sentence("{name} in it is too large", name=name))
        self._file.seek(offset)
        return self._file.read(size)

    def check(self, trust: Trust, model: str) -> None:
        """Who made it, and is it for this station, and whole?

        Raises:
            BadRelease: no.
        """
        self._check_signer(trust)
        models = self.manifest.models
        if models and model not in models:
            raise BadRelease(
                "model",
                Sentence(
                    "the release is made for {models}, this station is {model}", models=", ".join(models), model=model
                ),
            )
        offset, size = self._members[CONTENT]
        if size != self.manifest.size:
            raise BadRelease("archive", Sentence("the content has another size than the release says"))
        digest, source = hashlib.sha256(), _Slice(self._file, offset, size)
        while piece := source.read(_PIECE):
            digest.update(piece)
        if digest.hexdigest() != self.manifest.sha256:
            raise BadRelease("archive", Sentence("the content is not what the release says: its hash is another one"))

    def _check_signer(self, trust: Trust) -> None:
        if SIGNATURE not in self._members or CERTIFICATE not in self._members:
            if trust.proven or trust.allow_unsigned:
                return
            raise BadRelease(
                "signature", Sentence("the release is not signed; only releases of the manufacturer are installed")
            )
        if trust.allow_unsigned and not trust.roots:
            return
        try:
            certificate = check_certificate(
                self._small(CERTIFICATE).decode("ascii", "replace"), trust.roots, trust.now, trust.sure
            )
            digest = hashlib.sha256(self.manifest.raw).digest()
            check_signature(certificate, self._small(SIGNATURE), digest, trust.algorithms)
        except (BadCertificate, BadSignature) as problem:
            raise BadRelease("signature", str(problem)) from None

    def unpack(self, target: Path, tell: Callable[[int], None]) -> None:
        """Write the content into a new folder. Only ordinary files and folders below it come into being.

        Args:
            tell: how far it is, percent; it may raise.

        Raises:
            BadRelease: something in it does not belong there; the caller removes the folder.
        """
        target.mkdir(mode=0o755)
        offset, size = self._members[CONTENT]
        source = _Slice(self._file, offset, size)
        left, seen = _MOST_BYTES, set[str]()
        try:
            with gzip.open(source, "rb") as plain, tarfile.open(fileobj=_Bounded(plain), mode="r|") as inner:
                for number, member in enumerate(inner):
                    if number >= _MOST_FILES:
                        raise BadRelease("archive", Sentence("it holds more than {most} files", most=_MOST_FILES))
                    path = target.joinpath(*_safe_parts(member.name))
                    if str(path) in seen:
                        raise BadRelease("archive", Sentence("{name} is in it twice", name=member.name[:80]))
                    seen.add(str(path))
                    if member.isdir():
                        path.mkdir(mode=0o755, parents=True, exist_ok=True)
                    elif member.isreg() and not member.issparse():
                        left -= member.size
                        if left < 0:
                            raise BadRelease(
                                "archive",
                                Sentence("it unpacks to more than {most} MiB", most=_MOST_BYTES // 2**20),
                            )
                        content = inner.extractfile(member)
                        assert content is not None
                        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                        _write(path, content, member.size, 0o755 if member.mode & 0o100 else 0o644)
                    else:
                        raise BadRelease(
                            "archive", Sentence("{name} in it is neither a file nor a folder", name=member.name[:80])
                        )
                    tell(min(99, source.read_so_far * 100 // max(size, 1)))
        except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile, ValueError, RecursionError) as problem:
            raise BadRelease(
                "archive", Sentence("the content is damaged ({problem})", problem=str(problem)[:80])
            ) from None
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise BadRelease("archive", Sentence("a name in it is a file and a folder")) from None
        missing = [name for name in _NEEDED if not (target / name).is_file()]
        if missing:
            raise BadRelease("archive", Sentence("it lacks {files}", files=", ".join(missing)))


def _header(block: bytes) -> tuple[str, int]:
    """Name and size in one header of the outer archive (POSIX ustar).

    Read by hand: nobody has vouched for these bytes yet, and a general tar reader follows whatever they ask for.
    """
    try:
        checksum = int(block[148:156].rstrip(b"\0 "), 8)
        size = int(block[124:136].rstrip(b"\0 "), 8)
        name = block[:100].rstrip(b"\0").decode("ascii")
    except ValueError:
        raise BadRelease("archive", Sentence("the file is not a release of this station")) from None
    if checksum != sum(block) - sum(block[148:156]) + 8 * ord(" ") or block[156:157] not in (b"0", b"\0"):
        raise BadRelease("archive", Sentence("the file is not a release of this station, or it is damaged"))
    return name, size


def _manifest(raw: bytes) -> Manifest:
    try:
        content = json.loads(raw)
        if not isinstance(content, dict):
            raise TypeError
        if content["format"] != FORMAT or content["product"] != PRODUCT:
            raise BadRelease("model", Sentence("the file is for another product, or for a newer format"))
        models, version = content["models"], content["version"]
        if not isinstance(version, str) or not VERSION.fullmatch(version):
            raise TypeError
        if not isinstance(models, list) or not all(isinstance(model, str) for model in models):
            raise TypeError
        packed = content["content"]
        sha256, size = str(packed["sha256"]), packed["size"]
        if not re.fullmatch(r"[0-9a-f]{64}", sha256) or type(size) is not int or size < 0:
            raise TypeError
        return Manifest(version, tuple(models), str(content["schema"]), sha256, size, raw)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadRelease("archive", Sentence("what the release says about itself cannot be read")) from None


def _safe_parts(name: str) -> list[str]:
    """The parts of a relative name below a folder; anything else is refused."""
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    shown = name[:80].encode("ascii", "backslashreplace").decode()
    if name.startswith("/") or ".." in parts or "\\" in name or not name.isprintable() or not parts:
        raise BadRelease("archive", Sentence("{shown} leads out of the release, or is no name", shown=shown))
    if len(name) > _LONGEST_NAME or len(parts) > _DEEPEST:
        raise BadRelease("archive", Sentence("{shown} is too long", shown=shown))
    return parts


def _write(path: Path, content: IO[bytes], size: int, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "wb") as file:
        while piece := content.read(_PIECE):
            file.write(piece)
            size -= len(piece)
    if size:
        raise BadRelease("archive", Sentence("a file in it is cut off"))


class _Slice(io.RawIOBase):
    """A part of a file, as a file of its own."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file = file
        self._offset = offset
        self._size = size
        self.read_so_far = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = self._size - self.read_so_far
        self._file.seek(self._offset + self.read_so_far)
        piece = self._file.read(left if size < 0 else min(size, left))
        self.read_so_far += len(piece)
        return piece


class _Bounded(io.RawIOBase):
    """A stream that may expand only so far: names and padding of an archive count as well as its files."""

    def __init__(self, source: gzip.GzipFile) -> None:
        self._source = source
        self._left = _MOST_BYTES + _MOST_FILES * 2048

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._source.read(min(size, _PIECE) if size >= 0 else _PIECE)
        self._left -= len(piece)
        if self._left < 0:
            raise BadRelease("archive", Sentence("it unpacks to more than {most} MiB", most=_MOST_BYTES // 2**20))
        return piece


# --- versions --------------------------------------------------------------------------------------------------------


def is_older(version: str, than: str) -> bool:
    """1.2.0 is older than 1.10.0, and 1.2.0-rc1 than 1.2.0. What cannot be compared is not older."""
    return rank(version) < rank(than)


def rank(version: str) -> tuple[list[int], bool, list[tuple[bool, int, str]]]:
    """What versions are ordered by."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:  # 1.2 is 1.2.0
        numbers.pop()
    rest = version[found.end() :] if found else version
    is_final = not re.match(r"[.-]?(a|b|rc|dev|alpha|beta|pre)", rest, re.IGNORECASE)
    parts = re.findall(r"\d+|[A-Za-z]+", rest)
    return numbers, is_final, [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


# --- making one ------------------------------------------------------------------------------------------------------


def pack(
    files: Iterable[tuple[str, Path]],
    facts: Mapping[str, Any],
    sign: Callable[[bytes], tuple[bytes, bytes]] | None,
    target: Path,
) -> None:
    """Make a release file: `files` as (name in it, path), `facts` are version, models, schema and made.

    The same files give the same bytes. `sign` takes the manifest and returns its signature and the signer's PEM.
    """
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as plain, tarfile.open(fileobj=plain, mode="w|") as inner:
        for name, path in sorted(files):
            info = tarfile.TarInfo(name)
            info.size = path.stat().st_size
            info.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            with path.open("rb") as source:
                inner.addfile(info, source)
    content = packed.getvalue()
    described = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    manifest = json.dumps({"format": FORMAT, "product": PRODUCT, **facts, "content": described}, indent=1).encode()
    signature, signer = sign(manifest) if sign else (b"", b"")
    with tarfile.open(target, "w:", format=tarfile.USTAR_FORMAT) as outer:
        for name, text in ((MANIFEST, manifest), (SIGNATURE, signature), (CERTIFICATE, signer), (CONTENT, content)):
            if text or name == CONTENT:
                info = tarfile.TarInfo(name)
                info.size = len(text)
                info.mode = 0o644
                outer.addfile(info, io.BytesIO(text))
