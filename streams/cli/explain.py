"""``assay explain``: why an alert was raised, and whether the log still gives it."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click

from streams.cli.groups import command
from streams.cli.options import effective_settings, settings_options
from streams.cli.recordings import clock_of, judged, recorded, recording_options
from streams.cli.sinks import STDOUT, printable
from streams.core import topics
from streams.core.alerts import Alert
from streams.detectors import REGISTRY
from streams.engine_params import engine_setup
from streams.errors import DataError, DependencyError
from streams.explain.document import Explanation, document
from streams.explain.lives import Life, lives, nearest
from streams.explain.rebuilding import Outcome, Rebuild, Tallies, compare
from streams.explain.text import render
from streams.report.names import shown
from streams.settings import Settings

__all__ = ["explain"]

#: Where nobody can tell how wide the reader's screen is.
_WIDTH: Final = 120
_FAILED: Final = 1
_DETECTORS: Final = {detector.name: detector for detector in REGISTRY}
_INPUT = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)


@command(
    "explain",
    examples=(
        "assay explain runaway-1b6f0c6f0a7d3c55 --brokers 127.0.0.1:9092",
        "assay explain alerts.jsonl",
        "assay explain runaway-1b6f0c6f0a7d3c55 --alerts alerts.jsonl --usage usage.jsonl --outcomes outcomes.jsonl",
        "assay explain runaway-1b6f0c6f0a7d3c55 --brokers 127.0.0.1:9092 --rebuild --json",
    ),
)
@click.argument("alert", metavar="ALERT_ID|FILE")
@click.option(
    "--alerts",
    type=_INPUT,
    multiple=True,
    metavar="FILE|-",
    help="Alert records as lines of JSON; may be repeated.  [default: the topic of alerts]",
)
@recording_options
@click.option("--rebuild", is_flag=True, help="Rebuild it from the topics of usage and outcomes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@settings_options("brokers", "topic_prefix", "schema_registry_url", "policy")
def explain(
    alert: str, alerts: Sequence[Path], usage: Sequence[Path], outcomes: Sequence[Path], as_of: int | None,
    rebuild: bool, as_json: bool,
) -> None:  # fmt: skip
    """Say why an alert was raised.

    Prints its rule in words, the figures, the window, the threshold, what would have kept it silent, the money at stake,
    what would make it harmless, and the time line of its records. A FILE of alert records explains all alerts in it.

    With --usage, or with --rebuild for the topics' history, the log is replayed under this configuration: the same alert
    must come out with the same figures, else it says why not, and the exit code is 1. With --usage and no --alerts the
    alert is looked up in what the replay gives.
    """
    if rebuild and usage:
        raise click.UsageError("--rebuild reads the topics and --usage files; give one of them")
    settings = effective_settings()
    in_file = Path(alert) == STDOUT or Path(alert).is_file()
    if in_file and alerts:
        raise click.UsageError(f"{alert} is a file of alerts by itself; leave out --alerts, or give an alert's id")
    paths = [Path(alert)] if in_file else list(alerts)
    recorded_lives = None
    if paths:
        recorded_lives = lives(_from_files(paths))
    elif not usage:
        recorded_lives = lives(_from_topic(settings))
    asked: list[Life] = []
    if recorded_lives is not None:
        asked = _asked(recorded_lives, None if in_file else alert)
    explanations = [Explanation(life, _DETECTORS.get(life.current.detector)) for life in asked]
    if usage or rebuild:
        explanations = _rebuilt(settings, asked, alert, usage, outcomes, as_of)
    elif outcomes or as_of is not None:
        raise click.UsageError("--outcomes and --as-of are for a replay; give --usage, or --rebuild")
    if as_json:
        click.echo(json.dumps(document(explanations), indent=2))
    else:
        text = render(explanations, shutil.get_terminal_size((_WIDTH, 24)).columns)
        click.echo(printable(text), nl=False)
    ends = {it.rebuild.outcome for it in explanations if it.rebuild is not None}
    if ends - {Outcome.SAME, Outcome.ONLY_REBUILT}:
        click.get_current_context().exit(_FAILED)


def _from_files(paths: Sequence[Path]) -> list[Alert]:
    # Imported late: Kafka's client is slow to import, and --help needs none.
    from streams.published import read_alert_lines

    found: list[Alert] = []
    for path in paths:
        with ExitStack() as stack:
            try:
                lines = sys.stdin.buffer if path == STDOUT else stack.enter_context(path.open("rb"))
                found += read_alert_lines(lines, "standard input" if path == STDOUT else str(path))
            except OSError as error:
                raise DependencyError(f"cannot read {path} ({error.strerror}); give a file that can be read") from error
    return found


def _from_topic(settings: Settings) -> list[Alert]:
    from streams.published import read_alerts

    found: list[Alert] = []
    read = read_alerts(
        settings.brokers, settings.topic_prefix + topics.ALERTS, found.append, settings.schema_registry_url
    )
    if read.unreadable:
        fix = "" if settings.schema_registry_url else "; with a schema registry, set schema_registry_url"
        click.echo(f"left out {read.unreadable:,} of {read.records:,} records, which cannot be read{fix}", err=True)
    return found


def _asked(known: Mapping[str, Life], alert_id: str | None) -> list[Life]:
    """The alert that is asked for, or all of them."""
    if not known:
        raise DataError("there is no alert in the input; nothing has fired, or it is not the output of --alerts")
    if alert_id is None:
        return list(known.values())
    if alert_id in known:
        return [known[alert_id]]
    near = ", ".join(map(shown, nearest(alert_id, known)))
    raise click.UsageError(f"there is no alert {shown(alert_id)}, nor a file of that name; the nearest are {near}")


def _rebuilt(
    settings: Settings, asked: Sequence[Life], alert_id: str, usage: Sequence[Path], outcomes: Sequence[Path],
    as_of: int | None,
) -> list[Explanation]:  # fmt: skip
    """Explanations with what became of the alerts when the log was replayed."""
    setup = engine_setup(settings)
    tallies = Tallies(asked)
    with recorded(settings, usage, outcomes) as recording:
        as_of = clock_of(recording, settings, as_of)
        found = lives(judged(recording, settings, setup, as_of, "replaying", tallies))
    version = setup.params.config_version
    if not asked:
        (life,) = _asked(found, alert_id)
        why = "It comes out of this log under this configuration; there was no record to compare it with."
        known = Rebuild(outcome=Outcome.ONLY_REBUILT, why=why, rebuilt=life, config_version=version)
        return [Explanation(life, _DETECTORS.get(life.current.detector), known)]
    explanations = []
    for life in asked:
        detector = _DETECTORS.get(life.current.detector)
        result = compare(life, found, tallies.of(life.alert_id), detector, setup.params.policy, version)
        explanations.append(Explanation(life, detector, result))
    return explanations
