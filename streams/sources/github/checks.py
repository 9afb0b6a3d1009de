"""Check runs: those that evaluate what an agent made, by their name; all others test changes and are none of ours."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from streams.core.outcomes import OutcomeKind
from streams.sources.contract import Skip
from streams.sources.github.payloads import SHORT_COMMIT, Repository, Rules, linked, rule_labels
from streams.sources.json_bodies import identity, member, require
from streams.sources.linking import Clues
from streams.sources.outcome_items import Telling, matches, moment, words
from streams.sources.readings import instant_ms

__all__ = ["check_run"]

#: What a check can end as and say something: a skipped, cancelled or stale one does not.
_KINDS: Final = {
    "success": (OutcomeKind.EVAL_PASSED, "accepted"),
    "failure": (OutcomeKind.EVAL_FAILED, "rejected"),
    "timed_out": (OutcomeKind.EVAL_FAILED, "rejected"),
}


def check_run(payload: Mapping[str, Any], rules: Rules) -> Sequence[Telling] | Skip:
    """A webhook ``check_run``: an evaluation that passed or failed."""
    run = require(payload, "check_run")
    known = _KINDS.get("".join(words(run.get("conclusion"))))
    name = "".join(words(run.get("name")))
    if payload.get("action") != "completed" or known is None or not matches(name, rules.github.evaluations):
        return Skip.IRRELEVANT
    repository, output = Repository.of(payload), member(run, "output")
    branch = "".join(words(member(run, "check_suite").get("head_branch"))) or None
    clues = Clues(words(output.get("summary")) + words(output.get("text")), branch=branch)
    telling = Telling(
        f"{repository.name.lower()}:check:{identity(run, 'id', 'check_run.id')}", *known,
        moment(run, "completed_at", "check_run.completed_at"),
        f"{repository.name}@{identity(run, 'head_sha', 'check_run.head_sha')[:SHORT_COMMIT]}",
        linked(repository, clues, rules), began_ms=instant_ms(run.get("started_at"), "check_run.started_at"),
        labels=rule_labels(repository, branch=branch, check=name),
    )  # fmt: skip
    return [telling]
