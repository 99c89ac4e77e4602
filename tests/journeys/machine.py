"""A Debian machine in a folder, with its own systemd as in a container, and without a network."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.journeys.station import PROJECT, until

CONTROL = PROJECT / "deploy/debian/control"
#: What the package depends on: a station is installed without a network, so the machine has these before.
SYSTEM = sorted(set(re.findall(r"[:,] ([a-z0-9-]+)", re.search(r"^Depends.*", CONTROL.read_text(), re.M)[0])))
#: Bases are kept here between runs.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "station-tests"


def why_not() -> str:
    """Why no machine can be made here; "" when one can."""
    if os.getuid() != 0:
        return "a Debian machine in a folder can be made by root only"
    lacking = [name for name in ("mmdebstrap", "systemd-nspawn", "nsenter") if shutil.which(name) is None]
    return f"{', '.join(lacking)} missing; `make test` installs them" if lacking else ""


def base(suite: str) -> Path:
    """A fresh Debian as a tar file: made by the machine's own package sources, kept in the cache folder."""
    key = hashlib.sha256(" ".join(SYSTEM).encode()).hexdigest()[:8]
    path = CACHE / f"{suite}-{key}.tar"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.stem}.{os.getpid()}.tar")
        command = [
            "mmdebstrap",
            "--variant=apt",
            "--quiet",
            f"--include={','.join(SYSTEM)}",
            suite,
            str(draft),
            mirror(),
        ]
        subprocess.run(command, check=True, capture_output=True, text=True)
        draft.rename(path)
    return path


def mirror() -> str:
    """From where this machine gets Debian."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI) $(SUITE)", "Created-By: Packages"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    found = [line.split() for line in told.splitlines()]
    # The plain archive, neither its updates nor the security archive: those have no other suite.
    plain = [uri for origin, uri, suite in found if origin == "Debian" and "-" not in suite]
    assert plain, "the package sources of this machine name no Debian archive"
    return plain[0]


class Machine:
    """Boots a copy of a base; `run` is a root shell in it."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir(parents=True)
        subprocess.run(["tar", "-xf", str(base), "-C", str(self.root)], check=True)
        # A container has its own names for these; the image of a machine has them from its first boot.
        (self.root / "etc/machine-id").write_text("")
        self._log = folder / "console.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def boot(self) -> Machine:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("systemd-nspawn", "--register=no", "--keep-unit", "--quiet", "--private-network"),
                    *("--kill-signal=SIGRTMIN+3", "--console=pipe", f"--directory={self.root}"),
                    *("/lib/systemd/systemd", "systemd.journald.forward_to_console=0"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(
            self._is_up, 60, lambda: f"the machine boots; its console:\n{self._log.read_text(errors='replace')[-3000:]}"
        )
        return self

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text(errors="replace")[-3000:]
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        if not children:
            return False
        self._leader = int(children[0])
        return self.run("systemctl is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def run(self, command: str, *, check: bool = True, timeout_s: float = 180) -> subprocess.CompletedProcess[str]:
        """A shell command in it; its output is told when it fails."""
        found = subprocess.run(
            ["nsenter", f"--target={self._leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--",
             "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root",
             "DEBIAN_FRONTEND=noninteractive", "/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout_s,
        )  # fmt: skip
        assert not check or found.returncode == 0, f"{command} → {found.returncode}:\n{found.stdout[-6000:]}"
        return found

    def says(self, command: str) -> bool:
        """The command ends with 0."""
        return self.run(command, check=False).returncode == 0

    def journal(self) -> str:
        return self.run("journalctl --no-pager -o cat -n 150", check=False).stdout

    def halt(self) -> None:
        """SIGTERM orders the machine to end; whatever is left of it is killed."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
