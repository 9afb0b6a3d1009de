"""Observations as calls: which of them is one, which repeats others, and what it becomes.

Works on observations under the names that Langfuse's API has for their fields, whichever way they came. Only leaves
count: a generation whose own generations stand in the same body repeats them, and so does an agent or a chain always.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from streams.core.reasons import Reason
from streams.sources.contract import USAGE_UNKNOWN, Context, Decoded, Form, Item, Skip
from streams.sources.langfuse.owners import metadata_of, owners_of, tags_of, word
from streams.sources.langfuse.prompts import prompt_text
from streams.sources.langfuse.usage import answered_from_cache, read_cost, read_usage
from streams.sources.readings import BadField, instant_ms
from streams.sources.token_usage import Tokens

__all__ = ["SOURCE", "UNKNOWN_MODEL", "UNTOLD", "Identity", "Observation", "read_observations"]

SOURCE: Final = "langfuse"

#: The model of a call whose observation names none: its tokens count, and have no price.
UNKNOWN_MODEL: Final = "unknown"

#: Behind the identity of a call whose usage is not told: should another record tell it after all, its tokens are not lost.
UNTOLD: Final = ":untold"

_CALLS: Final = frozenset({"GENERATION", "EMBEDDING"})
#: May ask a model by themselves, and then have its usage.
_MAY_CALL: Final = frozenset({"TOOL", "RETRIEVER", "EVALUATOR", "GUARDRAIL"})
#: Hold calls of others; whatever usage they have is a sum (strands#1267, langfuse#14754).
_HOLDERS: Final = frozenset({"SPAN", "AGENT", "CHAIN", "EVENT"})
#: What is called within one of these is no part of a generation around it.
_BARRIERS: Final = _MAY_CALL | {"AGENT"}
#: Operations that are sums, though older versions of Langfuse stored them as generations.
_SUMS: Final = frozenset({"invoke_agent", "agent_step", "create_agent", "invoke_workflow", "execute_tool"})


class Observation(NamedTuple):
    """An observation: ``type`` in capitals, ``fields`` under the API's names, ``trace`` what is known of its trace."""

    place: str
    type: str
    fields: Mapping[str, Any]
    trace: Mapping[str, Any] = {}


#: An observation or a span: its trace and its own id.
Identity = tuple[str, str]


def read_observations(
    observations: Sequence[Observation], context: Context, decoded: Decoded, around: Mapping[Identity, Identity] = {},
    leaves: Iterable[Identity] = (),
) -> None:  # fmt: skip
    """Add what the observations of one body become to what was decoded so far.

    ``around`` has the parents of what else the body holds and is no observation, and ``leaves`` those of it that are calls.
    """
    used: list[Tokens | None] = []
    bad: dict[int, BadField] = {}
    for at, observation in enumerate(observations):
        try:
            used.append(read_usage(observation.fields))
        except BadField as field:
            bad[at] = field
            used.append(None)
    parents = _parents(observations, used, around, leaves)
    for at, observation in enumerate(observations):
        if at in bad:
            decoded.refused.append(bad[at].refused(observation.place))
            continue
        try:
            read = _read(observation, used[at], at in parents, context)
        except BadField as field:
            decoded.refused.append(field.refused(observation.place))
            continue
        if isinstance(read, Item):
            decoded.items.append(read)
        else:
            decoded.skipped[read] += 1


def _parents(
    observations: Sequence[Observation], used: Sequence[Tokens | None], around: Mapping[Identity, Identity],
    leaves: Iterable[Identity],
) -> set[int]:  # fmt: skip
    """Those within which a generation with usage of its own lies."""
    places = {_identity(observation.fields): at for at, observation in enumerate(observations)}
    found: set[int] = set()
    passed: set[Identity] = set()
    starts = [around[leaf] for leaf in leaves if leaf in around]
    starts += [
        _parent_identity(observation.fields)
        for observation, tokens in zip(observations, used, strict=True)
        if tokens is not None and observation.type == "GENERATION"
    ]
    for start in starts:
        identity = start
        # What was passed already has no news above it, which also ends those that go in circles.
        while identity not in passed:
            passed.add(identity)
            at = places.get(identity)
            if at is not None:
                found.add(at)
                if observations[at].type in _BARRIERS:
                    break
                identity = _parent_identity(observations[at].fields)
            elif identity in around:
                identity = around[identity]
            else:
                break
    return found


def _identity(fields: Mapping[str, Any]) -> Identity:
    return str(fields.get("traceId")), str(fields.get("id"))


