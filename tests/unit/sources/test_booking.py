"""Whose an item is, who stays hidden, and what the worker would refuse."""

import tracemalloc
from typing import Any

import orjson
import pytest

from streams.core.pseudonyms import Pseudonyms, iso_week
from streams.core.reasons import Reason
from streams.sources.booking import Attribution, Binding, Booker, Rule
from streams.sources.contract import Form, Item

AT_MS = 1_790_000_000_000
KEY = b"sixteen bytes or more"


def usage(**fields: Any) -> dict[str, Any]:
    return {"event_id": "e", "source": "litellm", "occurred_at": AT_MS, "model": "m", "input_tokens": 3, **fields}


def outcome(**fields: Any) -> dict[str, Any]:
    said = {"outcome_id": "o", "source": "github", "occurred_at": AT_MS, "kind": "change_merged", "verdict": "accepted"}
    return {**said, **fields}


def booked(*items: Item, binding: Binding | None = None) -> Any:
    return Booker(Pseudonyms(KEY)).book(items, binding or Binding())


RULES = (
    Rule("service.name", "checkout-*", "payments", "checkout"),
    Rule("service.name", "*", team="platform"),
    Rule("environment", "ci", workflow="builds"),
)


@pytest.mark.parametrize(("binding", "said", "labels", "team", "workflow", "attribution"), [
    (Binding("search", "chat", RULES), {"team": "x", "workflow": "y"}, {"service.name": "checkout-1"}, "search", "chat", "credential"),
    (Binding("search", None, RULES), {}, {"service.name": "checkout-1"}, "search", "checkout", "credential"),
    (Binding(rules=RULES), {"team": "x", "workflow": "y"}, {"service.name": "checkout-1"}, "payments", "checkout", "rule"),
    (Binding(rules=RULES), {"workflow": "y"}, {"service.name": "other"}, "platform", "y", "rule"),
    (Binding(rules=RULES), {"workflow": "y"}, {"service.name": "other", "environment": "ci"}, "platform", "builds", "rule"),
    (Binding(rules=RULES), {"team": "x"}, {}, "x", "unattributed", "payload"),
    (Binding(), {}, {}, "unattributed", "unattributed", "default"),
])  # fmt: skip
def test_whose_an_item_is(
    binding: Binding, said: dict[str, str], labels: dict[str, str], team: str, workflow: str, attribution: str
) -> None:  # fmt: skip
    result = booked(Item("0", Form.USAGE, usage(**said), labels), binding=binding)
    (record,) = result.usage
    event = orjson.loads(record.value)
    assert (event["team"], event["workflow"], record.key) == (team, workflow, team.encode())
    assert result.attributed == {Attribution(attribution): 1}
    assert not labels.items() & event.items()


def test_an_outcome_of_no_workflow_stays_without_one() -> None:
    (record,) = booked(Item("0", Form.OUTCOME, outcome(team="x"))).outcomes
    assert "workflow" not in orjson.loads(record.value)


def test_an_actor_leaves_as_the_pseudonym_that_the_worker_would_give() -> None:
    (record,) = booked(Item("0", Form.USAGE, usage(actor="ada@example.com"))).usage
    assert b"ada" not in record.value
    sealed = orjson.loads(record.value)["actor"]
    week, worker = iso_week(AT_MS), Pseudonyms(KEY)
    assert worker.pseudonym(week, sealed) == worker.pseudonym(week, "ada@example.com")
    assert Pseudonyms(b"another key of 16 bytes").pseudonym(week, "ada@example.com") != worker.pseudonym(week, sealed)


@pytest.mark.parametrize("actor", ["", 7, ["ada"]])
def test_an_actor_that_is_no_name_is_nobody(actor: object) -> None:
    (record,) = booked(Item("0", Form.USAGE, usage(actor=actor))).usage
    assert "actor" not in orjson.loads(record.value)


