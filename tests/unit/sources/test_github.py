"""What GitHub's webhooks and lists become, and what the worker makes of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from streams.core.outcomes import JoinResult
from streams.core.pseudonyms import Pseudonyms
from streams.core.reasons import Reason
from streams.sources import github
from streams.sources.booking import Binding, Booker, Rule
from streams.sources.contract import BadBody, Context, Decoded, Item, Skip
from streams.sources.linking import DEFAULT, branch_pattern
from tests.engine_runs import DAY, HOUR, KEY, MINUTE, MONDAY, EngineRun, usage
from tests.unit.sources.forge_payloads import ADA, BOB, BOT, REPOSITORY, issue, merged, pull, push, webhook

SHARED = Path(__file__).parents[4] / "shared" / "payloads"
HALF_PAST_NINE = MONDAY + 9 * HOUR + 30 * MINUTE
HALF_PAST_ELEVEN = MONDAY + 11 * HOUR + 30 * MINUTE


def decode(body: bytes, event: str | None = None, **more: Any) -> Decoded:
    headers = {} if event is None else {"x-github-event": event, "x-github-delivery": "a-guid"}
    return github.decode(body, Context(0, headers=headers, **more))


def only(decoded: Decoded) -> Item:
    assert (decoded.refused, decoded.skipped) == ([], {})
    (item,) = decoded.items
    return item


def told(body: bytes, event: str | None = None) -> dict[str, Any]:
    return only(decode(body, event)).fields


def shared(path: str) -> bytes:
    file = SHARED / path
    if not file.exists():
        pytest.skip(f"the samples in {SHARED} are not there")
    return file.read_bytes()


# ------------------------------------------------------------------------------------------------------- pull requests


def test_a_merge_is_an_accepted_change() -> None:
    item = only(decode(merged(additions=30, deletions=12, changed_files=3), "pull_request"))
    assert item.fields == {
        "outcome_id": "acme/shop#12:merged",
        "source": "github",
        "occurred_at": HALF_PAST_ELEVEN,
        "kind": "change_merged",
        "verdict": "accepted",
        "ref": "Acme/Shop#12",
        "cycle_time_ms": 2 * HOUR,
        "actor": "ada",
        "attributes": {
            "additions": "30", "deletions": "12", "changed_files": "3", "self_merged": "false", "link": "unnamed"
        },
    }  # fmt: skip
    assert item.labels == {
        "repository": "Acme/Shop", "owner": "Acme", "repository_name": "Shop", "base": "main", "branch": "charge-once"
    }  # fmt: skip


def test_a_pull_request_closed_unmerged_is_a_rejected_change() -> None:
    closed = webhook(
        action="closed", number=12, pull_request=pull(state="closed", closed_at="2026-01-05T11:30:00Z"), sender=ADA
    )
    fields = told(closed, "pull_request")
    assert (fields["kind"], fields["verdict"], fields["outcome_id"]) == (
        "change_closed",
        "rejected",
        "acme/shop#12:closed",
    )
    assert (fields["occurred_at"], fields["cycle_time_ms"]) == (HALF_PAST_ELEVEN, 2 * HOUR)


def test_force_merged_without_review_says_that_nobody_else_merged_it() -> None:
    assert told(merged(merged_by=ADA))["attributes"]["self_merged"] == "true"
    assert told(merged(merged_by=BOB))["attributes"]["self_merged"] == "false"
    assert "self_merged" not in told(merged(merged_by=None))["attributes"]


def test_opened_again_takes_back_the_rejection() -> None:
    fields = told(webhook(action="reopened", number=12, pull_request=pull(), sender=BOB), "pull_request")
    assert (fields["verdict"], fields["reverses"]) == ("reversed", "acme/shop#12:closed")
    assert fields["occurred_at"] == HALF_PAST_ELEVEN


@pytest.mark.parametrize(
    "action", ["opened", "synchronize", "edited", "labeled", "ready_for_review", 7, None, ["closed"]]
)
def test_what_else_happens_to_pull_requests_is_no_outcome(action: object) -> None:
    assert decode(webhook(action=action, number=12, pull_request=pull()), "pull_request").skipped == {
        Skip.IRRELEVANT: 1
    }


@pytest.mark.parametrize(("author", "merger", "actor"), [
    (ADA, BOB, "ada"), (BOT, BOB, "bob"), (BOT, BOT, None), ({**ADA, "type": "Organization"}, BOT, None),
    ({"login": "old-bot[bot]"}, {}, None), ({}, {}, None), ({"login": 7}, {"login": ""}, None),
])  # fmt: skip
def test_the_actor_is_a_person(author: dict[str, Any], merger: dict[str, Any], actor: str | None) -> None:
    body = json.loads(merged(user=author))
    assert told(json.dumps({**body, "sender": merger}).encode()).get("actor") == actor


def test_service_accounts_can_be_declared() -> None:
    own = github.GitHub(service_accounts=("ci-*", "ADA"))
    (item,) = github.decode(merged(), Context(0), own).items
    assert item.fields["actor"] == "bob"


@pytest.mark.parametrize(("fields", "how", "run", "workflow"), [
    ({"body": "Why.\r\n\r\nAssay-Run: run-1\r\n"}, "trailer", "run-1", None),
    ({"body": "<!-- assay:run=run-1 workflow=review -->"}, "marker", "run-1", "review"),
    ({"labels": [{"name": "assay-run:run-1"}, {"name": "workflow:review"}]}, "label", "run-1", "review"),
    ({"head": {"ref": "assay/review/run-1"}}, "branch", "run-1", "review"),
    ({"labels": [{"name": "workflow:review"}]}, "workflow", None, "review"),
    ({"body": None, "labels": None, "head": None}, "unnamed", None, None),
    ({"body": 7, "labels": [7, {"name": 7}], "head": {"ref": 7}}, "unnamed", None, None),
])  # fmt: skip
def test_a_change_names_its_run(fields: dict[str, Any], how: str, run: str | None, workflow: str | None) -> None:
    decoded = decode(merged(**fields))
    item = only(decoded)
    assert (item.fields.get("run_id"), item.fields.get("workflow")) == (run, workflow)
    assert (item.fields["attributes"]["link"], decoded.links) == (how, {how: 1})


def test_the_receiver_may_have_names_of_its_own() -> None:
    own = DEFAULT._replace(branches=(branch_pattern(r"bots/(?P<run>.+)"),))
    (item,) = github.decode(merged(head={"ref": "bots/run-1"}), Context(0, linking=own)).items
    assert (item.fields["run_id"], item.fields["attributes"]["link"]) == ("run-1", "branch")


def test_an_organisation_may_name_the_team_in_the_repositorys_properties() -> None:
    properties = {"custom_properties": {"team": "payments", "workflow": "review", "tier": ["1"]}}
    body = json.loads(merged())
    fields = told(json.dumps({**body, "repository": {**REPOSITORY, **properties}}).encode())
    assert (fields["team"], fields["workflow"], fields["attributes"]["link"]) == ("payments", "review", "workflow")


# -------------------------------------------------------------------------------------------------------------- reverts


def reverting(number: int, other: int, **fields: Any) -> bytes:
    """As GitHub's button makes it."""
    said = {
        "title": 'Revert "Charge once"',
        "body": f"Reverts Acme/Shop#{other}",
        "head": {"ref": f"revert-{other}-charge"},
    }
    return merged(number, **{**said, **fields})


