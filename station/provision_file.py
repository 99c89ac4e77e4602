"""The provisioning file, read completely or refused with every problem named; its values as the station takes them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hardware.interfaces import HardwareConfig
from hardware.registry import port_problem
from ocppclient import pki
from ocppclient.link import ConnectionSettings
from ocppclient.sentence import NOTHING, Sentence, quoted
from ocppclient.settings import Electrical, Factory, Identity
from station import __version__
from station.errors import EX_CONFIG, EX_NOINPUT, StartupError
from station.provision_rules import PANEL_LINES, RULES, Wrong, configuration_value

Sections = Mapping[str, Mapping[str, Any]]

#: Values that are options of a hardware driver, and factory values that are not the charge point's.
_HARDWARE_OPTIONS = (
    "energy_rate_factor",
    "uid_order",
    "em4100",
    "on_meter_lost",
    "on_wrong_voltage",
    "on_tamper",
    "simulated_lock",
    *PANEL_LINES,
)
_STATION_NAMES = ("reconnect_min_s", "reconnect_max_s", "allow_local_transfers", "ballast_mib")


class Secret(str):
    """Text that does not show itself in logs and tracebacks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'•••'" if self else "''"


_NONE = Secret("")
_DEFAULT_IDENTITY = Identity(firmware_version=__version__)


@dataclass(frozen=True)
class BackendSettings:
    """How to reach the backend. An empty url: there is no backend.

    Attributes:
        secure_url: address of security profiles 2 and 3; "": `url` with the scheme wss.
        system_roots: the root certificates of the operating system count as installed.
        root_certificates, client_certificate, client_key, manufacturer_roots: absolute paths of PEM files, on their way
            from the file into the certificate store of the database; empty in what is read back.
    """

    url: str = ""
    charge_point_id: str = ""
    security_profile: int = 0
    authorization_key: Secret = _NONE
    secure_url: str = ""
    system_roots: bool = False
    root_certificates: tuple[str, ...] = ()
    client_certificate: str = ""
    client_key: str = ""
    manufacturer_roots: tuple[str, ...] = ()


@dataclass(frozen=True)
class WebSettings:
    """Who may log in at first; the password only on its way from the file into the database, where it is hashed.

    `metrics`: /metrics answers; `driver_page`: the page for drivers is open to everybody; `driver_receipt`: with a link
    to the receipt of the session.
    `admin_password_once`: it stands on a label, so its owner chooses another at the first login.
    """

    admin_user: str = "admin"
    admin_password: Secret = _NONE
    admin_password_once: bool = False
    metrics: bool = False
    driver_page: bool = True
    driver_receipt: bool = True


@dataclass(frozen=True)
class ChargingSettings:
    """`region`: whose rules for private charge points count, a name of `regions.REGIONS`; "" for none."""

    region: str = ""


@dataclass(frozen=True)
class SupportSettings:
    """What whoever sells the station promises. `security_contact`: where flaws are reported, as in RFC 9116;
    `security_policy`: the page about it; `until`: the last day of security updates, "2031-12-31". "": not said."""

    security_contact: str = ""
    security_policy: str = ""
    until: str = ""


@dataclass(frozen=True)
class UpdateSettings:
    """Looking for updates. `url`: of the seller's list (docs/firmware.md); "": nobody is asked.
    `install_at_night`: what is found is installed without a person, when nobody charges."""

    url: str = ""
    install_at_night: bool = False


@dataclass(frozen=True)
class Provision:
    """Everything the factory and the installer fix. `reconnect_…`: bounds of the back-off, seconds."""

    identity: Identity = _DEFAULT_IDENTITY
    electrical: Electrical = field(default_factory=Electrical)
    factory: Factory = field(default_factory=Factory)
    configuration: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    backend: BackendSettings = BackendSettings()
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    web: WebSettings = WebSettings()
    charging: ChargingSettings = ChargingSettings()
    support: SupportSettings = SupportSettings()
    updates: UpdateSettings = UpdateSettings()
    reconnect_min_s: float = 3.0
    reconnect_max_s: float = 300.0
    #: Up- and downloads may reach this very machine and its own networks' service addresses; for test rigs.
    allow_local_transfers: bool = False
    ballast_mib: int = 16
    #: What the file said, by table and name; `apply` stores it.
    sections: Sections = field(default_factory=dict, repr=False)