def test_what_the_worker_would_dead_letter_is_refused_at_its_place() -> None:
    good, bad = Item("0", Form.USAGE, usage()), Item("17", Form.USAGE, usage(input_tokens=-1))
    result = booked(good, bad, Item("2", Form.OUTCOME, outcome(kind="")))
    assert [record.place for record in result.usage] == ["0"]
    assert [(refused.place, refused.reason) for refused in result.refused] == [
        ("17", Reason.OUT_OF_RANGE), ("2", result.refused[1].reason)
    ]  # fmt: skip
    assert "input_tokens" in result.refused[0].detail


@pytest.mark.parametrize(("form", "said"), [(Form.USAGE, usage()), (Form.OUTCOME, outcome())])
def test_what_is_no_field_of_the_record_does_not_leave(form: Form, said: dict[str, Any]) -> None:
    extra = {"prompt": "canary", "metadata": {"email": "canary"}, "kind " if form is Form.OUTCOME else "kind": "canary"}
    result = booked(Item("0", form, {**said, "team": "x", **extra}))
    (record,) = [*result.usage, *result.outcomes]
    assert b"canary" not in record.value
    assert not extra.keys() & orjson.loads(record.value).keys()
    assert said.items() <= orjson.loads(record.value).items()


@pytest.mark.parametrize(("form", "said", "field", "reason"), [
    (Form.USAGE, usage(input_tokens=2**64), "input_tokens", Reason.OUT_OF_RANGE),
    (Form.USAGE, usage(cost_micro_usd=-(2**63) - 1), "cost_micro_usd", Reason.OUT_OF_RANGE),
    (Form.USAGE, usage(occurred_at=10**30, actor="ada"), "occurred_at", Reason.OUT_OF_RANGE),
    (Form.OUTCOME, outcome(cycle_time_ms=10**400), "cycle_time_ms", Reason.OUT_OF_RANGE),
    (Form.USAGE, usage(attributes={"n": 2**70}), "attributes", Reason.WRONG_TYPE),
    (Form.USAGE, usage(run_id="\ud800 canary"), "run_id", Reason.WRONG_TYPE),
    (Form.USAGE, usage(model=b"canary"), "model", Reason.WRONG_TYPE),
])  # fmt: skip
def test_what_no_json_can_hold_is_refused_by_its_field_and_the_rest_is_booked(
    form: Form, said: dict[str, Any], field: str, reason: Reason
) -> None:
    good = {Form.USAGE: usage(event_id="good"), Form.OUTCOME: outcome(outcome_id="good")}[form]
    result = booked(Item("7", form, said), Item("8", form, good))
    (record,) = [*result.usage, *result.outcomes]
    assert (record.place, b"good" in record.value) == ("8", True)
    ((place, refused, detail),) = result.refused
    assert (place, refused) == ("7", reason)
    assert detail.startswith(f"field {field} ")
    assert "canary" not in detail


def test_an_actor_that_is_no_unicode_is_refused_and_not_a_crash() -> None:
    result = booked(Item("0", Form.USAGE, usage(actor="\ud800 canary")), Item("1", Form.USAGE, usage()))
    assert [record.place for record in result.usage] == ["1"]
    ((place, reason, detail),) = result.refused
    assert (place, reason, "canary" in detail) == ("0", Reason.WRONG_TYPE, False)


@pytest.mark.parametrize("form", Form)
def test_a_long_text_that_a_thousand_items_share_is_not_written_out_a_thousand_times(form: Form) -> None:
    said, shared = (usage if form is Form.USAGE else outcome), "x" * 200_000
    items = [Item(str(n), form, said(team=shared)) for n in range(1_000)]
    tracemalloc.start()
    try:
        result = booked(*items)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert [each.place for each in result.refused] == [str(n) for n in range(1_000)]
    assert {each.reason for each in result.refused} == {Reason.TOO_LONG}
    assert "field team is too long" in result.refused[0].detail


def test_an_actor_that_no_name_is_so_long_as_costs_nobody_the_event_and_a_label_fits_no_rule() -> None:
    item = Item("0", Form.USAGE, usage(actor="x" * 1_025), {"service.name": "x" * 1_025})
    (record,) = booked(item, binding=Binding(rules=RULES)).usage
    assert "actor" not in orjson.loads(record.value)
    assert orjson.loads(record.value)["team"] == "unattributed"
