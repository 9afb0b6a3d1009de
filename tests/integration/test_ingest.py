"""What was answered 200 is on the topics: with Kafka there, away and back, and whoever is killed in between."""

import asyncio
import json
import signal
import ssl
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.broker import LocalKafka
from streams.core.topics import OUTCOMES, USAGE
from tests.ingest_source import NOW_MS, event
from tests.integration.ingests import Ingest, send_all
from tests.integration.records import Log, home
from tests.integration.workers import assay, eventually


def batches(count: int, size: int = 100) -> list[list[dict[str, Any]]]:
    """Bodies of events of forty teams, each event with an id of its own."""
    return [
        [event(f"e-{batch}-{place}", team=f"team-{(batch + place) % 40}") for place in range(size)]
        for batch in range(count)
    ]


def ids(log: Log, topic: str = USAGE, name: str = "event_id") -> Counter[str]:
    """How often each event is on the topic, each in its team's partition; copies are the same to the byte."""
    found: Counter[str] = Counter()
    values: dict[str, bytes] = {}
    for record in log.read(topic):
        assert record.value is not None
        said = json.loads(record.value)
        assert record.partition == home(said["team"], log.partitions)
        assert values.setdefault(said[name], record.value) == record.value
        found[said[name]] += 1
    return found


def expected(bodies: list[list[dict[str, Any]]]) -> set[str]:
    return {item["event_id"] for body in bodies for item in body}


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    """A broker that a test may stop."""
    broker = LocalKafka(tmp_path / "kafka")
    broker.start()
    yield broker
    broker.kill()