@pytest.mark.parametrize(("fields", "reverses"), [
    ({}, ["acme/shop#12:merged"]),
    ({"title": "Undo it", "body": "Reverts #12\r\n\r\nIt charged twice.", "head": {}}, ["acme/shop#12:merged"]),
    ({"body": "reverts https://github.com/acme/SHOP/pull/12", "head": {}}, ["acme/shop#12:merged"]),
    ({"body": None}, ["acme/shop#12:merged"]),  # the branch
    ({"body": "Reverts #11\nReverts #12\nReverts #11\nReverts #14"}, ["acme/shop#11:merged", "acme/shop#12:merged"]),
    # Undoes something, and does not say what: by commit, in another repository, itself.
    ({"body": "This reverts commit 1234567.", "head": {"ref": "undo"}}, [None]),
    ({"body": "Reverts other/shop#12", "head": {"ref": "undo"}}, [None]),
    ({"body": "Reverts #14", "head": {"ref": "revert-14-x"}}, [None]),
])  # fmt: skip
def test_a_merged_revert_undoes_the_merge(fields: dict[str, Any], reverses: list[str | None]) -> None:
    items = decode(reverting(14, 12, **fields)).items
    assert [item.fields.get("reverses") for item in items] == reverses
    assert {(item.fields["kind"], item.fields["verdict"]) for item in items} == {("change_reverted", "reversed")}
    assert items[0].fields["outcome_id"] == "acme/shop#14:merged"
    assert len({item.fields["outcome_id"] for item in items}) == len(items)
    assert not any("cycle_time_ms" in item.fields for item in items)


