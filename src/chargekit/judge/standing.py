"""The bench that stays up over all cases: chargers that connect from outside, or a controller outside that leads our fleet."""

from __future__ import annotations

from dataclasses import replace

from chargekit.judge.case import Case
from chargekit.judge.entrance import NOT_OURS, unsecured
from chargekit.judge.trial import Setting, Trial, not_applicable, not_declared, record_name, reproduce, trial_on
from chargekit.lab.assemble import CSMS, PLANT, Lab, build

CONNECT_S = 600.0
REST_S = 20.0


class StandingBench:
    """One lab for the whole session; between cases vehicles are unplugged, links mended, power restored, as far as the rigs can."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.lab: Lab | None = None
        self.operate: bool | None = None

    def trial(self, setting: Setting, case: Case, subject: str) -> Trial:
        """Run a case on the lab that stands, or on a new one where the part we play changes."""
        missing = not_declared(setting, case, subject)
        if missing is not None:
            return missing
        lab = self._lab(case.scope == "site")
        if case.security is not None:
            found = lab.entrance.profile(subject) if lab.entrance is not None else None
            why = unsecured(case.security, found, subject) if lab.controller is not None else NOT_OURS
            if why:
                return not_applicable(setting, case, subject, why)
        file = f"records/{record_name(case.id, subject)}"
        try:
            return trial_on(lab, setting, case, subject, file=file, again=reproduce(setting, case.id, subject))
        finally:
            lab.run(self._rest(lab))

    def _lab(self, operate: bool) -> Lab:
        plan = self.setting.plan
        if self.lab is not None and plan.listen is not None and operate != self.operate:
            self.close()
        if self.lab is None:
            self.operate = operate
            self.lab = build(
                self.setting.bundle,
                replace(plan, seed=str(self.setting.seed), rate=self.setting.rate, transport="sockets", operate=operate),
            )
        return self.lab

    async def _rest(self, lab: Lab) -> None:
        """Leave every station as it was found."""
        import asyncio

        if lab.entrance is not None:
            if lab.entrance.context is not None:
                await lab.rig.do(CSMS, "csms_shows", {})
            for name in lab.stations:
                await lab.rig.do(CSMS, "csms_expects", {"station": name, "password": "any"})
        if "csms_on" in lab.rig.can:
            await lab.rig.do(CSMS, "csms_on", {})
        for name in lab.stations:
            for evse in (e.id for e in lab.site.station(name).model.evses):
                for to, verb, args in (
                    (name, "power_on", {}),
                    (name, "link_mended", {}),
                    (name, "press_stop", {"evse": evse}),
                    (PLANT, "unplug", {"station": name, "evse": evse}),
                ):
                    if verb in lab.rig.can:
                        await lab.rig.do(to, verb, args)
        await asyncio.sleep(REST_S)

    def close(self) -> None:
        if self.lab is not None:
            self.lab.close()
            self.lab = None
