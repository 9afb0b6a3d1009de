"""Deployments: what became of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from streams.core.outcomes import OutcomeKind
from streams.sources.contract import Skip
from streams.sources.github.payloads import SHORT_COMMIT, Repository, Rules, linked, person, rule_labels
from streams.sources.json_bodies import identity, member, require
from streams.sources.linking import Clues
from streams.sources.outcome_items import Telling, moment, words
from streams.sources.readings import instant_ms

__all__ = ["deployment_status"]

_KINDS: Final = {
    "success": (OutcomeKind.DEPLOYMENT_SUCCEEDED, "accepted"),
    "failure": (OutcomeKind.DEPLOYMENT_FAILED, "rejected"),
    "error": (OutcomeKind.DEPLOYMENT_FAILED, "rejected"),
}


def deployment_status(payload: Mapping[str, Any], rules: Rules) -> Sequence[Telling] | Skip:
    """A webhook ``deployment_status``: succeeded or failed, once each for a deployment.

    Previews, which GitHub calls transient environments, are nothing that was brought to anybody.
    """
    status, deployment = require(payload, "deployment_status"), require(payload, "deployment")
    state = status.get("state")
    if not isinstance(state, str) or state not in _KINDS or deployment.get("transient_environment") is True:
        return Skip.IRRELEVANT
    kind, verdict = _KINDS[state]
    repository, number = Repository.of(payload), identity(deployment, "id", "deployment.id")
    branch, own = deployment.get("ref"), member(deployment, "payload")
    clues = Clues(
        words(deployment.get("description")), [f"{name}:{value}" for name, value in own.items()],
        branch if isinstance(branch, str) else None,
    )  # fmt: skip
    environment = status.get("environment") or deployment.get("environment")
    telling = Telling(
        f"{repository.name.lower()}:deployment:{number}:{'succeeded' if verdict == 'accepted' else 'failed'}", kind, verdict,
        moment(status, "created_at", "deployment_status.created_at"),
        f"{repository.name}@{identity(deployment, 'sha', 'deployment.sha')[:SHORT_COMMIT]}", linked(repository, clues, rules),
        began_ms=instant_ms(deployment.get("created_at"), "deployment.created_at"),
        actor=person(member(deployment, "creator"), rules) or person(member(payload, "sender"), rules),
        labels=rule_labels(repository, environment=environment, branch=branch),
    )  # fmt: skip
    return [telling]
