"""The tables: columns and __str__, no rules. `store.py` turns the rows of the charging path into records and back.

Column names equal the field names of the records in `ocppclient.store`; what they mean stands there. The station's one
worker writes these tables; people own `Setting` and the list entries whose source is "station".
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from station.sentences import SentenceField


class Value(models.Model):
    """A small named fact of the charge point (configuration keys as "key.<name>")."""

    name = models.TextField(primary_key=True)
    value = models.TextField()

    def __str__(self) -> str:
        return f"{self.name} = {self.value}"


class Transaction(models.Model):
    """One charging transaction."""

    id = models.BigAutoField(primary_key=True)
    uid = models.TextField(unique=True)
    connector_id = models.BigIntegerField()
    id_tag = models.TextField()
    meter_start_wh = models.BigIntegerField()
    started_at = models.DateTimeField()
    parent_id_tag = models.TextField()
    transaction_id = models.BigIntegerField(null=True, db_index=True)
    start_delivered = models.BooleanField()
    start_parked = models.BooleanField()
    stopped_at = models.DateTimeField(null=True, db_index=True)
    meter_stop_wh = models.BigIntegerField(null=True)
    stop_id_tag = models.TextField()
    reason = models.TextField()
    last_wh = models.BigIntegerField()
    last_seen_at = models.DateTimeField(null=True)
    deauthorised = models.BooleanField()
    energy_cap_wh = models.BigIntegerField(null=True)
    data = models.TextField()
    reservation_id = models.BigIntegerField(null=True)
    remote = models.BooleanField()
    boot_id = models.TextField()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")

    def __str__(self) -> str:
        return f"{self.id_tag} {self.started_at:%Y-%m-%d %H:%M} {self.reason or 'running'}"


class QueuedCall(models.Model):
    """One transaction-related CALL that waits for its delivery, or was given up (`parked_reason`)."""

    seq = models.BigAutoField(primary_key=True)  # AUTOINCREMENT: never reused, also after deletes
    action = models.TextField()
    payload = models.TextField()
    message_ids = models.TextField()  # JSON list of strings
    transaction_uid = models.TextField()
    needs_transaction_id = models.BooleanField()
    attempts = models.BigIntegerField()
    parked_reason = SentenceField()
    created_at = models.DateTimeField(null=True)
    boot_id = models.TextField()

    class Meta:
        # The head and the length of the queue, however many calls are parked.
        indexes = [models.Index(fields=["parked_reason", "seq"], name="queue")]
        verbose_name = _("message that waits or was given up")
        verbose_name_plural = _("messages that wait or were given up")

    def __str__(self) -> str:
        return f"{self.seq} {self.action}" + (f" (parked: {self.parked_reason})" if self.parked_reason else "")


class DeliveredCall(models.Model):
    """One message of a transaction that the backend answered; people see it with its session."""

    seq = models.BigIntegerField(primary_key=True)
    action = models.TextField()
    payload = models.TextField()  # JSON
    answer = models.TextField()  # JSON
    transaction_uid = models.TextField(db_index=True)
    created_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField()
    attempts = models.BigIntegerField()

    class Meta:
        verbose_name = _("delivered message")
        verbose_name_plural = _("delivered messages")

    def __str__(self) -> str:
        return f"{self.seq} {self.action} answered {self.answered_at:%Y-%m-%d %H:%M:%S}"


class IdTag(models.Model):
    """One entry of the Authorization Cache (source "cache") or of the Local Authorization List."""

    SOURCES = [("cache", "cache"), ("backend", "list, from the backend"), ("station", "list, added at the station")]
    STATUSES = [(status, status) for status in ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")]

    id = models.BigAutoField(primary_key=True)
    key = models.TextField(editable=False)  # what id tags are compared by: the case-folded id_tag
    id_tag = models.CharField(max_length=20)
    status = models.CharField(max_length=12, choices=STATUSES, default="Accepted")
    source = models.CharField(max_length=7, choices=SOURCES, default="station")
    parent_id_tag = models.CharField(max_length=20, blank=True)
    expiry_date = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(null=True, editable=False)
    note = models.CharField(max_length=100, blank=True)

    class Meta:
        verbose_name = _("local list entry")
        verbose_name_plural = _("local list")
        constraints = [models.UniqueConstraint(fields=["key", "source"], name="one_entry_per_tag_and_source")]

    def __str__(self) -> str:
        return f"{self.id_tag} ({self.source}): {self.status}"


class ChargingProfile(models.Model):
    """One installed charging profile; its periods are blobs, a row a period would be far too many."""

    profile_id = models.BigIntegerField(primary_key=True)
    connector_id = models.BigIntegerField()
    stack_level = models.BigIntegerField()
    purpose = models.TextField()
    kind = models.TextField()
    unit = models.TextField()
    period_starts = models.BinaryField()
    period_limits = models.BinaryField()
    period_phases = models.BinaryField()
    recurrency_kind = models.TextField()
    valid_from_s = models.BigIntegerField(null=True)
    valid_to_s = models.BigIntegerField(null=True)
    start_s = models.BigIntegerField(null=True)
    duration_s = models.BigIntegerField(null=True)
    transaction_uid = models.TextField()
    origin = models.TextField(default="")
    installed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.purpose} {self.profile_id}, level {self.stack_level}, {len(self.period_starts) // 4} periods"


class Measurement(models.Model):
    """What was measured in one minute, for the charts."""

    minute = models.BigIntegerField(primary_key=True)  # since 1970, UTC
    power_w = models.BigIntegerField(null=True)
    current_ma = models.BigIntegerField(null=True)
    limit_ma = models.BigIntegerField()

    def __str__(self) -> str:
        return f"minute {self.minute}: {self.power_w} W, {self.current_ma} mA of {self.limit_ma} mA"


class SecurityEvent(models.Model):
    """One line of the security log."""

    seq = models.BigAutoField(primary_key=True)
    type = models.TextField()
    at = models.DateTimeField()
    tech_info = SentenceField()
    delivery = models.TextField()
    message_id = models.TextField()
    boot_id = models.TextField()

    class Meta:
        verbose_name = _("security event")
        verbose_name_plural = _("security log")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.type} {self.tech_info}".strip()


class Certificate(models.Model):
    """One installed certificate: a root of the backend or of the manufacturer, or the station's own."""

    id = models.BigAutoField(primary_key=True)
    kind = models.TextField()
    fingerprint = models.TextField()
    pem = models.TextField()
    installed_at = models.DateTimeField()
    fallback = models.BooleanField()
    key_id = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "fingerprint"], name="one_row_per_certificate")]

    def __str__(self) -> str:
        return f"{self.kind} {self.fingerprint[:16]}"


