"""What a case is: a coroutine over a bench, wrapped into a plain synchronous pytest test."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass
from typing import Any, Literal

from chargekit.judge.bench import Bench
from chargekit.lab.sitefile import SiteBundle

Scope = Literal["charger", "site"]
Work = Callable[[Bench], Awaitable[None]]
Starts = Callable[[SiteBundle], float]


@dataclass(frozen=True, slots=True)
class Case:
    """A case as listed: its id, what a subject must be able to do, what it covers. `limit_s`: bench time after which it is an error.
    `security`: the security profile the station is set up with before it begins; None for any. `starts`: how long after the site's epoch
    its clock starts, where the clock is ours; None: at it."""

    id: str
    title: str
    expectation: str
    scope: Scope
    area: str
    requires: frozenset[str]
    covers: frozenset[str]
    work: Work
    limit_s: float
    security: int | None = None
    starts: Starts | None = None


def case(
    id: str, *, requires: Set[str] = frozenset(), covers: Set[str] = frozenset(), scope: Scope = "charger", area: str = "",
    limit_s: float = 7200.0, security: int | None = None, starts: Starts | None = None,
) -> Callable[[Work], Callable[..., None]]:  # fmt: skip
    """Make a coroutine function `async def test_…(bench)` a case.

    The result is a plain function that pytest runs with the fixture `bench`, once per subject: it needs no asyncio plugin and
    disturbs none. The docstring is the expectation. ValueError for a function that is no coroutine function.
    """

    def wrap(work: Work) -> Callable[..., None]:
        if not inspect.iscoroutinefunction(work):
            raise ValueError(f"case {id}: async def expected, found {work!r}")
        title = work.__name__.removeprefix("test_").replace("_", " ")
        expectation = inspect.getdoc(work) or ""
        info = Case(id, title, expectation, scope, area, frozenset(requires), frozenset(covers), work, limit_s, security, starts)

        def test(bench: Any) -> None:
            bench.judge(info)

        test.__name__, test.__doc__, test.__module__ = work.__name__, work.__doc__, work.__module__
        test.__qualname__ = work.__qualname__
        test.case = info  # type: ignore[attr-defined]
        return test

    return wrap
