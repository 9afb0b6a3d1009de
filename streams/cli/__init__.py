"""The command line ``assay``. Subcommands are imported only when used, so that help is instant."""

from importlib.metadata import PackageNotFoundError, version

import click

from streams.cli.groups import CONTEXT_SETTINGS, AssayGroup, Lazy

__all__ = ["main"]


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value:
        return
    try:
        number = version("assay")
    except PackageNotFoundError:
        number = "unknown (not installed)"
    click.echo(f"assay {number}")
    ctx.exit()


@click.group(
    cls=AssayGroup,
    context_settings=CONTEXT_SETTINGS,
    examples=(
        "assay simulate --events 100000 --out usage.jsonl",
        "assay replay --usage usage.jsonl --kpis kpis.jsonl",
        "assay check config --config assay.yaml",
        "assay topics apply && assay worker --config assay.yaml",
    ),
    lazy={
        "worker": Lazy("streams.cli.worker:worker", "Consume events and publish KPIs until stopped."),
        "ingest": Lazy("streams.cli.ingest:ingest", "Receive what other systems post."),
        "console": Lazy("streams.cli.console:console", "Show pages for people."),
        "replay": Lazy("streams.cli.replay:replay", "Run the pure core over files, without Kafka."),
        "report": Lazy("streams.cli.report:report", "Show what a week's spend came to."),
        "reconcile": Lazy(
            "streams.cli.reconcile:reconcile_command", "Compare recorded usage with what providers bill."
        ),
        "explain": Lazy("streams.cli.explain:explain", "Say why an alert was raised."),
        "backtest": Lazy("streams.cli.backtest:backtest", "Tell which alerts would have fired under a configuration."),
        "simulate": Lazy("streams.cli.simulate:simulate", "Write the usage of a seeded, made-up company."),
        "import": Lazy("streams.cli.imports:imports", "Turn files of other systems into events."),
        "sources": Lazy("streams.cli.sources:sources", "List the systems whose records are read."),
        "forward": Lazy("streams.cli.forward:forward", "Pass alerts on to Alertmanager or a webhook."),
        "check": Lazy("streams.cli.check:check", "Check what an operator has set up."),
        "topics": Lazy("streams.cli.topics:topics", "Create and check the Kafka topics."),
    },
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error, too.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
def main(debug: bool) -> None:
    """Tell AI spend that bought something from AI spend that bought nothing."""
