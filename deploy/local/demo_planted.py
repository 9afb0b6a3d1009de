"""The demo's planted weeks: sent by the producers that everybody has, and what must be found in them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from streams.core.alerts import Alert
from streams.core.topics import OUTCOMES, USAGE
from streams.errors import DependencyError
from streams.producers import OutcomeProducer, ProducerError, UsageProducer
from streams.producers.drafts import OutcomeFields, UsageFields
from streams.simulation.planted import INNOCENT, PLANTED, planted

__all__ = ["PlantedWeeks", "as_planted"]


class PlantedWeeks:
    """Sends the weeks when asked; nothing before that."""

    story = (
        "three more weeks of four small teams at once: one works up to a target, one has an agent in a loop, one burns its "
        "budget, and one has a schedule that its policy declares"
    )

    def __init__(self, brokers: str, prefix: str, start_ms: int) -> None:
        self._history = planted(start_ms)
        self._brokers = brokers
        self._prefix = prefix

    def policy(self, directory: Path) -> Path:
        """The path of a file with what the organisation knows of these teams."""
        path = directory.absolute() / "policy.yaml"
        path.write_text(json.dumps(self._history.policy))  # YAML, too.
        return path

    def send_outcomes(self) -> int:
        """Send all outcomes; how many. Raises DependencyError."""
        try:
            with OutcomeProducer(self._brokers, topic=self._prefix + OUTCOMES) as producer:
                return producer.send_many(cast("list[OutcomeFields]", self._history.outcomes))
        except ProducerError as error:
            raise DependencyError(f"the planted outcomes were not taken: {error}") from error

    def send_usage(self) -> int:
        """Send all usage; how many. Raises DependencyError."""
        try:
            with UsageProducer(self._brokers, topic=self._prefix + USAGE) as producer:
                return producer.send_many(cast("list[UsageFields]", self._history.usage))
        except ProducerError as error:
            raise DependencyError(f"the planted usage was not taken: {error}") from error


def as_planted(alerts: Iterable[Alert]) -> bool:
    """Whether everything that was planted is told of, and the innocent schedule is not."""
    places = {(alert.detector, alert.team, alert.workflow) for alert in alerts}
    return places.issuperset(PLANTED) and all(place[1:] != INNOCENT for place in places)
