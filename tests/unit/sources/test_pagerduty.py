"""What PagerDuty's webhooks and incidents become."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.core.reasons import Reason
from streams.sources import pagerduty
from streams.sources.contract import Context, Decoded, Skip
from tests.engine_runs import HOUR, MONDAY

SHARED = Path(__file__).parents[4] / "shared" / "payloads"
ADA = {"id": "PADA", "type": "user_reference", "summary": "Ada"}


def decode(body: bytes | dict[str, Any]) -> Decoded:
    return pagerduty.decode(body if isinstance(body, bytes) else json.dumps(body).encode(), Context(0))


def webhook(kind: str, at: str = "2026-01-05T12:00:00.000Z", agent: Any = ADA, **data: Any) -> dict[str, Any]:
    incident = {
        "id": "PGR0VU2",
        "type": "incident",
        "number": 2,
        "status": "triggered",
        "created_at": "2026-01-05T09:00:00Z",
        "title": "Checkout is down",
        "service": {"id": "PF9", "summary": "checkout", "type": "service_reference"},
        "teams": [{"id": "PT", "summary": "Payments", "type": "team_reference"}],
        "priority": {"summary": "P1"},
        "urgency": "high",
        "resolve_reason": None,
    }
    event = {"id": "e", "event_type": kind, "resource_type": "incident", "occurred_at": at, "agent": agent}
    return {"event": {**event, "data": {**incident, **data}}}


def told(body: dict[str, Any]) -> dict[str, Any]:
    decoded = decode(body)
    assert (decoded.refused, decoded.skipped) == ([], {})
    (item,) = decoded.items
    return item.fields


def test_an_incident_opens_when_it_is_created() -> None:
    decoded = decode(webhook("incident.triggered", agent={"id": "PF9", "type": "service_reference"}))
    (item,) = decoded.items
    assert item.fields == {
        "outcome_id": "PGR0VU2:opened", "source": "pagerduty", "occurred_at": MONDAY + 9 * HOUR, "kind": "incident_opened",
        "verdict": "neutral", "ref": "PGR0VU2", "team": "Payments", "attributes": {"link": "unnamed"},
    }  # fmt: skip
    assert item.labels == {
        "service": "checkout",
        "service_id": "PF9",
        "urgency": "high",
        "priority": "P1",
        "team": "Payments",
    }
    assert decoded.links == {"unnamed": 1}


def test_an_incident_that_is_resolved_is_accepted() -> None:
    fields = told(webhook("incident.resolved"))
    assert (fields["kind"], fields["verdict"], fields["outcome_id"]) == (
        "incident_resolved",
        "accepted",
        "PGR0VU2:resolved",
    )
    assert (fields["occurred_at"], fields["cycle_time_ms"], fields["actor"]) == (MONDAY + 12 * HOUR, 3 * HOUR, "PADA")


def test_an_incident_that_is_opened_again_takes_back_its_end() -> None:
    fields = told(webhook("incident.reopened"))
    assert (fields["kind"], fields["verdict"], fields["reverses"]) == (
        "ticket_reopened",
        "reversed",
        "PGR0VU2:resolved",
    )


def test_an_incident_that_was_merged_into_another_was_none() -> None:
    fields = told(
        webhook("incident.resolved", resolve_reason={"type": "merge_resolve_reason", "incident": {"id": "P2"}})
    )
    assert (fields["verdict"], fields["reverses"]) == ("reversed", "PGR0VU2:opened")


def test_of_several_teams_none_is_chosen() -> None:
    assert "team" not in told(webhook("incident.resolved", teams=[{"summary": "A"}, {"summary": "B"}]))
    assert "team" not in told(webhook("incident.resolved", teams=[]))


def test_devlake_4989_6597_6606_7006_9018_an_incident_is_never_guessed_to_belong_to_a_deployment() -> None:
    """Why it has no run is told with it, and counted."""
    decoded = decode(webhook("incident.triggered"))
    assert decoded.links == {"unnamed": 1}
    assert decoded.items[0].fields["attributes"] == {"link": "unnamed"}
    assert not {"run_id", "workflow"} & decoded.items[0].fields.keys()


def test_an_incident_names_its_run_in_its_details() -> None:
    assert told(webhook("incident.resolved", body={"details": "Assay-Run: run-1\n"}))["run_id"] == "run-1"


@pytest.mark.parametrize(("body", "skip"), [
    (webhook("incident.acknowledged"), Skip.IRRELEVANT), (webhook("service.updated"), Skip.IRRELEVANT),
    (webhook("pagey.ping"), Skip.IRRELEVANT), (webhook("something.new"), Skip.UNKNOWN), ({"event": {}}, Skip.UNKNOWN),
    ({"messages": []}, Skip.UNKNOWN),
])  # fmt: skip
def test_what_else_is_sent_is_no_outcome(body: dict[str, Any], skip: Skip) -> None:
    assert decode(body).skipped == {skip: 1}


@pytest.mark.parametrize(("body", "field", "reason"), [
    ({"event": 7}, "event", Reason.WRONG_TYPE),
    ({"event": {"event_type": "incident.resolved"}}, "data", Reason.MISSING_FIELD),
    (webhook("incident.resolved", at=""), "event.occurred_at", Reason.MISSING_FIELD),
    (webhook("incident.resolved", id=""), "data.id", Reason.MISSING_FIELD),
    (webhook("incident.triggered", created_at="soon"), "data.created_at", Reason.INVALID_TIMESTAMP),
    ({"incident_number": 4, "id": "P1"}, "created_at", Reason.MISSING_FIELD),
])  # fmt: skip
def test_what_is_broken_is_refused_with_the_field(body: dict[str, Any], field: str, reason: Reason) -> None:
    (refused,) = decode(body).refused
    assert refused.detail.startswith(f"field {field} ")
    assert refused.reason is reason


def listed(**fields: Any) -> dict[str, Any]:
    return {
        "incident_number": 4, "id": "P1", "created_at": "2026-01-05T09:00:00.000000Z", "status": "resolved",
        "last_status_change_at": "2026-01-05T10:00:00.000000Z", "last_status_change_by": ADA, **fields,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "at"), [({}, 10), ({"resolved_at": None}, 10), ({"resolved_at": "2026-01-05T11:00:00Z"}, 11)]
)
def test_a_listed_incident_may_lack_resolved_at(fields: dict[str, Any], at: int) -> None:
    opened, resolved = decode(listed(**fields)).items
    assert opened.fields["occurred_at"] == MONDAY + 9 * HOUR
    assert (resolved.fields["occurred_at"], resolved.fields["actor"]) == (MONDAY + at * HOUR, "PADA")


def test_incidents_as_the_api_lists_them() -> None:
    file = SHARED / "devlake" / "pagerduty" / "_raw_pagerduty_incidents.jsonl"
    if not file.exists():
        pytest.skip(f"the samples in {SHARED} are not there")
    decoded = decode(file.read_bytes())
    assert [(it.place, it.fields["outcome_id"], it.fields["occurred_at"]) for it in decoded.items] == [
        ("line 1", "Q3YON8WNWTZMRQ:opened", 1_667_456_586_000),  # 2022-11-03T06:23:06Z
        ("line 2", "Q3CZAU7Q4008QD:opened", 1_667_457_868_000),  # 2022-11-03T06:44:28Z
    ]  # fmt: skip
    assert {it.labels["service"] for it in decoded.items} == {"DevService"}
