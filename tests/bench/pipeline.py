"""The whole pipeline: one worker, from Kafka through transactions and its store back to Kafka, over a preloaded topic."""

import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams import topics_admin
from streams.core.topics import OUTCOMES, USAGE
from tests.bench.load import preload
from tests.bench.worker import Scrape, Worker, running_worker

__all__ = ["Pipeline", "topics_under"]

#: Without any progress for so long, none is to be expected.
_STUCK_SECONDS: Final = 120.0
#: A worker that is ready and has no events is left alone for so long before its start-up is taken for finished.
_SETTLE_SECONDS: Final = 1.0
#: Below the kernel's resolution and the noise of a start: no figure, but no division by zero either.
_LEAST_CPU_S: Final = 0.01
_LONGEST_PAUSE: Final = 2.0
_SHORTEST_PAUSE: Final = 0.1


@contextmanager
def topics_under(brokers: str) -> Iterator[str]:
    """A prefix for topics; all that begin with it are deleted in the end."""
    prefix = f"bench-{uuid.uuid4().hex[:8]}."
    try:
        yield prefix
    finally:
        admin = AdminClient({"bootstrap.servers": brokers, "log_level": 4})
        names = [name for name in admin.list_topics(timeout=30).topics if name.startswith(prefix)]
        for future in admin.delete_topics(names).values() if names else ():
            future.result()


class Pipeline:
    """Measures workers against one broker; remembers what a mere start costs, by number of partitions."""

    def __init__(self, brokers: str, directory: Path) -> None:
        self._brokers = brokers
        self._directory = directory
        self._start_cpu_s: dict[int, float] = {}

    def measure(
        self, log: Path, partitions: int, *, outcomes: Path | None = None, sample_to: Path | None = None
    ) -> dict[str, Any]:
        """Apply a whole log with one worker, and a log of outcomes if there is one. Figures are per usage event.

        CPU is user and system time of all the process's threads, less that of a start on empty topics. Of the stages,
        ``fetch_and_rest`` is what no stage claims: the consumer's thread, the client's sending, RocksDB's background
        threads, metrics. ``commit_wall_us`` is waiting, not CPU.
        """
        start_cpu_s = self._cpu_of_a_start(partitions)
        with self._topics(partitions) as prefix:
            events = preload(self._brokers, prefix + USAGE, log)
            records = events + (0 if outcomes is None else preload(self._brokers, prefix + OUTCOMES, outcomes))
            with self._worker(prefix, partitions, sample_to) as worker:
                worker.wait_until_ready()
                ready_at, before, early = time.monotonic(), worker.usage, _received(worker.scrape())
                with _sampling(sample_to):
                    scrape = _wait_until_received(worker, records)
                done_at, after, peak = time.monotonic(), worker.usage, worker.peak_rss_mb
        _check(scrape, records, worker)
        cpu_s = max(after.cpu_s - start_cpu_s, _LEAST_CPU_S)
        stages = scrape.by_label("assay_stage_duration_seconds_sum", "stage")
        commit_s = stages.pop("commit", 0.0)
        per_event = 1e6 / events
        stages_us = {stage: round(seconds * per_event, 3) for stage, seconds in stages.items()}
        stages_us["fetch_and_rest"] = round((cpu_s - sum(stages.values())) * per_event, 3)
        transactions = scrape.total("assay_transactions_total", result="committed")
        threads = {tid: spent - before.threads.get(tid, 0.0) for tid, spent in after.threads.items()}
        main = threads.pop(worker.process.pid)
        late_events = max(1, events - early)
        return {
            "events_per_second": round((events - early) / (done_at - ready_at)),
            "events_per_second_per_core": round(events / cpu_s),
            "cpu_us_per_event": round(cpu_s * per_event, 3),
            "peak_rss_mb": peak,
            "stages_us": stages_us,
            "threads_us": {
                "main": round(main * 1e6 / late_events, 3),
                "busiest_other": round(max(threads.values(), default=0.0) * 1e6 / late_events, 3),
                "all_others": round(sum(threads.values()) * 1e6 / late_events, 3),
            },
            "commit_wall_us": round(commit_s * per_event, 3),
            "events_per_transaction": round(events / transactions) if transactions else None,
            "windows_published": round(scrape.total("assay_windows_published_total")),
            "window_revisions": round(scrape.total("assay_window_revisions_total")),
            "start_cpu_seconds": round(start_cpu_s, 2),
            "events": events,
            "partitions": partitions,
        }

    def restart(self, log: Path, partitions: int) -> dict[str, Any]:
        """Apply a whole log, then start again twice on what there is: on the local stores, and without them.

        Seconds are from the start of the process to ``/readyz``, less those of a start on empty topics.
        """
        directory = self._directory / "restarted"
        shutil.rmtree(directory, ignore_errors=True)
        with self._topics(partitions) as prefix:
            events = preload(self._brokers, prefix + USAGE, log)
            with running_worker(self._brokers, prefix, partitions, directory / "empty") as worker:
                worker.wait_until_ready()
                _check(_wait_until_received(worker, events), events, worker)
                peak = worker.peak_rss_mb
            found: dict[str, float] = {}
            for name in ("local", "changelog"):
                if name == "changelog":
                    shutil.rmtree(directory / "empty" / "data")
                began = time.monotonic()
                with running_worker(self._brokers, prefix, partitions, directory / "empty") as worker:
                    worker.wait_until_ready()
                    found[name] = time.monotonic() - began
                    # One start of a process, each shard of it beside the others.
                    found[f"{name}_recovery"] = worker.scrape().total("assay_recovery_seconds_sum", source=name)
                    peak = max(peak, worker.peak_rss_mb)
            changelog = _records_of(self._brokers, f"{prefix}assay-state-changelog")
        return {
            "events": events,
            "peak_rss_mb": peak,
            "restart_local_seconds": round(found["local"], 2),
            "restart_changelog_seconds": round(found["changelog"], 2),
            "changelog_records": changelog,
            "changelog_records_per_second": round(changelog / max(found["changelog_recovery"], 1e-3)),
        }

    def _cpu_of_a_start(self, partitions: int) -> float:
        found = self._start_cpu_s.get(partitions)
        if found is None:
            with self._topics(partitions) as prefix, self._worker(prefix, partitions, None) as worker:
                worker.wait_until_ready()
                time.sleep(_SETTLE_SECONDS)
                found = self._start_cpu_s[partitions] = worker.usage.cpu_s
        return found

    @contextmanager
    def _topics(self, partitions: int) -> Iterator[str]:
        with topics_under(self._brokers) as prefix:
            topics_admin.apply(
                self._brokers, prefix=prefix, app_id="assay", partitions=partitions, replication_factor=1
            )
            yield prefix

    @contextmanager
    def _worker(self, prefix: str, partitions: int, sample_to: Path | None) -> Iterator[Worker]:
        directory = self._directory / "worker"
        shutil.rmtree(directory, ignore_errors=True)
        with running_worker(self._brokers, prefix, partitions, directory, sample_to=sample_to) as worker:
            yield worker