def _parent_identity(fields: Mapping[str, Any]) -> Identity:
    parent = fields.get("parentObservationId")
    return str(fields.get("traceId")), str(parent) if parent else ""


def _read(observation: Observation, tokens: Tokens | None, parent: bool, context: Context) -> Item | Skip:
    fields, kind = observation.fields, observation.type
    if kind not in _CALLS and kind not in _MAY_CALL and kind not in _HOLDERS:
        return Skip.UNKNOWN
    if kind in _HOLDERS or (kind in _MAY_CALL and not (tokens and _model(fields))):
        return Skip.PARENT if tokens else Skip.IRRELEVANT
    metadata = metadata_of(fields.get("metadata"))
    operation = word(metadata.get("gen_ai.operation.name"))
    if operation == "fetch_response":
        return Skip.LOOKUP
    if parent or operation in _SUMS:
        return Skip.PARENT
    tags = tags_of(observation.trace.get("tags"))
    if _cache_hit(metadata, tags) or answered_from_cache(fields):
        return Skip.CACHE_HIT
    cost = read_cost(fields)
    failed = str(fields.get("level") or "").upper() == "ERROR"
    if tokens is None and cost is None and not failed and not (fields.get("startTime") and fields.get("endTime")):
        return Skip.IRRELEVANT  # begun or ended here, and told elsewhere
    return _item(observation, tokens, cost, failed, metadata, tags, context)


def _item(
    observation: Observation, tokens: Tokens | None, cost: int | None, failed: bool, metadata: Mapping[str, Any],
    tags: Iterable[str], context: Context,
) -> Item:  # fmt: skip
    fields, trace = observation.fields, observation.trace
    own_id, trace_id = _text(fields, "id"), _text(fields, "traceId")
    if own_id is None:
        raise BadField("id", Reason.MISSING_FIELD, "is missing: an observation needs its identity")
    at_ms = next(
        (at for name in ("endTime", "startTime", "timestamp") if (at := instant_ms(fields.get(name), name))), None
    )
    if at_ms is None:
        raise BadField(
            "endTime", Reason.MISSING_FIELD, "is missing, and there is no startTime: an observation needs a time"
        )
    told = tokens is not None or cost is not None
    usage: dict[str, Any] = {
        "event_id": own_id if told else own_id + UNTOLD,
        "source": SOURCE,
        "occurred_at": at_ms,
        "model": _model(fields) or UNKNOWN_MODEL,
        "operation": "embedding" if observation.type == "EMBEDDING" else "chat",
        **(tokens or Tokens()).fields(),
        "status": "error" if failed else "ok",
    }
    if tokens is None:
        usage["attributes"] = dict(USAGE_UNKNOWN)
    if cost is not None:
        usage["cost_micro_usd"] = cost
    if trace_id:
        usage["run_id"] = trace_id
    if actor := fields.get("userId") or trace.get("userId"):
        usage["actor"] = actor
    if (provider := word(metadata.get("ls_provider"))) and provider.replace("_", "").isalnum():
        usage["provider"] = provider
    usage |= owners_of((metadata, metadata_of(trace.get("metadata"))), tags)
    if context.fingerprint and (prompt := prompt_text(fields.get("input"))):
        usage["prompt_fingerprint"] = context.fingerprint(prompt)
    return Item(observation.place, Form.USAGE, usage, _labels(fields, trace, tags))


def _labels(fields: Mapping[str, Any], trace: Mapping[str, Any], tags: Iterable[str]) -> dict[str, str]:
    said = {
        "name": fields.get("name"),
        "trace.name": fields.get("traceName") or trace.get("name"),
        "session.id": fields.get("sessionId") or trace.get("sessionId"),
        "environment": fields.get("environment") or trace.get("environment"),
        "release": fields.get("release") or trace.get("release"),
        "project.id": fields.get("projectId") or trace.get("projectId"),
        "service.name": trace.get("service.name"),
    }
    labels = {label: value for label, value in said.items() if isinstance(value, str) and value}
    for tag in tags:
        key, colon, value = tag.partition(":")
        labels[f"tag.{key}"] = value if colon else key
    return labels


def _cache_hit(metadata: Mapping[str, Any], tags: Iterable[str]) -> bool:
    """Whether a gateway says that its cache answered: LiteLLM, in metadata or as a tag (langfuse#2112)."""
    said = metadata.get("cache_hit")
    return (
        said is True
        or (said is not None and str(word(said)).lower() == "true")
        or any(tag.lower() == "cache_hit:true" for tag in tags)
    )


def _model(fields: Mapping[str, Any]) -> str | None:
    return _text(fields, "model") or _text(fields, "providedModelName")


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None
