"""The station's own certificate (security white paper A02, A03; conformance CRT-01…CRT-08): request, arrival, renewal.

The key pair is made here and its private key stays in the store; the CSR is all that leaves.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from ocppclient import pki
from ocppclient.certificates import CENTRAL_SYSTEM_ROOT, CHARGE_POINT, Certificates
from ocppclient.clock import Clock, format_utc
from ocppclient.codec import Payload, dumps
from ocppclient.configuration import Configuration
from ocppclient.events import Action, Explain
from ocppclient.outbox import Outbox, Outcome
from ocppclient.security_events import SecurityEvents
from ocppclient.sentence import NOTHING, Sentence, packed, quoted
from ocppclient.settings import ChargePointSettings
from ocppclient.store import Certificate, Store

log = logging.getLogger(__name__)

#: Before the name of a person in `REQUEST`.
PERSON = "person:"
#: A03.FR.02 and A02.FR.10: a certificate is renewed one month before its end, and kept that long after its successor.
MONTH = timedelta(days=30)
#: What is a matter of days is looked at this often, seconds.
_LOOK_S = 60.0
_PENDING_KEYS = 2  # a CertificateSigned may still answer the request before the last one

# names in the store
_KEY = "csr.key"  # id of the private key of the newest request
_UNSENT = "csr.unsent"  # that request was not answered yet
_RENEWED = "csr.renewed"  # fingerprint of the certificate whose renewal was asked for
#: What became of the newest request: {"at", "by" ("backend", "renewal", or the person's name after "person:"),
#: "state" (as in `State`), "reason" (a packed sentence)}.
REQUEST = "csr.request"

#: It waits to be sent or answered, the backend has it signed, it was given up, what came was discarded or installed.
State = Literal["waiting", "accepted", "refused", "discarded", "installed"]


@dataclass(frozen=True)
class ClientCertificate:
    """What a TLS client presents: chain and private key, PEM; `fingerprint` of the first certificate."""

    fingerprint: str
    chain: str
    key: str = field(repr=False)


class ChargePointCertificate:
    """At most one request is under way. Of several valid certificates the one that began last is used (A02.FR.09)."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: Configuration,
        outbox: Outbox,
        security_events: SecurityEvents,
        certificates: Certificates,
        settings: ChargePointSettings,
        actions: list[Action],
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._outbox = outbox
        self._security_events = security_events
        self._certificates = certificates
        self._settings = settings
        self._actions = actions
        self._asked_with = ""  # key id of the SignCertificate that waits for its answer
        self._triggered = False
        self._next_at = clock.monotonic()
        self._look_at = clock.monotonic()
        self._passed_over = 0  # so many of the newest were refused by the backend
        self._client: ClientCertificate | None = None
        self._client_until = 0.0  # what is remembered counts until then

    # -- for others

    @property
    def serial_number(self) -> str:
        """The CN of the certificate (A00.FR.511)."""
        identity = self._settings.identity
        return identity.serial_number or identity.charge_box_serial_number or self._settings.charge_point_id

    def settings_changed(self, settings: ChargePointSettings) -> None:
        self._settings = settings

    def client(self) -> ClientCertificate | None:
        """The certificate for the next connection; None when there is none that is valid now."""
        if self._clock.monotonic() >= self._client_until:
            self._client_until = self._clock.monotonic() + _LOOK_S
            self._client = self._choose()
        return self._client

    def _choose(self) -> ClientCertificate | None:
        rows = self._valid()
        if not rows:
            return None
        row = rows[self._passed_over % len(rows)]
        key = self._store.private_key(row.key_id)
        return ClientCertificate(row.fingerprint, row.pem, key) if key else None

    def forget(self) -> None:
        """The installed certificates changed, or a unit of work was undone."""
        self._client_until = 0.0
        self._look_at = self._clock.monotonic()

    def refused(self) -> None:
        """The backend did not take the certificate: the next attempt presents the one before it (A02.FR.10)."""
        self._passed_over += 1
        self.forget()

    def connected(self) -> None:
        """The present certificate works."""
        self._next_at = self._clock.monotonic()
        self._asked_with = ""

    def _valid(self) -> list[Certificate]:
        """Valid now, the one that began last first; authorities round, so of two that began together the newer.

        A clock that nobody has confirmed may be behind: without a valid one those that have not begun by it, the
        oldest first.
        """
        now = self._clock.utc()
        rows = [(pki.describe(pki.read_chain(row.pem)[0]), row) for row in self._store.certificates(CHARGE_POINT)]
        valid = [item for item in rows if item[0].not_before <= now <= item[0].not_after]
        valid.sort(key=lambda item: (item[0].not_before, item[1].installed_at), reverse=True)
        if not valid and not self._clock.confirmed:
            valid = sorted((item for item in rows if now < item[0].not_before), key=lambda item: item[0].not_before)
        return [row for _, row in valid]

    # -- the request

    def request(self) -> Sentence:
        """The backend triggers SignChargePointCertificate; returns why not, "" when the request will be sent."""
        if problem := self._make_request("backend"):
            return problem
        self._triggered = True
        return NOTHING

    def requested(self, by: str) -> None:
        """A person wants another certificate; refused with the reason, or the request goes out at once."""
        if problem := self._why_not_now() or self._make_request(f"{PERSON}{by}"):
            rule = Sentence("No certificate is asked for: {problem}.", problem=problem)
            self._actions.append(Explain(Sentence("certificate"), Sentence("refused"), rule, "", "CRT-01"))
            return
        log.info("%s asks for a new certificate of the station", by)

    def _why_not_now(self) -> Sentence:
        if self._store.value(_UNSENT):
            return Sentence("the request before it has no answer yet")
        if not self._outbox.online:
            return Sentence("the backend is not connected, and it has to pass the request on")
        if self._outbox.gate != "open":
            return Sentence("the backend has not accepted the station yet")
        return NOTHING

    def _make_request(self, by: str) -> Sentence:
        if not self._config.cpo_name:
            return Sentence("CpoName is not set, and the certificate has to name its owner")
        if not self.serial_number:
            return Sentence("This station has no serial number, and the certificate has to name it")
        key, key_id = pki.new_key()
        self._store.save_private_key(key_id, key)
        self._store.set_value(_KEY, key_id)
        self._store.set_value(_UNSENT, "1")
        self._store.set_value(REQUEST, dumps({"at": format_utc(self._clock.utc()), "by": by}))
        self._became("waiting")
        self._drop_unused_keys()
        self._triggered = False
        self._next_at = self._clock.monotonic()
        return NOTHING

    def _became(self, state: State, reason: Sentence = NOTHING) -> None:
        """For whoever looks at the certificates."""
        kept = json.loads(self._store.value(REQUEST) or "{}")
        if kept:  # none of a request that an older software made
            self._store.set_value(REQUEST, dumps({**kept, "state": state, "reason": packed(reason)}))

    def _drop_unused_keys(self) -> None:
        used = {row.key_id for row in self._store.certificates(CHARGE_POINT)}
        unused = [key_id for key_id in self._store.private_key_ids() if key_id not in used]
        for key_id in unused[:-_PENDING_KEYS]:
            self._store.delete_private_key(key_id)

    def sign_certificate_conf(self, outcome: Outcome) -> None:
        """SignCertificate.conf (section 5.18). Without any answer the request goes out again, with one never."""
        asked_with, self._asked_with = self._asked_with, ""
        pending = self._store.value(_KEY)
        if pending is None or (asked_with != pending and not outcome.late):
            return
        if outcome.response is None and outcome.lost:
            self._next_at = self._clock.monotonic() + max(self._config.transaction_message_retry_interval, 1)
            return
        self._store.set_value(_UNSENT, None)
        if outcome.response is None or outcome.response.get("status") == "Rejected":
            reason = outcome.error or Sentence("it answered Rejected")
            self._store.delete_private_key(pending)
            self._store.set_value(_KEY, None)
            self._became("refused", quoted(reason))
            self._actions.append(
                Explain(
                    "SignCertificate",
                    Sentence("given up"),
                    Sentence("The backend does not have this station's certificate signed: {reason}.", reason=reason),
                    clause="CRT-04",
                )
            )
            return
        self._became("accepted")

    # -- the arrival

    def certificate_signed(self, request: Payload) -> Payload:
        """CertificateSigned.req (section 5.1): all checks, or it is discarded."""
        text = request["certificateChain"]
        problem = self._problem(text)
        if problem:
            if self._store.value(_KEY):
                self._became("discarded", problem)
            self._security_events.raise_event("InvalidChargePointCertificate", problem)
            self._actions.append(
                Explain(
                    "CertificateSigned",
                    "Rejected",
                    Sentence("The certificate was discarded: {problem}.", problem=problem),
                    "",
                    "CRT-06",
                )
            )
            return {"status": "Rejected"}
        chain = pki.read_chain(text)
        key_id = pki.key_id(chain[0])
        self._store.save_certificate(
            Certificate(CHARGE_POINT, pki.fingerprint(chain[0]), pki.pem(chain), self._clock.utc(), key_id=key_id)
        )
        if self._store.value(_KEY) == key_id:
            self._store.set_value(_KEY, None)
            self._store.set_value(_UNSENT, None)
            self._became("installed")
        about = pki.describe(chain[0])
        self._security_events.raise_event(
            "ReconfigurationOfSecurityParameters",
            Sentence(
                "the station's certificate {serial_number} until {date} installed",
                serial_number=about.serial_number,
                date=f"{about.not_after:%Y-%m-%d}",
            ),
        )
        self._passed_over = 0
        self.forget()
        return {"status": "Accepted"}

    def _problem(self, text: str) -> Sentence:
        longest = self._config.certificate_signed_max_chain_size
        if len(text) > longest:
            return Sentence(
                "the chain has {length} characters, at most {longest} fit (CertificateSignedMaxChainSize)",
                length=len(text),
                longest=longest,
            )
        try:
            chain = pki.read_chain(text)
            roots = [pki.read_chain(root)[0] for root in self._certificates.roots(CENTRAL_SYSTEM_ROOT)]
        except ValueError as error:
            return quoted(error)
        if self._store.private_key(pki.key_id(chain[0])) is None:
            return Sentence("it does not belong to a key of this station")
        return pki.problem_of_charge_point(
            chain, roots, self.serial_number, self._config.cpo_name, self._clock.utc(), self._clock.confirmed
        )

    # -- time

    def update(self) -> None:
        """Send what waits; now and then look at the dates."""
        now = self._clock.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_S
            if self._store.certificates(CHARGE_POINT):
                self._renew()
                self._drop_outdated()
        if self._asked_with or now < self._next_at or not self._outbox.online or not self._store.value(_UNSENT):
            return
        key_id = self._store.value(_KEY) or ""
        key = self._store.private_key(key_id)
        if key is None:
            self._store.set_value(_UNSENT, None)
            return
        csr = pki.signing_request(key, self.serial_number, self._config.cpo_name)
        if self._outbox.send("SignCertificate", {"csr": csr}, passes_gate=self._triggered):
            self._asked_with = key_id

    def _renew(self) -> None:
        """Once for each certificate (A03.FR.02; CRT-04)."""
        newest = next(iter(self._valid()), None)
        if newest is None or self._store.value(_RENEWED) == newest.fingerprint or self._outbox.gate != "open":
            return
        about = pki.describe(pki.read_chain(newest.pem)[0])
        ends = about.not_after
        # one that lives for days only is renewed in the last third of its life, not from its first day on
        if self._clock.utc() < ends - min(MONTH, (ends - about.not_before) / 3) or self._coming(ends):
            return
        self._store.set_value(_RENEWED, newest.fingerprint)
        if problem := self._make_request("renewal"):
            self._actions.append(
                Explain(
                    Sentence("certificate"),
                    Sentence("not renewed"),
                    Sentence(
                        "The station's certificate ends on {date}. {problem}.", date=f"{ends:%Y-%m-%d}", problem=problem
                    ),
                    clause="CRT-03",
                )
            )
            return
        log.info("The station's certificate ends on %s: a new one is asked for", f"{ends:%Y-%m-%d}")

    def _coming(self, ends: datetime) -> bool:
        """A certificate that ends later is installed, though it may not have begun."""
        rows = self._store.certificates(CHARGE_POINT)
        return any(pki.describe(pki.read_chain(row.pem)[0]).not_after > ends for row in rows)

    def _drop_outdated(self) -> None:
        """Certificates that ended, and those a successor has replaced for a month."""
        now = self._clock.utc()
        newest = next(iter(self._valid()), None)
        for row in self._store.certificates(CHARGE_POINT):
            if newest is None or row.fingerprint == newest.fingerprint or not self._clock.synchronised:
                continue
            about, current = (pki.describe(pki.read_chain(item.pem)[0]) for item in (row, newest))
            if about.not_before <= current.not_before and now - max(current.not_before, newest.installed_at) > MONTH:
                self._store.delete_certificate(row.kind, row.fingerprint)
                if row.key_id != newest.key_id:
                    self._store.delete_private_key(row.key_id)
                log.info("A former certificate of the station was removed: %s", about.serial_number)
