"""The installed root certificates (security white paper M03…M05; conformance CRT-09…CRT-16).

Get, Install and Delete of roots of the backend and of the manufacturer; which of them the next connection trusts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

from ocppclient import pki
from ocppclient.clock import Clock
from ocppclient.codec import Payload
from ocppclient.configuration import Configuration
from ocppclient.events import Action, CertificateChosen, CertificateDiscarded, Explain
from ocppclient.pki import X509
from ocppclient.security_events import SecurityEvents
from ocppclient.sentence import Sentence, quoted
from ocppclient.store import Certificate, Store

log = logging.getLogger(__name__)

CENTRAL_SYSTEM_ROOT = "CentralSystemRootCertificate"
MANUFACTURER_ROOT = "ManufacturerRootCertificate"
CHARGE_POINT = "ChargePointCertificate"
ROOTS = (CENTRAL_SYSTEM_ROOT, MANUFACTURER_ROOT)
KINDS = (*ROOTS, CHARGE_POINT)

_NAMES = {CENTRAL_SYSTEM_ROOT: Sentence("the backend's root"), MANUFACTURER_ROOT: Sentence("the manufacturer's root")}


class Certificates:
    """The store of root certificates.

    With AdditionalRootCertificateCheck there is one root of the backend, and until its successor has proved itself a
    fallback: an attempt trusts one of the two, the next attempt the other one when the backend's certificate failed.
    """

    def __init__(
        self, store: Store, clock: Clock, config: Configuration, security_events: SecurityEvents, actions: list[Action]
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._security_events = security_events
        self._actions = actions
        self._trust_fallback = False
        self._in_use = ""  # fingerprint of the root that verified the present connection
        self._trusted: tuple[str, ...] | None = None

    # -- for others

    def roots(self, kind: str) -> list[str]:
        """All installed roots of a kind, PEM."""
        return [pki.pem([_own(row)]) for row in self._store.certificates(kind)]

    @property
    def trusted(self) -> tuple[str, ...]:
        """What the next connection trusts: roots of the backend, PEM."""
        if self._trusted is None:
            rows = self._store.certificates(CENTRAL_SYSTEM_ROOT)
            chosen = [row for row in rows if row.fallback == self._trust_fallback] or rows
            self._trusted = tuple(pki.pem([_own(row)]) for row in chosen)
        return self._trusted

    def forget(self) -> None:
        """A unit of work was undone."""
        self._trusted = None

    # -- the link

    def connected(self, verified_by: tuple[str, ...]) -> None:
        """The backend was verified: remember by what, and end the time of the fallback (M05.FR.12)."""
        rows = self._store.certificates(CENTRAL_SYSTEM_ROOT)
        installed = [row.fingerprint for row in rows]
        self._in_use = next((item for item in verified_by if item in installed), "")
        for row in rows:
            if row.fallback and self._in_use and not self._trust_fallback:
                log.info("The new root certificate works: the former one is removed")
                self._store.delete_certificate(row.kind, row.fingerprint)
        self._trust_fallback = False
        self.forget()

    def disconnected(self) -> None:
        self._in_use = ""

    def backend_refused(self) -> None:
        """The backend's certificate failed: the next attempt trusts the other root when there is a fallback."""
        rows = self._store.certificates(CENTRAL_SYSTEM_ROOT)
        self._trust_fallback = not self._trust_fallback and any(row.fallback for row in rows)
        self.forget()

    # -- messages

    def get_installed_certificate_ids(self, request: Payload) -> Payload:
        """GetInstalledCertificateIds.req (section 5.7), answered with SHA256."""
        ids = [
            {"hashAlgorithm": "SHA256", **_fields(pki.hash_data(_own(row), self._issuer(row), "SHA256"))}
            for row in self._store.certificates(request["certificateType"])
        ]
        return {"status": "Accepted", "certificateHashData": ids} if ids else {"status": "NotFound"}

    def install_certificate(self, request: Payload) -> Payload:
        """InstallCertificate.req (section 5.11)."""
        kind = request["certificateType"]
        try:
            root = self._checked(kind, request["certificate"])
        except ValueError as problem:
            if kind == CENTRAL_SYSTEM_ROOT:  # conformance CRT-17
                self._security_events.raise_event(
                    "InvalidCentralSystemCertificate",
                    Sentence("InstallCertificate: {problem}", problem=quoted(problem)),
                )
            return self._refuse_installation(str(problem))
        if self._is_full_for(kind, root):
            return self._refuse_installation(self._full_text)
        self._install(kind, root, Sentence("the backend"))
        return {"status": "Accepted"}

    def _refuse_installation(self, problem: str) -> Payload:
        self._actions.append(
            Explain(
                "InstallCertificate",
                "Rejected",
                Sentence("The certificate was not installed: {problem}.", problem=quoted(problem)),
                "",
                "CRT-13",
            )
        )
        return {"status": "Rejected"}

    def delete_certificate(self, request: Payload) -> Payload:
        """DeleteCertificate.req (section 5.3); a root in use and the station's own certificate stay."""
        wanted = request["certificateHashData"]
        row = next((row for kind in KINDS for row in self._store.certificates(kind) if self._is(row, wanted)), None)
        if row is None:
            return self._refuse_deletion("NotFound", Sentence("No installed certificate has these hashes."), "CRT-11")
        if row.kind == CHARGE_POINT:
            rule = Sentence("The station's own certificate is removed at the station only.")
            return self._refuse_deletion("Failed", rule, "CRT-11")
        if row.kind == CENTRAL_SYSTEM_ROOT and row.fingerprint == self._in_use:
            return self._refuse_deletion(
                "Failed", Sentence("This root certificate verifies the present connection."), "CRT-11"
            )
        self._remove(row, Sentence("the backend"))
        return {"status": "Accepted"}

    def _refuse_deletion(self, status: str, rule: Sentence, clause: str) -> Payload:
        self._actions.append(Explain("DeleteCertificate", status, rule, "", clause))
        return {"status": status}

    # -- people at the station

    def chosen(self, event: CertificateChosen) -> None:
        """A person installs a root."""
        try:
            if event.kind not in ROOTS:
                raise ValueError(Sentence("{kind!r} is not a kind of root certificate", kind=event.kind[:40]))
            root = self._checked(event.kind, event.pem)
            if self._is_full_for(event.kind, root):
                raise ValueError(self._full_text)
        except ValueError as problem:
            rule = Sentence("The certificate was not installed: {problem}.", problem=quoted(problem))
            self._actions.append(Explain(Sentence("certificate"), Sentence("refused"), rule, "", "CRT-13"))
            return
        self._install(event.kind, root, event.by)

    def discarded(self, event: CertificateDiscarded) -> None:
        """A person removes a certificate, whatever it is needed for (product.md, AQ-1, AQ-3)."""
        rows = self._store.certificates(event.kind)
        row = next((row for row in rows if row.fingerprint == event.fingerprint), None)
        if row is None:
            self._actions.append(
                Explain(
                    Sentence("certificate"),
                    Sentence("not found"),
                    Sentence("This certificate is not installed any more."),
                    "",
                    "CRT-11",
                )
            )
            return
        self._remove(row, event.by)

    # -- both

    def _checked(self, kind: str, text: str) -> X509:
        """The root of a PEM text; ValueError says in words why it cannot be one."""
        root = _single(text)
        if problem := pki.problem_of_root(root, self._clock.utc(), self._clock.confirmed):
            raise ValueError(problem)
        former = self._to_replace(kind)
        if former is not None and not (self._has(kind, root) or pki.issued(root, _own(former))):
            raise ValueError(Sentence("it is not signed by the root certificate that it would replace"))
        return root

    def _install(self, kind: str, root: X509, who: str) -> None:
        if self._has(kind, root):
            return
        issuers = []
        if (former := self._to_replace(kind)) is not None:
            issuers = [_own(former)]  # kept with it for the hashes
            self._make_fallback(former)
        pem = pki.pem([root, *issuers])
        self._store.save_certificate(Certificate(kind, pki.fingerprint(root), pem, self._clock.utc()))
        self._changed(
            Sentence("{what} {name} installed by {who}", what=_NAMES[kind], name=pki.describe(root).name, who=who)
        )

    def _has(self, kind: str, root: X509) -> bool:
        return pki.fingerprint(root) in [row.fingerprint for row in self._store.certificates(kind)]

    def _to_replace(self, kind: str) -> Certificate | None:
        """With AdditionalRootCertificateCheck, the backend's root that a new one replaces (M05.FR.09)."""
        if kind != CENTRAL_SYSTEM_ROOT or not self._config.additional_root_certificate_check:
            return None
        return next((row for row in reversed(self._store.certificates(kind)) if not row.fallback), None)

    def _make_fallback(self, former: Certificate) -> None:
        for row in self._store.certificates(CENTRAL_SYSTEM_ROOT):
            if row.fingerprint != former.fingerprint:
                self._store.delete_certificate(row.kind, row.fingerprint)
        self._store.save_certificate(replace(former, fallback=True))
        self._trust_fallback = False

    def _is_full_for(self, kind: str, root: X509) -> bool:
        """M05.FR.03; what replaces another one, or is there already, needs no room."""
        installed = sum(len(self._store.certificates(kind)) for kind in ROOTS)
        is_new = not self._has(kind, root) and self._to_replace(kind) is None
        return is_new and installed >= self._config.certificate_store_max_length

    @property
    def _full_text(self) -> Sentence:
        longest = self._config.certificate_store_max_length
        return Sentence(
            "{longest} are installed, which is as many as there may be (CertificateStoreMaxLength); remove one first",
            longest=longest,
        )

    def _remove(self, row: Certificate, who: str) -> None:
        self._store.delete_certificate(row.kind, row.fingerprint)
        if row.key_id and not any(other.key_id == row.key_id for other in self._store.certificates(row.kind)):
            self._store.delete_private_key(row.key_id)
        what = _NAMES.get(row.kind, Sentence("the station's certificate"))
        self._changed(Sentence("{what} {name} removed by {who}", what=what, name=pki.describe(_own(row)).name, who=who))

    def _changed(self, tech_info: str) -> None:
        self._security_events.raise_event("ReconfigurationOfSecurityParameters", tech_info)
        self.forget()

    # -- hashes

    def _is(self, row: Certificate, wanted: Payload) -> bool:
        own = _own(row)
        serial_number = str(wanted["serialNumber"]).lstrip("0").upper()
        if f"{own.serial_number:X}" != serial_number:
            return False
        found = _fields(pki.hash_data(own, self._issuer(row), wanted["hashAlgorithm"]))
        return all(found[name].lower() == str(wanted[name]).lower() for name in ("issuerNameHash", "issuerKeyHash"))

    def _issuer(self, row: Certificate) -> X509:
        """The issuer's certificate as far as it is known; else the certificate itself, as if it were a root."""
        own = _own(row)
        return next((item for item in self._candidates(row) if pki.issued(own, item)), own)

    def _candidates(self, row: Certificate) -> Iterator[X509]:
        yield from pki.read_chain(row.pem)
        for kind in ROOTS:
            for other in self._store.certificates(kind):
                yield _own(other)


def _own(row: Certificate) -> X509:
    return pki.read_chain(row.pem)[0]


def _single(text: str) -> X509:
    chain = pki.read_chain(text)
    if len(chain) != 1:
        raise ValueError(Sentence("one certificate is needed, not {number}", number=len(chain)))
    return chain[0]


def _fields(data: pki.HashData) -> dict[str, str]:
    return {
        "issuerNameHash": data.issuer_name_hash,
        "issuerKeyHash": data.issuer_key_hash,
        "serialNumber": data.serial_number,
    }
