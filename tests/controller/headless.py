"""A site led without a world: layers of policy and a fleet as plain data, sessions as given, one decision by the operator itself."""

import random
from functools import cache

from chargekit.controller.csms import Controller
from chargekit.controller.decisions_log import FULL_EVERY, KIND, dumped
from chargekit.controller.operator import Operator
from chargekit.lab.bundled import fleets_folder
from chargekit.lab.sitefile import parse_site
from chargekit.lab.yamlfile import load
from chargekit.model.located import Located, Source
from chargekit.model.session import Session
from chargekit.policy.rulebook import rulebook
from chargekit.world.events import Note, Opened


def located(value, file):
    """Plain data as a file's tree would be, had it stood on one line."""
    at = Source(file, 1)
    if isinstance(value, dict):
        return Located({key: located(one, file) for key, one in value.items()}, at)
    return Located([located(one, file) for one in value] if isinstance(value, list | tuple) else value, at)


@cache
def bundled_portfolio():
    return load(fleets_folder() / "portfolio.yaml")


def rules_of(site, policy, kind=None, portfolio=None):
    """The rulebook of layers given as plain data; the bundled portfolio unless one is given."""
    above = bundled_portfolio() if portfolio is None else located(portfolio, "portfolio.yaml")
    return rulebook(above, located(kind or {}, "type.yaml"), located(policy, "policy.yaml"), site)


def site_of(fleet):
    """The site of a fleet given as plain data."""
    return parse_site(located(fleet, "fleet.yaml"))


class Led:
    """The operator of a site whose stations are all connected and have confirmed their defaults."""

    def __init__(self, site, rules, version="2.0.1"):
        self.site, self.out = site, []
        self.csms = Controller(site, site.calendar, random.Random("headless"))
        self.operator = self.csms.operator = Operator(site, rules, self.csms)
        for station in site.stations:
            self.csms.on(Opened(station.id, version), 0.0)
        for place in self.operator.places.values():
            place.outgoing.confirmed(rules.default_a.value)

    def seat(self, station, token, *, started=0.0, evse=1, departs=None, soc_percent=None, served_s=0.0, past=()):
        """A session runs, with what is known of it."""
        desk, place = self.operator.desk, self.operator.places[station, evse]
        place.known.session = Session(station, evse, token, f"tx-{station}", started, 0.0)
        place.outgoing.running = True
        if departs is not None:
            told = {"token": token, "departs": departs}
            desk.departs(told if soc_percent is None else told | {"soc_percent": soc_percent})
        desk.served[station, f"tx-{station}"] = served_s
        for at, wh in past:
            desk.past.setdefault(token, []).append((at, wh))
        self.operator._change(place.peer)

    def decide(self, now):
        """(demands, limits less the margin, reserves, allocation) of a decision made now."""
        self.out = []
        self.operator._decide(now, self.out)
        return self.operator._last

    def amps(self, now):
        """By EVSE what a decision gives, A."""
        return {name: grant.amps for name, grant in self.decide(now)[3].grants.items()}

    def record(self, now):
        """The record of a decision in full, as bytes: all it followed from and came to, without what was sent before and its number."""
        self.operator.log._since_full = FULL_EVERY
        self.operator.log.number = 0
        self.decide(now)
        body = next(one.body for one in self.out if isinstance(one, Note) and one.kind == KIND)
        return dumped({name: value for name, value in body.items() if name not in ("id", "sum", "lines")})
