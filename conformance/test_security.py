"""Security profiles: who the station lets in its own door, and how it shows who it is.

A case names what the CSMS end shows and asks for, and what the station presented. The bench makes the faults; how a handshake carries
them is not its matter.
"""

from chargekit.judge import Bench, Charger, Failed, NotApplicable, case
from chargekit.judge.entrance import DONE, SHORT


async def in_use(bench: Bench) -> Charger:
    """A station that has come in with the security profile it is set up with, and is ready."""
    charger = Charger(bench, bench.subject)
    await charger.entrance.came()
    return await bench.reach("Booted", charger=charger)


@case(
    "CK-SEC-001", requires={"security"}, security=1, area="security",
    covers={"A_01", "TC_085_CS", "A00.FR.202", "A00.FR.203", "A00.FR.204", "WP A00.FR.201"},
)  # fmt: skip
async def test_a_station_shows_its_name_and_password(bench: Bench) -> None:
    """A station with profile 1 presents its password with every connection. While the CSMS takes another one it stays out, and goes on
    trying."""
    charger = await in_use(bench)
    entrance = charger.entrance
    entry = entrance.entries[-1]
    if entry.shown != "password":
        raise Failed(f"{charger.name} presented {entry.shown}, not its password", [entry.seq])
    await entrance.expects("other")
    await entrance.kept_out("took only another password", by_us=True)
    await entrance.expects("right")
    entry = await entrance.came(after=len(entrance.entries))
    if entry.shown != "password":
        raise Failed(f"{charger.name} presented {entry.shown} when it came back, not its password", [entry.seq])


@case(
    "CK-SEC-002", requires={"security"}, security=1, area="security",
    covers={"A_09", "TC_073_CS", "A01.FR.01", "A01.FR.02", "A01.FR.03", "WP A01"},
)  # fmt: skip
async def test_a_new_password_is_used_from_then_on(bench: Bench) -> None:
    """A password the station accepts is what it presents from the next connection on, after a restart too; the old one is over."""
    charger = await in_use(bench)
    entrance = charger.entrance
    before = len(entrance.entries)
    status = await entrance.new_password()
    if status not in DONE:
        raise Failed(f"{charger.name} answered {status} to a good password")
    if status == "RebootRequired":
        await charger.ask("Reset", hard=True)
    try:
        # The CSMS takes no other password by now.
        await entrance.renewed(before)
        before = len(entrance.entries)
        await charger.ask("Reset", hard=True)
        await entrance.came(after=before, within_s=charger.profile.power_up_s + 900)
    except Failed:
        await entrance.gives_back()
        raise
    before = len(entrance.entries)
    if await entrance.first_password() not in DONE:
        raise Failed(f"{charger.name} did not take its first password back")
    await entrance.renewed(before)


@case(
    "CK-SEC-003", requires={"security"}, security=1, area="security",
    covers={"A_10", "A00.FR.205", "A01.FR.04", "WP A00.FR.205"},
)  # fmt: skip
async def test_a_password_that_is_too_short_is_refused(bench: Bench) -> None:
    """A password of fewer than 16 characters is refused, and the one in use stays in use."""
    charger = await in_use(bench)
    status = await charger.entrance.new_password(SHORT)
    if status != "Rejected":
        await charger.entrance.gives_back()
        raise Failed(f"{charger.name} answered {status} to a password of {len(SHORT)} characters")
    await charger.entrance.again()


@case(
    "CK-SEC-004", requires={"security"}, security=2, area="security",
    covers={"A_04", "TC_086_CS", "A00.FR.306", "A00.FR.309", "A00.FR.312", "A00.FR.313"},
)  # fmt: skip
async def test_a_station_connects_over_tls_to_a_csms_it_can_verify(bench: Bench) -> None:
    """A station with profile 2 connects over TLS 1.2 or newer to a CSMS with a good certificate, and presents its password there."""
    charger = await in_use(bench)
    for entry in (charger.entrance.entries[-1], await charger.entrance.again()):
        if not entry.secure:
            raise Failed(f"{charger.name} connected without TLS", [entry.seq])
        if entry.shown != "password":
            raise Failed(f"{charger.name} presented {entry.shown}, not its password", [entry.seq])


@case(
    "CK-SEC-005", requires={"security"}, security=2, area="security",
    covers={"A_05", "TC_086_CS", "A00.FR.310", "A00.FR.311", "A04.FR.02"},
)  # fmt: skip
async def test_a_csms_of_an_unknown_authority_gets_no_connection(bench: Bench) -> None:
    """A CSMS with a certificate it signed itself, or of an authority the station does not know, gets no connection; it is told of the
    event once its certificate is good again."""
    charger = await in_use(bench)
    await charger.entrance.verifies("self-signed")
    await charger.entrance.verifies("stranger")