@pytest.mark.parametrize("fields", [
    {"title": "Prices of 2024", "body": "", "head": {"ref": "revert-2024-prices"}},
    {"title": "Reverting is hard", "body": "It was said that it Reverts #12", "head": {}},
    {"title": 'Reapply "Charge once"', "body": "This reverts commit 1234567.", "head": {}},
])  # fmt: skip
def test_a_change_that_only_looks_like_a_revert_is_a_change(fields: dict[str, Any]) -> None:
    assert told(merged(14, **fields))["kind"] == "change_merged"


def test_a_revert_that_is_given_up_rejects_nobodys_work() -> None:
    body = json.loads(reverting(14, 12))
    body["pull_request"] |= {"merged": False, "merged_at": None}
    fields = told(json.dumps(body).encode())
    assert (fields["kind"], fields["verdict"]) == ("change_closed", "neutral")


def counted(*bodies: bytes) -> EngineRun:
    """What the worker makes of webhooks in this order; a run of the team's began at nine."""
    run = EngineRun()
    run.feed(usage("u", MONDAY + 9 * HOUR, run_id="run-1", cost_micro_usd=5_000_000))
    booker = Booker(Pseudonyms(KEY))
    for body in bodies:
        booked = booker.book(decode(body).items, Binding(team="payments"))
        run.feed_outcomes(*[record.value for record in booked.outcomes])
    run.finish()
    return run


def verdicts(run: EngineRun) -> tuple[int, int, int]:
    days = [
        kpi
        for (team, workflow, size, _), kpi in run.latest.items()
        if (team, workflow, size) == ("payments", None, DAY)
    ]
    return sum(it.accepted for it in days), sum(it.rejected for it in days), sum(it.reversed for it in days)


FIRST = merged(12, body="Assay-Run: run-1")
UNDO = reverting(14, 12, at="2026-01-05T12:30:00Z")
REDO = reverting(16, 14, at="2026-01-05T13:30:00Z", title='Revert "Revert "Charge once""')
CLOSED = webhook(action="closed", number=12, pull_request=pull(state="closed", closed_at="2026-01-05T11:00:00Z"))
REOPENED = webhook(action="reopened", number=12, pull_request=pull(updated_at="2026-01-05T11:10:00Z"))


@pytest.mark.parametrize(("bodies", "expected"), [
    ([FIRST], (1, 0, 0)),
    ([FIRST, FIRST, FIRST], (1, 0, 0)),  # delivered again, and by the organisation's hook beside the repository's
    ([FIRST, UNDO], (0, 0, 1)),
    ([UNDO, FIRST], (0, 0, 1)),  # the revert comes in first
    ([FIRST, UNDO, UNDO], (0, 0, 1)),
    ([FIRST, UNDO, REDO], (1, 0, 0)),
    ([REDO, UNDO, FIRST], (1, 0, 0)),
    ([UNDO, FIRST, REDO, UNDO], (1, 0, 0)),
    ([CLOSED], (0, 1, 0)),
    ([CLOSED, REOPENED], (0, 0, 0)),
    ([CLOSED, REOPENED, FIRST], (1, 0, 0)),
    ([FIRST, REOPENED, CLOSED], (1, 0, 0)),
])  # fmt: skip
def test_what_the_worker_counts_in_the_end(bodies: Sequence[bytes], expected: tuple[int, int, int]) -> None:
    assert verdicts(counted(*bodies)) == expected


