"""Pushes: the one payload of GitHub with the messages of commits, and so with trailers that name a run.

A merge is told by ``pull_request``; a push to the default branch tells it again, under a source of its own, with what its
commits name. The worker knows the two for one thing by team, kind, verdict, ref and time, and takes the run from
whichever names it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from streams.core.outcomes import OutcomeKind
from streams.sources.contract import Skip
from streams.sources.github.changes import is_revert
from streams.sources.github.payloads import Repository, Rules, linked, rule_labels
from streams.sources.json_bodies import member, members
from streams.sources.linking import Clues
from streams.sources.outcome_items import Telling, moment

__all__ = ["PUSHES", "push"]

#: The source of what pushes tell.
PUSHES: Final = "github-push"
#: Whoever merges by GitHub's button, queue or API: what people push themselves is not known to be a merge.
_MERGER: Final = "web-flow"
_SQUASHED: Final = re.compile(r"\(#(\d{1,10})\)\s*\Z")
_MERGED: Final = re.compile(r"Merge pull request #(\d{1,10}) from ")


def push(payload: Mapping[str, Any], rules: Rules) -> Sequence[Telling] | Skip:
    """A webhook ``push``: merges whose commits name a run."""
    about = member(payload, "repository")
    branch = about.get("default_branch")
    if not isinstance(branch, str) or payload.get("ref") != f"refs/heads/{branch}":
        return Skip.IRRELEVANT
    commits = [it for it in members(payload, "commits") if it.get("distinct") is not False]
    landed: dict[int, list[str]] = {}
    by_merge = False
    for commit in commits:
        message = commit.get("message")
        if not isinstance(message, str) or member(commit, "committer").get("username") != _MERGER:
            continue
        subject = message.partition("\n")[0]
        squashed, merged = _SQUASHED.search(subject), _MERGED.match(subject)
        if (squashed or merged) and not is_revert(subject):
            number = int((merged or squashed)[1])  # type: ignore[index]
            landed.setdefault(number, []).append(message)
            by_merge = by_merge or merged is not None
    if by_merge and len(landed) == 1:
        # One merge commit, and nothing else: what came with it belongs to it.
        landed = {number: [m for it in commits if isinstance(m := it.get("message"), str)] for number in landed}
    told = [telling for number, texts in landed.items() if (telling := _merge(payload, number, texts, rules))]
    return told or Skip.IRRELEVANT


def _merge(payload: Mapping[str, Any], number: int, texts: list[str], rules: Rules) -> Telling | None:
    repository = Repository.of(payload)
    found = linked(repository, Clues(texts), rules)
    if found.run_id is None:
        return None
    about = member(payload, "repository")
    return Telling(
        repository.identity(number, "merged"), OutcomeKind.CHANGE_MERGED, "accepted",
        # When the branch moved, which is when it was merged: a queue makes the commit long before.
        moment(about, "pushed_at", "repository.pushed_at"), repository.ref(number), found,
        labels=rule_labels(repository, base=about.get("default_branch")), source=PUSHES,
    )  # fmt: skip
