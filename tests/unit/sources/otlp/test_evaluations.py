"""Evaluation results are outcomes where they say good or bad."""

from typing import Any

import pytest

from streams.core.reasons import Reason
from streams.sources.contract import Form, Skip
from tests.otlp_requests import AT_MS, TRACE, decoded, log_record, span

EVENT = "gen_ai.evaluation.result"


@pytest.mark.parametrize(
    ("said", "kind", "verdict"),
    [
        ({"gen_ai.evaluation.score.label": "pass", "gen_ai.evaluation.score.value": 0.4}, "eval_passed", "accepted"),
        ({"gen_ai.evaluation.score.label": "Not Relevant"}, "eval_failed", "rejected"),
        ({"gen_ai.evaluation.score.label": "fail", "gen_ai.evaluation.score.value": 1.0}, "eval_failed", "rejected"),
        ({"gen_ai.evaluation.score.value": 1.0}, "eval_passed", "accepted"),
        ({"gen_ai.evaluation.score.value": 0}, "eval_failed", "rejected"),
    ],
)
def test_a_result_is_an_outcome(said: dict[str, Any], kind: str, verdict: str) -> None:
    attributes = {"event.name": EVENT, "gen_ai.evaluation.name": "Relevance", "team": "red", **said}
    record = log_record({**attributes, "gen_ai.evaluation.explanation": "secret"}, traceId=TRACE)
    (item,) = decoded([record], kind="logRecords").items
    assert item.form is Form.OUTCOME
    assert (item.fields["kind"], item.fields["verdict"], item.fields["team"]) == (kind, verdict, "red")
    assert (item.fields["run_id"], item.fields["occurred_at"]) == (TRACE, AT_MS)
    assert item.fields.get("value") == said.get("gen_ai.evaluation.score.value")
    assert item.fields["attributes"] == {"evaluation": "Relevance"}
    assert "secret" not in repr(item)


@pytest.mark.parametrize(
    "said",
    [{"gen_ai.evaluation.score.value": 0.7}, {"gen_ai.evaluation.score.label": "chartreuse"}, {}],
)
def test_where_good_begins_is_not_guessed(said: dict[str, Any]) -> None:
    found = decoded([log_record({"event.name": EVENT, **said})], kind="logRecords")
    assert (found.items, found.skipped) == ([], {Skip.UNKNOWN: 1})


@pytest.mark.parametrize("value", ["1", True, float("nan"), float("inf"), [1]])
def test_a_score_that_is_no_number_is_refused(value: Any) -> None:
    found = decoded([log_record({"event.name": EVENT, "gen_ai.evaluation.score.value": value})], kind="logRecords")
    assert [refused.reason for refused in found.refused] == [Reason.WRONG_TYPE]


def test_a_result_on_the_span_that_it_judges_is_one_too() -> None:
    said = [{"key": "gen_ai.evaluation.score.label", "value": {"stringValue": "pass"}}]
    events = [{"name": "other"}, {"name": EVENT, "timeUnixNano": "0", "attributes": said}]
    found = decoded([span(1, {"gen_ai.operation.name": "chat", "session.id": "s"}, events=events)])
    assert [item.form for item in found.items] == [Form.OUTCOME, Form.USAGE]
    assert found.items[0].fields["run_id"] == found.items[1].fields["run_id"] == "s"


def test_the_same_result_has_the_same_id_and_another_has_another() -> None:
    def identity(**changed: Any) -> str:
        attributes = {"event.name": EVENT, "gen_ai.evaluation.score.label": "pass", "gen_ai.evaluation.name": "a"}
        (item,) = decoded([log_record({**attributes, **changed}, traceId=TRACE)], kind="logRecords").items
        return str(item.fields["outcome_id"])

    assert identity() == identity()
    assert identity() != identity(**{"gen_ai.evaluation.name": "b"})
    assert identity() != identity(**{"gen_ai.evaluation.score.value": 1.0})