def test_a_named_run_is_joined() -> None:
    run = counted(FIRST, merged(13))
    assert run.joins == {JoinResult.RUN: 1, JoinResult.TEAM: 1}


# --------------------------------------------------------------------------------------------------------------- pushes


def commit(message: str, by: str = "web-flow", **fields: Any) -> dict[str, Any]:
    return {"id": "1" * 40, "distinct": True, "message": message, "committer": {"username": by}, **fields}


SQUASHED = "Charge once (#12)\n\n* first\n\nAssay-Run: run-1\n"


def test_a_push_tells_a_merge_again_with_the_run_that_its_commits_name() -> None:
    fields = told(push(commit(SQUASHED)), "push")
    assert (fields["source"], fields["ref"], fields["run_id"]) == ("github-push", "Acme/Shop#12", "run-1")
    assert (fields["kind"], fields["verdict"]) == ("change_merged", "accepted")
    assert fields["occurred_at"] == HALF_PAST_ELEVEN  # pushed_at
    run = counted(merged(12), push(commit(SQUASHED)))
    assert verdicts(run) == (1, 0, 0)
    assert run.joins[JoinResult.SAME_OUTCOME] == run.joins[JoinResult.RUN_LATER] == 1
    assert verdicts(counted(push(commit(SQUASHED)), merged(12), UNDO)) == (0, 0, 1)


def test_a_merge_commit_owns_what_came_with_it() -> None:
    merge = commit("Merge pull request #12 from acme/charge-once\n\nCharge once")
    assert told(push(commit("Do it\n\nAssay-Run: run-1", by="ada"), merge))["run_id"] == "run-1"
    other = commit("Merge pull request #13 from acme/more")
    assert decode(push(commit("Assay-Run: run-1", by="ada"), merge, other)).skipped == {Skip.IRRELEVANT: 1}


def test_a_queue_lands_several() -> None:
    items = decode(push(commit(SQUASHED), commit("More (#13)\n\nAssay-Run: run-2"))).items
    assert [(item.fields["ref"], item.fields["run_id"]) for item in items] == [
        ("Acme/Shop#12", "run-1"),
        ("Acme/Shop#13", "run-2"),
    ]


@pytest.mark.parametrize("body", [
    push(commit("Charge once (#12)")),
    push(commit(SQUASHED), ref="refs/heads/release"),
    push(commit(SQUASHED), ref="refs/tags/main"),
    push(commit(SQUASHED, by="ada")),  # picked by hand: another branch may have it already
    push(commit(SQUASHED, distinct=False)),
    push(commit('Revert "Charge once (#12)" (#14)\n\nAssay-Run: run-1')),
    push(commit("Charge once\n\nAssay-Run: run-1")),
    push(),
    push({"message": 7, "committer": "web-flow"}),
])  # fmt: skip
def test_other_pushes_tell_nothing(body: bytes) -> None:
    assert decode(body, "push").skipped == {Skip.IRRELEVANT: 1}


# ------------------------------------------------------------------------------------------- reviews, deployments, issues


def reviewed(user: dict[str, Any] = BOB, action: str = "submitted", **fields: Any) -> bytes:
    said = {"id": 99, "user": user, "state": "approved", "submitted_at": "2026-01-05T11:30:00Z", "body": None, **fields}
    return webhook(
        action=action,
        review=said,
        pull_request=pull(body="Assay-Run: the-authors", labels=[{"name": "workflow:code"}]),
        sender=user,
    )


