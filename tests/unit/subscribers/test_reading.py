"""What the reader of a topic says when Kafka does not."""

import kafka
import pytest

from streams.core.avro import ALERT
from streams.subscribers.errors import BrokerUnavailable
from streams.subscribers.reading import TopicReader


class SilentConsumer:
    """A client whose broker never says where a log begins: the real one gives None after its patience."""

    def __init__(self, **options: object) -> None:
        self.closed = False

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0}

    def subscribe(self, topics: list[str], listener: object) -> None:
        pass

    def position(self, place: object, timeout_ms: int) -> None:
        return None

    def close(self, **options: object) -> None:
        self.closed = True


def test_a_position_that_is_not_known_yet_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "KafkaConsumer", SilentConsumer)
    with (
        TopicReader(ALERT, "127.0.0.1:1", "alerts", group="g") as reader,
        pytest.raises(BrokerUnavailable, match="has not said within 5 s where alerts is read next"),
    ):
        reader.position(0)
