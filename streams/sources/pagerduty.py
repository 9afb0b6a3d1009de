"""PagerDuty: incidents opened, resolved and opened again, from webhooks (version 3) and as its REST API lists them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from streams.core.outcomes import OutcomeKind
from streams.sources.contract import Context, Decoded, Skip
from streams.sources.json_bodies import identity, member, members, require
from streams.sources.linking import Clues, Linking, link, team_name
from streams.sources.outcome_items import Telling, decoded, labelled, moment, words
from streams.sources.readings import instant_ms

__all__ = ["SOURCE", "decode"]

SOURCE: Final = "pagerduty"
_IRRELEVANT: Final = ("incident.", "incident_workflow.", "service.", "pagey.", "alert.", "workflow.")
_MERGED: Final = "merge_resolve_reason"


def decode(body: bytes, context: Context) -> Decoded:
    """Outcomes of webhooks, and of incidents that the REST API lists."""

    def read(payload: dict[str, Any]) -> Sequence[Telling] | Skip:
        if "event" in payload:
            return _event(require(payload, "event"), context.linking)
        if "incident_number" in payload or payload.get("type") == "incident":
            return _row(payload, context.linking)
        return Skip.UNKNOWN

    return decoded(body, SOURCE, read)


def _event(event: Mapping[str, Any], linking: Linking) -> Sequence[Telling] | Skip:
    kind = "".join(words(event.get("event_type")))
    if kind not in ("incident.triggered", "incident.resolved", "incident.reopened"):
        return Skip.IRRELEVANT if kind.startswith(_IRRELEVANT) else Skip.UNKNOWN
    incident, at_ms = require(event, "data"), moment(event, "occurred_at", "event.occurred_at")
    agent = _person(member(event, "agent"))
    if kind == "incident.triggered":
        return [_opened(incident, at_ms, agent, linking)]
    if kind == "incident.resolved":
        return [_resolved(incident, at_ms, agent, linking)]
    number = identity(incident, "id", "data.id")
    again = _base(incident, linking)._replace(
        outcome_id=f"{number}:reopened", kind=OutcomeKind.TICKET_REOPENED, verdict="reversed",
        reverses=f"{number}:resolved", at_ms=at_ms, actor=agent,
    )  # fmt: skip
    return [again]


def _row(incident: Mapping[str, Any], linking: Linking) -> Sequence[Telling]:
    told = [_opened(incident, moment(incident, "created_at", "created_at"), None, linking)]
    if incident.get("status") == "resolved":
        # Incidents are listed without resolved_at: resolving is the last change of their status.
        resolved_ms = instant_ms(incident.get("resolved_at"), "resolved_at")
        at_ms = (
            moment(incident, "last_status_change_at", "last_status_change_at") if resolved_ms is None else resolved_ms
        )
        told.append(_resolved(incident, at_ms, _person(member(incident, "last_status_change_by")), linking))
    return told


def _opened(incident: Mapping[str, Any], at_ms: int, agent: str | None, linking: Linking) -> Telling:
    number = identity(incident, "id", "data.id")
    created_ms = instant_ms(incident.get("created_at"), "data.created_at")
    return _base(incident, linking)._replace(
        outcome_id=f"{number}:opened", kind=OutcomeKind.INCIDENT_OPENED, actor=agent,
        at_ms=at_ms if created_ms is None else created_ms,
    )  # fmt: skip


def _resolved(incident: Mapping[str, Any], at_ms: int, agent: str | None, linking: Linking) -> Telling:
    """The end of an incident; one that was merged into another was none of its own, and is taken back."""
    number = identity(incident, "id", "data.id")
    told = _base(incident, linking)._replace(
        outcome_id=f"{number}:resolved", kind=OutcomeKind.INCIDENT_RESOLVED, at_ms=at_ms, actor=agent
    )
    if member(incident, "resolve_reason").get("type") == _MERGED:
        return told._replace(verdict="reversed", reverses=f"{number}:opened")
    return told._replace(verdict="accepted", began_ms=instant_ms(incident.get("created_at"), "data.created_at"))


def _base(incident: Mapping[str, Any], linking: Linking) -> Telling:
    """What all that an incident tells has in common. One team is its team; of several, none."""
    found = link(Clues(words(member(incident, "body").get("details"))), linking)
    teams = members(incident, "teams")
    if found.team is None and len(teams) == 1:
        found = found._replace(team=team_name(teams[0].get("summary")))
    service = member(incident, "service")
    return Telling(
        "", OutcomeKind.INCIDENT_OPENED, "neutral", 0, identity(incident, "id", "data.id"), found,
        labels=labelled(
            service=service.get("summary"), service_id=service.get("id"), urgency=incident.get("urgency"),
            priority=member(incident, "priority").get("summary"), team=found.team,
        ),
    )  # fmt: skip


def _person(agent: Mapping[str, Any]) -> str | None:
    """Who did it, if a person: services and integrations are none."""
    return "".join(words(agent.get("id"))) or None if agent.get("type") == "user_reference" else None
