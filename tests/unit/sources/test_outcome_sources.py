"""What holds for every source of outcomes: hostile bodies do no harm, and nothing passes that is not declared."""

import copy
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.pseudonyms import Pseudonyms
from streams.sources import cloudevents, github, jira, linear, pagerduty
from streams.sources.booking import Binding, Booked, Booker
from streams.sources.contract import BadBody, Context, Decode, Decoded
from tests.engine_runs import KEY
from tests.unit.sources.forge_payloads import issue, merged, pull, push, webhook

AT = "2026-01-05T11:30:00Z"
ADA = {"login": "ada", "id": 1, "type": "User", "email": "a@x", "html_url": "https://x/ada", "name": "Ada"}
DEPLOYMENT = {
    "id": 5,
    "sha": "0123456789abcdef",
    "ref": "main",
    "created_at": AT,
    "creator": ADA,
    "payload": {"a": "b"},
    "description": "d",
}
REVIEW = {"id": 9, "user": {**ADA, "id": 2}, "state": "approved", "submitted_at": AT, "body": "b"}
TICKET = {
    "id": "1", "key": "SHOP-1", "self": "https://x",
    "fields": {
        "summary": "s", "description": "d", "environment": "e", "labels": ["l"], "created": AT, "resolutiondate": AT,
        "issuetype": {"name": "Bug"}, "status": {"name": "Done", "statusCategory": {"key": "done"}}, "resolution": {"name": "Done"},
        "assignee": {"accountId": "ada", "displayName": "Ada", "emailAddress": "a@x"}, "reporter": {"name": "ada"},
        "project": {"key": "SHOP", "name": "n"}, "components": [{"name": "c"}], "comment": {"comments": [{"body": "b"}]},
    },
    "changelog": {"total": 1, "histories": [{"created": AT, "author": {"displayName": "n"}, "items": [{"field": "resolution", "fieldId": "resolution", "from": None, "to": "1", "toString": "Done"}]}]},
}  # fmt: skip
ISSUE = {
    "id": "u", "identifier": "SHOP-1", "title": "t", "description": "d", "createdAt": AT, "updatedAt": AT, "completedAt": AT,
    "state": {"type": "completed", "name": "n"}, "team": {"key": "SHOP", "name": "Shop"}, "labels": [{"name": "Bug"}], "url": "https://x",
    "assignee": {"id": "ada", "name": "Ada", "email": "a@x"}, "branchName": "ada/shop-1", "project": {"name": "p"},
}  # fmt: skip
INCIDENT = {
    "id": "P1", "incident_number": 4, "type": "incident", "title": "t", "summary": "s", "description": "d", "created_at": AT, "status": "resolved",
    "last_status_change_at": AT, "last_status_change_by": {"id": "PADA", "type": "user_reference", "summary": "Ada"}, "body": {"details": "d"},
    "service": {"id": "PS", "summary": "checkout"}, "teams": [{"summary": "Payments"}], "assignments": [{"assignee": {"summary": "Ada"}}],
    "urgency": "high", "priority": {"summary": "P1"}, "incident_key": "k", "html_url": "https://x",
}  # fmt: skip
CALL = {
    "event_id": "e",
    "source": "s",
    "occurred_at": 1_767_571_200_000,
    "team": "t",
    "workflow": "w",
    "model": "m",
    "attributes": {"a": "b"},
}
RESULT = {
    "outcome_id": "o",
    "source": "s",
    "occurred_at": AT,
    "team": "t",
    "kind": "change_merged",
    "verdict": "accepted",
    "actor": "ada",
}
EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "assay.outcome.v1", "time": AT, "data": RESULT}