def test_a_review_is_neutral_and_names_its_own_run() -> None:
    fields = told(reviewed(body="Fine.\n\n<!-- assay:run=review-1 -->"), "pull_request_review")
    assert fields == {
        "outcome_id": "acme/shop#12:review:99", "source": "github", "occurred_at": HALF_PAST_ELEVEN, "kind": "review_submitted",
        "verdict": "neutral", "ref": "Acme/Shop#12", "actor": "bob", "run_id": "review-1",
        "attributes": {"state": "approved", "link": "marker"},
    }  # fmt: skip
    assert told(reviewed())["attributes"] == {"state": "approved", "link": "unnamed"}
    assert told(reviewed(state="odd"))["attributes"] == {"link": "unnamed"}
    assert "actor" not in told(reviewed(BOT))


def test_an_authors_answer_and_a_dismissal_are_no_reviews() -> None:
    assert decode(reviewed(ADA)).skipped == decode(reviewed(action="dismissed")).skipped == {Skip.IRRELEVANT: 1}


def deployed(state: object, **fields: Any) -> bytes:
    deployment = {
        "id": 5,
        "sha": "0123456789abcdef",
        "ref": "main",
        "environment": "production",
        "created_at": "2026-01-05T09:30:00Z",
        **fields,
    }
    status = {"state": state, "environment": "production", "created_at": "2026-01-05T11:30:00Z"}
    return webhook(action="created", deployment_status=status, deployment=deployment, sender=BOT)


@pytest.mark.parametrize(("state", "identity", "kind", "verdict"), [
    ("success", "succeeded", "deployment_succeeded", "accepted"),
    ("failure", "failed", "deployment_failed", "rejected"),
    ("error", "failed", "deployment_failed", "rejected"),
])  # fmt: skip
def test_a_deployment_succeeds_or_fails(state: str, identity: str, kind: str, verdict: str) -> None:
    item = only(decode(deployed(state), "deployment_status"))
    assert item.fields == {
        "outcome_id": f"acme/shop:deployment:5:{identity}", "source": "github", "occurred_at": HALF_PAST_ELEVEN, "kind": kind,
        "verdict": verdict, "ref": "Acme/Shop@0123456789ab", "cycle_time_ms": 2 * HOUR, "attributes": {"link": "unnamed"},
    }  # fmt: skip
    assert item.labels["environment"] == "production"


def test_a_deployment_names_its_run() -> None:
    assert told(deployed("success", payload={"assay-run": "run-1", "workflow": "deploys"}))["run_id"] == "run-1"
    assert told(deployed("success", ref="assay/deploys/run-1"))["workflow"] == "deploys"
    assert told(deployed("success", description="Assay-Run: run-1"))["run_id"] == "run-1"


@pytest.mark.parametrize(
    "body",
    [deployed("in_progress"), deployed("inactive"), deployed(7), deployed("success", transient_environment=True)],
)
def test_other_states_and_previews_are_no_deployments(body: bytes) -> None:
    assert decode(body).skipped == {Skip.IRRELEVANT: 1}


def checked(name: str = "evals", conclusion: object = "success", action: str = "completed", **fields: Any) -> bytes:
    run = {
        "id": 8, "name": name, "conclusion": conclusion, "head_sha": "0123456789abcdef", "started_at": "2026-01-05T09:30:00Z",
        "completed_at": "2026-01-05T11:30:00Z", "check_suite": {"head_branch": "assay/nightly/run-1"}, "output": {"summary": None}, **fields,
    }  # fmt: skip
    return webhook(action=action, check_run=run, sender=BOT)


