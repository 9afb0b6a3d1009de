"""``assay import request``: one captured request body through exactly the route that it was sent to."""

import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import click

from streams.cli.groups import command
from streams.cli.options import effective_settings, settings_options
from streams.cli.sinks import STDOUT, open_output
from streams.cli.times import TimeMs
from streams.cli.whose import file_key, whose_of, whose_options
from streams.clock import SystemClock
from streams.core import topics
from streams.errors import DataError, DependencyError
from streams.ingest.answers import Reply
from streams.ingest.captured import Captured, answer_to
from streams.ingest.taking import Taken, Taker
from streams.sources.booking import Binding
from streams.sources.catalogue import SOURCES, routes
from streams.sources.linking import DEFAULT

__all__ = ["request"]

_OUTPUT: Final = click.Path(path_type=Path, dir_okay=False)


@command(
    "request",
    examples=(
        "assay import request body.json --path /v1/logs --header 'content-type: application/json'",
        "assay import request body.bin --path /v1/traces --header 'content-type: application/x-protobuf' --usage -",
        "assay import request hook.json --path /github --header 'x-github-event: pull_request' --outcomes -",
    ),
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--path", required=True, help="Path that the request was sent to, such as /v1/logs.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header of it; may be repeated.")
@click.option("--usage", type=_OUTPUT, metavar="FILE|-", help="Write its usage events here, as lines of JSON.")
@click.option("--outcomes", type=_OUTPUT, metavar="FILE|-", help="Write its outcome events here.")
@click.option("--received-at", type=TimeMs(), help="When it was received.  [default: now]")
@whose_options
@settings_options(
    "pseudonym_key_file", "ingest.sources_file", "ingest.max_body_bytes", "ingest.max_inflated_bytes",
)  # fmt: skip
def request(
    file: Path, path: str, headers: Sequence[str], usage: Path | None, outcomes: Path | None, received_at: int | None,
    team: str | None, workflow: str | None, entry: str | None,
) -> None:  # fmt: skip
    """Put one captured request through ingest's route.

    FILE is the body as it was sent, compressed if it was. Prints the status and the body that `assay ingest` would have answered with, as JSON
    (on standard error where - is an output), sends nothing, and asks for no credentials and no signature. The exit code is 5
    where the request would have been refused.
    """
    if usage is not None and usage == outcomes:
        raise click.UsageError("--usage and --outcomes need an output each")
    settings = effective_settings()
    named = _named(headers)
    found = routes(SOURCES).get(path)
    binding, linking = whose_of(settings, found[0], team, workflow, entry) if found else (Binding(), DEFAULT)
    taker = Taker(
        file_key(settings), topic_prefix="", max_inflated_bytes=settings.ingest.max_inflated_bytes,
        fingerprints=settings.ingest.prompt_fingerprints, linking=linking,
    )  # fmt: skip
    try:
        body = file.read_bytes()
    except OSError as error:
        raise DependencyError(f"cannot read {file} ({error.strerror}); check the path and its permissions") from error
    at_ms = SystemClock().now_ms() if received_at is None else received_at
    reply, taken = answer_to(
        Captured(path, named, body, at_ms), taker, binding, max_body_bytes=settings.ingest.max_body_bytes
    )
    _write(taken, {topics.USAGE: usage, topics.OUTCOMES: outcomes})
    click.echo(json.dumps(_shown(reply), indent=2), err=STDOUT in (usage, outcomes))
    if reply.status >= 400:
        raise DataError(f"the request would have been refused with {reply.status}; the answer says why")


def _named(headers: Sequence[str]) -> dict[str, str]:
    named = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise click.UsageError("--header is a name, a colon and a value: --header 'content-type: application/json'")
        named[name.strip().lower()] = value.strip()
    return named


def _write(taken: Taken | None, paths: Mapping[str, Path | None]) -> None:
    with ExitStack() as stack:
        for topic, path in paths.items():
            if path is not None:
                out = stack.enter_context(open_output(path, whole=True))
                for record in taken.records if taken else ():
                    if record.topic == topic:
                        out.write(record.value + b"\n")


def _shown(reply: Reply) -> dict[str, Any]:
    """The answer; a body that is no JSON in base64."""
    shown: dict[str, Any] = {"status": reply.status, "headers": {"content-type": reply.content_type, **reply.headers}}
    if reply.content_type == "application/json":
        return shown | {"body": json.loads(reply.body)}
    return shown | {"body_base64": base64.b64encode(reply.body).decode()}
