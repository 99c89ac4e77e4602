"""python-dbusmock's NetworkManager, taught checkpoints, and a ModemManager, on a bus of their own.

The mocks run under the system's Python, which has dbus-python (Debian: python3-dbusmock). `play` speaks to them as
D-Bus clients do; the names in its code are those of its prelude.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:dir={folder}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy>
</busconfig>
"""
_NM = "org.freedesktop.NetworkManager"
_MM = "org.freedesktop.ModemManager1"
_PRELUDE = f"""
import dbus
NM, MM = {_NM!r}, {_MM!r}
ROOT, DEVICES = "/org/freedesktop/NetworkManager", "/org/freedesktop/NetworkManager/Devices"
bus = dbus.SystemBus()
def mock(service, path):
    return dbus.Interface(bus.get_object(service, path), "org.freedesktop.DBus.Mock")
"""
_MANAGER = "nm = mock(NM, ROOT)\n"
_CHECKPOINTS = """
nm.AddMethod(NM, "CheckpointCreate", "aouu", "o",
    "self.before = set(objects); ret = dbus.ObjectPath('/org/freedesktop/NetworkManager/Checkpoint/1')")
nm.AddMethod(NM, "CheckpointDestroy", "o", "", "self.before = set()")
nm.AddMethod(NM, "CheckpointRollback", "o", "a{su}", '''
for path in list(objects):
    if path not in self.before and '/Settings/' in path:
        objects[path].ConnectionDelete(objects[path])
ret = dbus.Dictionary({}, signature='su')
''')
"""


class Services:
    """A private system bus; NetworkManager is on it after `start_networkmanager`."""

    def __init__(self, folder: Path) -> None:
        assert shutil.which("dbus-daemon"), "tools/test_packages.sh installs dbus"
        config = folder / "bus.conf"
        config.write_text(_CONFIG.format(folder=folder))
        self._processes: list[subprocess.Popen[str]] = []
        bus = self._run("dbus-daemon", "--nofork", "--print-address=1", f"--config-file={config}")
        assert bus.stdout is not None
        self.address = bus.stdout.readline().strip()

    def start_networkmanager(self) -> None:
        """With checkpoints, which the template lacks."""
        self._mock(_NM, "--template", "networkmanager")
        self.play(_CHECKPOINTS)

    def start_modemmanager(self) -> None:
        """Without a modem; `play` adds it."""
        self._mock(_MM, "-m", _MM, "/org/freedesktop/ModemManager1", _MM)

    def start(self, *arguments: str, name: str) -> None:
        """Any other service of python-dbusmock; `play_plain` teaches it."""
        self._mock(name, *arguments)

    def play(self, code: str) -> str:
        """Run this against the mocks; returns what it prints."""
        return self._python(_MANAGER + code)

    def play_plain(self, code: str) -> str:
        """The same where no NetworkManager is."""
        return self._python(code)

    def _python(self, code: str) -> str:
        done = subprocess.run(
            ["/usr/bin/python3", "-c", _PRELUDE + code],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stop(self) -> None:
        """End what was started, the bus last."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait(timeout=10)
            if process.stdout is not None:
                process.stdout.close()

    def _mock(self, name: str, *arguments: str) -> None:
        # Its log of every call goes nowhere: nobody reads it, and a full pipe would stop it.
        self._run("/usr/bin/python3", "-m", "dbusmock", "--system", *arguments, output=subprocess.DEVNULL)
        self._python(
            "from gi.repository import GLib\n"
            "loop = GLib.MainLoop()\n"
            "import dbus.mainloop.glib\n"
            "bus = dbus.SystemBus(mainloop=dbus.mainloop.glib.DBusGMainLoop(), private=True)\n"
            f"bus.watch_name_owner({name!r}, lambda owner: owner and loop.quit())\n"
            "loop.run()"
        )

    def _run(self, *command: str, output: int = subprocess.PIPE) -> subprocess.Popen[str]:
        process = subprocess.Popen(command, env=self._environment, stdout=output, text=True)
        self._processes.append(process)
        return process

    @property
    def _environment(self) -> dict[str, str]:
        own = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "DBUS_"))}
        return {**own, "DBUS_SYSTEM_BUS_ADDRESS": getattr(self, "address", "")}
