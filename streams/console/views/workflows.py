"""``/workflows``: what each workflow costs for what came of it."""

from streams.console.asking import Ask, Site, View
from streams.console.views.entries import listing

__all__ = ["page"]


def page(site: Site, ask: Ask) -> View:
    """All workflows."""
    return listing(site, ask, teams=False)