class PrivateKey(models.Model):
    """A private key of this station. It never leaves this table but into the TLS library."""

    id = models.BigAutoField(primary_key=True)
    key_id = models.TextField(unique=True)
    pem = models.TextField()

    def __str__(self) -> str:
        return self.key_id[:16]


class Job(models.Model):
    """One slow piece of work; `station/jobs.py` does it, and writes its progress here."""

    id = models.BigAutoField(primary_key=True)
    uid = models.TextField(unique=True)
    kind = models.TextField()
    arguments = models.TextField()
    run = models.BigIntegerField()
    state = models.TextField(db_index=True)
    stage = models.TextField()
    progress = models.BigIntegerField()
    result = models.TextField()
    created_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.state} {self.stage}".rstrip()


class Reason(models.Model):
    """One line of the why log: why something was refused, ignored or limited."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    what = models.TextField()
    verdict = models.TextField()
    rule = SentenceField()
    value = models.TextField()
    clause = models.TextField()

    class Meta:
        verbose_name = _("line of the why log")
        verbose_name_plural = _("why log")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.what} {self.verdict}: {self.rule}"


class Setting(models.Model):
    """One setting that people own (sections and names as in the provisioning file); `value` is JSON."""

    id = models.BigAutoField(primary_key=True)
    section = models.TextField()
    name = models.TextField()
    value = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["section", "name"], name="one_setting_per_name")]

    def __str__(self) -> str:
        return f"[{self.section}] {self.name}"  # never the value: it may be a secret


class OneTimePassword(models.Model):
    """The password of this user was made by somebody else and has to be changed."""

    user = models.OneToOneField("auth.User", on_delete=models.CASCADE, primary_key=True)

    def __str__(self) -> str:
        return str(self.user)


class ApiToken(models.Model):
    """One access token for machines (station/tokens.py); goes with its owner."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=60)
    role = models.TextField()
    digest = models.TextField(unique=True)
    owner = models.ForeignKey("auth.User", on_delete=models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_on = models.DateField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"


class SelfTest(models.Model):
    """One self-test: a person asks for it, the worker runs it and writes its report (station/self_test.py)."""

    id = models.BigAutoField(primary_key=True)
    asked_at = models.DateTimeField()
    asked_by = models.TextField()
    state = models.TextField(db_index=True)
    report = models.TextField()  # JSON
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.asked_at:%Y-%m-%d %H:%M} {self.state}"
