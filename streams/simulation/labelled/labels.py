"""What was planted, where and when: the answers that a detector is compared with."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final

import orjson

from streams.core.policy import DETECTORS

__all__ = ["BEHAVIOURS", "LOOK_ALIKES", "STRENGTHS", "Episode", "Labels", "LookAlike"]

#: Planted behaviours, by the public names of the detectors that look for them.
BEHAVIOURS: Final = DETECTORS
#: From barely to be seen in the noise of the team to plain.
STRENGTHS: Final = ("weak", "medium", "strong")
#: Harmless things that resemble a behaviour, and whether the policy says that they are to be expected.
LOOK_ALIKES: Final = {
    "declared_ci_schedule": True,
    "undeclared_ci_with_outcomes": False,
    "eval_batch": False,
    "hackathon": False,
    "onboarding_wave": False,
    "model_price_change": False,
    "release_train": False,
    "research_team": True,
    "moved_integration": False,
    "night_shift": False,
    "quota_reset": False,
    "migration": True,
    "incident_storm": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One planted episode; from ``start_ms`` inclusive to ``end_ms`` exclusive, milliseconds UTC.

    ``workflow`` is None where the whole team does it. ``variant`` is the sort of the behaviour, such as ``retry_storm``
    of a runaway; it is None where there is one sort.
    """

    id: str
    behaviour: str
    strength: str
    team: str
    workflow: str | None
    start_ms: int
    end_ms: int
    variant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAlike:
    """One harmless thing that resembles a behaviour; ``declared`` is whether the policy says so."""

    kind: str
    team: str
    workflow: str | None
    start_ms: int
    end_ms: int
    declared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """All that is known of one scenario; teams are all that there are, innocent or not."""

    scenario: str
    seed: int
    start_ms: int
    end_ms: int
    teams: list[str]
    episodes: list[Episode] = field(default_factory=list)
    benign: list[LookAlike] = field(default_factory=list)

    def to_json(self) -> bytes:
        """The labels as JSON, keys in a fixed order."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    @staticmethod
    def from_json(text: bytes) -> "Labels":
        """Read what :meth:`to_json` wrote; raises ValueError or TypeError on anything else."""
        said: dict[str, Any] = orjson.loads(text)
        said["episodes"] = [Episode(**each) for each in said["episodes"]]
        said["benign"] = [LookAlike(**each) for each in said["benign"]]
        return Labels(**said)
