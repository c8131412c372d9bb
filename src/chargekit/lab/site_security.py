"""The `security:` block of a site file, credentials files and their command-line options: parsed first, files read only when a lab with
sockets needs them. Secrets come from files or the environment; one written into the site file is taken with a warning."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from chargekit.controller.admission import Doors, Rule
from chargekit.lab.tls import certificates, private_key
from chargekit.lab.yamlfile import load, shown
from chargekit.model.located import BadInput, Located, Source, nearest
from chargekit.model.security import PROFILES, password_fault
from chargekit.model.site import ChargingStation

PATHS: Final = ("password_file", "ca", "certificate", "key", "station_certificate", "station_key", "authority_certificate", "authority_key")
TEXTS: Final = ("password", "password_env", "organisation", "serial")
OF_STATION: Final = ("profile", "password", "password_file", "password_env", "certificate", "key", "serial")
MOST_SECRET: Final = 4096


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody wrote, where, and the folder its path counts from."""

    text: str = field(repr=False)
    source: Source | None = None
    base: Path = Path()

    def path(self, station: str = "") -> Path:
        """The path, `{id}` replaced by the station's identity."""
        return self.base / self.text.replace("{id}", station)


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for, not yet read. In `stations`, the settings of single ones, where `certificate` and `key` are the station's;
    at the top they are the CSMS's, and `station_certificate`, `station_key` are patterns for all stations."""

    profile: int | None = None
    password: Given | None = None
    password_file: Given | None = None
    password_env: Given | None = None
    ca: Given | None = None
    certificate: tuple[Given, ...] = ()
    key: tuple[Given, ...] = ()
    station_certificate: Given | None = None
    station_key: Given | None = None
    authority_certificate: Given | None = None
    authority_key: Given | None = None
    organisation: Given | None = None
    serial: Given | None = None
    additional_root_check: bool | None = None
    may_raise: bool | None = None
    stations: Mapping[str, Settings] = field(default_factory=dict)
    source: Source | None = None

    def over(self, below: Settings | None) -> Settings:
        """These settings, and the others where these say nothing. A password said here replaces any kind of password there."""
        if below is None:
            return self
        change: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) not in (None, (), {})}
        if any(name in change for name in ("password", "password_file", "password_env")):
            below = replace(below, password=None, password_file=None, password_env=None)
        names = dict.fromkeys((*below.stations, *self.stations))
        change["stations"] = {n: self.stations.get(n, Settings()).over(below.stations.get(n)) for n in names}
        return replace(below, **change)

    def of(self, station: str) -> Settings:
        """What holds for one station."""
        general = replace(
            self, certificate=(self.station_certificate,) if self.station_certificate else (),
            key=(self.station_key,) if self.station_key else (), stations={},
        )  # fmt: skip
        return self.stations.get(station, Settings()).over(general)


@dataclass(frozen=True, slots=True)
class StationSecurity:
    """One station's credentials, read."""

    profile: int = 0
    password: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    serial: str = ""


@dataclass(frozen=True, slots=True)
class SiteSecurity:
    """All credentials a lab needs, read: `pairs` and `authority` are (certificate, key) of the CSMS and of its certificate authority.
    `may_raise`: cases may raise a station's security profile, which can't be undone over OCPP. `roots_from`: stations below this profile
    have no root certificate of the CSMS yet."""

    stations: Mapping[str, StationSecurity]
    ca: str = field(default="", repr=False)
    pairs: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    authority: tuple[str, str] | None = field(default=None, repr=False)
    organisation: str = ""
    root_check: bool = False
    source: Source | None = None
    may_raise: bool = False
    roots_from: int = 0

    @property
    def profiles(self) -> frozenset[int]:
        return frozenset(one.profile for one in self.stations.values())

    def doors(self, stations: Iterable[ChargingStation]) -> Doors:
        """What the CSMS expects of each station. Those of profile 0 have a rule too, so that an upgrade binds them."""
        rules = {}
        for spec in stations:
            one = self.stations[spec.id]
            passwords = (one.password,) if one.password else ()
            rules[spec.id] = Rule(one.profile, passwords, one.serial, self.organisation, spec.ocpp)
        return Doors(rules)

    def memory(self, station: str) -> dict[str, Any]:
        """What a station has in its non-volatile memory before its first power-up (see `emulator.securing`)."""
        from chargekit.emulator.certificates import read
        from chargekit.emulator.securing import CSMS_ROOT

        one = self.stations[station]
        held: dict[str, Any] = {"profile": one.profile, "password": one.password, "root_check": self.root_check}
        if self.organisation:
            held["organisation"] = self.organisation
        saved: dict[str, Any] = {"m/security": held}
        if self.ca and one.profile >= self.roots_from:
            saved["m/security/roots"] = [{"type": CSMS_ROOT, "pem": found.pem} for found in read(self.ca)]
        if one.certificate:
            saved["m/security/identity"] = {"certificate": one.certificate, "key": one.key}
        return saved


