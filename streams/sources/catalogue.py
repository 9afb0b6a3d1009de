"""The register of sources: which systems there are, where each posts, and in whose words each is answered.

A source is added here by hand, once; everything that lists, routes, imports or documents sources goes by this register.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from streams.sources import cloudevents, github, jira, langfuse, linear, litellm, pagerduty, promptfoo
from streams.sources.contract import Context, Decode, Decoded, Refused
from streams.sources.otlp import decoding as otlp
from streams.sources.signatures import Scheme, Verifier, verifier

__all__ = ["SOURCES", "Answer", "Reply", "Route", "Source", "Verify", "routes"]

#: What is wrong with the signature of a webhook, None where one of the secrets signed it, and lately: (body, headers in
#: lower case, secrets as they stand in their file, now in ms). What it says echoes nothing that was sent.
Verify = Callable[[bytes, Mapping[str, str], Sequence[bytes], int], str | None]

#: Status and JSON of the answer to a body that could be read: (body, all refusals).
Reply = Callable[[bytes, Sequence[Refused]], tuple[int, Mapping[str, Any]]]


class Answer(StrEnum):
    """The convention in which a sender is told what became of a body's items."""

    PLAIN = "plain"
    """JSON with what was accepted, refused and skipped; 400 where everything was refused."""
    ALWAYS_OK = "always_ok"
    """The same, but 200 for every body that could be read: for senders that drop or repeat the whole on anything else."""
    OWN = "own"
    """What the route's ``reply`` says; failures have ``message`` and ``error`` beside reason and detail."""
    OTLP = "otlp"
    """OTLP's partial success and ``google.rpc.Status``, in protobuf or JSON as the request was."""


class Route(NamedTuple):
    """A path that a system posts to.

    ``content_types`` are those that it takes, the first where none is said; () is any.
    ``reply`` makes the answer where that is the source's own.
    """

    path: str
    answer: Answer = Answer.PLAIN
    content_types: tuple[str, ...] = ("application/json",)
    reply: Reply | None = None


class Source(NamedTuple):
    """One foreign system.

    ``name`` is what commands, credentials and metrics call it; events carry the more exact names that the decoder gives.
    ``verify`` is set where the system signs what it posts. ``files`` says in which forms a file of it can be read,
    empty where it cannot. ``lines_together`` is how many lines of a file are one body: 1 where each is a request of its
    own, None where lines tell of each other and all of a file belong together. ``pages`` are its pages in docs/sources.
    """

    name: str
    title: str
    decode: Decode
    routes: tuple[Route, ...] = ()
    files: tuple[str, ...] = ()
    verify: Verify | None = None
    lines_together: int | None = 1_000
    pages: tuple[str, ...] = ()

    @property
    def signature(self) -> Scheme | None:
        """How the system signs what it posts, where that is one of the schemes that are known here."""
        return self.verify.scheme if isinstance(self.verify, Verifier) else None


def _otlp(body: bytes, context: Context) -> Decoded:
    """A request in every dialect of spans, Langfuse's own among them: a Collector passes on whatever it is sent."""
    if otlp.signal_of(body, context) == "traces":
        return langfuse.decode_traces(body, context)
    return otlp.decode(body, context)


_JSON: Final = ("application/json",)
_LINES: Final = (*_JSON, "application/x-ndjson", "application/jsonl", "application/jsonlines", "text/plain")
_OTLP: Final = ("application/x-protobuf", "application/json")

#: In the order in which they are listed.
SOURCES: Final[tuple[Source, ...]] = (
    Source(
        "litellm", "LiteLLM", litellm.decode,
        (Route("/litellm", Answer.ALWAYS_OK, _LINES),),
        ("events of the generic_api callback: a list, one a line, or one", "rows of the table SpendLogs"),
        pages=("litellm",),
    ),
    Source(
        "otlp", "OpenTelemetry, Claude Code, Codex CLI, Gemini CLI", _otlp,
        tuple(Route(f"/v1/{signal}", Answer.OTLP, _OTLP) for signal in ("traces", "logs", "metrics")),
        ("what the Collector's file exporter writes",),
        lines_together=1, pages=("opentelemetry", "claude-code", "codex", "gemini-cli"),
    ),
    Source(
        "langfuse", "Langfuse", langfuse.decode,
        (
            Route(langfuse.TRACES, Answer.OTLP, _OTLP),
            Route(langfuse.INGESTION, Answer.OWN, _JSON, langfuse.answer_batch),
            Route(langfuse.SCORES, Answer.OWN, _JSON, langfuse.answer_scores),
        ),
        ("rows of observations, scores and traces from an export, JSON or one a line", "pages of the API"),
        lines_together=None, pages=("langfuse",),
    ),
    Source(
        "promptfoo", "promptfoo", promptfoo.decode, (Route("/promptfoo", Answer.PLAIN, _LINES),),
        ("out.json and out.jsonl of promptfoo eval",), pages=("promptfoo",),
    ),
    Source(
        "github", "GitHub", github.decode,
        (Route("/github", Answer.PLAIN, ("application/json", "application/x-www-form-urlencoded")),),
        ("pull requests and issues of the REST API",), verifier(Scheme.GITHUB),
        pages=("github",),
    ),
    Source(
        "jira", "Jira", jira.decode, (Route("/jira"),), ("issues of the REST API",), verifier(Scheme.JIRA),
        pages=("jira",),
    ),
    Source("linear", "Linear", linear.decode, (Route("/linear"),), (), verifier(Scheme.LINEAR), pages=("linear",)),
    Source(
        "pagerduty", "PagerDuty", pagerduty.decode, (Route("/pagerduty"),), ("incidents of the REST API",),
        verifier(Scheme.PAGERDUTY), pages=("pagerduty",),
    ),
    Source(
        "events", "events of your own, bare or as CloudEvents", cloudevents.decode,
        (Route("/events", Answer.PLAIN, ()),), ("events, a list or one a line",), verifier(Scheme.STANDARD),
        pages=("cloudevents",),
    ),
)  # fmt: skip


def routes(sources: Iterable[Source]) -> dict[str, tuple[Source, Route]]:
    """Every path that is posted to, with whose it is. Raises ValueError where two sources claim one."""
    found: dict[str, tuple[Source, Route]] = {}
    for source in sources:
        for route in source.routes:
            if route.path in found:
                raise ValueError(f"{route.path} is claimed by {found[route.path][0].name} and by {source.name}")
            found[route.path] = source, route
    return found
