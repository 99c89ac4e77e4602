"""What transfers of this station may reach and whom they trust: from its settings."""

from __future__ import annotations

from ocppclient.certificates import CENTRAL_SYSTEM_ROOT
from station import provisioning
from station.models import Certificate
from station.transfer.http import Options


def transfer_options() -> Options:
    """Trust is the operating system's authorities and the installed CentralSystemRootCertificates.

    Operators' file servers have certificates of either kind; what is installed is proven by signatures besides.
    """
    roots = Certificate.objects.filter(kind=CENTRAL_SYSTEM_ROOT).values_list("pem", flat=True)
    return Options(allow_local=provisioning.load().allow_local_transfers, roots=tuple(roots))