# --- parsing ----------------------------------------------------------------------------------------------------


def parse_security(node: Located, stations: Iterable[str], base: Path) -> Settings:
    """The `security:` block of a site file. BadInput with file and line for anything that can't be."""
    node.only("profile", *PATHS, *TEXTS, "additional_root_check", "may_raise", "stations")
    names = list(stations)
    each: dict[str, Settings] = {}
    for name, one in (node.get("stations") or Located({}, node.source)).table().items():
        if name not in names:
            raise BadInput(one.source, f"station {name!r} is not known", nearest(name, names))
        each[name] = _settings(one.only(*OF_STATION), base)
    return replace(_settings(node, base), stations=each)


def _settings(node: Located, base: Path) -> Settings:
    found: dict[str, Any] = {"source": node.source}
    if node.has("profile"):
        found["profile"] = profile_of(node.integer("profile"), node.need("profile").source)
    for name in (*PATHS, *TEXTS):
        if (one := node.get(name)) is None:
            continue
        rows = one.items() if isinstance(one.value, list) and name in ("certificate", "key") else [one]
        given = tuple(Given(row.as_text(), row.source, base) for row in rows)
        found[name] = given if name in ("certificate", "key") else given[0]
    for name in ("additional_root_check", "may_raise"):
        if node.has(name):
            found[name] = node.flag(name)
    return Settings(**found)


def profile_of(number: int, source: Source | None = None, what: str = "profile") -> int:
    if number not in PROFILES:
        raise BadInput(source, f"{what}: 0, 1, 2 or 3 expected, found {number}", "docs/security.md says what each is")
    return number


def credentials(path: Path, stations: Iterable[str]) -> dict[str, Settings]:
    """A file with what each station presents: YAML (a table per station) or CSV with the columns station, password, certificate, key,
    profile, serial (those that are needed). BadInput with file and line."""
    names = list(stations)
    if path.suffix.lower() != ".csv":
        node = load(path)
        return dict(parse_security(Located({"stations": node}, node.source), names, path.parent).stations)
    name = shown(path)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "UTF-8 text expected"
        raise BadInput(None, f"{name} can't be read: {why}") from None
    rows = csv.DictReader(io.StringIO(text), strict=True)
    found: dict[str, Settings] = {}
    try:
        columns = [str(c).strip() for c in rows.fieldnames or ()]
        rows.fieldnames = columns
        for column in columns:
            if column not in ("station", *OF_STATION):
                raise BadInput(Source(name, 1), f"unknown column {column!r}", nearest(column, ("station", *OF_STATION)))
        if "station" not in columns:
            raise BadInput(Source(name, 1), "no column 'station'", "the first line names the columns")
        for row in rows:
            source = Source(name, rows.line_num)
            if None in row:
                raise BadInput(source, "more values than columns")
            station = (row.pop("station") or "").strip()
            if station not in names or station in found:
                why = "stands here twice" if station in found else "is not known"
                raise BadInput(source, f"station {station!r} {why}", nearest(station, names))
            table = {key: Located(_value(key, value.strip(), source), source) for key, value in row.items() if value and value.strip()}
            found[station] = _settings(Located(table, source), path.parent)
    except csv.Error as error:
        raise BadInput(Source(name, max(1, rows.line_num)), f"no CSV: {error}") from None
    return found


def _value(key: str, text: str, source: Source) -> object:
    if key != "profile":
        return text
    if not (text.isascii() and text.isdigit()):
        raise BadInput(source, f"profile: 0, 1, 2 or 3 expected, found {text!r}")
    return int(text)


# --- reading ----------------------------------------------------------------------------------------------------


def resolve(settings: Settings, stations: Iterable[ChargingStation], *, csms: bool, fleet: bool, tls: bool = False) -> SiteSecurity:
    """Read what the part we play needs: `csms` its own certificate, `fleet` those of stations. `tls`: the CSMS listens for TLS even
    where no station starts with it. BadInput names the file and what to do."""
    each = {spec.id: _station(settings.of(spec.id), spec, fleet=fleet) for spec in stations}
    most = max((one.profile for one in each.values()), default=0)
    ca = certificates(settings.ca.path(), "ca", settings.ca.source) if settings.ca is not None else ""
    pairs: tuple[tuple[str, str], ...] = ()
    if csms and (most >= 2 or tls):
        if not settings.certificate:
            why = f"security profile {most} needs the certificate and the key of the CSMS" if most >= 2 else "TLS needs them"
            raise BadInput(settings.source, why, "certificate: and key: in the site file's security: block, or --cert and --key")
        if len(settings.certificate) != len(settings.key):
            raise BadInput(settings.certificate[0].source, "as many keys as certificates expected", "certificate: and key:")
        pairs = tuple(_pair(c, k, "certificate", "") for c, k in zip(settings.certificate, settings.key, strict=True))
    if csms and most == 3 and not ca:
        raise BadInput(settings.source, "security profile 3 needs the CA of the stations' certificates", "ca: or --ca")
    authority = None
    if csms and settings.authority_certificate is not None:
        if settings.authority_key is None:
            raise BadInput(settings.authority_certificate.source, "authority_certificate needs authority_key")
        authority = _pair(settings.authority_certificate, settings.authority_key, "authority_certificate", "")
    organisation = settings.organisation.text if settings.organisation else ""
    check, may_raise = bool(settings.additional_root_check), bool(settings.may_raise)
    return SiteSecurity(each, ca, pairs, authority, organisation, check, settings.source, may_raise)


