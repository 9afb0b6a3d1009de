"""What Linear's webhooks become."""

import json
from typing import Any

import pytest

from streams.core.reasons import Reason
from streams.sources import linear
from streams.sources.contract import Context, Decoded, Skip
from tests.engine_runs import HOUR, MONDAY

NOON = MONDAY + 12 * HOUR
ID = "1e1068a3-b0c7-4379-a164-c3cf96175608"


def decode(body: dict[str, Any]) -> Decoded:
    return linear.decode(json.dumps(body).encode(), Context(0))


def webhook(action: str = "update", before: dict[str, Any] | None = None, **data: Any) -> dict[str, Any]:
    said = {
        "id": ID,
        "identifier": "SHOP-22",
        "title": "It charges twice",
        "description": "Since Monday.",
        "createdAt": "2026-01-05T09:00:00.000Z",
        "updatedAt": "2026-01-05T13:00:00.000Z",
        "completedAt": None,
        "canceledAt": None,
        "state": {"id": "s2", "name": "Done", "type": "completed"},
        "team": {"id": "t", "key": "SHOP", "name": "Shop"},
        "labels": [],
        "assigneeId": "ada",
    }
    return {
        "action": action,
        "type": "Issue",
        "actor": {"id": "bob", "type": "user", "name": "Bob", "email": "bob@example.com"},
        "createdAt": "2026-01-05T13:00:00.000Z",
        "data": {**said, **data},
        "updatedFrom": before,
        "webhookTimestamp": NOON,
    }


DONE = {"completedAt": "2026-01-05T12:00:00.000Z"}
BUG = {"labels": [{"id": "l", "name": "Bug"}]}


def told(body: dict[str, Any]) -> dict[str, Any]:
    decoded = decode(body)
    assert (decoded.refused, decoded.skipped) == ([], {})
    (item,) = decoded.items
    return item.fields


def test_an_issue_that_is_completed_is_accepted() -> None:
    decoded = decode(webhook(before={"stateId": "s1", "completedAt": None}, **DONE))
    (item,) = decoded.items
    assert item.fields == {
        "outcome_id": f"{ID}:completed:{NOON}", "source": "linear", "occurred_at": NOON, "kind": "ticket_resolved",
        "verdict": "accepted", "ref": "SHOP-22", "cycle_time_ms": 3 * HOUR, "actor": "ada", "team": "Shop",
        "attributes": {"link": "unnamed"},
    }  # fmt: skip
    assert item.labels == {"team": "Shop", "team_key": "SHOP"}
    assert decoded.links == {"unnamed": 1}


def test_each_time_counts_and_each_reopening_takes_back_the_one_before() -> None:
    first = told(webhook(before={"stateId": "s1", "completedAt": None}, **DONE))
    again = told(webhook(before={"stateId": "s2", **DONE}))
    assert (again["kind"], again["verdict"], again["reverses"]) == ("ticket_reopened", "reversed", first["outcome_id"])
    assert again["occurred_at"] == MONDAY + 13 * HOUR
    second = told(webhook(before={"completedAt": None}, completedAt="2026-01-05T14:00:00Z"))
    assert second["outcome_id"] not in (first["outcome_id"], again["reverses"])


def test_moving_between_two_states_that_are_both_done_is_no_other_completion() -> None:
    assert decode(webhook(before={"stateId": "s1"}, **DONE)).skipped == {Skip.IRRELEVANT: 1}
    # Whether it had been completed before is told by the field, or by the time.
    first = told(webhook(before={"stateId": "s1", "completedAt": None}, **DONE))
    assert told({**webhook(before={"stateId": "s1"}, **DONE), "createdAt": "2026-01-05T12:00:30Z"}) == first


def test_a_canceled_issue_is_neutral_and_a_canceled_defect_was_none() -> None:
    canceled = {"canceledAt": "2026-01-05T12:00:00Z"}
    fields = told(webhook(before={"canceledAt": None}, **canceled))
    assert (fields["verdict"], "cycle_time_ms" in fields) == ("neutral", False)
    fields = told(webhook(before={"canceledAt": None}, **canceled, **BUG))
    assert (fields["verdict"], fields["reverses"]) == ("reversed", f"{ID}:defect")
    assert told(webhook(before=canceled))["reverses"] == f"{ID}:canceled:{NOON}"


@pytest.mark.parametrize("body", [webhook("create", **BUG), webhook(before={"labelIds": []}, **BUG)])
def test_an_issue_with_a_defects_label_is_a_defect_since_it_was_created(body: dict[str, Any]) -> None:
    fields = told(body)
    assert (fields["kind"], fields["outcome_id"], fields["occurred_at"]) == (
        "defect_reported",
        f"{ID}:defect",
        MONDAY + 9 * HOUR,
    )
    assert fields["actor"] == "bob"


def test_an_issue_names_its_run_and_its_team() -> None:
    fields = told(
        webhook(
            before={"completedAt": None}, **DONE, description="Assay-Run: run-1", labels=[{"name": "team:payments"}]
        )
    )
    assert (fields["run_id"], fields["team"], fields["attributes"]["link"]) == ("run-1", "payments", "trailer")
    assert "team" not in told(webhook(before={"completedAt": None}, **DONE, team={"name": "x" * 201}))


def test_the_actor_is_a_person() -> None:
    body = webhook(before={"completedAt": None}, **DONE, assigneeId=None)
    assert told(body)["actor"] == "bob"
    assert "actor" not in told({**body, "actor": {"id": "app", "type": "oauthClient"}})


@pytest.mark.parametrize(("body", "skip"), [
    (webhook(before={"stateId": "s1"}), Skip.IRRELEVANT),
    (webhook(before={"title": "x"}, **DONE), Skip.IRRELEVANT),
    (webhook("remove", **DONE), Skip.IRRELEVANT),
    (webhook("create"), Skip.IRRELEVANT),
    ({"type": "Comment", "action": "create"}, Skip.IRRELEVANT),
    ({"type": "Whatever"}, Skip.UNKNOWN),
    ({"type": ["Issue"]}, Skip.UNKNOWN),
    ({}, Skip.UNKNOWN),
])  # fmt: skip
def test_what_else_is_sent_is_no_outcome(body: dict[str, Any], skip: Skip) -> None:
    assert decode(body).skipped == {skip: 1}


@pytest.mark.parametrize(("body", "field", "reason"), [
    ({"type": "Issue", "action": "update"}, "data", Reason.MISSING_FIELD),
    (webhook(id=None), "data.id", Reason.MISSING_FIELD),
    (webhook(id=[]), "data.id", Reason.WRONG_TYPE),
    (webhook(identifier=7), "data.identifier", Reason.MISSING_FIELD),
    (webhook(completedAt="soon"), "data.completedAt", Reason.INVALID_TIMESTAMP),
])  # fmt: skip
def test_what_is_broken_is_refused_with_the_field(body: dict[str, Any], field: str, reason: Reason) -> None:
    (refused,) = decode(body).refused
    assert refused.detail.startswith(f"field {field} ")
    assert refused.reason is reason
