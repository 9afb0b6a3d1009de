"""The README's producer and subscriber, run as they stand against a worker; only names of topics and brokers differ."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from streams import topics_admin
from streams.core.topics import ALERTS, KPIS
from streams.core.windows import Window
from tests.integration.bridges import publish
from tests.integration.workers import Worker
from tests.unit.subscribers.alerts import alert

README = Path(__file__).parents[2] / "README.md"
PRODUCER, SUBSCRIBER, PAGER = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
#: A minute of a day that is over, so that its windows close as soon as the partition is idle.
_THEN_MS = 1_714_996_800_000


def here(example: str, kafka: str, prefix: str) -> str:
    """An example for this broker and these topics, its events in the past."""
    topic = f'topic="{prefix}assay.usage.v1", clock=lambda: {_THEN_MS}'
    example = example.replace("127.0.0.1:9092", kafka)
    for group, read in (("my-reader", KPIS), ("my-pager", ALERTS)):
        example = example.replace(f'group="{group}"', f'group="{prefix}{group}", topic="{prefix}{read}"')
    return example.replace('source="my-gateway"', f'source="my-gateway", {topic}')


@pytest.mark.slow
def test_what_the_producer_sends_the_subscriber_sees(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    topics_admin.apply(kafka, prefix=topic_prefix, app_id="assay", partitions=4, replication_factor=1)
    with Worker(kafka, topic_prefix, tmp_path, {"ASSAY_WINDOWS__IDLE_SECONDS": "1"}) as worker:
        worker.start().ready()
        exec(compile(here(PRODUCER, kafka, topic_prefix), str(README), "exec"), {"__name__": "example"})
        subscriber = subprocess.Popen(
            [sys.executable, "-u", "-c", here(SUBSCRIBER, kafka, topic_prefix)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert subscriber.stdout is not None
            # Team and workflow, each in a window of each size: one call of 11,250 micro-dollars.
            seen = {tuple(subscriber.stdout.readline().split()) for _ in range(2 * len(Window))}
        finally:
            subscriber.kill()
            subscriber.communicate()
        assert worker.stop() == 0
    assert seen == {
        ("payments", workflow, str(int(size)), "1", "1", "11250")
        for workflow in ("refund-bot", "None")
        for size in Window
    }


def test_the_pager_says_what_fires_and_what_is_over(kafka: str, topic_prefix: str) -> None:
    topics_admin.apply(kafka, prefix=topic_prefix, app_id="assay", partitions=4, replication_factor=1)
    publish(kafka, topic_prefix + ALERTS, [alert(), alert(revision=2, state="resolved", summary="Over.")])
    pager = subprocess.Popen(
        [sys.executable, "-u", "-c", here(PAGER, kafka, topic_prefix)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert pager.stdout is not None
        assert [pager.stdout.readline() for _ in range(2)] == [
            "warning | payments | 75 % of what refund-bot spent led to nothing. | Look at the runs without an outcome.\n",
            "over | payments | Over.\n",
        ]
    finally:
        pager.kill()
        pager.communicate()