#: What systems send, in which every text that they could send stands somewhere.
SAMPLES: dict[str, tuple[Decode, Any]] = {
    "merge": (github.decode, json.loads(merged(user=ADA, milestone={"title": "m"}, additions=3))),
    "revert": (github.decode, json.loads(merged(14, user=ADA, title='Revert "x"', body="Reverts #12\n"))),
    "reopened": (github.decode, json.loads(webhook(action="reopened", number=1, pull_request=pull(user=ADA), sender=ADA))),
    "review": (github.decode, json.loads(webhook(action="submitted", review=REVIEW, pull_request=pull(), sender=ADA))),
    "deployment": (github.decode, json.loads(webhook(action="created", deployment_status={"state": "success", "created_at": AT, "environment": "e", "target_url": "https://x"}, deployment=DEPLOYMENT, sender=ADA))),
    "check": (github.decode, json.loads(webhook(action="completed", check_run={"id": 8, "name": "evals", "conclusion": "success", "head_sha": "0123456789abcdef", "started_at": AT, "completed_at": AT, "details_url": "https://x", "check_suite": {"head_branch": "b"}, "output": {"title": "t", "summary": "s", "text": "t"}}, sender=ADA))),
    "issue": (github.decode, json.loads(issue("opened", issue={"body": "b", "user": ADA}))),
    "push": (github.decode, json.loads(push({"message": "x (#12)\n\nAssay-Run: run-1", "distinct": True, "committer": {"username": "web-flow", "email": "a@x"}, "author": {"name": "Ada"}}))),
    "row": (github.decode, {**pull(user=ADA, state="closed", closed_at=AT, body="b"), "base": {"ref": "main", "repo": {"full_name": "Acme/Shop"}}}),
    "ticket": (jira.decode, TICKET),
    "jira": (jira.decode, {"timestamp": 1_767_571_200_000, "webhookEvent": "jira:issue_updated", "user": {"accountId": "bob", "displayName": "Bob"}, "issue": TICKET, "changelog": {"items": [{"field": "status", "fieldId": "status", "fromString": "x", "toString": "y"}]}}),
    "linear": (linear.decode, {"type": "Issue", "action": "create", "actor": {"id": "bob", "name": "Bob", "email": "b@x", "type": "user"}, "createdAt": AT, "data": ISSUE, "url": "https://x"}),
    "incident": (pagerduty.decode, INCIDENT),
    "pagerduty": (pagerduty.decode, {"event": {"id": "e", "event_type": "incident.resolved", "occurred_at": AT, "agent": {"id": "PADA", "type": "user_reference", "summary": "Ada"}, "client": {"name": "n"}, "data": INCIDENT}}),
    "call": (cloudevents.decode, CALL),
    "event": (cloudevents.decode, EVENT),
}  # fmt: skip

