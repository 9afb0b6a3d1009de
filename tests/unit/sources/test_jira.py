"""What Jira's webhooks and issues become."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.core.pseudonyms import Pseudonyms
from streams.core.reasons import Reason
from streams.sources import jira
from streams.sources.booking import Binding, Booker
from streams.sources.contract import Context, Decoded, Skip
from tests.engine_runs import DAY, HOUR, KEY, MONDAY, EngineRun, usage

SHARED = Path(__file__).parents[4] / "shared" / "payloads"
ADA = {"accountId": "712020:ada", "accountType": "atlassian", "displayName": "Ada"}
BOB = {"accountId": "712020:bob", "accountType": "atlassian"}
DONE = {"name": "Done", "statusCategory": {"key": "done"}}
OPEN = {"name": "In Progress", "statusCategory": {"key": "indeterminate"}}
AT = MONDAY + 12 * HOUR


def decode(body: bytes | dict[str, Any]) -> Decoded:
    return jira.decode(body if isinstance(body, bytes) else json.dumps(body).encode(), Context(0))


def ticket(**fields: Any) -> dict[str, Any]:
    said = {
        "project": {"key": "SHOP"},
        "issuetype": {"name": "Task"},
        "status": DONE,
        "resolution": {"id": "10000", "name": "Done"},
        "resolutiondate": "2026-01-05T13:00:00.000+0100",
        "created": "2026-01-05T09:00:00.000+0000",
        "labels": ["frontend"],
        "description": "It charges twice.",
        "assignee": ADA,
        "reporter": BOB,
    }
    return {"id": "10021", "key": "SHOP-22", "fields": {**said, **fields}}


def change(field: str, before: object, after: object, **names: str) -> dict[str, Any]:
    return {"field": field, "fieldId": field, "from": before, "to": after, **names}


SOLVED = [change("resolution", None, "10000"), change("status", "1", "6", fromString="In Progress", toString="Done")]
UNSOLVED = [change("resolution", "10000", None), change("status", "6", "1", fromString="Done", toString="Open")]


def webhook(*changes: dict[str, Any], event: str = "jira:issue_updated", **fields: Any) -> dict[str, Any]:
    return {
        "timestamp": AT, "webhookEvent": event, "user": BOB, "issue": ticket(**fields),
        "changelog": {"id": "1", "items": list(changes)},
    }  # fmt: skip


def told(body: dict[str, Any]) -> dict[str, Any]:
    decoded = decode(body)
    assert (decoded.refused, decoded.skipped) == ([], {})
    (item,) = decoded.items
    return item.fields


def test_a_ticket_that_is_done_with_is_accepted() -> None:
    decoded = decode(webhook(*SOLVED, components=[{"name": "checkout"}]))
    (item,) = decoded.items
    assert item.fields == {
        "outcome_id": "SHOP-22:resolved", "source": "jira", "occurred_at": AT, "kind": "ticket_resolved", "verdict": "accepted",
        "ref": "SHOP-22", "cycle_time_ms": 3 * HOUR, "actor": "712020:ada", "attributes": {"link": "unnamed"},
    }  # fmt: skip
    assert item.labels == {"project": "SHOP", "issue_type": "Task", "component": "checkout"}
    assert decoded.links == {"unnamed": 1}


OPENED = {"resolution": None, "resolutiondate": None, "status": OPEN}


@pytest.mark.parametrize("body", [
    webhook(*UNSOLVED, **OPENED),
    # Without a resolution, by the status that it leaves; a server of old gives no ids of fields.
    webhook({"field": "status", "fromString": "Closed", "toString": "Reopened"}, **OPENED),
])  # fmt: skip
def test_a_ticket_that_is_opened_again_is_taken_back(body: dict[str, Any]) -> None:
    fields = told(body)
    assert (fields["kind"], fields["verdict"]) == ("ticket_reopened", "reversed")
    assert (fields["outcome_id"], fields["reverses"]) == ("SHOP-22:reopened", "SHOP-22:resolved")
    assert (fields["occurred_at"], fields["actor"]) == (AT, "712020:bob")


def test_a_project_without_resolutions_goes_by_the_category_of_its_status() -> None:
    fields = told(webhook(change("status", "1", "10068", toString="已完成"), **OPENED | {"status": DONE}))
    assert (fields["verdict"], fields["occurred_at"]) == ("accepted", AT)


@pytest.mark.parametrize(("changed", "is_told"), [
    ("2026-01-05T12:00:01.000+0000", True), ("2026-01-05T11:00:00.000+0000", False), ("2025-01-05T12:00:00.000+0000", False),
])  # fmt: skip
def test_a_ticket_that_was_done_may_change_its_status(changed: str, is_told: bool) -> None:
    moved = change("status", "6", "10068", fromString="Closed", toString="Archived")
    for fields in ({}, OPENED | {"status": DONE}):
        decoded = decode(webhook(moved, **fields, statuscategorychangedate=changed))
        assert bool(decoded.items) == is_told
        assert decoded.skipped == ({} if is_told else {Skip.IRRELEVANT: 1})


@pytest.mark.parametrize("name", ["Won't Do", "duplicate", "Cannot Reproduce"])
def test_a_declined_ticket_is_neutral_and_a_declined_defect_was_none(name: str) -> None:
    fields = told(webhook(*SOLVED, resolution={"name": name}))
    assert (fields["verdict"], "reverses" in fields, "cycle_time_ms" in fields) == ("neutral", False, False)
    fields = told(webhook(*SOLVED, resolution={"name": name}, issuetype={"name": "Bug"}))
    assert (fields["kind"], fields["verdict"], fields["reverses"]) == ("ticket_resolved", "reversed", "SHOP-22:defect")


@pytest.mark.parametrize("body", [
    webhook(event="jira:issue_created", issuetype={"name": "Bug"}, **OPENED),
    webhook(change("issuetype", "1", "2"), issuetype={"name": "bug"}, **OPENED),
])  # fmt: skip
def test_a_bug_is_a_defect_since_it_was_created(body: dict[str, Any]) -> None:
    fields = told(body)
    assert (fields["kind"], fields["verdict"], fields["outcome_id"]) == ("defect_reported", "neutral", "SHOP-22:defect")
    assert (fields["occurred_at"], fields["actor"]) == (MONDAY + 9 * HOUR, "712020:bob")


@pytest.mark.parametrize(("fields", "how", "run", "workflow"), [
    ({"description": "Why.\n\nAssay-Run: run-1"}, "trailer", "run-1", None),
    ({"labels": ["assay-run:run-1", "workflow:triage"]}, "label", "run-1", "triage"),
    ({"description": {"type": "doc"}, "labels": 7}, "unnamed", None, None),
])  # fmt: skip
def test_a_ticket_names_its_run(fields: dict[str, Any], how: str, run: str | None, workflow: str | None) -> None:
    said = told(webhook(*SOLVED, **fields))
    assert (said["attributes"]["link"], said.get("run_id"), said.get("workflow")) == (how, run, workflow)


@pytest.mark.parametrize(("user", "actor"), [
    (BOB, "712020:bob"), ({"name": "bob", "key": "JIRAUSER1"}, "JIRAUSER1"), ({**BOB, "accountType": "app"}, None),
    ({**BOB, "accountType": "customer"}, None), ({}, None), ({"name": "ci-bot"}, None),
    ({"name": "ci-bot", "key": "JIRAUSER2"}, None),
])  # fmt: skip
def test_the_actor_is_a_person(user: dict[str, Any], actor: str | None) -> None:
    body = {**webhook(*SOLVED, assignee=None), "user": user}
    decoded = jira.decode(json.dumps(body).encode(), Context(0), jira.Jira(service_accounts=("ci-*",)))
    assert decoded.items[0].fields.get("actor") == actor


@pytest.mark.parametrize(("body", "skip"), [
    (webhook(change("description", None, None)), Skip.IRRELEVANT),
    (webhook(change("status", "1", "3", fromString="Open"), **OPENED), Skip.IRRELEVANT),
    (webhook(event="jira:issue_created", **OPENED), Skip.IRRELEVANT),
    (webhook(*SOLVED, event="jira:issue_deleted"), Skip.IRRELEVANT),
    ({"webhookEvent": "comment_created"}, Skip.IRRELEVANT),
    ({"webhookEvent": "something_new"}, Skip.UNKNOWN),
    ({"webhookEvent": 7}, Skip.UNKNOWN),
    ({"hello": "world"}, Skip.UNKNOWN),
    (ticket(**OPENED), Skip.IRRELEVANT),
])  # fmt: skip
def test_what_else_is_sent_is_no_outcome(body: dict[str, Any], skip: Skip) -> None:
    assert decode(body).skipped == {skip: 1}


@pytest.mark.parametrize(("body", "field", "reason"), [
    ({"webhookEvent": "jira:issue_updated"}, "issue", Reason.MISSING_FIELD),
    ({"webhookEvent": "jira:issue_updated", "issue": {"key": "A-1"}}, "fields", Reason.MISSING_FIELD),
    ({"webhookEvent": "jira:issue_updated", "issue": {"fields": {}}}, "issue.key", Reason.MISSING_FIELD),
    (webhook(*SOLVED, resolutiondate="soon"), "issue.fields.resolutiondate", Reason.INVALID_TIMESTAMP),
    ({**webhook(*UNSOLVED, **OPENED), "timestamp": None}, "timestamp", Reason.MISSING_FIELD),
    ({**webhook(*UNSOLVED, **OPENED), "timestamp": -1}, "timestamp", Reason.OUT_OF_RANGE),
])  # fmt: skip
def test_what_is_broken_is_refused_with_the_field(body: dict[str, Any], field: str, reason: Reason) -> None:
    (refused,) = decode(body).refused
    assert refused.detail.startswith(f"field {field} ")
    assert refused.reason is reason


def history(at: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"id": at, "created": f"2026-01-05T{at}:00.000+0000", "items": list(items)}


HISTORIES = [
    history("12:00", *SOLVED),
    history("11:00", *UNSOLVED),
    history("10:00", *SOLVED),
]  # as Jira lists them: last first


def test_an_issue_with_its_changelog_tells_of_every_time() -> None:
    issue = {**ticket(), "changelog": {"total": 3, "histories": HISTORIES}}
    assert [(it.fields["outcome_id"], it.fields.get("reverses"), it.fields["occurred_at"]) for it in decode(issue).items] == [
        ("SHOP-22:resolved", None, MONDAY + 10 * HOUR),
        ("SHOP-22:reopened", "SHOP-22:resolved", MONDAY + 11 * HOUR),
        ("SHOP-22:resolved:2", None, MONDAY + 12 * HOUR),
    ]  # fmt: skip


def counted(*bodies: dict[str, Any]) -> tuple[int, int]:
    """What the worker counts as accepted and as reversed."""
    run, booker = EngineRun(), Booker(Pseudonyms(KEY))
    run.feed(usage("u", MONDAY + 9 * HOUR))
    for body in bodies:
        booked = booker.book(decode(body).items, Binding(team="payments"))
        run.feed_outcomes(*[record.value for record in booked.outcomes])
    run.finish()
    (day,) = [kpi for (_, workflow, size, _), kpi in run.latest.items() if (workflow, size) == (None, DAY)]
    assert day.accepted is not None
    assert day.reversed is not None
    return day.accepted, day.reversed


def test_an_import_sets_right_what_webhooks_cannot_know() -> None:
    solved, unsolved = webhook(*SOLVED), webhook(*UNSOLVED, **OPENED)
    issue = {**ticket(), "changelog": {"total": 3, "histories": HISTORIES}}
    assert counted(solved, solved) == (1, 0)
    assert counted(solved, unsolved) == counted(unsolved, solved) == (0, 1)
    assert counted(solved, unsolved, solved) == (0, 1)  # done with again, as only the changelog tells
    assert counted(solved, unsolved, solved, issue) == counted(issue) == counted(issue, unsolved, solved) == (1, 1)


def test_an_issue_with_a_part_of_its_changelog_tells_how_it_stands() -> None:
    issue = {**ticket(), "changelog": {"total": 101, "histories": HISTORIES}}
    assert [it.fields["outcome_id"] for it in decode(issue).items] == ["SHOP-22:resolved"]
    assert [it.fields["outcome_id"] for it in decode(ticket(issuetype={"name": "Bug"})).items] == [
        "SHOP-22:defect",
        "SHOP-22:resolved",
    ]


def test_issues_as_the_api_lists_them() -> None:
    file = SHARED / "devlake" / "jira" / "_raw_jira_api_issues.jsonl"
    if not file.exists():
        pytest.skip(f"the samples in {SHARED} are not there")
    decoded = decode(file.read_bytes())
    assert (decoded.refused, decoded.skipped) == ([], {Skip.IRRELEVANT: 2})  # K5-2 and K5-4 are open
    found = {item.fields["ref"]: item.fields for item in decoded.items}
    assert len(found) == len(decoded.items) == 15
    # Resolved, whatever the category of the status says; its name is 已完成.
    first = found["EE-1"]
    assert first["occurred_at"] == 1_592_548_278_526  # 2020-06-19T14:31:18.526+0800
    assert first["cycle_time_ms"] == ((7 * 24 + 6) * 3600 + 18 * 60 + 5) * 1000 + 166
    assert {ref for ref, fields in found.items() if fields["verdict"] == "neutral"} == {
        "EE-20",
        "EE-24",
        "EE-26",
        "EE-30",
    }
    assert {fields["outcome_id"] for fields in found.values()} == {f"{ref}:resolved" for ref in found}