def _station(one: Settings, spec: ChargingStation, *, fleet: bool) -> StationSecurity:
    profile = one.profile or 0
    password = _password(one, spec)
    if profile in (1, 2):
        if not password:
            hint = "password_file: or password_env: in the site file, --password-file or --credentials"
            raise BadInput(one.source, f"station {spec.id} has security profile {profile} and no password", hint)
        if ":" in spec.id:
            raise BadInput(spec.source, f"station {spec.id}: a colon can't be in a name that is authorised by password")
    if not fleet or not (profile == 3 or one.certificate):
        return StationSecurity(profile, password, serial=one.serial.text if one.serial else "")
    if not one.certificate or not one.key:
        hint = "station_certificate: and station_key: with {id} for its name, or --credentials"
        raise BadInput(one.source, f"station {spec.id} has security profile {profile} and no certificate with key", hint)
    certificate, key = _pair(one.certificate[0], one.key[0], "certificate", spec.id)
    return StationSecurity(profile, password, certificate, key, one.serial.text if one.serial else "")


def _pair(certificate: Given, key: Given, what: str, station: str) -> tuple[str, str]:
    """A certificate and its key, which must belong together."""
    import ssl

    from chargekit.lab.tls import loaded

    pem = certificates(certificate.path(station), what, certificate.source)
    secret = private_key(key.path(station), key.source)
    loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), pem, secret, certificate.source, f"{what} {certificate.path(station)}")
    return pem, secret


def _password(one: Settings, spec: ChargingStation) -> str:
    text, source = "", one.source
    if one.password_file is not None:
        text, source = _first_line(one.password_file.path(spec.id), one.password_file.source), one.password_file.source
    elif one.password_env is not None:
        text, source = os.environ.get(one.password_env.text, ""), one.password_env.source
        if not text:
            raise BadInput(source, f"the environment has no {one.password_env.text}", "export it before chargekit starts")
    elif one.password is not None:
        text, source = one.password.text, one.password.source
    why = password_fault(text, spec.ocpp) if text else ""
    if why:
        # The password itself is never shown.
        raise BadInput(source, f"the password of {spec.id} can't be one for OCPP {spec.ocpp}: {why}", "openssl rand -hex 20 makes one")
    return text


def _first_line(path: Path, source: Source | None) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_SECRET)
        text = raw.decode("utf-8").splitlines()
    except OSError as error:
        raise BadInput(source, f"password file {path} can't be read: {error.strerror or error}", "one line with the password") from None
    except UnicodeDecodeError:
        raise BadInput(source, f"password file {path} is no UTF-8 text", "one line with the password") from None
    if not text or not text[0].strip():
        raise BadInput(source, f"password file {path} is empty", "one line with the password")
    return text[0].strip()


def fits(held: SiteSecurity, csms_url: str | None, listens: bool, listens_tls: bool) -> None:
    """Whether the addresses suit the profiles: below 2 in the clear, above over TLS, never both on one port. BadInput."""
    if csms_url is not None:
        secure, most = csms_url.startswith("wss://"), max(held.profiles, default=0)
        if not secure and most >= 2:
            raise BadInput(None, f"security profile {most} needs TLS, {csms_url!r} has none", "wss:// in --csms")
        if secure and 1 in held.profiles:
            raise BadInput(None, f"security profile 1 is without TLS, {csms_url!r} is with it", "--security-profile 2, or ws:// in --csms")
    elif listens and not listens_tls and held.pairs and min(held.profiles) < 2 <= max(held.profiles):
        why = "some stations connect over TLS and some without: they can't share a port"
        raise BadInput(held.source, why, "--listen-tls HOST:PORT for those over TLS")


def warnings(settings: Settings | None) -> list[str]:
    """What is allowed in a lab and nowhere else."""
    if settings is None:
        return []
    found = [s.password for s in (settings, *settings.stations.values()) if s.password is not None]
    return [f"{one.source}: a password stands in clear in this file: for a lab only (password_file: or password_env:)" for one in found[:1]]
