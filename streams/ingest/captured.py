"""A captured request through the very route that it was sent to, without a network, credentials or Kafka."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from streams.ingest import answers
from streams.ingest.reading import too_large
from streams.ingest.refusing import HttpRefusal
from streams.ingest.routing import check_content_type, content_type_of, encoding_of, nowhere, told
from streams.ingest.taking import Taken, Taker
from streams.sources.booking import Binding
from streams.sources.catalogue import SOURCES, Source, routes
from streams.sources.contract import Context

__all__ = ["Captured", "answer_to"]


class Captured(NamedTuple):
    """A request as it was sent; header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    received_at_ms: int


def answer_to(
    request: Captured, taker: Taker, binding: Binding, *, max_body_bytes: int, sources: Sequence[Source] = SOURCES
) -> tuple[answers.Reply, Taken | None]:
    """What the service would have answered had it known the sender, and what it would have sent; None if refused."""
    found = routes(sources)
    source, route = found.get(request.path, (None, None))
    content_type = content_type_of(request.headers.get("content-type", ""), route)
    try:
        if source is None or route is None:
            raise nowhere(request.path, found)
        encoding = encoding_of(request.headers)
        check_content_type(route, content_type)
        if len(request.body) > max_body_bytes:
            raise too_large(max_body_bytes)
        context = Context(request.received_at_ms, route.path, content_type, told(request.headers))
        taken = taker.take(source, route, request.body, encoding, context, binding)
    except HttpRefusal as refusal:
        return answers.refused(route.answer if route else None, content_type, refusal), None
    return answers.taken(route.answer, route.path, content_type, taken), taken
