"""What transfers of this station may reach and whom they trust: from its settings."""

from __future__ import annotations

from ocppclient.certificates import CENTRAL_SYSTEM_ROOT
from station import provisioning
from station.jobs import Task
from station.models import Certificate
from station.transfer.http import Options


def transfer_options(task: Task) -> Options:
    """Trust is the operating system's authorities and the installed CentralSystemRootCertificates.

    Operators' file servers have certificates of either kind; what is installed is proven by signatures besides. Their
    dates are judged by the station's clock (docs/time.md).
    """
    roots = Certificate.objects.filter(kind=CENTRAL_SYSTEM_ROOT).values_list("pem", flat=True)
    allow_local = provisioning.load().allow_local_transfers
    return Options(allow_local, tuple(roots), task.now, task.arguments["sure"])
