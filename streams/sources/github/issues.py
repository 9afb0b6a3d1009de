"""Issues: defects that were reported, and tickets that were resolved and opened again.

An issue is a ticket if it names a run or a workflow. Others are closed by the pull requests that mend them: they would count
a second time what these count for.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from streams.core.outcomes import OutcomeKind
from streams.sources.contract import Skip
from streams.sources.github.payloads import Repository, Rules, label_names, linked, number_of, person, rule_labels
from streams.sources.json_bodies import member, require
from streams.sources.linking import Clues
from streams.sources.outcome_items import Telling, matches, moment, words
from streams.sources.readings import instant_ms

__all__ = ["issue", "issue_row"]

#: Why an issue is closed without anything having been done about it.
_DECLINED: Final = frozenset({"not_planned", "duplicate"})


def issue(payload: Mapping[str, Any], rules: Rules) -> Sequence[Telling] | Skip:
    """A webhook ``issues``."""
    about, action = require(payload, "issue"), payload.get("action")
    issue = _Issue(about, Repository.of(payload), member(payload, "sender"), rules)
    label = member(payload, "label").get("name")
    names_defect = isinstance(label, str) and matches(label, rules.github.defects)
    if action == "opened" or (action == "labeled" and names_defect) or action == "typed":
        return [issue.reported()] if issue.is_defect else Skip.IRRELEVANT
    if action == "unlabeled" and names_defect and not issue.is_defect:
        return [issue.withdrawn()]
    if action == "closed" and issue.ends_something:
        return [issue.closed()]
    if action == "reopened" and (issue.is_ticket or issue.is_defect):
        return [issue.reopened()]
    return Skip.IRRELEVANT


def issue_row(about: Mapping[str, Any], rules: Rules) -> Sequence[Telling] | Skip:
    """An issue as the REST API lists it, which lists pull requests among them."""
    if "pull_request" in about:
        return Skip.REPEATED
    issue = _Issue(about, Repository.of(about), {}, rules)
    told = [issue.reported()] if issue.is_defect else []
    if about.get("state") == "closed" and issue.ends_something:
        told.append(issue.closed())
    return told or Skip.IRRELEVANT


class _Issue:
    """One issue, and what may be told of it."""

    def __init__(
        self, about: Mapping[str, Any], repository: Repository, sender: Mapping[str, Any], rules: Rules
    ) -> None:  # fmt: skip
        self._about = about
        self._repository = repository
        self._number = number_of(about)
        names = label_names(about)
        kind = member(about, "type").get("name")
        self.is_defect = any(matches(name, rules.github.defects) for name in [*names, *words(kind)])
        self._sender = person(sender, rules)
        self._reporter = person(member(about, "user"), rules)
        self._created_ms = instant_ms(about.get("created_at"), "issue.created_at")
        self._base = Telling(
            "", OutcomeKind.TICKET_RESOLVED, "neutral", 0, repository.ref(self._number),
            linked(repository, Clues(words(about.get("body")), names), rules),
            labels=rule_labels(repository),
        )  # fmt: skip

        self.is_ticket = self._base.linked.run_id is not None or self._base.linked.workflow is not None
        self._is_declined = bool(_DECLINED.intersection(words(about.get("state_reason"))))
        #: Whether closing it is an outcome: of a ticket, or of a defect that was none.
        self.ends_something = self.is_ticket or (self.is_defect and self._is_declined)

    def reported(self) -> Telling:
        """The defect, at the time of the report, however late it was called one."""
        return self._base._replace(
            outcome_id=self._id("defect"), kind=OutcomeKind.DEFECT_REPORTED, actor=self._reporter,
            at_ms=moment(self._about, "created_at", "issue.created_at"),
        )  # fmt: skip

    def withdrawn(self) -> Telling:
        """It was no defect. Told as a ticket, for a reversal's own kind counts, and this is not another defect."""
        return self._base._replace(
            outcome_id=self._id("no-defect"), verdict="reversed", reverses=self._id("defect"), actor=self._sender,
            at_ms=moment(self._about, "updated_at", "issue.updated_at"),
        )  # fmt: skip

    def closed(self) -> Telling:
        """The ticket is done with; a defect that was none, or told before, is taken back."""
        told = self._base._replace(
            outcome_id=self._id("resolved"), at_ms=moment(self._about, "closed_at", "issue.closed_at"),
            actor=self._sender or self._reporter,
        )  # fmt: skip
        if not self._is_declined:
            return told._replace(verdict="accepted", began_ms=self._created_ms)
        return told._replace(verdict="reversed", reverses=self._id("defect")) if self.is_defect else told

    def reopened(self) -> Telling:
        """The ticket was not done with after all."""
        return self._base._replace(
            outcome_id=self._id("reopened"), kind=OutcomeKind.TICKET_REOPENED, verdict="reversed", actor=self._sender,
            reverses=self._id("resolved"), at_ms=moment(self._about, "updated_at", "issue.updated_at"),
        )  # fmt: skip

    def _id(self, what: str) -> str:
        return self._repository.identity(self._number, what)
