"""Linear: issues completed, opened again and reported as defects, from webhooks.

A webhook says what a field held before, so that each time an issue is completed counts, and each time it is opened again
takes back the one before.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from streams.core.outcomes import OutcomeKind
from streams.core.reasons import Reason
from streams.sources.contract import Context, Decoded, Skip
from streams.sources.json_bodies import identity, member, members, require
from streams.sources.linking import Clues, Linking, link, team_name
from streams.sources.outcome_items import Telling, decoded, labelled, matches, moment, words
from streams.sources.readings import BadField, instant_ms

__all__ = ["SOURCE", "Linear", "decode"]

SOURCE: Final = "linear"


class Linear(NamedTuple):
    """What differs between those who use Linear; patterns are shell patterns, without regard to case."""

    #: Labels of issues that report a defect.
    defects: tuple[str, ...] = ("bug", "defect", "regression")


DEFAULT: Final = Linear()
_IRRELEVANT: Final = frozenset(
    {
        "AgentSessionEvent", "AppUserNotification", "Attachment", "AuditEntry", "Comment", "Customer", "CustomerNeed", "Cycle",
        "Document", "Initiative", "InitiativeUpdate", "IssueAttachment", "IssueLabel", "IssueRelation", "IssueSLA",
        "OAuthApp", "OAuthAuthorization", "PermissionChange", "Project", "ProjectLabel", "ProjectUpdate", "Reaction", "Release",
        "Team", "User",
    }
)  # fmt: skip
#: Between the end of an issue and what a webhook says of its time.
_AT_ONCE_MS: Final = 60_000
#: Ways in which an issue ends: the field that has its time, how outcomes of it are named, and what it counts as.
_ENDS: Final = (("completedAt", "completed", "accepted"), ("canceledAt", "canceled", "neutral"))


def decode(body: bytes, context: Context, linear: Linear = DEFAULT) -> Decoded:
    """Outcomes of webhooks."""

    def read(payload: dict[str, Any]) -> Sequence[Telling] | Skip:
        kind = payload.get("type")
        if kind != "Issue":
            return Skip.IRRELEVANT if isinstance(kind, str) and kind in _IRRELEVANT else Skip.UNKNOWN
        if payload.get("action") not in ("create", "update"):
            return Skip.IRRELEVANT
        return _issue(payload, linear, context.linking)

    return decoded(body, SOURCE, read)


def _issue(payload: Mapping[str, Any], linear: Linear, linking: Linking) -> Sequence[Telling] | Skip:
    data, before = require(payload, "data"), member(payload, "updatedFrom")
    is_new = payload.get("action") == "create"
    number = identity(data, "id", "data.id")
    base, is_defect = _base(payload, data, linear, linking)
    told: list[Telling] = []
    if is_defect and (is_new or "labelIds" in before):
        told.append(
            base._replace(
                outcome_id=f"{number}:defect", kind=OutcomeKind.DEFECT_REPORTED, actor=_actor(payload),
                at_ms=moment(data, "createdAt", "data.createdAt"),
            )
        )  # fmt: skip
    for field, name, verdict in _ENDS:
        ended_ms = instant_ms(data.get(field), f"data.{field}")
        earlier_ms = instant_ms(before.get(field), f"updatedFrom.{field}")
        just_now = (
            ended_ms is not None and "stateId" in before and abs(_updated(payload, data) - ended_ms) <= _AT_ONCE_MS
        )
        if ended_ms is not None and (is_new or field in before or just_now):
            end = base._replace(outcome_id=f"{number}:{name}:{ended_ms}", at_ms=ended_ms, verdict=verdict)
            if verdict == "accepted":
                end = end._replace(began_ms=instant_ms(data.get("createdAt"), "data.createdAt"))
            elif is_defect:
                end = end._replace(verdict="reversed", reverses=f"{number}:defect")
            told.append(end)
        elif ended_ms is None and earlier_ms is not None:
            told.append(
                base._replace(
                    outcome_id=f"{number}:reopened:{name}:{earlier_ms}", kind=OutcomeKind.TICKET_REOPENED, verdict="reversed",
                    reverses=f"{number}:{name}:{earlier_ms}", at_ms=_updated(payload, data),
                )
            )  # fmt: skip
    return told or Skip.IRRELEVANT


def _base(
    payload: Mapping[str, Any], data: Mapping[str, Any], linear: Linear, linking: Linking
) -> tuple[Telling, bool]:  # fmt: skip
    """What all that an issue tells has in common, and whether it is a defect."""
    key = data.get("identifier")
    if not isinstance(key, str) or not key:
        raise BadField("data.identifier", Reason.MISSING_FIELD, "is missing: send the webhook's body as it came")
    names = [name for it in members(data, "labels") for name in words(it.get("name"))]
    found = link(Clues(words(data.get("description")), names), linking)
    team, project = member(data, "team"), member(data, "project")
    if found.team is None:
        found = found._replace(team=team_name(team.get("name")) or team_name(team.get("key")))
    assignee = "".join(words(data.get("assigneeId")) or words(member(data, "assignee").get("id")))
    base = Telling(
        "", OutcomeKind.TICKET_RESOLVED, "neutral", 0, key, found, actor=assignee or _actor(payload),
        labels=labelled(team=team.get("name"), team_key=team.get("key"), project=project.get("name")),
    )  # fmt: skip
    return base, any(matches(name, linear.defects) for name in names)


def _updated(payload: Mapping[str, Any], data: Mapping[str, Any]) -> int:
    at_ms = instant_ms(payload.get("createdAt"), "createdAt")
    return moment(data, "updatedAt", "data.updatedAt") if at_ms is None else at_ms


def _actor(payload: Mapping[str, Any]) -> str | None:
    """Who did it, if a person: integrations and agents are none."""
    actor = member(payload, "actor")
    return "".join(words(actor.get("id"))) or None if actor.get("type", "user") == "user" else None
