"""The list of updates that a seller publishes: read without trusting it, judged, and made (docs/firmware.md).

The file is an envelope: the text of the list, its signature and the signer's certificate, which nothing can tear apart.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

from ocppclient.clock import format_utc, parse_utc
from ocppclient.firmware_signature import BadCertificate, BadSignature, check_certificate, check_signature
from ocppclient.sentence import Sentence, quoted
from station.provision_rules import is_plain_https
from station.release_archive import PRODUCT, VERSION, Trust, is_older, rank

FORMAT, KIND = 1, "updates"
#: Bytes of the file, releases in it, characters of their notes.
LARGEST, MOST, LONGEST_NOTES = 1024 * 1024, 200, 2000


class BadList(Exception):
    """The list is not to be believed.

    Attributes:
        failure: "list" (it cannot be read, or is an old one), "certificate" (of its signer) or "signature".
    """

    def __init__(self, failure: str, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure


@dataclass(frozen=True)
class Offer:
    """One release that is to be had.

    Attributes:
        location: of its file, https.
        size, sha256: of the whole file, bytes and hexadecimal.
        models: chargePointModels it is made for; empty for all.
        notes: what is new, for people.
        security: it repairs a flaw of the security.
    """

    version: str
    location: str
    size: int
    sha256: str
    models: tuple[str, ...] = ()
    notes: str = ""
    security: bool = False


@dataclass(frozen=True)
class Published:
    """A list that was believed; `made` tells a newer one from an older one."""

    made: datetime
    offers: tuple[Offer, ...]


def read(content: bytes, address: str, trust: Trust, not_before: datetime | None) -> Published:
    """The list in a file.

    Args:
        address: where the file came from; names of releases count from there.
        trust: `proven` means nothing here: a list has to prove itself.
        not_before: an older list was replaced, for example because a release in it was withdrawn.

    Raises:
        BadList: no.
    """
    try:
        envelope = json.loads(content)
        text = envelope["list"]
        if not isinstance(text, str):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadList("list", Sentence("what the address answers is no list of updates")) from None
    _check_signer(text, envelope, trust)
    published = _parsed(text, address)
    if not_before is not None and published.made < not_before:
        raise BadList(
            "list",
            Sentence(
                "the list is from {made}, older than the one of {former}",
                made=f"{published.made:%Y-%m-%d %H:%M}",
                former=f"{not_before:%Y-%m-%d %H:%M}",
            ),
        )
    return published


def _check_signer(text: str, envelope: dict[str, Any], trust: Trust) -> None:
    signature, signer = envelope.get("signature"), envelope.get("certificate")
    if trust.allow_unsigned and (not signature or not trust.roots):
        return
    if not isinstance(signature, str) or not isinstance(signer, str):
        raise BadList("signature", Sentence("the list is not signed"))
    try:
        certificate = check_certificate(signer, trust.roots, trust.now, trust.sure)
    except BadCertificate as problem:
        raise BadList("certificate", quoted(problem)) from None
    try:
        check_signature(certificate, signature, hashlib.sha256(text.encode()).digest(), trust.algorithms)
    except BadSignature as problem:
        raise BadList("signature", quoted(problem)) from None


def _parsed(text: str, address: str) -> Published:
    try:
        content = json.loads(text)
        if (content["format"], content["product"], content["kind"]) != (FORMAT, PRODUCT, KIND):
            raise BadList("list", Sentence("the list is for another product, or of a newer format"))
        releases = content["releases"]
        if not isinstance(releases, list) or len(releases) > MOST:
            raise TypeError
        return Published(parse_utc(content["made"]), tuple(_offer(entry, address) for entry in releases))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadList("list", Sentence("the list of updates cannot be read")) from None


def _offer(entry: dict[str, Any], address: str) -> Offer:
    """Raises ValueError, KeyError or TypeError for what is no release."""
    version, size, sha256, models = entry["version"], entry["size"], entry["sha256"], entry["models"]
    notes, security = entry.get("notes", ""), entry.get("security", False)
    location = urljoin(address, entry["file"])
    readable = isinstance(notes, str) and all(letter.isprintable() or letter == "\n" for letter in notes)
    if not (
        VERSION.fullmatch(version)
        and re.fullmatch(r"[0-9a-f]{64}", sha256)
        and (type(size) is int and size > 0)
        and (isinstance(models, list) and all(isinstance(model, str) for model in models))
        and (readable and len(notes) <= LONGEST_NOTES)
        and type(security) is bool
        and is_plain_https(location)
    ):
        raise ValueError
    return Offer(version, location, size, sha256, tuple(models), notes, security)


def best(offers: Iterable[Offer], model: str, running: str) -> Offer | None:
    """The newest release for this model that is newer than what runs.

    It repairs security when any release in between does: who skips one needs what it repaired.
    """
    newer = [
        offer for offer in offers if is_older(running, offer.version) and (not offer.models or model in offer.models)
    ]
    if not newer:
        return None
    newest = max(newer, key=lambda offer: rank(offer.version))
    return replace(newest, security=any(offer.security for offer in newer))


def make(offers: Iterable[Offer], made: datetime, sign: Callable[[bytes], tuple[bytes, bytes]] | None) -> bytes:
    """The file; `location` of an offer may be relative to where it will lie. `sign` as in `release_archive.pack`."""
    releases = [{"file": offer.location, **asdict(offer)} for offer in offers]
    for entry in releases:
        del entry["location"]
    text = json.dumps(
        {"format": FORMAT, "product": PRODUCT, "kind": KIND, "made": format_utc(made), "releases": releases}, indent=1
    )
    envelope = {"list": text}
    if sign is not None:
        signature, certificate = sign(text.encode())
        envelope |= {"signature": base64.b64encode(signature).decode(), "certificate": certificate.decode()}
    return json.dumps(envelope, indent=1).encode()