def test_a_check_that_evaluates_passes_or_fails() -> None:
    item = only(decode(checked(), "check_run"))
    assert item.fields == {
        "outcome_id": "acme/shop:check:8", "source": "github", "occurred_at": HALF_PAST_ELEVEN, "kind": "eval_passed",
        "verdict": "accepted", "ref": "Acme/Shop@0123456789ab", "cycle_time_ms": 2 * HOUR, "run_id": "run-1",
        "workflow": "nightly", "attributes": {"link": "branch"},
    }  # fmt: skip
    assert item.labels["check"] == "evals"
    for conclusion in ("failure", "timed_out"):
        fields = told(checked(conclusion=conclusion))
        assert (fields["kind"], fields["verdict"]) == ("eval_failed", "rejected")
    assert told(checked(output={"text": "Assay-Run: run-2"}))["run_id"] == "run-2"
    own = github.GitHub(evaluations=("quality gate",))
    assert github.decode(checked("Quality Gate"), Context(0), own).items
    assert not github.decode(checked("evals"), Context(0), own).items


@pytest.mark.parametrize("body", [
    checked("retrieval tests"), checked("lint"), checked("Evals", "skipped"), checked("evals", "cancelled"), checked("evals", None),
    checked("evals", ["success"]), checked("evals", action="created"),
])  # fmt: skip
def test_other_checks_are_no_outcomes(body: bytes) -> None:
    assert decode(body).skipped == {Skip.IRRELEVANT: 1}


@pytest.mark.parametrize("body", [
    issue("opened"), issue("labeled", label={"name": "bug"}), issue("typed", issue={"labels": [], "type": {"name": "Bug"}}),
    issue("opened", issue={"labels": [{"name": "kind/bug"}]}), issue("opened", issue={"labels": [{"name": "Type: Defect"}]}),
])  # fmt: skip
def test_an_issue_with_a_defects_label_is_a_defect_since_it_was_opened(body: bytes) -> None:
    fields = told(body, "issues")
    assert fields == {
        "outcome_id": "acme/shop#7:defect", "source": "github", "occurred_at": MONDAY + 9 * HOUR, "kind": "defect_reported",
        "verdict": "neutral", "ref": "Acme/Shop#7", "actor": "ada", "attributes": {"link": "unnamed"},
    }  # fmt: skip


@pytest.mark.parametrize("body", [
    issue("opened", issue={"labels": []}), issue("opened", issue={"labels": [{"name": "not a bug"}]}), issue("edited"),
    issue("unlabeled", label={"name": "bug"}, issue={"labels": [{"name": "regression"}]}),
    issue("labeled", label={"name": "urgent"}), issue("unlabeled", label={"name": "urgent"}),
    issue("closed", issue={"closed_at": "2026-01-05T12:00:00Z", "state_reason": "completed"}),
    issue("closed", issue={"closed_at": "2026-01-05T12:00:00Z", "labels": []}), issue("reopened", issue={"labels": []}),
    issue("deleted"), issue("assigned"),
])  # fmt: skip
def test_what_else_happens_to_issues_is_no_outcome(body: bytes) -> None:
    assert decode(body, "issues").skipped == {Skip.IRRELEVANT: 1}


@pytest.mark.parametrize(("body", "what"), [
    (issue("closed", issue={"closed_at": "2026-01-05T12:00:00Z", "state_reason": "not_planned"}), "resolved"),
    (issue("closed", issue={"closed_at": "2026-01-05T12:00:00Z", "state_reason": "duplicate"}), "resolved"),
    (issue("unlabeled", label={"name": "bug"}, issue={"labels": []}), "no-defect"),
])  # fmt: skip
def test_a_defect_that_was_none_is_taken_back(body: bytes, what: str) -> None:
    fields = told(body, "issues")
    assert (fields["outcome_id"], fields["reverses"]) == (f"acme/shop#7:{what}", "acme/shop#7:defect")
    assert (fields["kind"], fields["verdict"], fields["occurred_at"]) == (
        "ticket_resolved",
        "reversed",
        MONDAY + 12 * HOUR,
    )

    def defects(*bodies: bytes) -> int:
        return sum(
            kpi.defects
            for (_, workflow, size, _), kpi in counted(*bodies).latest.items()
            if (workflow, size) == (None, DAY)
        )

    assert (defects(issue("opened")), defects(issue("opened"), body), defects(body, issue("opened"))) == (1, 0, 0)
    if what == "resolved":
        assert defects(issue("opened"), body, issue("reopened")) == 1