def test_every_event_is_there_once(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    log = Log(kafka, topic_prefix)
    bodies = batches(50)
    outcome = {"outcome_id": "o", "source": "test", "occurred_at": NOW_MS, "team": "search", "kind": "change_merged",
               "verdict": "accepted"}  # fmt: skip
    with Ingest(kafka, topic_prefix, tmp_path).start() as ingest:
        asyncio.run(send_all(f"{ingest.url}/test", [*bodies, [outcome]]))
        assert ids(log) == dict.fromkeys(expected(bodies), 1)
        assert ids(log, OUTCOMES, "outcome_id") == {"o": 1}
        assert ingest.metric("assay_ingest_accepted_total") == 5_001
        assert ingest.metric("assay_ingest_kept_total", where="kafka") == 5_001
        assert (ingest.metric("assay_ingest_kafka_up"), ingest.status("/readyz")) == (1, 200)
        assert ingest.stop() == 0
    assert list(ingest.spool.glob("*.spool")) == []


def test_what_came_while_kafka_was_away_is_there_once_it_is_back(
    own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path
) -> None:
    log = Log(own_kafka.bootstrap, topic_prefix)
    before, during, after = batches(10), batches(40)[10:], batches(60)[40:]
    with Ingest(own_kafka.bootstrap, topic_prefix, tmp_path).start() as ingest:
        asyncio.run(send_all(f"{ingest.url}/test", before))
        own_kafka.kill()
        # None is told to come back: clients that never would lose nothing.
        assert set(asyncio.run(send_all(f"{ingest.url}/test", during))) == {1}
        assert (ingest.metric("assay_ingest_kafka_up"), ingest.status("/readyz")) == (0, 200)
        assert ingest.metric("assay_ingest_spool_bytes") > 100 * len(during)
        assert ingest.metric("assay_ingest_kept_total", where="spool") == 3_000
        own_kafka.start()
        eventually("the spool is empty", lambda: ingest.metric("assay_ingest_spool_bytes") == 0)
        asyncio.run(send_all(f"{ingest.url}/test", after))
        found = ids(log)
        assert found.keys() == expected(before + during + after)
        assert (ingest.metric("assay_ingest_kafka_up"), ingest.metric("assay_ingest_spool_age_seconds")) == (1, 0)
        assert ingest.stop() == 0
    assert [len(ingest.said(name)) for name in ("kafka_away", "kafka_back")] == [1, 1]
    # Only what was on its way when Kafka died may be there twice.
    assert {event.split("-")[1] for event, times in found.items() if times > 1} <= {"9", *map(str, range(10, 18))}


def test_kill_9_of_the_service_loses_nothing_that_the_client_sends_again(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    log = Log(kafka, topic_prefix)
    bodies = batches(150)

    async def killed_again_and_again(ingest: Ingest) -> list[int]:
        sending = asyncio.create_task(send_all(f"{ingest.url}/test", bodies))
        for _ in range(3):
            await asyncio.sleep(0.15)
            ingest.kill()
            await asyncio.to_thread(ingest.start)
        return await sending

    with Ingest(kafka, topic_prefix, tmp_path).start() as ingest:
        tries = asyncio.run(killed_again_and_again(ingest))
        assert sum(tries) > len(bodies), "nothing was cut off"
        assert ids(log).keys() == expected(bodies)


def test_kill_9_while_the_spool_is_written_and_while_it_is_sent(
    own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path
) -> None:
    log = Log(own_kafka.bootstrap, topic_prefix)
    bodies = batches(200)

    async def run(ingest: Ingest) -> list[int]:
        own_kafka.kill()
        sending = asyncio.create_task(send_all(f"{ingest.url}/test", bodies))
        await asyncio.sleep(1.5)
        ingest.kill()
        await asyncio.to_thread(ingest.start)
        await asyncio.to_thread(own_kafka.start)
        ingest.kill()
        await asyncio.to_thread(ingest.start)
        return await sending

    with Ingest(own_kafka.bootstrap, topic_prefix, tmp_path).start() as ingest:
        asyncio.run(run(ingest))
        eventually("the spool is empty", lambda: ingest.metric("assay_ingest_spool_bytes") == 0)
        assert ids(log).keys() == expected(bodies)
    assert len(ingest.said("kafka_away")) >= 2


def test_kill_9_of_kafka_in_the_middle_of_everything(own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path) -> None:
    log = Log(own_kafka.bootstrap, topic_prefix)
    bodies = batches(200)

    async def run(ingest: Ingest) -> list[int]:
        sending = asyncio.create_task(send_all(f"{ingest.url}/test", bodies))
        await asyncio.sleep(0.3)
        own_kafka.kill()
        await asyncio.to_thread(own_kafka.start)
        return await sending

    with Ingest(own_kafka.bootstrap, topic_prefix, tmp_path).start() as ingest:
        assert set(asyncio.run(run(ingest))) == {1}
        eventually("the spool is empty", lambda: ingest.metric("assay_ingest_spool_bytes") == 0)
        assert ids(log).keys() == expected(bodies)


def test_sigterm_finishes_what_was_begun(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    log = Log(kafka, topic_prefix)
    bodies = batches(100)

    async def stopped_in_between(ingest: Ingest) -> list[int]:
        sending = asyncio.create_task(send_all(f"{ingest.url}/test", bodies))
        await asyncio.sleep(0.2)
        assert await asyncio.to_thread(ingest.stop) == 0
        await asyncio.to_thread(ingest.start)
        return await sending

    with Ingest(kafka, topic_prefix, tmp_path).start() as ingest:
        asyncio.run(stopped_in_between(ingest))
        # Nothing was cut off: what was sent again had not been taken.
        assert ids(log) == dict.fromkeys(expected(bodies), 1)
        assert ingest.process is not None
        ingest.process.send_signal(signal.SIGINT)
        assert ingest.process.wait(30) == 0


def test_the_spool_takes_bodies_from_the_beginning_where_kafka_is_not_there_yet(
    own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path
) -> None:
    log = Log(own_kafka.bootstrap, topic_prefix)
    own_kafka.kill()
    bodies = batches(3)
    with Ingest(own_kafka.bootstrap, topic_prefix, tmp_path).start() as ingest:
        assert asyncio.run(send_all(f"{ingest.url}/test", bodies)) == [1, 1, 1]
        assert ingest.stop() == 0
    assert len(list(ingest.spool.glob("*.spool"))) == 1
    own_kafka.start()
    with ingest.start():
        eventually("the spool is empty", lambda: ingest.metric("assay_ingest_spool_bytes") == 0)
    assert ids(log) == dict.fromkeys(expected(bodies), 1)


def posted(url: str, body: Any, headers: dict[str, str]) -> tuple[int, bytes]:
    """Status and body of the answer."""
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=30
        ) as answer:  # fmt: skip
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_nothing_of_a_prompt_or_a_person_stays_anywhere(
    own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path
) -> None:
    log = Log(own_kafka.bootstrap, topic_prefix)
    marked = event("a", actor="canary-person@example.com", prompt="canary-prompt", label_host="canary-host")
    crash = {"crash": 1, "prompt": "canary-prompt"}
    with Ingest(own_kafka.bootstrap, topic_prefix, tmp_path).start() as ingest:
        own_kafka.kill()
        for body, status in (([marked], 200), ([crash], 500), (["canary-item"], 500)):
            headers = {"Content-Type": "application/json", "Cookie": "canary", "Canary": "canary"}
            said = posted(f"{ingest.url}/test?canary=1", body, headers)
            assert said[0] == status
            assert b"canary" not in said[1]
        assert b"canary" not in b"".join(file.read_bytes() for file in ingest.spool.iterdir())
        assert "canary" not in ingest.metrics()
        own_kafka.start()
        eventually("the spool is empty", lambda: ingest.metric("assay_ingest_spool_bytes") == 0)
        (record,) = log.read(USAGE)
        assert b"canary" not in (record.value or b"")
    assert "canary" not in ingest.log.read_text()


def test_tls_is_spoken_where_there_is_a_certificate(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    Log(kafka, topic_prefix)
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], check=True, capture_output=True,
    )  # fmt: skip
    named = {"tls_certificate_file": str(certificate), "tls_key_file": str(key)}
    with Ingest(kafka, topic_prefix, tmp_path / "ingest", named).start() as ingest:
        context = ssl.create_default_context(cafile=str(certificate))
        request = urllib.request.Request(
            f"https://127.0.0.1:{ingest.port}/test", json.dumps([event("a")]).encode(),
            {"Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            assert json.load(answer)["accepted"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--insecure-dev-key"], 3, "nobody may post: set ingest.sources_file"),
        (["--insecure-no-auth"], 3, "no key for the pseudonyms of actors"),
        (["--insecure-dev-key", "--insecure-no-auth", "--host", "0.0.0.0"], 3, "is no loopback address"),
        (["--insecure-dev-key", "--insecure-no-auth"], 4, "create them with `assay topics apply`"),
    ],
)
def test_it_does_not_start_without_what_it_needs(
    kafka: str, topic_prefix: str, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    common = ["--brokers", kafka, "--topic-prefix", topic_prefix, "--data-dir", str(tmp_path), "--port", "0"]
    ended = assay("ingest", *common, "--web-port", "0", *arguments)
    assert (ended.returncode, said in ended.stderr) == (code, True), ended.stderr
