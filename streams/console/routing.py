"""Which page an address is: names in it are quoted, so a path is split before it is unquoted."""

from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote

from streams.console.asking import Ask, BadFilter, Site, View
from streams.console.views import alert, alerts, policy, privacy, sources, status, team, teams, workflow, workflows

__all__ = ["PAGES", "Route", "query_of", "route_of"]

Page = Callable[[Site, Ask], View]
_MOST_FIELDS: Final = 20

#: By the first segment and the number of names behind it: the page, and the name that metrics have for it.
PAGES: Final[dict[tuple[str, int], tuple[str, Page]]] = {
    ("", 0): ("status", status.page),
    ("workflows", 0): ("workflows", workflows.page),
    ("workflows", 2): ("workflow", workflow.page),
    ("teams", 0): ("teams", teams.page),
    ("teams", 1): ("team", team.page),
    ("alerts", 0): ("alerts", alerts.page),
    ("alerts", 1): ("alert", alert.page),
    ("sources", 0): ("sources", sources.page),
    ("policy", 0): ("policy", policy.page),
    ("privacy", 0): ("privacy", privacy.page),
}


class Route(NamedTuple):
    """A page, the names of the path, and the section of the navigation that it belongs to."""

    name: str
    page: Page
    names: tuple[str, ...]
    section: str


def route_of(raw_path: str) -> Route | None:
    """The page of a path as it was sent, without the base path; None where there is none."""
    first, *names = [unquote(part) for part in raw_path.lstrip("/").split("/")]
    if names == [""]:
        names = []
    found = PAGES.get((first, len(names)))
    if found is None or "" in names:
        return None
    return Route(*found, tuple(names), f"/{first}")


def query_of(raw: str) -> dict[str, str]:
    """The fields of a query, the first of each name. Raises BadFilter for one that nobody would write."""
    try:
        pairs = parse_qsl(raw, keep_blank_values=False, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise BadFilter(f"the query has more than {_MOST_FIELDS} fields") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found
