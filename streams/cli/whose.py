"""Whose imported events are: options, and the entry of the file of sources that says it."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click

from streams.settings import DEV_PSEUDONYM_KEY, Settings, pseudonym_key
from streams.sources.booking import Binding
from streams.sources.catalogue import Source
from streams.sources.linking import DEFAULT, Linking

__all__ = ["Whose", "file_key", "whose_of", "whose_options"]

_F = TypeVar("_F", bound=Callable[..., Any])


class Whose(NamedTuple):
    """To whom events are booked, and by which names outcomes find their run."""

    binding: Binding
    linking: Linking


def whose_options(function: _F) -> _F:
    """Decorator: ``--team``, ``--workflow`` and ``--entry``."""
    for option in (
        click.option("--entry", metavar="NAME", help="Entry of the file of sources whose team and rules hold."),
        click.option("--workflow", metavar="NAME", help="Workflow that all is booked to, whatever the files say."),
        click.option("--team", metavar="NAME", help="Team that all is booked to, whatever the files say."),
    ):
        function = option(function)
    return function


def whose_of(settings: Settings, source: Source, team: str | None, workflow: str | None, entry: str | None) -> Whose:
    """What the options say, and beside them the file of sources, where there is one.

    Without ``entry`` the one entry of this source holds. Raises ConfigError for a file that is wrong.
    """
    chosen = settings.ingest
    binding, linking = Binding(default_team=chosen.default_team, default_workflow=chosen.default_workflow), DEFAULT
    if chosen.sources_file is not None:
        # Imported late: reading it takes a parser of YAML.
        from streams.ingest.setup import sources_file_of

        file = sources_file_of(settings)
        linking = file.linking
        entries = {each.name: each.binding for each in file.credentials if each.kind == source.name}
        names = ", ".join(entries) or "none"
        if entry is not None and entry not in entries:
            raise click.UsageError(
                f"--entry: {chosen.sources_file} has no such entry of kind {source.name}; it has {names}"
            )
        if entry is None and len(entries) > 1 and team is None:
            raise click.UsageError(
                f"{chosen.sources_file} has several entries of kind {source.name} ({names}): give --entry or --team"
            )
        if entry is not None or len(entries) == 1:
            binding = entries[entry or next(iter(entries))]
    elif entry is not None:
        raise click.UsageError("--entry is one of the file of sources: give --sources-file")
    return Whose(binding._replace(team=team or binding.team, workflow=workflow or binding.workflow), linking)


def file_key(settings: Settings) -> bytes:
    """The configured key, or the published one, under which a name in a file can be guessed by whoever has the file."""
    if settings.pseudonym_key is None and settings.pseudonym_key_file is None:
        return DEV_PSEUDONYM_KEY
    return pseudonym_key(settings)