@contextmanager
def _sampling(sample_to: Path | None) -> Iterator[None]:
    """Let the worker watch itself for as long as the block lasts."""
    if sample_to is None:
        yield
        return
    switch = sample_to.with_suffix(".on")
    switch.touch()
    try:
        yield
    finally:
        switch.unlink()


def _records_of(brokers: str, topic: str) -> int:
    """Offsets of a topic: its records, those that compaction has removed, and markers of transactions."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "bench", "log_level": 4})
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        return sum(consumer.get_watermark_offsets(TopicPartition(topic, number))[1] for number in partitions)
    finally:
        consumer.close()


def _received(scrape: Scrape) -> int:
    return round(scrape.total("assay_events_received_total"))


def _wait_until_received(worker: Worker, events: int) -> Scrape:
    """The first scrape that shows all events; few scrapes, since each costs the worker some milliseconds."""
    last, moved_at, pause = 0, time.monotonic(), _SHORTEST_PAUSE
    while True:
        worker.check()
        scrape, now = worker.scrape(), time.monotonic()
        received = _received(scrape)
        if received >= events:
            return scrape
        if received > last:
            # Half of what will be left to do at this speed: quick only when it is about to end.
            rate = (received - last) / max(now - moved_at, 1e-3)
            pause = min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, (events - received) / rate / 2))
            last, moved_at = received, now
        elif now - moved_at > _STUCK_SECONDS:
            raise worker.failed(f"no event was applied for {_STUCK_SECONDS:.0f} seconds ({received} of {events} are)")
        time.sleep(pause)


def _check(scrape: Scrape, events: int, worker: Worker) -> None:
    """Figures of a worker that dropped its work say nothing."""
    applied = round(scrape.total("assay_events_applied_total"))
    if applied != events:
        raise worker.failed(f"{applied} of {events} events were applied, all of which are new and valid")
