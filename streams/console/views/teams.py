"""``/teams``: the same of teams."""

from streams.console.asking import Ask, Site, View
from streams.console.views.entries import listing

__all__ = ["page"]


def page(site: Site, ask: Ask) -> View:
    """All teams."""
    return listing(site, ask, teams=True)
