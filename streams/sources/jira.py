"""Jira: tickets resolved and opened again, and defects, from webhooks and from issues as its REST API gives them.

A ticket is done when it has a resolution or its status is of the category *done*. A webhook tells of one change and not
how often a ticket had been done before, so that from webhooks alone a ticket counts as done once, and as opened again
once; an issue with its whole changelog tells of every time.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from streams.core.outcomes import OutcomeKind
from streams.core.reasons import Reason
from streams.sources.contract import Context, Decoded, Skip
from streams.sources.json_bodies import member, members, require
from streams.sources.linking import Clues, Linked, Linking, link
from streams.sources.outcome_items import Telling, decoded, labelled, matches, moment, words
from streams.sources.readings import BadField, count, instant_ms

__all__ = ["SOURCE", "Jira", "decode"]

SOURCE: Final = "jira"


class Jira(NamedTuple):
    """What differs between those who use Jira; patterns are shell patterns, without regard to case."""

    #: Types of issues that report a defect.
    defects: tuple[str, ...] = ("bug", "defect", "regression")
    #: Resolutions that say that nothing was done.
    declined: tuple[str, ...] = (
        "won't do", "won't fix", "wontfix", "duplicate", "cannot reproduce", "declined", "invalid", "not a bug", "incomplete",
        "rejected", "abandoned", "obsolete", "works as designed",
    )  # fmt: skip
    #: Statuses that tickets leave when they are opened again, where there is no resolution to be taken away.
    done_statuses: tuple[str, ...] = ("done", "closed", "resolved", "complete", "completed")
    #: Accounts that are nobody, besides those that Jira itself calls apps: account ids or names.
    service_accounts: tuple[str, ...] = ()


DEFAULT: Final = Jira()
#: Between a change and what a webhook says of its time.
_AT_ONCE_MS: Final = 60_000
#: Every other event of a webhook is known and tells of no outcome; these begin the names of Jira's own.
_FAMILIES: Final = (
    "jira:", "comment_", "worklog_", "attachment_", "issuelink_", "sprint_", "board_", "project_", "user_", "option_",
    "issue_property_", "filter_", "app_access_", "jira_expression_",
)  # fmt: skip


def decode(body: bytes, context: Context, jira: Jira = DEFAULT) -> Decoded:
    """Outcomes of webhooks, and of issues that the REST API lists, with or without their changelog."""

    def read(payload: dict[str, Any]) -> Sequence[Telling] | Skip:
        event = payload.get("webhookEvent")
        if event is None and "issue" not in payload:
            if "fields" in payload:
                return _Ticket(payload, {}, jira, context.linking).told()
            return Skip.UNKNOWN
        if event in ("jira:issue_created", "jira:issue_updated", None):
            return _changed(payload, jira, context.linking)
        return Skip.IRRELEVANT if isinstance(event, str) and event.startswith(_FAMILIES) else Skip.UNKNOWN

    return decoded(body, SOURCE, read)


def _changed(payload: Mapping[str, Any], jira: Jira, linking: Linking) -> Sequence[Telling] | Skip:
    ticket = _Ticket(require(payload, "issue"), member(payload, "user"), jira, linking)
    changes = {_field(it): it for it in members(member(payload, "changelog"), "items")}
    told: list[Telling] = []
    is_new = payload.get("webhookEvent") == "jira:issue_created"
    if ticket.is_defect and (is_new or "issuetype" in changes):
        told.append(ticket.reported())
    if is_new or "status" in changes or "resolution" in changes:
        at_ms = count(payload.get("timestamp"), "timestamp")
        if ticket.is_done and (is_new or "resolution" in changes or ticket.changed_category(at_ms)):
            told.append(ticket.done(1, ticket.resolved_ms or at_ms))
        elif not ticket.is_done and _was_done(changes, jira):
            told.append(ticket.opened_again(1, at_ms))
    return told or Skip.IRRELEVANT


def _field(change: Mapping[str, Any]) -> str:
    """Which field a change is of: as an id where Jira gives one, for names are translated."""
    return "".join(words(change.get("fieldId")) or words(change.get("field"))).lower()


def _was_done(changes: Mapping[str, Mapping[str, Any]], jira: Jira) -> bool:
    if "resolution" in changes:
        return bool(changes["resolution"].get("from")) and not changes["resolution"].get("to")
    return any(matches(name, jira.done_statuses) for name in words(changes.get("status", {}).get("fromString")))


class _Ticket:
    """One issue, and what may be told of it."""

    def __init__(self, issue: Mapping[str, Any], user: Mapping[str, Any], jira: Jira, linking: Linking) -> None:
        key = issue.get("key")
        if not isinstance(key, str) or not key:
            raise BadField("issue.key", Reason.MISSING_FIELD, "is missing: send the webhook with its issue")
        fields = require(issue, "fields")
        self._key = key
        self._fields = fields
        self._changelog = member(issue, "changelog")
        kind, resolution = member(fields, "issuetype").get("name"), member(fields, "resolution").get("name")
        self.is_defect = any(matches(name, jira.defects) for name in words(kind))
        self.is_done = bool(fields.get("resolution")) or (
            member(member(fields, "status"), "statusCategory").get("key") == "done"
        )
        self.resolved_ms = instant_ms(fields.get("resolutiondate"), "issue.fields.resolutiondate")
        self._is_declined = any(matches(name, jira.declined) for name in words(resolution))
        self._user = _person(user, jira)
        self._created_ms = instant_ms(fields.get("created"), "issue.fields.created")
        names = fields.get("labels")
        labels = [it for it in names if isinstance(it, str)] if isinstance(names, list) else []
        components = members(fields, "components")
        self._base = Telling(
            "", OutcomeKind.TICKET_RESOLVED, "neutral", 0, key, self._linked(labels, linking),
            actor=_person(member(fields, "assignee"), jira) or self._user,
            labels=labelled(
                project=member(fields, "project").get("key"), issue_type=kind,
                component=components[0].get("name") if len(components) == 1 else None,
            ),
        )  # fmt: skip
        self._reporter = _person(member(fields, "reporter"), jira)

    def changed_category(self, at_ms: int | None) -> bool:
        """Whether the category of its status changed just then, as far as is known: one that was done may change status."""
        changed_ms = instant_ms(self._fields.get("statuscategorychangedate"), "issue.fields.statuscategorychangedate")
        return changed_ms is None or at_ms is None or abs(at_ms - changed_ms) <= _AT_ONCE_MS

    def _linked(self, labels: Sequence[str], linking: Linking) -> Linked:
        return link(Clues(words(self._fields.get("description")), labels), linking)

    def told(self) -> Sequence[Telling] | Skip:
        """All that an issue of the REST API tells: of every time that it was done if it has its whole changelog."""
        told = [self.reported()] if self.is_defect else []
        turns = self._turns()
        for number, (at_ms, is_done) in enumerate(turns):
            told.append(
                self.done(number // 2 + 1, at_ms) if is_done else self.opened_again(number // 2 + 1, at_ms)
            )  # fmt: skip
        if not turns and self.is_done:
            changed_ms = instant_ms(
                self._fields.get("statuscategorychangedate"), "issue.fields.statuscategorychangedate"
            )
            told.append(self.done(1, self.resolved_ms or changed_ms))
        return told or Skip.IRRELEVANT

    def _turns(self) -> list[tuple[int, bool]]:
        """When a resolution was given and taken away, in turn; nothing if the changelog does not tell from the start."""
        histories = members(self._changelog, "histories")
        total = self._changelog.get("total")
        if isinstance(total, int) and total > len(histories):
            return []
        given = [
            (moment(history, "created", "changelog.histories.created"), bool(change.get("to")))
            for history in histories
            for change in members(history, "items")
            if _field(change) == "resolution" and bool(change.get("to")) != bool(change.get("from"))
        ]
        turns: list[tuple[int, bool]] = []
        for at_ms, is_done in sorted(given):
            if is_done != (bool(turns) and turns[-1][1]):
                turns.append((at_ms, is_done))
        return turns

    def reported(self) -> Telling:
        """The defect, at the time of the report, however late it was called one."""
        return self._base._replace(
            outcome_id=f"{self._key}:defect", kind=OutcomeKind.DEFECT_REPORTED, actor=self._reporter,
            at_ms=moment(self._fields, "created", "issue.fields.created"),
        )  # fmt: skip

    def done(self, time: int, at_ms: int | None) -> Telling:
        """The ticket is done with, for the first or a later time; a defect that was none is taken back."""
        told = self._base._replace(outcome_id=self._id("resolved", time), at_ms=_known(at_ms))
        if not self._is_declined:
            return told._replace(verdict="accepted", began_ms=self._created_ms)
        return told._replace(verdict="reversed", reverses=f"{self._key}:defect") if self.is_defect else told

    def opened_again(self, time: int, at_ms: int | None) -> Telling:
        """The ticket was not done with after all."""
        return self._base._replace(
            outcome_id=self._id("reopened", time), kind=OutcomeKind.TICKET_REOPENED, verdict="reversed",
            reverses=self._id("resolved", time), at_ms=_known(at_ms), actor=self._user or self._base.actor,
        )  # fmt: skip

    def _id(self, what: str, time: int) -> str:
        return f"{self._key}:{what}" if time == 1 else f"{self._key}:{what}:{time}"


def _known(at_ms: int | None) -> int:
    if at_ms is None:
        raise BadField("timestamp", Reason.MISSING_FIELD, "is missing: send the webhook's body as it came")
    return at_ms


def _person(user: Mapping[str, Any], jira: Jira) -> str | None:
    """An account if a person of one's own is behind it: customers of a service desk are none."""
    name = "".join(words(user.get("accountId")) or words(user.get("key")) or words(user.get("name")))
    if not name or user.get("accountType", "atlassian") != "atlassian":
        return None
    names = (name, *words(user.get("name")))
    return None if any(matches(it, jira.service_accounts) for it in names) else name