Path = tuple[str | int, ...]


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where anything stands in a document."""
    if path:
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, it in members:
        yield from paths(it, (*path, name))


def replaced(document: Any, path: Path, value: Any) -> Any:
    document = copy.deepcopy(document)
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return document


def at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def booked(decoded: Decoded) -> Booked:
    return Booker(Pseudonyms(KEY)).book(decoded.items, Binding())


# --------------------------------------------------------------------------------------------------------------- canary

CANARY = "canary@birds"
#: Whatever its name: where a thing is looked up, what identifies it, and whose it is.
DECLARED = {
    "merge": {"repository.full_name"},
    "revert": {"repository.full_name"},
    "reopened": {"repository.full_name"},
    "review": {"repository.full_name", "review.id"},
    "deployment": {"repository.full_name", "deployment.id", "deployment.sha"},
    "check": {"repository.full_name", "check_run.id", "check_run.head_sha"},
    "issue": {"repository.full_name"},
    "push": {"repository.full_name"},
    "row": {"base.repo.full_name"},
    "ticket": {"key"},
    "jira": {"issue.key"},
    "linear": {"data.id", "data.identifier", "data.team.name"},
    "incident": {"id", "teams.summary"},
    "pagerduty": {"event.data.id", "event.data.teams.summary"},
}  # fmt: skip


@pytest.mark.parametrize("name", DECLARED)
def test_of_all_that_is_sent_only_what_is_declared_passes(name: str) -> None:
    decode, document = SAMPLES[name]
    passing = set()
    for path in paths(document):
        if not isinstance(at(document, path), str | int):
            continue
        try:
            decoded = decode(
                json.dumps(replaced(document, path, f"{CANARY}/x#1" if path[-1] == "full_name" else CANARY)).encode(),
                Context(0),
            )
        except BadBody as error:
            assert CANARY not in error.detail  # noqa: PT017
            continue
        result = booked(decoded)
        assert CANARY not in "".join(it.detail for it in [*decoded.refused, *result.refused])
        if any(CANARY.encode() in it.value for it in result.outcomes):
            passing.add(".".join(step for step in path if isinstance(step, str)))
    assert passing == DECLARED[name]


@pytest.mark.parametrize("name", SAMPLES)
def test_members_that_nobody_knows_pass_nowhere(name: str) -> None:
    decode, document = SAMPLES[name]
    before = booked(decode(json.dumps(document).encode(), Context(0)))
    assert before.outcomes or before.usage
    for path in [(), *paths(document)]:
        holder = at(document, path)
        if not isinstance(holder, dict):
            continue
        more = {**holder, "canary": CANARY, "prompt": CANARY}
        decoded = decode(json.dumps(replaced(document, path, more) if path else more).encode(), Context(0))
        result = booked(decoded)
        assert CANARY not in "".join(it.detail for it in [*decoded.refused, *result.refused])
        native = decode is cloudevents.decode and path[-1:] == ("attributes",)
        assert native or not any(CANARY.encode() in it.value for it in [*result.outcomes, *result.usage])


SHARED = FilePath(__file__).parents[4] / "shared" / "payloads"
REAL = [
    *((github.decode, f"github_webhooks/{name}.payload.json") for name in ("pull_request/closed", "issues/opened", "issues/reopened")),
    (github.decode, "github_webhooks/deployment_status/payload.json"),
    (github.decode, "devlake/github/_raw_github_api_pull_requests.jsonl"),
    (github.decode, "devlake/github/_raw_github_api_issues.jsonl"),
    (jira.decode, "devlake/jira/_raw_jira_api_issues.jsonl"),
    (pagerduty.decode, "devlake/pagerduty/_raw_pagerduty_incidents.jsonl"),
]  # fmt: skip


@pytest.mark.parametrize(("decode", "path"), REAL, ids=[path for _, path in REAL])
def test_of_what_real_systems_send_nothing_else_passes(decode: Decode, path: str) -> None:
    if not (SHARED / path).exists():
        pytest.skip(f"the samples in {SHARED} are not there")
    records = booked(decode((SHARED / path).read_bytes(), Context(0))).outcomes
    assert records
    for record in records:
        said = json.loads(record.value)
        declared = {"outcome_id", "ref", "reverses"}  # hold the name of the repository, ticket or incident
        plain = {"source", "occurred_at", "kind", "verdict", "cycle_time_ms", "team", "attributes"}
        assert said.keys() <= declared | plain | {"actor"}
        assert re.fullmatch(r"pseudonym:[0-9a-f]{16}", said.get("actor", "pseudonym:0123456789abcdef"))
        assert said["attributes"].keys() <= {"additions", "deletions", "changed_files", "self_merged", "link"}
        assert said["team"] == "unattributed"


# ----------------------------------------------------------------------------------------------------------------- fuzz


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


HOSTILE = st.sampled_from([
    None, True, False, 0, -1, 1.5, 2**63, 2**64 - 1, 1e308, "", " ", "x" * 300, "\u0000", "\u202e", "\ud800", 10**40, "12", "-1", "1e999", AT, "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59", [], {}, [[]], [{}], {"name": {}}, [1, None, "x"], {"": ""},
]) | st.recursive(st.none() | st.text(max_size=5) | st.integers(), lambda it: st.lists(it, max_size=3) | st.dictionaries(st.text(max_size=5), it, max_size=3), max_leaves=8)  # fmt: skip
DECODERS: list[Decode] = [github.decode, jira.decode, linear.decode, pagerduty.decode, cloudevents.decode]


def checked(decode: Decode, body: bytes, context: Context, documents: int | None = None) -> None:
    try:
        decoded = decode(body, context)
    except BadBody:
        return
    places = {it.place for it in decoded.items} | {it.place for it in decoded.refused}
    if documents is not None:
        assert len(places) + decoded.skipped.total() == documents
    assert sum(decoded.links.values()) == sum("outcome_id" in it.fields or it.form == "outcome" for it in decoded.items)
    again = decode(body, context)
    assert [it.fields for it in again.items] == [it.fields for it in decoded.items]
    result = booked(decoded)
    assert len(result.usage) + len(result.outcomes) + len(result.refused) == len(decoded.items)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_a_document_with_hostile_values_is_read_or_refused(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(SAMPLES)))
    decode, document = SAMPLES[name]
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(paths(document))))
        document = replaced(document, path, data.draw(HOSTILE))
    checked(decode, json.dumps(document).encode(), Context(0), 1)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(DECODERS),
    st.binary(max_size=200) | st.lists(HOSTILE, max_size=4).map(dumped) | st.lists(HOSTILE, max_size=4).map(lambda them: b"\n".join(map(dumped, them))),
    st.dictionaries(st.sampled_from(["x-github-event", "ce-specversion", "ce-type", "ce_id", "ce-source", "ce-id", "ce-time"]), st.text(max_size=9) | st.sampled_from(["1.0", "pull_request", "push", "issues"])),
    st.sampled_from(["application/json", "application/x-www-form-urlencoded", "application/cloudevents+json", "application/cloudevents-batch+json", "application/x-ndjson", ""]),
)  # fmt: skip
def test_any_body_is_read_or_refused(decode: Decode, body: bytes, headers: dict[str, str], content_type: str) -> None:
    checked(decode, body, Context(0, content_type=content_type, headers=headers))


@pytest.mark.parametrize("name", SAMPLES)
def test_any_part_of_a_body_is_read_or_refused(name: str) -> None:
    decode, document = SAMPLES[name]
    body = json.dumps(document).encode()
    for end in range(0, len(body), 7):
        checked(decode, body[:end], Context(0))


def many(name: str) -> Callable[[int], bytes]:
    _, document = SAMPLES[name]
    return lambda size: b"[" + b",".join([json.dumps(document).encode()] * (size // len(json.dumps(document)))) + b"]"


BODIES: dict[str, tuple[Decode, Callable[[int], bytes]]] = {
    "reverts": (github.decode, lambda size: merged(14, body="".join(f"Reverts #{number}\n" for number in range(size // 12)))),
    "reverts elsewhere": (github.decode, lambda size: merged(14, body="Reverts " + "a-" * (size // 2))),
    "labels": (github.decode, lambda size: merged(labels=[{"name": f"assay-run:{number}"} for number in range(size // 25)])),
    "commits": (github.decode, lambda size: push(*[{"message": f"x (#{number})", "committer": {"username": "web-flow"}} for number in range(size // 60)])),
    "tickets": (jira.decode, many("ticket")),
    "events": (cloudevents.decode, many("event")),
    "calls": (cloudevents.decode, many("call")),
    "names": (cloudevents.decode, lambda size: json.dumps([{"event_id": "e", "inputtokens" * 5 + str(number): 1} for number in range(size // 80)]).encode()),
    "lines": (cloudevents.decode, lambda size: b"{}\n" * (size // 6)),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_large_bodies_cost_time_in_proportion(name: str) -> None:
    decode, make = BODIES[name]

    def cost(size: int) -> float:
        body = make(size)
        began = time.process_time()
        decode(body, Context(0))
        return time.process_time() - began

    small = min(cost(60_000) for _ in range(3))
    assert min(cost(480_000) for _ in range(2)) < 40 * max(small, 0.002)  # eight times as long; 64 if it were quadratic
