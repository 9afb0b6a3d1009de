"""``/teams/TEAM``: one team, and the workflows it has, by their names."""

from streams.console.asking import Ask, Site, View
from streams.console.views.detail import detail
from streams.report.selection import Place

__all__ = ["page"]


def page(site: Site, ask: Ask) -> View:
    """The team of the path."""
    (team,) = ask.names
    return detail(site, ask, Place(team, None))
