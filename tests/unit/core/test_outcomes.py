"""Outcome events: what is taken, what is refused and in which words; one decoder's rules for both kinds of event."""

import json
from typing import Any

import pytest

from streams.core.avro import OUTCOME_EVENT
from streams.core.outcomes import OutcomeDecoder, OutcomeEvent, OutcomeKind
from streams.core.reasons import Reason
from streams.core.rejections import Rejection
from tests.engine_runs import MONDAY

DECODER = OutcomeDecoder()


def outcome(**fields: Any) -> dict[str, Any]:
    """A sound outcome; ``fields`` replace what it says, None leaves out."""
    said = {
        "outcome_id": "pr-1", "source": "github", "occurred_at": MONDAY, "team": "payments", "kind": "change_merged",
        "verdict": "accepted",
    }  # fmt: skip
    return {name: value for name, value in (said | fields).items() if value is not None}


def decoded(*values: bytes | None) -> list[OutcomeEvent | Rejection]:
    return DECODER.decode(values).events


def as_json(**fields: Any) -> bytes:
    return json.dumps(outcome(**fields)).encode()


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_every_kind_is_taken(kind: OutcomeKind) -> None:
    (event,) = decoded(as_json(kind=kind, value=0.5, verdict="neutral"))
    assert isinstance(event, OutcomeEvent)
    assert event.kind == kind


def test_an_outcome_is_the_same_in_every_form() -> None:
    full = outcome(
        workflow="review", run_id="run-1", actor="ada", reverses="pr-0", verdict="reversed", value=0.25,
        cycle_time_ms=5, ref="org/repo#1", attributes={"a": "b"},
    )  # fmt: skip
    (event,) = decoded(json.dumps(full).encode())
    assert isinstance(event, OutcomeEvent)
    assert decoded(OUTCOME_EVENT.to_avro(event), OUTCOME_EVENT.to_json(event)) == [event, event]
    (timed,) = decoded(json.dumps(full | {"occurred_at": "2026-01-05T01:00:00+01:00"}).encode())
    assert timed == event


def test_empty_optional_texts_are_unknown() -> None:
    (event,) = decoded(as_json(workflow="", run_id="", actor="", reverses="", ref=""))
    assert isinstance(event, OutcomeEvent)
    assert (event.workflow, event.run_id, event.actor, event.reverses, event.ref) == (None,) * 5


@pytest.mark.parametrize(
    ("fields", "reason", "says"),
    [
        (
            {"kind": "change_blessed"},
            Reason.UNKNOWN_KIND,
            "field kind is 'change_blessed', which is not one of change_merged,",
        ),
        ({"kind": "x" * 200}, Reason.UNKNOWN_KIND, f"field kind is {'x' * 64!r},"),
        ({"kind": "merged by ada@example.com"}, Reason.UNKNOWN_KIND, "field kind is another text,"),
        ({"kind": "merged_by_ada", "actor": "Ada@example.com"}, Reason.UNKNOWN_KIND, "field kind is another text,"),
        ({"kind": "example", "actor": "ada@example.com"}, Reason.UNKNOWN_KIND, "field kind is another text,"),
        ({"kind": "bo.li", "actor": "Bo.Li"}, Reason.UNKNOWN_KIND, "field kind is another text,"),
        ({"kind": "by_bo.li", "actor": "bo.li"}, Reason.UNKNOWN_KIND, "field kind is another text,"),
        ({"verdict": "fine"}, Reason.UNKNOWN_VALUE, "field verdict"),
        ({"outcome_id": ""}, Reason.EMPTY, "field outcome_id is empty"),
        ({"team": None}, Reason.MISSING_FIELD, "field team is missing"),
        ({"cycle_time_ms": -1}, Reason.OUT_OF_RANGE, "field cycle_time_ms"),
        ({"cycle_time_ms": 1.5}, Reason.WRONG_TYPE, "field cycle_time_ms"),
        ({"occurred_at": 1_700_000_000}, Reason.TIMESTAMP_OUT_OF_RANGE, "field occurred_at"),
        ({"occurred_at": "yesterday"}, Reason.INVALID_TIMESTAMP, "field occurred_at"),
        ({"ref": "a\nb"}, Reason.FORBIDDEN_CHARACTER, "field ref holds a control character"),
        ({"attributes": {"a\u0000": "b"}}, Reason.FORBIDDEN_CHARACTER, "field attributes"),
        ({"kind": "customer_rating"}, Reason.MISSING_FIELD, "field value of a customer_rating must be from 0 to 1"),
        ({"kind": "customer_rating", "value": 4}, Reason.OUT_OF_RANGE, "divide stars by the most"),
        ({"kind": "customer_rating", "value": -0.1}, Reason.OUT_OF_RANGE, "from 0 to 1"),
        ({"reverses": "pr-0"}, Reason.INCONSISTENT, "the verdict is not reversed"),
        ({"reverses": "pr-1", "verdict": "reversed"}, Reason.INCONSISTENT, "names the outcome itself"),
    ],
)
def test_what_is_wrong_is_refused_with_the_field_and_the_mend(
    fields: dict[str, Any], reason: Reason, says: str
) -> None:
    good = as_json(outcome_id="other")
    before, refused, after = decoded(good, as_json(**fields), good)
    assert isinstance(refused, Rejection)
    assert refused.reason is reason
    assert says in refused.detail
    assert isinstance(before, OutcomeEvent)
    assert before == after


@pytest.mark.parametrize(
    ("value", "reason", "says"),
    [
        (None, Reason.TOMBSTONE, "outcome events cannot be deleted"),
        (b"", Reason.EMPTY, "send one outcome event"),
        (b"{", Reason.INVALID_JSON, "send one JSON object"),
        (as_json() + b"\n" + as_json(), Reason.MULTIPLE_DOCUMENTS, "send one a record"),
        (as_json()[:-1] + b',"value":NaN}', Reason.INVALID_JSON, ""),
        (b"\xff" + as_json(), Reason.INVALID_UTF8, "send UTF-8"),
        (b"x" * 1_048_577, Reason.TOO_LARGE, "1048577 bytes"),
    ],
)
def test_what_is_no_record_is_refused(value: bytes | None, reason: Reason, says: str) -> None:
    (refused,) = decoded(value)
    assert isinstance(refused, Rejection)
    assert refused.reason is reason
    assert says in refused.detail


def test_avro_may_hold_numbers_that_json_cannot() -> None:
    (event,) = decoded(as_json())
    assert isinstance(event, OutcomeEvent)
    event.value = float("nan")
    (refused,) = decoded(OUTCOME_EVENT.to_avro(event))
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.OUT_OF_RANGE
