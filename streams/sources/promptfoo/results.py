"""One result of an evaluation: the call of the model under test, the calls of its graders, and whether it passed.

What was spent is told apart from what was answered out of promptfoo's own cache on disk; tokens of graders are calls of
their own, whatever of them no single assertion accounts for included.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import Any, Final

import orjson

from streams.core.outcomes import OutcomeKind
from streams.core.reasons import Reason
from streams.sources.contract import USAGE_UNKNOWN, Context, Decoded, Form, Item, Refused, Skip
from streams.sources.promptfoo.evaluations import Evaluation, as_object
from streams.sources.promptfoo.providers import UNKNOWN_MODEL, Named, model_name, provider_id, read_provider
from streams.sources.promptfoo.spending import Answer, Spent, answer_of, grader_calls, spent_on
from streams.sources.readings import BadField, dollars

__all__ = ["SOURCE", "read_result"]

SOURCE: Final = "promptfoo"

#: promptfoo's ``failureReason`` where there was no answer to assert anything of; 1 is an assertion that did not hold.
_ERROR: Final = 2


def read_result(place: str, row: Mapping[str, Any], evaluation: Evaluation, context: Context, decoded: Decoded) -> None:
    """Add what a result becomes to what was decoded so far."""
    result = _Result(place, row, evaluation, context, decoded)
    result.read_call()
    result.read_graders()
    result.read_outcome()


class _Result:
    def __init__(
        self, place: str, row: Mapping[str, Any], evaluation: Evaluation, context: Context, decoded: Decoded
    ) -> None:
        self.place, self.row, self.evaluation, self.context, self.decoded = place, row, evaluation, context, decoded
        self.response = as_object(row.get("response"))
        self.test = as_object(row.get("testCase"))
        said = row.get("id")
        self.id = said if isinstance(said, str) and said else _content_hash(row, evaluation)
        self.at_ms = _answered_ms(self.response, context) or _answered_ms(row, context) or evaluation.at_ms
        self.last_ms = self.at_ms
        provider = row.get("provider")
        label = as_object(provider).get("label")
        self.provider = provider_id(provider)
        self.labels = {**evaluation.labels, "provider": self.provider}
        if isinstance(label, str) and label:
            self.labels["provider.label"] = label
        self.label = label if isinstance(label, str) else ""
        own = {**as_object(row.get("metadata")), **as_object(self.test.get("metadata"))}
        self.owners = {
            field: owner
            for field in ("team", "workflow")
            if (owner := _owner(field, own) or _owner(field, evaluation.tags))
        }

    def read_call(self) -> None:
        """The call of the model under test."""
        named = read_provider(self.provider)
        if named.local:
            self.decoded.skipped[Skip.IRRELEVANT] += 1
            return
        place = f"{self.place}.response"
        try:
            # Others keep as ``raw`` what is no answer of a model's.
            answer = answer_of(self.response) if named.model is None else Answer()
            spent = spent_on(self.row, self.response, answer)
            if spent.cached:
                self.decoded.skipped[Skip.CACHE_HIT] += 1
                return
            said_cost = self.row.get("cost") or self.response.get("cost")
            cost = dollars(said_cost, "cost")
        except BadField as bad:
            self.decoded.refused.append(bad.refused(place))
            return
        failed = self.row.get("failureReason") == _ERROR or bool(self.response.get("error"))
        configured = self.evaluation.models
        said_models = (
            answer.model, configured.get(self.label), configured.get(self.provider),
            configured.get("http") if self.provider.startswith("http") else None,
        )  # fmt: skip
        model = named.model or next((name for said in said_models if (name := model_name(said))), None)
        fields = self._usage(self.id, self.at_ms, named._replace(model=model), spent)
        if cost is not None and said_cost:  # 0 is what promptfoo writes where it has no price
            fields["cost_micro_usd"] = cost
        fields["status"] = "error" if failed else "ok"
        if request_id := answer.id or _request_id(self.response):
            fields["request_id"] = request_id
        prompt = as_object(self.row.get("prompt")).get("raw")
        if self.context.fingerprint and isinstance(prompt, str) and prompt:
            fields["prompt_fingerprint"] = self.context.fingerprint(prompt)
        self._add(place, Form.USAGE, fields)

    def read_graders(self) -> None:
        """The calls of the models that graded the answer."""
        try:
            calls = grader_calls(self.row)
        except BadField as bad:
            self.decoded.refused.append(bad.refused(f"{self.place}.gradingResult"))
            return
        usual = as_object(self.test.get("options")).get("provider") or self.evaluation.grader
        for call in calls:
            if call.spent is None:
                self.decoded.skipped[Skip.PARENT] += 1
            elif call.spent.cached:
                self.decoded.skipped[Skip.CACHE_HIT] += 1
            else:
                named = read_provider(provider_id(call.provider or usual))
                if call.embedding:
                    named = named._replace(operation="embedding")
                at_ms = _answered_ms(call.component, self.context) or self.at_ms
                self.last_ms = max(self.last_ms, at_ms)
                fields = self._usage(f"{self.id}/{call.name}", at_ms, named, call.spent)
                fields["attributes"] = {**fields.get("attributes", {}), "purpose": "grading"}
                if request_id := _request_id(call.component):
                    fields["request_id"] = request_id
                self._add(f"{self.place}.{call.place}", Form.USAGE, fields)

    def read_outcome(self) -> None:
        """Whether the result passed; one without an answer says nothing of the work, and is neutral."""
        place, row = f"{self.place}.success", self.row
        passed = row.get("success")
        if not isinstance(passed, bool):
            passed = as_object(row.get("gradingResult")).get("pass")
        if not isinstance(passed, bool):
            detail = "field success is missing, or neither true nor false: send the result as promptfoo wrote it"
            self.decoded.refused.append(Refused(place, Reason.MISSING_FIELD, detail))
            return
        unanswered = not passed and row.get("failureReason") == _ERROR
        fields: dict[str, Any] = {
            "outcome_id": self.id,
            "source": SOURCE,
            "occurred_at": self.last_ms,
            "run_id": self.id,
            "kind": OutcomeKind.EVAL_PASSED if passed else OutcomeKind.EVAL_FAILED,
            "verdict": "accepted" if passed else "neutral" if unanswered else "rejected",
            **self.owners,
        }
        if not passed:
            fields["attributes"] = {"failure": "error" if unanswered else "assertion"}
        score = row.get("score")
        if isinstance(score, int | float) and not isinstance(score, bool):
            fields["value"] = float(score)
        ref = self.evaluation.id
        if ref and isinstance(row.get("testIdx"), int) and isinstance(row.get("promptIdx"), int):
            fields["ref"] = f"{ref}#{row['testIdx']}/{row['promptIdx']}"
        self._add(place, Form.OUTCOME, fields)

    def _usage(self, event_id: str, at_ms: int, named: Named, spent: Spent) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "event_id": event_id,
            "source": SOURCE,
            "occurred_at": at_ms,
            "run_id": self.id,
            "tool": SOURCE,
            "model": named.model or UNKNOWN_MODEL,
            "operation": named.operation,
            **spent.tokens.fields(),
            **self.owners,
        }
        if named.provider:
            fields["provider"] = named.provider
        if self.evaluation.author:
            fields["actor"] = self.evaluation.author
        if not spent.known:
            fields["attributes"] = dict(USAGE_UNKNOWN)
        return fields

    def _add(self, place: str, form: Form, fields: dict[str, Any]) -> None:
        self.decoded.items.append(Item(place, form, fields, self.labels))


def _owner(field: str, said: Mapping[str, Any]) -> str | None:
    for name in (f"assay.{field}", field):
        owner = said.get(name)
        if isinstance(owner, str) and owner:
            return owner
    return None


def _content_hash(row: Mapping[str, Any], evaluation: Evaluation) -> str:
    """The identity of a result of an old version, which has none of its own."""
    said = orjson.dumps((evaluation.id, row), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return blake2b(said, digest_size=16).hexdigest()


def _headers(holder: Mapping[str, Any]) -> dict[str, Any]:
    return as_object(as_object(as_object(holder.get("metadata")).get("http")).get("headers"))


def _answered_ms(holder: Mapping[str, Any], context: Context) -> int | None:
    """When an answer came, from its HTTP headers: the only time that a single result has."""
    said = _headers(holder).get("date")
    if not isinstance(said, str) or len(said) > 64:
        return None
    try:
        at_ms = int(parsedate_to_datetime(said).timestamp()) * 1000
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    # A server whose clock is wrong would hide the call in another time than its evaluation's.
    return at_ms if 0 <= context.received_at_ms + _AHEAD_MS - at_ms < _OLDEST_MS else None


_AHEAD_MS: Final = 900_000
_OLDEST_MS: Final = 10 * 365 * 86_400_000


def _request_id(holder: Mapping[str, Any]) -> str | None:
    """Anthropic's ``request-id``; OpenAI's is masked by promptfoo itself."""
    said = _headers(holder).get("request-id")
    return said if isinstance(said, str) and 0 < len(said) <= 256 and not said.startswith("[") else None
