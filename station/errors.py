"""Why the station cannot start, in words a person can act on, with the exit code of sysexits.h for systemd."""

from __future__ import annotations

#: Wrong use, corrupt data, missing input (a file, a port), cannot write, try again (port taken), configuration.
EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_CANTCREAT, EX_TEMPFAIL, EX_CONFIG = 64, 65, 66, 73, 75, 78


class StartupError(Exception):
    """The station does not start; the text says what is wrong and what cures it."""

    def __init__(self, message: str, exit_code: int = EX_CONFIG) -> None:
        super().__init__(message)
        self.exit_code = exit_code
