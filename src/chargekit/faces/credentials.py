"""The command line's options for security profiles, as settings that go over the site file's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chargekit.model.located import BadInput

if TYPE_CHECKING:
    from chargekit.lab.site_security import Settings
    from chargekit.lab.sitefile import SiteBundle

ProfileOpt = Annotated[int | None, typer.Option("--security-profile", metavar="0..3", help="OCPP security profile of all stations.")]
PasswordOpt = Annotated[Path | None, typer.Option("--password-file", help="One line: the stations' password; {id} in it is the station.")]
CaOpt = Annotated[Path | None, typer.Option("--ca", help="PEM: the certificates that the other side's must lead to.")]
CertOpt = Annotated[list[Path] | None, typer.Option("--cert", help="PEM: our certificate; of stations with {id} for each.")]
KeyOpt = Annotated[list[Path] | None, typer.Option("--key", help="PEM: its private key, likewise.")]
FileOpt = Annotated[Path | None, typer.Option("--credentials", help="YAML or CSV: password, certificate, … of each station.")]
ListenTlsOpt = Annotated[str | None, typer.Option("--listen-tls", metavar="HOST:PORT", help="Where stations connect over TLS.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was given on the command line."""

    profile: int | None = None
    password_file: Path | None = None
    ca: Path | None = None
    cert: Sequence[Path] = ()
    key: Sequence[Path] = ()
    credentials: Path | None = None

    def __bool__(self) -> bool:
        return any(v is not None for v in (self.profile, self.password_file, self.ca, self.credentials)) or bool(self.cert or self.key)

    def words(self) -> list[str]:
        """The same options again: files that hold secrets, never a secret."""
        found = [] if self.profile is None else ["--security-profile", str(self.profile)]
        files = (("--password-file", [self.password_file]), ("--ca", [self.ca]), ("--cert", self.cert), ("--key", self.key))
        for option, paths in (*files, ("--credentials", [self.credentials])):
            for path in paths:
                if path is not None:
                    found += [option, str(path)]
        return found

    def settings(self, bundle: SiteBundle, *, server: bool) -> Settings | None:
        """As settings; `server`: the certificate is the CSMS's, otherwise the stations'. None where nothing was asked."""
        from chargekit.lab.site_security import Given, Settings, credentials, profile_of

        if not self:
            return None

        def given(path: Path | None) -> Given | None:
            return Given(str(path)) if path is not None else None

        if bool(self.cert) != bool(self.key):
            raise BadInput(None, "--cert and --key go together", "one key for each certificate")
        profile = profile_of(self.profile, None, "--security-profile") if self.profile is not None else None
        each = credentials(self.credentials, [s.id for s in bundle.site.stations]) if self.credentials is not None else {}
        certs, keys = tuple(Given(str(p)) for p in self.cert), tuple(Given(str(p)) for p in self.key)
        if not server and (len(certs) > 1 or len(keys) > 1):
            raise BadInput(None, "--cert and --key: one of each for the stations", "{id} in the path is each station's name")
        return Settings(
            profile, password_file=given(self.password_file), ca=given(self.ca),
            certificate=certs if server else (), key=keys if server else (),
            station_certificate=certs[0] if certs and not server else None, station_key=keys[0] if keys and not server else None,
            stations=each,
        )  # fmt: skip


def check(bundle: SiteBundle, settings: Settings | None, csms: str | None, listen: object, listen_tls: object) -> None:
    """Read everything once before anything starts: BadInput now rather than in the middle. Said aloud: what is for a lab only."""
    from chargekit.faces.errors import complain
    from chargekit.lab.site_security import fits, resolve, warnings

    given = settings.over(bundle.security) if settings is not None else bundle.security
    if given is None:
        if listen_tls is not None:
            raise BadInput(None, "--listen-tls needs the certificate and the key of the CSMS", "--cert and --key")
        return
    for text in warnings(given):
        complain(text)
    held = resolve(given, bundle.site.stations, csms=csms is None, fleet=listen is None, tls=listen_tls is not None)
    fits(held, csms, listen is not None, listen_tls is not None)
