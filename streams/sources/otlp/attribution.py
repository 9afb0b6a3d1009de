"""Whose a call is and what it belongs to: team, workflow, run and actor from attributes, and labels for rules.

Each is taken from the first name that is there, on the record or else on its resource; OTEL_RESOURCE_ATTRIBUTES sets
the latter for any client. Nothing else of a resource is looked at: it has command lines, host names and paths.
"""

from typing import Any, Final

from streams.sources.otlp.records import Attributes

__all__ = ["ACTOR", "LABELS", "NAMES", "RUN", "TEAM", "WORKFLOW", "attribute"]

TEAM: Final = ("assay.team", "team", "team.id")
WORKFLOW: Final = ("assay.workflow", "workflow", "gen_ai.workflow.name", "traceloop.workflow.name")
RUN: Final = ("assay.run_id", "session.id", "gen_ai.conversation.id")
#: What tells a person from another best comes first; an installation's id (``user.id`` of Claude Code) is the last.
ACTOR: Final = ("user.email", "user.account_uuid", "user.account_id", "enduser.id", "user.id")
LABELS: Final = (
    "service.name",
    "service.namespace",
    "deployment.environment.name",
    "deployment.environment",
    "environment",
    "repository",
    "vcs.repository.name",
    "gen_ai.agent.name",
    "ai.telemetry.functionId",
)
NAMES: Final = frozenset((*TEAM, *WORKFLOW, *RUN, *ACTOR, *LABELS))

#: What each name is good for: a field and how far behind it stands there, or a label.
_ROLES: Final = dict.fromkeys(LABELS, ("", 0)) | {
    name: (field, rank)
    for field, names in (("team", TEAM), ("workflow", WORKFLOW), ("run_id", RUN), ("actor", ACTOR))
    for rank, name in enumerate(names)
}


def attribute(fields: dict[str, Any], attributes: Attributes, resource: Attributes) -> dict[str, str]:
    """Put team, workflow, run and actor into the fields, as far as they are told, and give the labels."""
    labels: dict[str, str] = {}
    ranks: dict[str, int] = {}
    # Of one name the record's is the last, and holds. Few attributes are there, and many names might be.
    for told in (resource, attributes):
        for name, value in told.items():
            role = _ROLES.get(name)
            if role is None or not value:
                continue
            if type(value) is str:
                word = value
            elif type(value) is int:
                word = str(value)
            else:
                continue
            field, rank = role
            if not field:
                labels[name] = word
            elif rank <= ranks.get(field, rank):
                ranks[field] = rank
                fields[field] = word
    return labels
