"""Pull requests and their reviews: what was merged, given up, taken up again, reverted or looked at."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from streams.core.outcomes import OutcomeKind
from streams.sources.contract import Skip
from streams.sources.github.payloads import Repository, Rules, label_names, linked, number_of, person, rule_labels
from streams.sources.json_bodies import identity, member, require
from streams.sources.linking import Clues
from streams.sources.outcome_items import Telling, moment, words
from streams.sources.readings import count, instant_ms

__all__ = ["is_revert", "pull_request", "pull_request_row", "review"]

#: "Reverts org/repo#12" or "Reverts #12", as GitHub's button writes it, or with the pull request's address.
_REVERTS: Final = re.compile(
    r"^[ \t]*Reverts[ \t]+(?:(?P<repository>[\w.-]+/[\w.-]+)?#(?P<number>\d{1,10})"
    r"|https?://[^/\s]+/(?P<linked>[\w.-]+/[\w.-]+)/pull/(?P<linked_number>\d{1,10}))\b",
    re.IGNORECASE | re.MULTILINE,
)
_REVERT_BRANCH: Final = re.compile(r"revert-(\d{1,10})-")
_REVERT_TITLE: Final = re.compile(r"Revert\b", re.IGNORECASE)
#: Pull requests that one may revert: more is a list of something else.
_MOST_REVERTED: Final = 20
_STATES: Final = frozenset({"approved", "changes_requested", "commented"})


def pull_request(payload: Mapping[str, Any], rules: Rules) -> Sequence[Telling] | Skip:
    """A webhook ``pull_request``: closed and merged, closed without, or opened again."""
    pull, sender = require(payload, "pull_request"), member(payload, "sender")
    action = payload.get("action")
    if action == "closed":
        return _closed(pull, Repository.of(payload), sender, rules)
    if action != "reopened":
        return Skip.IRRELEVANT
    repository, number = Repository.of(payload), number_of(pull)
    telling = Telling(
        repository.identity(number, "reopened"), OutcomeKind.CHANGE_CLOSED, "reversed",
        moment(pull, "updated_at", "pull_request.updated_at"), repository.ref(number),
        linked(repository, _clues(pull), rules), repository.identity(number, "closed"),
        actor=_actor(pull, sender, rules), labels=_labels(repository, pull),
    )  # fmt: skip
    return [telling]


def pull_request_row(pull: Mapping[str, Any], rules: Rules) -> Sequence[Telling] | Skip:
    """A pull request as the REST API lists it."""
    return Skip.IRRELEVANT if pull.get("state") == "open" else _closed(pull, Repository.of(pull), {}, rules)


def review(payload: Mapping[str, Any], rules: Rules) -> Sequence[Telling] | Skip:
    """A webhook ``pull_request_review``: somebody other than the author has looked at a change.

    A review names its run in its own text: whoever wrote the change is another run.
    """
    if payload.get("action") != "submitted":
        return Skip.IRRELEVANT
    said, pull = require(payload, "review"), require(payload, "pull_request")
    reviewer = member(said, "user")
    if reviewer.get("id") is not None and reviewer.get("id") == member(pull, "user").get("id"):
        return Skip.IRRELEVANT  # an answer of the author's, which GitHub files as a review
    repository, number = Repository.of(payload), number_of(pull)
    state = "".join(words(said.get("state")))
    telling = Telling(
        repository.identity(number, f"review:{identity(said, 'id', 'review.id')}"), OutcomeKind.REVIEW_SUBMITTED, "neutral",
        moment(said, "submitted_at", "review.submitted_at"), repository.ref(number),
        linked(repository, Clues(words(said.get("body"))), rules), actor=person(reviewer, rules),
        attributes={"state": state} if state in _STATES else {}, labels=_labels(repository, pull),
    )  # fmt: skip
    return [telling]


def is_revert(title: str) -> bool:
    """Whether a title says that the change undoes another."""
    return title.startswith('Revert "')


def _closed(
    pull: Mapping[str, Any], repository: Repository, sender: Mapping[str, Any], rules: Rules
) -> Sequence[Telling]:  # fmt: skip
    number = number_of(pull)
    title = "".join(words(pull.get("title")))
    reverted = _reverted(pull, repository, number, title)
    is_undoing = bool(reverted) or is_revert(title)
    closed = Telling(
        repository.identity(number, "closed"), OutcomeKind.CHANGE_CLOSED, "neutral" if is_undoing else "rejected", 0,
        repository.ref(number), linked(repository, _clues(pull), rules),
        began_ms=instant_ms(pull.get("created_at"), "pull_request.created_at"), actor=_actor(pull, sender, rules),
        attributes=_attributes(pull), labels=_labels(repository, pull),
    )  # fmt: skip
    if not (pull.get("merged") or pull.get("merged_at")):
        return [closed._replace(at_ms=moment(pull, "closed_at", "pull_request.closed_at"))]
    at_ms = instant_ms(pull.get("merged_at"), "pull_request.merged_at")
    merged = closed._replace(
        outcome_id=repository.identity(number, "merged"), kind=OutcomeKind.CHANGE_MERGED, verdict="accepted",
        at_ms=moment(pull, "closed_at", "pull_request.closed_at") if at_ms is None else at_ms,
    )  # fmt: skip
    if not is_undoing:
        return [merged]
    undoing = merged._replace(kind=OutcomeKind.CHANGE_REVERTED, verdict="reversed", began_ms=None)
    if not reverted:
        return [undoing]
    # Under the identity of its merge comes the first, so that reverting this one again reinstates that.
    return [
        undoing._replace(
            outcome_id=undoing.outcome_id if place == 0 else f"{undoing.outcome_id}:reverts:{other}",
            reverses=repository.identity(other, "merged"),
        )
        for place, other in enumerate(reverted)
    ]


def _reverted(pull: Mapping[str, Any], repository: Repository, number: int, title: str) -> list[int]:
    """The pull requests of the same repository that one undoes, as its body says, or else its branch."""
    found: list[int] = []
    body = pull.get("body")
    for match in _REVERTS.finditer(body) if isinstance(body, str) else ():
        named = match["repository"] or match["linked"] or repository.name
        other = int(match["number"] or match["linked_number"])
        if named.lower() == repository.name.lower() and other not in (number, *found):
            found.append(other)
        if len(found) == _MOST_REVERTED:
            break
    if not found and _REVERT_TITLE.match(title):
        branch = _REVERT_BRANCH.match("".join(words(member(pull, "head").get("ref"))))
        found = [int(branch[1])] if branch is not None and int(branch[1]) != number else []
    return found


def _clues(pull: Mapping[str, Any]) -> Clues:
    branch = member(pull, "head").get("ref")
    return Clues(words(pull.get("body")), label_names(pull), branch if isinstance(branch, str) else None)


def _actor(pull: Mapping[str, Any], sender: Mapping[str, Any], rules: Rules) -> str | None:
    """Whose work it is: the author's, or of a program's change whoever decided on it."""
    return person(member(pull, "user"), rules) or person(sender, rules)


def _attributes(pull: Mapping[str, Any]) -> dict[str, str]:
    """What tells how big a change is and who merged it, under the names that detectors go by."""
    sizes = {name: count(pull.get(name), name) for name in ("additions", "deletions", "changed_files")}
    attributes = {name: str(size) for name, size in sizes.items() if size is not None}
    author, merger = member(pull, "user").get("id"), member(pull, "merged_by").get("id")
    if author is not None and merger is not None:
        attributes["self_merged"] = "true" if author == merger else "false"
    return attributes


def _labels(repository: Repository, pull: Mapping[str, Any]) -> dict[str, str]:
    return rule_labels(repository, base=member(pull, "base").get("ref"), branch=member(pull, "head").get("ref"))
