"""Outcome events are published as usage events are: checked by the worker's own decoder, keyed by team."""

import json
from typing import Any

import pytest

from streams.core.avro import OUTCOME_EVENT
from streams.core.reasons import Reason
from streams.producers.drafts import OUTCOME, Drafter, OutcomeFields
from streams.producers.errors import InvalidEvent

LEAST: OutcomeFields = {"team": "payments", "kind": "change_merged", "verdict": "accepted"}


def drafter(encoding: Any = "json") -> Any:
    return Drafter(
        OUTCOME, source="github", encoding=encoding, now_ms=lambda: 1_767_571_200_000, new_event_id=lambda: "made"
    )


def test_what_is_left_out_is_made() -> None:
    draft = drafter().draft(LEAST)
    assert (draft.event_id, draft.key) == ("made", b"payments")
    assert json.loads(draft.value) == {
        **LEAST, "outcome_id": "made", "source": "github", "occurred_at": 1_767_571_200_000,
    }  # fmt: skip


def test_it_can_be_avro() -> None:
    event = OUTCOME_EVENT.decode(drafter("avro").draft({**LEAST, "outcome_id": "pr-1", "cycle_time_ms": 5}).value)
    assert (event.outcome_id, event.kind, event.cycle_time_ms) == ("pr-1", "change_merged", 5)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kind": "change_blessed"}, "field kind is 'change_blessed'"),
        ({"verdikt": "accepted"}, "verdikt is not a field of an outcome event: did you mean verdict?"),
        ({"event_id": "1"}, "event_id is not a field of an outcome event"),
        ({"prompt": "hello"}, "what was asked and answered is never sent"),
        ({"kind": "customer_rating", "value": 5}, "divide stars"),
    ],
)
def test_what_the_worker_would_refuse_is_refused_here(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidEvent, match=says.replace("?", r"\?")):
        drafter().draft({**LEAST, **fields})


def test_a_refusal_carries_the_reason() -> None:
    with pytest.raises(InvalidEvent) as caught:
        drafter().draft_all([LEAST, {**LEAST, "kind": "x"}])
    assert caught.value.reason is Reason.UNKNOWN_KIND
    assert str(caught.value).startswith("event 1 of 2: ")


@pytest.mark.parametrize(
    ("kind", "verdict", "right"),
    [
        ("change_reverted", "accepted", "reversed, with reverses"),
        ("ticket_reopened", "accepted", "reversed, with reverses"),
        ("deployment_failed", "accepted", "rejected"),
        ("eval_failed", "accepted", "rejected"),
        ("eval_passed", "rejected", "accepted"),
        ("deployment_succeeded", "rejected", "accepted"),
    ],
)
def test_a_kind_and_a_verdict_that_say_opposite_things_are_refused(kind: str, verdict: str, right: str) -> None:
    """The worker counts by the verdict alone, so that whoever wrote both would never hear of it."""
    with pytest.raises(InvalidEvent, match=f"field verdict is {verdict}, and field kind is {kind}: give the") as caught:
        drafter().draft({**LEAST, "kind": kind, "verdict": verdict})
    assert caught.value.reason is Reason.INCONSISTENT
    assert right in str(caught.value)
    for other in {"accepted", "rejected", "reversed", "neutral"} - {verdict}:
        assert drafter().draft({**LEAST, "kind": kind, "verdict": other}).event_id == "made"