@case(
    "CK-SEC-006", requires={"security"}, security=2, area="security",
    covers={"A_06", "A00.FR.314", "A00.FR.316", "A04.FR.02"},
)  # fmt: skip
async def test_a_csms_with_an_old_tls_gets_no_connection(bench: Bench) -> None:
    """A CSMS that speaks only TLS before 1.2 gets no connection, and is told of the event once it speaks a newer one."""
    charger = await in_use(bench)
    entrance = charger.entrance
    told, came = entrance.told("InvalidTLSVersion"), len(entrance.entries)
    await entrance.shows(tls="old")
    await entrance.kept_out("spoke no TLS from 1.2 on")
    await entrance.shows()
    await entrance.came(after=came)
    await entrance.tells("InvalidTLSVersion", told)


@case(
    "CK-SEC-007", requires={"security"}, security=3, area="security",
    covers={"A_07", "TC_087_CS", "A00.FR.401", "A00.FR.402", "A00.FR.405"},
)  # fmt: skip
async def test_a_station_shows_its_own_certificate(bench: Bench) -> None:
    """A station with profile 3 connects over TLS with a certificate of its own, which names it, and verifies the CSMS as well: one of an
    unknown authority gets no connection, and is told of the event later."""
    charger = await in_use(bench)
    entrance = charger.entrance
    entry = entrance.entries[-1]
    if not entry.secure or entry.shown != "certificate":
        raise Failed(f"{charger.name} presented {entry.shown}, not its certificate", [entry.seq])
    await entrance.verifies("stranger")


@case(
    "CK-SEC-008", requires={"security"}, security=1, area="security",
    covers={"A_19", "TC_083_CS", "A05.FR.04", "A05.FR.05", "A05.FR.06", "B09.FR.01", "WP A05"},
)  # fmt: skip
async def test_the_security_profile_can_be_raised(bench: Bench) -> None:
    """Told to use profile 2, with password and root certificate in place, a station comes back over TLS and stays with it. This can't be
    undone over OCPP: only where the bench allows it."""
    charger = await in_use(bench)
    entrance = charger.entrance
    for entry in (await entrance.raised(2), await entrance.again()):
        if not entry.secure:
            raise Failed(f"{charger.name} accepted security profile 2 and connected without TLS", [entry.seq])


@case(
    "CK-SEC-009", requires={"security"}, security=2, area="security",
    covers={"A_22", "TC_084_CS", "A05.FR.09", "B09.FR.04", "WP A05.FR.01"},
)  # fmt: skip
async def test_the_security_profile_can_not_be_lowered(bench: Bench) -> None:
    """A station with profile 2 refuses to go down to 1, and goes on connecting over TLS. One that does not may be lost to a CSMS that
    takes nothing lower any more."""
    charger = await in_use(bench)
    entrance = charger.entrance
    if "command" not in bench.lab.rig.can:
        raise NotApplicable("the controller is not ours: no command can be sent")
    status = await entrance.move(1)
    if status in DONE:
        raise Failed(f"{charger.name} answered {status} to a security profile below its own", [bench.seen.last_seq])
    entry = await entrance.again()
    if not entry.secure:
        raise Failed(f"{charger.name} refused a lower security profile and connected without TLS", [entry.seq])


@case(
    "CK-SEC-010", requires={"security"}, security=1, area="security",
    covers={"A_20", "A05.FR.02", "WP A05.FR.03"},
)  # fmt: skip
async def test_no_tls_without_a_root_certificate(bench: Bench) -> None:
    """A station that has no root certificate to verify its CSMS by refuses profile 2, and goes on as before. Only where the bench allows
    it, for a station that fails may be lost."""
    charger = await in_use(bench)
    entrance = charger.entrance
    entrance.may_be_raised()
    await entrance.knows_no_root()
    status = await entrance.move(2)
    if status in DONE:
        raise Failed(f"{charger.name} answered {status} to security profile 2 without a root certificate", [bench.seen.last_seq])
    entry = await entrance.again()
    if entry.secure or entry.shown != "password":
        raise Failed(f"{charger.name} refused security profile 2 and no longer connects as before", [entry.seq])


@case(
    "CK-SEC-011", requires={"security"}, security=2, area="security",
    covers={"A_05", "TC_086_CS", "A00.FR.309", "A00.FR.310", "A00.FR.311", "A04.FR.02"},
)  # fmt: skip
async def test_a_csms_with_an_expired_certificate_or_of_another_host_gets_no_connection(bench: Bench) -> None:
    """A CSMS whose certificate is of the right authority, but expired or of another host, gets no connection; it is told of the event
    once its certificate is good again. The bench makes both, so it needs that authority."""
    charger = await in_use(bench)
    await charger.entrance.verifies("expired")
    await charger.entrance.verifies("other-host")


@case(
    "CK-SEC-012", requires={"security"}, security=1, area="security",
    covers={"B_46", "B10.FR.03", "B10.FR.07", "WP A05.FR.08"},
)  # fmt: skip
async def test_a_security_profile_that_does_not_work_is_given_up(bench: Bench) -> None:
    """Told to use profile 2 while the certificate of the CSMS can't be verified, a station comes back as it connected before. Only where
    the bench allows it, for a station that does not come back has a higher profile for good."""
    charger = await in_use(bench)
    entry = await charger.entrance.raised_in_vain(2)
    if entry.secure or entry.shown != "password":
        raise Failed(f"{charger.name} connected over TLS to a CSMS it can't verify", [entry.seq])
