"""``/privacy``: what is known of people, what is not, and the group minimums in force."""

from typing import Final

from streams.console.asking import Ask, Site, View
from streams.detectors import REGISTRY

__all__ = ["page"]

_KNOWN: Final = (
    ("Comes in", "an actor in a usage or outcome event, if the producer sends one."),
    ("Is kept", "a pseudonym by a key from outside, another one for each ISO week, inside the worker's state only."),
    ("For how long", "until the week is over and its grace has passed; then only how many people they were."),
    ("Is never kept", "the actor itself, a pseudonym that lasts, prompts, completions, file names, commands."),
    ("Is never published", "a person, a pseudonym, a person's sums, hours or rank, a ranking of teams by volume."),
)


def page(site: Site, ask: Ask) -> View:
    """The same for everybody; only the minimums are this installation's."""
    least = site.policy.min_actors
    groups = [(it.name, max(it.group, least)) for it in REGISTRY if it.detect is not None]
    exceptions = [it.name for it in REGISTRY if it.detect is None]
    return View(
        "Privacy",
        "privacy.html.j2",
        {"least": least, "known": _KNOWN, "groups": groups, "exceptions": exceptions},
        {
            "min_actors": least, "detector_group_minimums": dict(groups), "operational_detectors": exceptions,
            "known": dict(_KNOWN), "console_reads": ["published KPIs", "published alerts", "shapes of dead letters", "service metrics"],
        },
    )  # fmt: skip
