"""promptfoo's token counts: what was paid for, what its own cache on disk answered, and what graders took.

``prompt`` includes what the provider had cached (``completionDetails.cacheReadInputTokens``). ``cached`` is promptfoo's
own cache, which costs nothing, unless it is a part of ``prompt``, as Codex's provider has it: ``total`` tells which.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from streams.sources.promptfoo.evaluations import as_object
from streams.sources.token_usage import Tokens, first, provider_usage, resolved

__all__ = ["Answer", "GraderCall", "Spent", "answer_of", "grader_calls", "spent_on"]


#: What providers call an answer; an application's own answers have other ids, and less usage.
_ID: Final = re.compile(r"[\w.:-]{8,200}", re.ASCII)


class Answer(NamedTuple):
    """What the provider's own answer says, where promptfoo kept it: its id, its model, its usage."""

    id: str | None = None
    model: str | None = None
    usage: Tokens | None = None
    cached_twice: int = 0
    """What the prompt would be if the cached tokens had been added to the whole that they are a part of."""


class Spent(NamedTuple):
    """What one call took. ``cached`` says that nobody was asked, and ``known`` that anybody told the tokens."""

    tokens: Tokens = Tokens()
    cached: bool = False
    known: bool = True

    @property
    def any(self) -> bool:
        """Whether any tokens were told."""
        return any(self.tokens)


class GraderCall(NamedTuple):
    """One grader's call, or with no ``spent`` a sum over others that are told by themselves."""

    name: str
    place: str
    spent: Spent | None
    provider: Any = None
    component: Mapping[str, Any] = {}
    embedding: bool = False


def answer_of(response: Mapping[str, Any]) -> Answer:
    """The provider's answer, kept by providers for HTTP and agents as ``raw``. Raises BadField."""
    raw = response.get("raw")
    if isinstance(raw, str) and raw.startswith("{"):
        try:
            raw = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raw = None
    said = as_object(raw)
    usage = as_object(said.get("usage"))
    tokens = provider_usage(usage)
    answer_id, model = said.get("id"), said.get("model")
    return Answer(
        answer_id if tokens and isinstance(answer_id, str) and _ID.fullmatch(answer_id) else None,
        model if isinstance(model, str) else None,
        tokens,
        tokens.prompt + tokens.cache_read if tokens else 0,
    )


def spent_on(row: Mapping[str, Any], response: Mapping[str, Any], answer: Answer) -> Spent:
    """What the call of the model under test took. Raises BadField."""
    if response.get("cached") is True:
        return Spent(cached=True)
    # The response's counts may be missing, and then the result's are zeros that nobody counted.
    told = [_spent(as_object(holder.get("tokenUsage"))) for holder in (response, row)]
    spent = next((spent for spent in told if spent.cached or spent.any), None)
    own = answer.usage
    if spent is None:
        return Spent(own) if own else Spent(known=told[0].known and not response.get("error"))
    if own and own.output == spent.tokens.output and spent.tokens.prompt in (own.prompt, answer.cached_twice):
        return Spent(own)
    return spent


def grader_calls(row: Mapping[str, Any]) -> list[GraderCall]:
    """The calls of graders: one for each assertion that took tokens, and one for what is left of their sum. Raises BadField."""
    grading = as_object(row.get("gradingResult"))
    calls: list[GraderCall] = []
    single = Tokens()
    components = grading.get("componentResults")
    for number, one in enumerate(components if isinstance(components, list) else []):
        component = as_object(one)
        usage = component.get("tokensUsed")
        if not isinstance(usage, dict):
            continue
        spent = _spent(usage)
        if spent.known and not spent.cached and not spent.any:
            continue  # an assertion that asks no model
        place, name = f"gradingResult.componentResults.{number}", f"assertion/{number}"
        if component.get("componentResults"):
            calls.append(GraderCall(name, place, None))
            continue
        assertion = as_object(component.get("assertion"))
        calls.append(
            GraderCall(name, place, spent, assertion.get("provider"), component, assertion.get("type") == "similar")
        )
        if not spent.cached:
            single = _sum(single, spent.tokens)
    whole = _whole(grading.get("tokensUsed"), as_object(row.get("tokenUsage")).get("assertions"))
    left = Tokens(max(whole.prompt - single.prompt, 0), 0, 0, max(whole.output - single.output, 0))
    if left.input or left.output:
        reading = min(max(whole.cache_read - single.cache_read, 0), left.input)
        left = Tokens(
            left.input - reading, reading, 0, left.output, min(max(whole.reasoning - single.reasoning, 0), left.output)
        )
        calls.append(GraderCall("assertions", "gradingResult.tokensUsed", Spent(left)))
    return calls


def _whole(*told: Any) -> Tokens:
    """What all graders took together, as told at one of two places."""
    for usage in told:
        if isinstance(usage, dict):
            spent = _spent(usage)
            if spent.any:
                return spent.tokens
    return Tokens()


def _sum(one: Tokens, other: Tokens) -> Tokens:
    return Tokens(*(a + b for a, b in zip(one, other, strict=True)))


def _spent(usage: Mapping[str, Any]) -> Spent:
    prompt, completion = first(usage, "prompt"), first(usage, "completion")
    cached, total = first(usage, "cached") or 0, first(usage, "total")
    if cached and not prompt and not completion:
        return Spent(cached=True)
    details = as_object(usage.get("completionDetails"))
    read = first(details, "cacheReadInputTokens") or 0
    if not read and cached and total == (prompt or 0) + (completion or 0):
        read = cached
    tokens = resolved(
        prompt or 0, read, first(details, "cacheCreationInputTokens") or 0, 0,
        completion or 0, first(details, "reasoning") or 0, 0,
        None if total is None or cached else total, input_whole=True, output_whole=True,
    )  # fmt: skip
    return Spent(tokens, known=any(tokens) or (total == 0 and prompt is not None))
