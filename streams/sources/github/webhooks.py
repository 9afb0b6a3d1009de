"""The decoder: which of GitHub's events a body is, by header or by what it holds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from streams.sources.contract import Context, Decoded, Skip
from streams.sources.github.changes import pull_request, pull_request_row, review
from streams.sources.github.checks import check_run
from streams.sources.github.deployments import deployment_status
from streams.sources.github.issues import issue, issue_row
from streams.sources.github.payloads import DEFAULT, SOURCE, GitHub, Rules
from streams.sources.github.pushes import push
from streams.sources.json_bodies import form_payload
from streams.sources.outcome_items import Telling, decoded

__all__ = ["decode"]

_Reader = Callable[[Mapping[str, Any], Rules], Sequence[Telling] | Skip]
_READERS: Final[Mapping[str, _Reader]] = {
    "pull_request": pull_request,
    "pull_request_review": review,
    "deployment_status": deployment_status,
    "check_run": check_run,
    "issues": issue,
    "push": push,
}
#: What GitHub sends besides, and what is no outcome: of a workflow its checks tell, of a deployment its status.
_IRRELEVANT: Final = frozenset(
    {
        "branch_protection_rule", "check_suite", "code_scanning_alert", "commit_comment", "create", "delete",
        "dependabot_alert", "deployment", "deployment_protection_rule", "deployment_review", "discussion",
        "discussion_comment", "fork", "gollum", "installation", "installation_repositories", "issue_comment", "label",
        "member", "membership", "merge_group", "meta", "milestone", "organization", "package", "page_build", "ping",
        "projects_v2", "projects_v2_item", "public", "pull_request_review_comment", "pull_request_review_thread",
        "registry_package", "release", "repository", "repository_dispatch", "secret_scanning_alert", "star", "status",
        "sub_issues", "team", "team_add", "watch", "workflow_dispatch", "workflow_job", "workflow_run",
    }
)  # fmt: skip


def decode(body: bytes, context: Context, github: GitHub = DEFAULT) -> Decoded:
    """Outcomes of webhooks, JSON or form, and of lists of pull requests and issues from the REST API.

    What a body is stands in the header ``X-GitHub-Event``; without it, as in a file, it is told by what it holds.
    """
    if context.content_type.startswith("application/x-www-form-urlencoded"):
        body = form_payload(body)
    rules = Rules(github, context.linking)
    event = context.headers.get("x-github-event")

    def read(payload: dict[str, Any]) -> Sequence[Telling] | Skip:
        if event in _IRRELEVANT:
            return Skip.IRRELEVANT
        reader = _READERS.get(event) if event else _reader_of(payload)
        return Skip.UNKNOWN if reader is None else reader(payload, rules)

    return decoded(body, SOURCE, read)


def _reader_of(payload: Mapping[str, Any]) -> _Reader | None:
    """Which event a body without a header is, by members that no other has; rows of the REST API have no action."""
    if "action" in payload or "ref" in payload:
        known = (name for name, members in _MEMBERS.items() if members <= payload.keys())
        return None if "comment" in payload else _READERS.get(next(known, ""))
    if {"number", "base", "head"} <= payload.keys():
        return pull_request_row
    return issue_row if {"number", "labels", "title"} <= payload.keys() else None


_MEMBERS: Final = {
    "pull_request_review": {"review", "pull_request"},
    "deployment_status": {"deployment_status", "deployment"},
    "pull_request": {"pull_request", "number"},
    "check_run": {"check_run", "repository"},
    "issues": {"issue", "repository"},
    "push": {"ref", "commits", "repository"},
}
