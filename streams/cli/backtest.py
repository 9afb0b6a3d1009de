"""``assay backtest``: which alerts a configuration would have raised, before it goes live."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from streams.backtest.comparison import compared
from streams.backtest.document import Backtest, document
from streams.backtest.text import render
from streams.cli.groups import command
from streams.cli.options import effective_settings, settings_options
from streams.cli.recordings import clock_of, judged, recorded, recording_options
from streams.cli.sinks import printable
from streams.engine_params import EngineSetup, engine_setup
from streams.explain.lives import lives
from streams.settings import load_settings

__all__ = ["backtest"]


@command(
    "backtest",
    examples=(
        "assay backtest --config new.yaml --usage usage.jsonl --outcomes outcomes.jsonl",
        "assay backtest --config new.yaml --against old.yaml --usage usage.jsonl --outcomes outcomes.jsonl",
        "assay backtest --config new.yaml --against old.yaml --brokers 127.0.0.1:9092 --json",
    ),
)
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="YAML file with the settings to compare with.",
)
@recording_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@settings_options("brokers", "topic_prefix", "schema_registry_url", "policy")
def backtest(
    against: Path | None, usage: Sequence[Path], outcomes: Sequence[Path], as_of: int | None, as_json: bool
) -> None:  # fmt: skip
    """Tell which alerts would have fired under a configuration.

    Replays the log by the worker's own core: files, or, without --usage, all that the topics of usage and outcomes still
    hold. --config is a settings file, as everywhere; it names the policy. With --against it says which alerts appear,
    vanish and stay, and the money at stake. Variables of the environment hold for both, flags for --config only.
    Nothing is published.
    """
    settings = effective_settings()
    setup = engine_setup(settings)
    old_settings = None if against is None else load_settings(against)
    old_setup = None if old_settings is None else engine_setup(old_settings)
    old = None
    with recorded(settings, usage, outcomes) as recording:
        as_of = clock_of(recording, settings, as_of)
        new = lives(judged(recording, settings, setup, as_of, "under the new configuration"))
        if old_settings is not None and old_setup is not None:
            old = lives(judged(recording, old_settings, old_setup, as_of, "under the old configuration"))
    found = Backtest(
        entries=compared(new, old), as_of_ms=as_of, new=setup.params.config_version,
        old=None if old_setup is None else old_setup.params.config_version,
        alike=old_setup is not None and old_setup.params == setup.params and _prices(setup) == _prices(old_setup),
    )  # fmt: skip
    click.echo(json.dumps(document(found), indent=2) if as_json else printable(render(found)), nl=as_json)


def _prices(setup: EngineSetup) -> str | None:
    return None if setup.prices is None else setup.prices.version
