"""``/workflows/TEAM/NAME``: one workflow."""

from streams.console.asking import Ask, Site, View
from streams.console.views.detail import detail
from streams.report.selection import Place

__all__ = ["page"]


def page(site: Site, ask: Ask) -> View:
    """The workflow of the path."""
    team, workflow = ask.names
    return detail(site, ask, Place(team, workflow))
