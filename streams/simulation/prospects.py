"""What a run of each kind may come to, as a table: which outcomes, how often, how soon, and what may undo them."""

from typing import Final, NamedTuple

from streams.core.outcomes import OutcomeKind

__all__ = ["PROSPECTS", "Prospect", "Sequel"]


class Sequel(NamedTuple):
    """Something neutral that may follow an accepted outcome, as another system tells it."""

    kind: OutcomeKind
    source: str
    share: float


class Prospect(NamedTuple):
    """What a run may come to; shares are those of an ordinary workflow on an ordinary day.

    Attributes:
        source: System that tells, and where the outcome is undone.
        kind: What a good run comes to.
        verdict: What that counts as.
        otherwise: What a run comes to that was no good, always rejected; None where only good ones come to anything.
        comes: Share of runs that come to anything.
        good: Share of these that come to ``kind``.
        minutes: Median from the end of the run.
        lead_minutes: Median from when the work began elsewhere to the run; None where nobody measures cycle time.
        undoing: What undoes it; None where nothing does.
        undone: Share of what is accepted that is undone.
        sequels: What may follow what is accepted.
    """

    source: str
    kind: OutcomeKind
    verdict: str
    otherwise: OutcomeKind | None
    comes: float
    good: float
    minutes: float
    lead_minutes: float | None = None
    undoing: OutcomeKind | None = None
    undone: float = 0.0
    sequels: tuple[Sequel, ...] = ()


_K = OutcomeKind
_DEFECT: Final = Sequel(_K.DEFECT_REPORTED, "jira", 0.03)
_INCIDENT: Final = Sequel(_K.INCIDENT_OPENED, "pagerduty", 0.012)
_RATING: Final = Sequel(_K.CUSTOMER_RATING, "jira", 0.25)

#: By the name of the kind of workflow. Digests and embeddings are missing: what they are worth no system can tell.
PROSPECTS: Final = {
    "coding": Prospect(
        "github", _K.CHANGE_MERGED, "accepted", _K.CHANGE_CLOSED, comes=0.58, good=0.80, minutes=45, lead_minutes=90,
        undoing=_K.CHANGE_REVERTED, undone=0.06, sequels=(_DEFECT, _INCIDENT),
    ),
    "review": Prospect("github", _K.REVIEW_SUBMITTED, "neutral", None, comes=0.85, good=1.0, minutes=25),
    "support-chat": Prospect(
        "jira", _K.TICKET_RESOLVED, "accepted", None, comes=0.70, good=1.0, minutes=25, lead_minutes=45,
        undoing=_K.TICKET_REOPENED, undone=0.05, sequels=(_RATING,),
    ),
    "bug-triage": Prospect(
        "jira", _K.TICKET_RESOLVED, "accepted", None, comes=0.48, good=1.0, minutes=55, lead_minutes=600,
        undoing=_K.TICKET_REOPENED, undone=0.08,
    ),
    "migration": Prospect(
        "github", _K.CHANGE_MERGED, "accepted", _K.CHANGE_CLOSED, comes=0.66, good=0.84, minutes=60, lead_minutes=240,
        undoing=_K.CHANGE_REVERTED, undone=0.05, sequels=(_DEFECT, _INCIDENT),
    ),
    "incident-analysis": Prospect(
        "pagerduty", _K.INCIDENT_RESOLVED, "accepted", None, comes=0.62, good=1.0, minutes=30
    ),
    "ci-repair": Prospect(
        "github", _K.DEPLOYMENT_SUCCEEDED, "accepted", _K.DEPLOYMENT_FAILED, comes=0.80, good=0.78, minutes=15,
        sequels=(_INCIDENT,),
    ),
    "eval-gate": Prospect("promptfoo", _K.EVAL_PASSED, "accepted", _K.EVAL_FAILED, comes=0.95, good=0.82, minutes=10),
    "nightly-evals": Prospect("promptfoo", _K.EVAL_PASSED, "accepted", _K.EVAL_FAILED, comes=0.96, good=0.74, minutes=12),
}  # fmt: skip
