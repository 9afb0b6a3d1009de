"""Addresses of pages below the base path; names in them are quoted, a slash among them."""

from urllib.parse import quote

from streams.report.selection import Place

__all__ = ["alert_path", "place_path"]

#: What does not fit an address has no page of its own.
_LONGEST = 2_000


def place_path(place: Place) -> str:
    """A team's page, or a workflow's; empty where its name is too long for an address."""
    team = quote(place.team, safe="")
    path = f"/teams/{team}" if place.workflow is None else f"/workflows/{team}/{quote(place.workflow, safe='')}"
    return path if len(path) <= _LONGEST else ""


def alert_path(alert_id: str) -> str:
    """An alert's page; empty where its id is too long for an address."""
    path = f"/alerts/{quote(alert_id, safe='')}"
    return path if len(path) <= _LONGEST else ""
