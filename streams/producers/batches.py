"""Events put together into whole Kafka batches, which costs a quarter of handing them to the client one by one."""

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from streams.producers.drafts import Draft

__all__ = ["Batch", "Batches"]


class Batch:
    """Events of one partition, in the client's own format."""

    __slots__ = ("builder", "event_ids", "partition")

    def __init__(self, client: AIOKafkaProducer, partition: int) -> None:
        self.builder = client.create_batch()
        self.partition = partition
        self.event_ids: list[str] = []

    def append(self, draft: Draft) -> bool:
        """Take an event, unless there is no room."""
        if self.builder.append(key=draft.key, value=draft.value, timestamp=None) is None:
            return False
        self.event_ids.append(draft.event_id)
        return True


class Batches:
    """The batch that is open for each partition."""

    def __init__(self, client: AIOKafkaProducer, partitions: list[int]) -> None:
        self._client = client
        self._partitions = partitions
        self._partitioner = DefaultPartitioner()
        self._places: dict[bytes, int] = {}
        self._open: dict[int, Batch] = {}

    def add(self, draft: Draft) -> Batch | None:
        """Put an event in its team's batch; returns the batch that it no longer fitted in, to be sent."""
        place = self._places.get(draft.key)
        if place is None:
            place = self._places[draft.key] = self._partitioner(draft.key, self._partitions, self._partitions)
        batch = self._open.get(place)
        if batch is not None and batch.append(draft):
            return None
        full, self._open[place] = batch, Batch(self._client, place)
        # The first record of a batch always fits.
        self._open[place].append(draft)
        return full

    def take(self) -> list[Batch]:
        """What is not yet full."""
        rest = list(self._open.values())
        self._open.clear()
        return rest