def test_an_issue_that_names_a_workflow_is_a_ticket() -> None:
    ticket = {"labels": [{"name": "workflow:triage"}], "closed_at": "2026-01-05T12:00:00Z"}
    fields = told(issue("closed", issue=ticket), "issues")
    assert (fields["kind"], fields["verdict"], fields["workflow"]) == ("ticket_resolved", "accepted", "triage")
    assert (fields["cycle_time_ms"], fields["actor"]) == (3 * HOUR, "bob")
    again = told(issue("reopened", issue=ticket), "issues")
    assert (again["kind"], again["verdict"], again["reverses"]) == ("ticket_reopened", "reversed", fields["outcome_id"])
    declined = told(issue("closed", issue={**ticket, "state_reason": "not_planned"}), "issues")
    assert (declined["kind"], declined["verdict"]) == ("ticket_resolved", "neutral")


# ---------------------------------------------------------------------------------------------------------------- bodies


def test_a_form_holds_the_same() -> None:
    form = urlencode({"payload": merged().decode()}).encode()
    assert decode(form, "pull_request", content_type="application/x-www-form-urlencoded; charset=utf-8") == decode(
        merged(), "pull_request"
    )


@pytest.mark.parametrize(("form", "reason"), [
    (b"other=1", Reason.MISSING_FIELD), (b"payload=", Reason.MISSING_FIELD), (b"&".join([b"a=1"] * 9), Reason.WRONG_TYPE),
    (b"\xff=1", Reason.WRONG_TYPE), (b"payload=not+json", Reason.INVALID_JSON),
])  # fmt: skip
def test_a_form_without_a_webhook_is_refused(form: bytes, reason: Reason) -> None:
    with pytest.raises(BadBody) as raised:
        decode(form, content_type="application/x-www-form-urlencoded")
    assert raised.value.reason is reason


@pytest.mark.parametrize(("event", "skip"), [
    ("ping", Skip.IRRELEVANT), ("check_suite", Skip.IRRELEVANT), ("workflow_run", Skip.IRRELEVANT), ("issue_comment", Skip.IRRELEVANT),
    ("something_new", Skip.UNKNOWN), (None, Skip.UNKNOWN),
])  # fmt: skip
def test_other_events_are_passed_over_and_counted(event: str | None, skip: Skip) -> None:
    assert decode(webhook(zen="Keep it logically awesome."), event).skipped == {skip: 1}


@pytest.mark.parametrize(("body", "field"), [
    (webhook(action="closed", number=12), "pull_request"),
    (webhook(action="closed", number=12, pull_request=[]), "pull_request"),
    (merged(number=None), "number"),
    (merged(number=1.5), "number"),
    (merged(merged_at=None, closed_at=None), "pull_request.closed_at"),
    (merged(merged_at="yesterday"), "pull_request.merged_at"),
    (merged(additions=-1), "additions"),
    (json.dumps({"action": "closed", "number": 1, "pull_request": pull()}).encode(), "repository.full_name"),
    (json.dumps({"action": "closed", "number": 1, "pull_request": pull(), "repository": {"full_name": 7}}).encode(), "repository.full_name"),
])  # fmt: skip
def test_a_webhook_that_is_broken_is_refused_with_the_field(body: bytes, field: str) -> None:
    decoded = decode(body, "pull_request")
    assert (decoded.items, decoded.skipped) == ([], {})
    (refused,) = decoded.refused
    assert refused.detail.startswith(f"field {field} ")


def test_a_rule_finds_the_team_by_the_repository() -> None:
    booked = Booker(Pseudonyms(KEY)).book(
        decode(merged()).items, Binding(rules=(Rule("repository", "Acme/*", team="shop"),))
    )
    (record,) = booked.outcomes
    assert record.key == b"shop"


