"""What Prometheus sees of workers that come, go and start again: no counter goes back, no partition is shown twice."""

from collections.abc import Mapping
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from streams.core.topics import USAGE
from tests.integration.records import LONG_AGO, PARTITIONS, Log, json_event, teams_by_partition
from tests.integration.workers import Worker, eventually

TEAMS = teams_by_partition("seen")
Series = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(worker: Worker) -> tuple[Series, set[int]]:
    """The counters of one scrape, histograms' included, and the partitions that it shows a lag of."""
    counters, partitions = {}, set()
    for family in text_string_to_metric_families(worker.get("/metrics")[1].decode()):
        for sample in family.samples:
            if sample.name.endswith(("_total", "_bucket", "_count")):
                counters[sample.name, frozenset(sample.labels.items())] = sample.value
            if sample.name == "assay_event_lag_seconds":
                partitions.add(int(sample.labels["partition"]))
    return counters, partitions


class Watched:
    """A worker's scrapes, in order; a counter that falls, or a series of one that is gone, ends the test."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._last: Series = {}

    def partitions(self) -> set[int]:
        """Scrape, compare with the scrape before, and say which partitions are shown."""
        counters, partitions = scraped(self.worker)
        backwards = {key: (was, counters.get(key)) for key, was in self._last.items() if counters.get(key, -1) < was}
        assert not backwards
        self._last = counters
        return partitions

    def count(self, name: str) -> float:
        """The sum of a counter at the last scrape."""
        return sum(value for (found, _), value in self._last.items() if found == name)


def test_counters_never_fall_and_a_partition_is_shown_by_its_owner_alone(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    log, number = Log(kafka, topic_prefix), 0

    def send() -> None:
        nonlocal number
        events = range(number, number := number + 40)
        log.put(USAGE, [json_event(f"e-{it}", TEAMS[it % 4], LONG_AGO + it * 1_000) for it in events])

    everything = set(range(PARTITIONS))
    with Worker(kafka, topic_prefix, tmp_path / "a") as first, Worker(kafka, topic_prefix, tmp_path / "b") as second:
        seen_first, seen_second = Watched(first.start().ready()), Watched(second)
        send()
        eventually("one shows all", seen_first.partitions, everything.__eq__)

        second.start()
        second.ready()

        def both() -> tuple[set[int], set[int]]:
            return seen_first.partitions(), seen_second.partitions()

        eventually("they share", lambda: first.metric("assay_shards", role="active"), lambda owned: owned == 2)
        send()
        shown = eventually(
            "each is shown once", both,
            lambda seen: seen[0] | seen[1] == everything and not seen[0] & seen[1] and len(seen[0]) == 2,
        )  # fmt: skip
        received = "assay_events_received_total"
        eventually("all is counted", lambda: first.metric(received) + second.metric(received), lambda seen: seen == 80)

        assert second.stop() == 0
        send()
        eventually("one shows all again", seen_first.partitions, everything.__eq__)
        eventually("all is counted", lambda: first.metric(received), lambda seen: seen == 100)
        assert seen_first.partitions() > shown[0]

        # A new process begins at zero, which Prometheus takes for a restart; what was counted before is not again.
        assert first.stop() == 0
        first.start().ready()
        restarted = Watched(first)
        send()
        eventually("only what is new", lambda: first.metric(received), lambda seen: seen == 40)
        assert restarted.partitions() == everything
        assert restarted.count("assay_events_duplicate_total") == 0
        assert first.stop() == 0
