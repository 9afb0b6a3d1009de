"""``assay worker``: the service itself."""

import click

from streams.cli.groups import command
from streams.cli.options import FLAG_KEYS, effective_settings, settings_options

__all__ = ["worker"]


@command(
    "worker",
    examples=(
        "assay worker --config assay.yaml",
        "assay worker --insecure-dev-key --brokers 127.0.0.1:9092 --data-dir /tmp/assay",
        "ASSAY_PSEUDONYM_KEY_FILE=/run/secrets/key assay worker --brokers kafka-0:9092,kafka-1:9092",
    ),
)
@settings_options(*FLAG_KEYS)
def worker() -> None:
    """Consume events and publish KPIs until stopped.

    The topics must exist (`assay topics apply`), and a key for the pseudonyms must be given. Every setting can also
    come from --config or an ASSAY_... variable; `assay check config` shows them all, those in sections included. Stop
    it with SIGTERM or Ctrl-C: it finishes what it has begun and leaves its partitions to others.
    """
    settings = effective_settings()
    # The worker's libraries take a second to import: not before the settings are known to be right.
    from streams.app import run_worker

    raise click.exceptions.Exit(run_worker(settings))
