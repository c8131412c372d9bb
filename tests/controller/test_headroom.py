"""What kW caps and budgets leave for a raise, and what counts against which budget."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from chargekit.controller.headroom import Headroom, by_current
from chargekit.controller.room import Budget
from chargekit.model.limit import Limit


def place(circuit: str, *, dc: bool = False, phases: tuple[int, ...] = (0, 1, 2), led: bool = True, key: tuple[str, int] = ("x", 1)) -> Any:
    path = (circuit, "grid") if circuit != "grid" else ("grid",)
    known = SimpleNamespace(evse=SimpleNamespace(dc=dc))
    return SimpleNamespace(key=key, circuit=circuit, path=path, phases=phases, known=known, session=object() if led else None)


def below(name: str, over: str) -> bool:
    return over in (name, "grid")


def test_reserves_by_kind_of_current_are_of_all_or_of_those_nobody_leads() -> None:
    places = [place("a"), place("a", dc=True), place("a", dc=True, led=False), place("b", phases=(1,), led=False)]
    budgets = [Budget("grid", 60.0, "dc")]
    every = by_current(budgets, places, lambda _: 10.0, led=True)
    assert every == {("a", "ac"): (10.0, 10.0, 10.0), ("a", "dc"): (20.0, 20.0, 20.0), ("b", "ac"): (0.0, 10.0, 0.0)}
    assert by_current(budgets, places, lambda _: 10.0, led=False) == {("a", "dc"): (10.0,) * 3, ("b", "ac"): (0.0, 10.0, 0.0)}
    assert by_current([], places, lambda _: 10.0, led=True) == {}


def test_a_budget_leaves_what_its_kind_does_not_take_at_its_circuit_and_below() -> None:
    spent = {("a", "ac"): (10.0, 12.0, 0.0), ("grid", "ac"): (5.0, 5.0, 5.0), ("a", "dc"): (50.0,) * 3}
    one = Headroom([], {}, [Budget("grid", 40.0, "ac"), Budget("a", 30.0, "ac")], spent, below)
    assert one.room(place("a")) == 18.0 and one.room(place("a", phases=(2,))) == 30.0
    assert one.room(place("grid")) == 23.0 and one.room(place("a", dc=True)) == math.inf
    one.took(place("a"), 6.0)
    assert one.room(place("a")) == 12.0 and one.room(place("grid")) == 17.0


def test_a_stations_limit_leaves_what_its_other_evses_do_not_take() -> None:
    one, two, other = (place("a", key=key) for key in (("s", 1), ("s", 2), ("t", 1)))
    two = place("a", key=("s", 2), phases=(0,), led=False)
    budgets = [Budget("a", 16.0, "station s", members=frozenset({"s/1", "s/2"}))]
    spent = by_current(budgets, [one, two, other], lambda _: 6.0, led=True)
    assert spent == {("a", "station s"): (12.0, 6.0, 6.0)}
    assert by_current(budgets, [one, two, other], lambda _: 6.0, led=False) == {("a", "station s"): (6.0, 0.0, 0.0)}
    room = Headroom([], {}, budgets, spent, below)
    assert room.room(one) == 4.0 and room.room(other) == math.inf
    room.took(one, 3.0)
    assert room.room(two) == 1.0
    kw = Headroom([], {}, [Budget("a", math.inf, "station s", members=frozenset({"s/1", "s/2"}), limit_kw=6.9)], spent, below)
    assert kw.room(one) == pytest.approx(2.0) and kw.room(two) == pytest.approx(6.0)


@pytest.mark.parametrize(("phases", "room_a"), [((0, 1, 2), 10.0), ((0,), 30.0)])
def test_a_kw_cap_leaves_amperes_by_the_phases_a_raise_uses(phases: tuple[int, ...], room_a: float) -> None:
    limits = [Limit("grid", 100.0, limit_kw=13.8), Limit("grid", 80.0), Limit("grid", 80.0, limit_kw=20.0)]
    one = Headroom(limits, {"grid": (10.0, 10.0, 10.0)}, [], {}, below)
    assert one.room(place("a", phases=phases)) == pytest.approx(room_a)
    one.took(place("a", phases=phases), room_a)
    assert one.room(place("a", phases=phases)) == pytest.approx(0.0, abs=1e-9)
