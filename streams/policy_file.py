"""Reads the policy file, strictly: whatever it says that is not understood is an error, all of them at once.

A policy that is misread does harm quietly (a budget that nobody watches, a detector that stays on), so nothing in it is
guessed, dropped or corrected.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import available_timezones

from streams.core.outcomes import OutcomeKind
from streams.core.policy import DETECTORS, MIN_ACTORS, DetectorPolicy, Policy, TeamPolicy, WorkflowPolicy
from streams.errors import ConfigError
from streams.located_yaml import Place, read_located
from streams.settings import Settings

__all__ = ["KEYS", "effective_policy", "effective_price_book_path", "load_policy"]

_T = TypeVar("_T")

#: The keys by section, as ``docs/policy.md`` explains them; names that are the organisation's are in capitals.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("defaults", "teams", "workflows", "prices", "detectors"),
    "defaults": ("min_actors", "currency", "time_zone", "maturity_days"),
    "teams.TEAM": (
        "monthly_budget_usd",
        "weekly_actor_target_tokens",
        "weekly_actor_target_events",
        "outcomes_expected",
        "actors",
    ),
    "workflows.TEAM/WORKFLOW": ("declared_schedule", "exploratory", "snoozed_until"),
    "detectors.DETECTOR": ("enabled", "alpha"),
}
#: Where a key belongs that stands in the wrong section.
_ELSEWHERE: Final = {key: f"{section}.{key}".lstrip(".") for section, keys in KEYS.items() for key in keys}
#: In the machine's directory of zones, but not names that mean the same elsewhere.
_NO_ZONES: Final = frozenset({"localtime", "Factory"})
#: Whatever is more than these was meant in another unit.
_MOST_MIN_ACTORS: Final = 10_000
_MOST_DOLLARS: Final = 1_000_000_000
_MOST_TOKENS: Final = 10**12
_MOST_EVENTS: Final = 10**9
_MOST_ACTORS: Final = 10_000_000
_MOST_DAYS: Final = 365
_MICRO: Final = 1_000_000
#: As in events (streams.core.bounds.Key): a longer name, or one with control characters, is that of no team.
_LONGEST_NAME: Final = 200
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


def load_policy(path: Path) -> Policy:
    """The policy in a file; what it does not say is as :class:`Policy` says.

    Teams and workflows that have never been seen are legal: a policy is written before the first event, and a name that
    is mistyped here cannot be told from one that is new. Raises ConfigError with one line per problem, each with file,
    line, key and mend.
    """
    top, problems = read_located(path, "policy")
    found = top.fields(KEYS[""], _ELSEWHERE)
    values: dict[str, Any] = {}
    if "defaults" in found:
        values |= _defaults(found["defaults"])
    if "teams" in found:
        values["teams"] = {name: _team(place) for name, place in found["teams"].entries() if _named(place, name)}
    if "workflows" in found:
        values["workflows"] = dict(_workflows(found["workflows"], values.get("teams", ())))
    if "detectors" in found:
        detectors = found["detectors"].fields(DETECTORS)
        values["detectors"] = {name: _detector(place) for name, place in detectors.items()}
    if "prices" in found:
        values["prices"] = _prices(found["prices"], path.parent)
    problems.raise_any()
    return Policy(**values)


def effective_policy(settings: Settings) -> Policy:
    """The policy that the settings name, else the defaults. Raises ConfigError."""
    return Policy() if settings.policy is None else load_policy(settings.policy)


def effective_price_book_path(settings: Settings, policy: Policy) -> Path | None:
    """The price book that the settings or the policy name, if either does.

    Raises ConfigError if both do and mean different files: nobody should have to know which of two prices holds.
    """
    book = settings.prices.book
    if policy.prices is None:
        return book
    path = Path(policy.prices)
    if book is not None and book.resolve() != path.resolve():
        raise ConfigError(
            f"prices.book is {book}, and prices in the policy {settings.policy} is {path}; keep one of the two"
        )
    return path


def _defaults(place: Place) -> dict[str, Any]:
    found = place.fields(KEYS["defaults"], _ELSEWHERE)
    if "currency" in found and (currency := found["currency"].text()) is not None and currency.lower() != "usd":
        found["currency"].refuse("write usd, and convert budgets to dollars")
    kinds = found["maturity_days"].fields(tuple(OutcomeKind)) if "maturity_days" in found else {}
    return {
        "min_actors": _answer(found, "min_actors", _min_actors, MIN_ACTORS),
        "time_zone": _answer(found, "time_zone", _time_zone, "UTC"),
        "maturity_days": {OutcomeKind(kind): float(each.number(0, _MOST_DAYS) or 0) for kind, each in kinds.items()},
    }


def _team(place: Place) -> TeamPolicy:
    found = place.fields(KEYS["teams.TEAM"], _ELSEWHERE)
    return TeamPolicy(
        monthly_budget_micro_usd=_answer(found, "monthly_budget_usd", _micro_usd, None),
        weekly_actor_target_tokens=_answer(found, "weekly_actor_target_tokens", _up_to(_MOST_TOKENS), None),
        weekly_actor_target_events=_answer(found, "weekly_actor_target_events", _up_to(_MOST_EVENTS), None),
        outcomes_expected=_answer(found, "outcomes_expected", Place.boolean, None),
        actors=_answer(found, "actors", _up_to(_MOST_ACTORS), None),
    )


def _workflows(place: Place, teams: Iterable[str]) -> Iterator[tuple[tuple[str, str], WorkflowPolicy]]:
    slashed = [team for team in teams if "/" in team]
    for name, each in place.entries():
        # A team may have slashes in its name: then what ``teams`` calls it says where the name ends.
        team = max((team for team in slashed if name.startswith(f"{team}/")), key=len, default=name.partition("/")[0])
        workflow = name[len(team) + 1 :]
        if not team or not workflow:
            each.wrong("names no workflow of a team; write TEAM/WORKFLOW, like payments/nightly-evals")
        elif _named(each, team) and _named(each, workflow):
            found = each.fields(KEYS["workflows.TEAM/WORKFLOW"], _ELSEWHERE)
            yield (
                (team, workflow),
                WorkflowPolicy(
                    declared_schedule=_answer(found, "declared_schedule", Place.boolean, False),
                    exploratory=_answer(found, "exploratory", Place.boolean, False),
                    snoozed_until=_answer(found, "snoozed_until", Place.day, None),
                ),
            )


def _detector(place: Place) -> DetectorPolicy:
    found = place.fields(KEYS["detectors.DETECTOR"], _ELSEWHERE)
    return DetectorPolicy(
        enabled=_answer(found, "enabled", Place.boolean, True), alpha=_answer(found, "alpha", _alpha, None)
    )


def _prices(place: Place, directory: Path) -> str | None:
    """The path as one from here: it is written as one from where the policy lies."""
    said = place.text()
    if said is None:
        return None
    path = directory / Path(said).expanduser()
    if not path.is_file():
        place.wrong(f"{path} is no file; give the path of a price book, relative to this file")
    return str(path)


def _answer(
    found: Mapping[str, Place], key: str, question: Callable[[Place], _T | None], otherwise: _T
) -> _T:  # fmt: skip
    """What stands below a key; what holds otherwise if nothing does, or something wrong, which then is noted."""
    answer = question(found[key]) if key in found else None
    return otherwise if answer is None else answer


def _named(place: Place, name: str) -> bool:
    """Whether events can be of such a name."""
    if not name or len(name) > _LONGEST_NAME or _CONTROL.search(name) or name != name.strip():
        place.wrong(
            f"{name[:_LONGEST_NAME]!r} is no name; give 1 to {_LONGEST_NAME} characters, no control characters among "
            "them, and no space at its ends"
        )
        return False
    return True


def _min_actors(place: Place) -> int | None:
    return place.whole(MIN_ACTORS, _MOST_MIN_ACTORS, f"; {MIN_ACTORS} is the fewest that protect each other")


def _alpha(place: Place) -> float | None:
    alpha = place.number(0, Fraction(1, 2), above=True)
    return None if alpha is None else float(alpha)


def _micro_usd(place: Place) -> int | None:
    dollars = place.number(0, _MOST_DOLLARS, above=True, more=", in dollars")
    if dollars is None:
        return None
    micro = dollars * _MICRO
    if micro.denominator != 1:
        place.wrong("has a fraction of a micro-dollar; give six decimals at most")
    return int(micro)


def _up_to(most: int) -> Callable[[Place], int | None]:
    return lambda place: place.whole(1, most)


def _time_zone(place: Place) -> str | None:
    name = place.text()
    # The list, rather than an attempt: whether europe/berlin opens depends on the machine's file system.
    known = available_timezones() - _NO_ZONES
    if name is not None and name not in known:
        by_lower = {zone.lower(): zone for zone in sorted(known)}
        near = get_close_matches(name.lower()[:64], by_lower, n=1, cutoff=0.8)
        mend = (
            f"did you mean {by_lower[near[0]]}?" if near else "give the name of a time zone, like Europe/Berlin or UTC"
        )
        place.refuse(mend)
    return name