def parse(path: str | Path, known_keys: frozenset[str] | None = None) -> Provision:
    """Read a provisioning file.

    Args:
        known_keys: names of the configuration keys; None takes any name in [ocpp].

    Raises:
        StartupError: 66 the file cannot be read, 78 something in it cannot be used; every problem has its line.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartupError(f"The provisioning file {path} cannot be read ({error.strerror}).", EX_NOINPUT) from error
    except ValueError as error:  # not UTF-8, or not TOML
        raise StartupError(f"The provisioning file {path} is not valid TOML: {error}.", EX_CONFIG) from error
    problems: list[str] = []
    misfits: list[Misfit] = []
    sections = _checked(content, path.absolute().parent, known_keys, problems)
    provision = None if problems else built(sections, misfits)
    problems += map(str, misfits)
    if provision is not None:
        problems += _file_problems(provision.backend)
        provision = None if problems else provision
    if provision is None:
        lines = "".join(f"\n  {problem}{'' if problem[-1] in '.?' else '.'}" for problem in problems)
        raise StartupError(f"The provisioning file {path} cannot be used; nothing was changed.{lines}", EX_CONFIG)
    return provision


def _checked(
    content: Mapping[str, Any], folder: Path, known_keys: frozenset[str] | None, problems: list[str]
) -> Sections:
    sections: dict[str, dict[str, Any]] = {}
    for section, table in content.items():
        if section != "ocpp" and section not in RULES:
            problems.append(f"[{section}] is not a table of this file{_nearest(section, [*RULES, 'ocpp'], '[{}]')}")
        elif not isinstance(table, dict):
            problems.append(f"{section} must be a table: write [{section}] on a line of its own.")
        else:
            sections[section] = {}
            for name, value in table.items():
                try:
                    known_as, rule = _rule(section, name, known_keys)
                    if known_as in sections[section]:
                        raise Wrong("is there twice")
                    sections[section][known_as] = rule(value, folder)
                except Wrong as wrong:
                    problems.append(f"[{section}] {name} {wrong}")
    return sections


def _rule(section: str, name: str, known_keys: frozenset[str] | None) -> tuple[str, Any]:
    """The name as it is kept, and the rule of its value."""
    if section != "ocpp":
        if name not in RULES[section]:
            raise Wrong(f"is not a name of this table{_nearest(name, RULES[section], '{}')}")
        return name, RULES[section][name]
    if not 0 < len(name) <= 50:
        raise Wrong("is not a configuration key: a key has 1 to 50 characters")
    if known_keys is not None:
        spelled = {key.casefold(): key for key in known_keys}
        if name.casefold() not in spelled:
            raise Wrong(f"is not a configuration key of this station{_nearest(name, known_keys, '{}')}")
        name = spelled[name.casefold()]
    return name, configuration_value


def _nearest(name: str, names: Any, shape: str) -> str:
    folded = {known.casefold(): known for known in names}
    nearest = get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    return f"; did you mean {shape.format(folded[nearest[0]])}?" if nearest else f"; use {', '.join(sorted(names))}"


@dataclass(frozen=True)
class Misfit:
    """Why values do not fit together, as a sentence about a table of the file; pages can meet it as well."""

    table: str
    what: Sentence

    def __str__(self) -> str:
        return f"[{self.table}] {self.what}"


def in_one(misfits: Sequence[Misfit], *, about: str = "") -> Sentence:
    """All of them in one text; what is `about` this table does not name it."""
    told = NOTHING
    for one in misfits:
        more = one.what if one.table == about else Sentence("[{table}] {what}", table=one.table, what=one.what)
        told = Sentence("{first} {next}", first=told, next=more) if told else more
    return told


def built(sections: Sections, problems: list[Misfit]) -> Provision | None:
    """Checked values as the parts of the station take them; None when they do not fit together (see `problems`)."""
    given = {name: dict(sections.get(name, {})) for name in (*RULES, "ocpp")}
    backend, factory, hardware, web = given["backend"], given["factory"], given["hardware"], given["web"]
    ours = {name: factory.pop(name) for name in _STATION_NAMES if name in factory}
    options = {name: str(hardware.pop(name)) for name in _HARDWARE_OPTIONS if name in hardware}
    factory = {name: tuple(value) if isinstance(value, list) else value for name, value in factory.items()}
    try:
        provision = Provision(
            identity=Identity(**{"firmware_version": __version__, **given["identity"]}),
            electrical=Electrical(**given["electrical"]),
            factory=Factory(**factory),
            configuration=MappingProxyType(given["ocpp"]),
            backend=BackendSettings(
                **{
                    **backend,
                    "authorization_key": Secret(backend.get("authorization_key", "")),
                    "root_certificates": tuple(backend.get("root_certificates", ())),
                    "manufacturer_roots": tuple(backend.get("manufacturer_roots", ())),
                }
            ),
            hardware=HardwareConfig(**hardware, **given["electrical"], options=options),
            web=WebSettings(**{**web, "admin_password": Secret(web.get("admin_password", ""))}),
            charging=ChargingSettings(**given["charging"]),
            support=SupportSettings(**given["support"]),
            updates=UpdateSettings(**given["updates"]),
            sections=sections,
            **ours,
        )
    except ValueError as error:
        problems.append(Misfit("identity", Sentence("{error}.", error=quoted(error))))
        return None
    problems += _conflicts(provision)
    return None if problems else provision


def _conflicts(provision: Provision) -> list[Misfit]:
    """Values that are fine each by itself, but not together."""
    found = []
    if problem := port_problem(provision.hardware):
        what = Sentence("{name}_port: {problem}", name=problem[0], problem=problem[1])
        found.append(Misfit("hardware", what))
    hotspot = provision.sections.get("hotspot", {})
    if ("ssid" in hotspot) != ("passphrase" in hotspot):
        what = Sentence("ssid and passphrase belong together; give both, or none: the station makes its own.")
        found.append(Misfit("hotspot", what))
    if provision.reconnect_max_s < provision.reconnect_min_s:
        what = Sentence(
            "reconnect_max_s is {most_s:g}, less than reconnect_min_s ({least_s:g}); make it larger.",
            most_s=provision.reconnect_max_s,
            least_s=provision.reconnect_min_s,
        )
        found.append(Misfit("factory", what))
    return [*found, *(Misfit("backend", what) for what in _about_backend(provision.backend))]


def _about_backend(backend: BackendSettings) -> Iterator[Sentence]:
    if backend.url and not backend.charge_point_id:
        yield Sentence("charge_point_id is missing: write the id under which the backend knows this station.")
    elif backend.url:
        try:
            ConnectionSettings(
                url=backend.url,
                charge_point_id=backend.charge_point_id,
                security_profile=backend.security_profile,
                authorization_key=backend.authorization_key,
            )
        except ValueError as error:
            yield Sentence("{error}.", error=quoted(error))
        if backend.security_profile in (1, 2) and ":" in backend.charge_point_id:
            yield Sentence("charge_point_id holds a ':', which Basic authentication cannot carry; remove it.")


def _file_problems(backend: BackendSettings) -> list[str]:
    """The files of certificates and keys, and whether they fit together."""
    found = []
    for path in (*backend.root_certificates, *backend.manufacturer_roots, backend.client_certificate):
        try:
            if path:
                pki.read_chain(Path(path).read_text(encoding="ascii", errors="replace"))
        except ValueError as error:
            found.append(f"[backend] {path} cannot be used: {error}.")
    if bool(backend.client_certificate) != bool(backend.client_key):
        found.append("[backend] client_certificate and client_key belong together; give both or none.")
    elif backend.client_key:
        found += _key_problem(backend)
    elif backend.security_profile == 3:
        found.append("[backend] security profile 3 needs a client certificate and its key; name both files.")
    return found


def _key_problem(backend: BackendSettings) -> list[str]:
    try:
        leaf = pki.read_chain(Path(backend.client_certificate).read_text(encoding="ascii", errors="replace"))[0]
        if pki.private_key_id(Path(backend.client_key).read_text(encoding="ascii", errors="replace")) == pki.key_id(
            leaf
        ):
            return []
        error = "it belongs to another certificate"
    except ValueError as problem:
        error = str(problem)
    return [f"[backend] client_key does not fit client_certificate ({error}); give the key of that certificate."]
