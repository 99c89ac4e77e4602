"""What `runstation` says on standard output once it runs: where to go, how to log in, what to try next."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from django.conf import settings

from station.provisioning import Applied


def greeting(web_url: str, backend_url: str, simulator_url: str, applied: Applied) -> str:
    """A short block of lines; an empty URL means that there is none."""
    lines = [""]
    if web_url:
        lines.append(f"  Station    {web_url}")
    if applied.one_time_password:  # also beside pages of another process: nobody else can tell it
        user = applied.provision.web.admin_user
        lines.append(f"  Log in as  {user} with the one-time password {applied.one_time_password}")
    lines.append(f"  Backend    {backend_url or 'none is configured yet'}")
    if simulator_url:
        command = _simulator_command()
        lines.append(f"  Simulator  {simulator_url}")
        lines.append(f"  Try next   {command} plug")
        lines += [f"             {command} {move}" for move in ("swipe 04A1B2C3", "state", "unplug")]
    return "\n".join([*lines, ""])


def _simulator_command() -> str:
    """How a person in this folder calls the simulator."""
    python = sys.executable
    with suppress(ValueError):
        inside = os.path.relpath(python)
        python = inside if not inside.startswith("..") else python
    address = f"{settings.SIM_HTTP_HOST}:{settings.SIM_HTTP_PORT}"
    prefix = "" if address == "127.0.0.1:8081" else f"STATION_SIM_HTTP={address} "
    return f"{prefix}{python} manage.py sim"