# --------------------------------------------------------------------------------------------------------- real samples


@pytest.mark.parametrize(("path", "outcomes", "skipped"), [
    ("pull_request/closed", [("codertocat/hello-world#2:closed", 1_557_933_678_000, "change_closed", "rejected", 45_000)], None),
    ("pull_request/opened", [], Skip.IRRELEVANT),
    ("pull_request_review/submitted", [], Skip.IRRELEVANT),  # the author's own
    ("deployment_status/payload", [("codertocat/hello-world:deployment:145988746:succeeded", 1_557_933_655_000, "deployment_succeeded", "accepted", 2_000)], None),
    ("deployment/payload", [], Skip.IRRELEVANT),
    ("issues/opened", [("codertocat/hello-world#1:defect", 1_557_933_618_000, "defect_reported", "neutral", None)], None),
    ("issues/labeled", [("codertocat/hello-world#1:defect", 1_557_933_618_000, "defect_reported", "neutral", None)], None),
    ("issues/reopened", [("codertocat/hello-world#1:reopened", 1_633_970_456_000, "ticket_reopened", "reversed", None)], None),
    ("issues/edited", [], Skip.IRRELEVANT),
    ("check_run/completed", [], Skip.IRRELEVANT),
    ("check_run/created", [], Skip.IRRELEVANT),
    ("check_run/requested_action", [], Skip.IRRELEVANT),
    ("workflow_run/completed", [], Skip.IRRELEVANT),
    ("push/1", [], Skip.IRRELEVANT),
    ("push/payload", [], Skip.IRRELEVANT),
    ("push/with-new-branch", [], Skip.IRRELEVANT),
])  # fmt: skip
def test_github_s_own_examples(path: str, outcomes: list[tuple[Any, ...]], skipped: Skip | None) -> None:
    body = shared(
        f"github_webhooks/{path}.payload.json"
        if path.count("/") and not path.endswith("/payload")
        else f"github_webhooks/{path}.json"
    )
    decoded = decode(body, path.partition("/")[0])
    names = ("outcome_id", "occurred_at", "kind", "verdict", "cycle_time_ms")
    assert [tuple(item.fields.get(name) for name in names) for item in decoded.items] == outcomes
    assert (decoded.refused, decoded.skipped) == ([], {skipped: 1} if skipped else {})


def test_pull_requests_as_the_api_lists_them() -> None:
    decoded = decode(shared("devlake/github/_raw_github_api_pull_requests.jsonl"))
    assert decoded.skipped == {Skip.IRRELEVANT: 3}  # open: 158, 176, 211
    found = {item.fields["ref"]: item.fields for item in decoded.items}
    closed = {f"panjf2000/ants#{number}" for number in (9, 54, 131, 139, 193)}
    assert {ref for ref, fields in found.items() if fields["verdict"] == "rejected"} == closed
    assert len(decoded.items) == 23
    assert len(found) == 22  # number 4 is listed twice
    assert found["panjf2000/ants#4"]["occurred_at"] == 1_532_572_361_000  # 2018-07-26T02:32:41Z
    assert found["panjf2000/ants#4"]["cycle_time_ms"] == (18 * 3600 + 13 * 60 + 11) * 1000


def test_issues_as_the_api_lists_them() -> None:
    decoded = decode(shared("devlake/github/_raw_github_api_issues.jsonl"))
    assert decoded.skipped == {Skip.REPEATED: 9, Skip.IRRELEVANT: 12}
    assert [item.fields["outcome_id"] for item in decoded.items] == ["panjf2000/ants#7:defect"]


def test_a_repository_of_a_name_that_none_has_is_refused() -> None:
    # Each outcome of a push has the name several times, and a push may hold thousands.
    decoded = decode(
        webhook(pull_request=pull(), number=7, action="closed", repository={"full_name": "a/" + "b" * 199})
    )
    assert decoded.items == []
    assert [each.reason for each in decoded.refused] == [Reason.TOO_LONG]
