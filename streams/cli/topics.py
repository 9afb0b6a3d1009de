"""``assay topics``: the Kafka topics as they should be, and as they are."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

import click

from streams.cli.groups import CONTEXT_SETTINGS, AssayGroup, Lazy, command
from streams.cli.options import effective_settings, settings_options
from streams.settings import Settings
from streams.topics_plan import TopicChange

__all__ = ["apply", "plan", "topics"]

_KEYS = ("brokers", "topic_prefix", "app_id", "partitions", "replication_factor")
_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")


@click.group(
    "topics",
    cls=AssayGroup,
    context_settings=CONTEXT_SETTINGS,
    examples=("assay topics plan --partitions 12 --replication-factor 3", "assay topics apply --config assay.yaml"),
    lazy={
        "plan": Lazy("streams.cli.topics:plan", "Show what apply would change."),
        "apply": Lazy("streams.cli.topics:apply", "Create missing topics and mend wrong ones."),
    },
)
def topics() -> None:
    """Create and check the Kafka topics."""


@command("plan", examples=("assay topics plan --config assay.yaml", "assay topics plan --partitions 12 --json"))
@settings_options(*_KEYS)
@_json_option
def plan(as_json: bool) -> None:
    """Show what apply would change.

    Changes nothing. Exits with 1 if there is anything to change, so that a pipeline can ask.
    """
    from streams import topics_admin

    changes = _run(topics_admin.plan, effective_settings())
    if as_json:
        _print_json("changes", changes)
    elif changes:
        _print_lines(changes)
        click.echo(f"{_topics(len(changes))} to change; run `assay topics apply`", err=True)
    else:
        click.echo("nothing to change", err=True)
    if changes:
        raise click.exceptions.Exit(1)


@command("apply", examples=("assay topics apply --config assay.yaml", "assay topics apply --replication-factor 3"))
@settings_options(*_KEYS)
@_json_option
def apply(as_json: bool) -> None:
    """Create missing topics and mend wrong ones.

    Safe to run again and from several places at once. Refuses, and changes nothing, where the number of partitions of
    a topic that carries state would have to change.
    """
    from streams import topics_admin

    changes = _run(topics_admin.apply, effective_settings())
    if as_json:
        _print_json("applied", changes)
    else:
        _print_lines(changes)
        click.echo(f"{_topics(len(changes))} changed" if changes else "nothing to change", err=True)


def _run(action: Callable[..., list[TopicChange]], settings: Settings) -> list[TopicChange]:
    return action(
        settings.brokers,
        prefix=settings.topic_prefix,
        app_id=settings.app_id,
        partitions=settings.partitions,
        replication_factor=settings.replication_factor,
    )


def _print_lines(changes: Sequence[TopicChange]) -> None:
    for change in changes:
        click.echo(str(change))


def _print_json(name: str, changes: Sequence[TopicChange]) -> None:
    click.echo(json.dumps({name: [asdict(change) for change in changes]}, indent=2, default=dict))


def _topics(count: int) -> str:
    return f"{count} {'thing' if count == 1 else 'things'}"
