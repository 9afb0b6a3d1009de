"""``assay ingest``: the service that receives what other systems post."""

from streams.cli.groups import command
from streams.cli.options import effective_settings, settings_options
from streams.settings_sections import IngestSettings

__all__ = ["ingest"]


@command(
    "ingest",
    examples=(
        "assay ingest --config assay.yaml --sources-file sources.yaml",
        "assay ingest --insecure-dev-key --insecure-no-auth --brokers 127.0.0.1:9092",
        "assay ingest --host 0.0.0.0 --sources-file sources.yaml --tls-certificate-file tls.crt --tls-key-file tls.key",
    ),
)
@settings_options(
    *(f"ingest.{name}" for name in IngestSettings.model_fields),
    "brokers", "topic_prefix", "data_dir", "pseudonym_key_file", "insecure_dev_key", "log_level", "log_format",
)  # fmt: skip
def ingest() -> None:
    """Receive what other systems post.

    Turns it into events on Kafka. Answers a body once its events cannot be lost any more: Kafka has them, or, while Kafka is away, a spool on this
    machine's disk. The topics must exist (`assay topics apply`), and the key of the pseudonyms must be that of the
    workers. Stop it with SIGTERM or Ctrl-C: it finishes the requests that it has begun.
    """
    settings = effective_settings()
    # Kafka's client is slow to import, and --help needs none.
    from streams.ingest.running import run_ingest

    run_ingest(settings)
