"""``assay console``: the pages for people."""

from streams.cli.groups import command
from streams.cli.options import effective_settings, settings_options
from streams.settings_sections import ConsoleSettings

__all__ = ["console"]


@command(
    "console",
    examples=(
        "assay console --brokers 127.0.0.1:9092 --workers http://127.0.0.1:6066",
        "assay console --config assay.yaml --host 0.0.0.0 --token-file /run/secrets/console-token",
        "assay console --host 0.0.0.0 --identity-header X-Forwarded-User --base-path /assay",
    ),
)
@settings_options(
    *(f"console.{name}" for name in ConsoleSettings.model_fields),
    "brokers", "topic_prefix", "schema_registry_url", "policy", "log_level", "log_format",
)  # fmt: skip
def console() -> None:
    """Show pages for people.

    What spend came to by team and workflow, what got worse, what alerts are based on, and whether the pipeline is well. Reads the
    topics of KPIs, alerts and dead letters into memory, commits nothing, and writes nothing: run as many as you like.
    Until it has read them it answers 503. Stop it with SIGTERM or Ctrl-C.
    """
    settings = effective_settings()
    # Kafka's client is slow to import, and --help needs none.
    from streams.console.running import run_console

    run_console(settings)
