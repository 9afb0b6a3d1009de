"""Whatever any client posts, nothing but what is declared can be found again: in topics, spool, log, metrics, answers."""

import re
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson
import pytest

from deploy.local.broker import LocalKafka
from streams.core.topics import OUTCOMES, USAGE
from streams.sources.catalogue import SOURCES, routes
from tests.integration.canary_bodies import BODIES, MARK, Body
from tests.integration.ingests import Ingest
from tests.integration.records import Log
from tests.integration.workers import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

Found = dict[str, dict[str, set[str]]]


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    """A broker that a test may stop."""
    broker = LocalKafka(tmp_path / "kafka")
    broker.start()
    yield broker
    broker.kill()


def post(url: str, content: bytes, content_type: str) -> tuple[int, str]:
    """Status and answer; the request is marked all over, too."""
    headers = {"Content-Type": content_type, "Cookie": "canary", "User-Agent": "canary", "X-Forwarded-For": "canary"}
    request = urllib.request.Request(f"{url}?canary=canary", content, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def passed(values: Iterable[bytes]) -> Found:
    """By body and field of a record, the places whose text is in it."""
    found: Found = defaultdict(lambda: defaultdict(set))
    for value in values:
        for field, said in orjson.loads(value).items():
            for name, place in MARK.findall(orjson.dumps(said).decode()):
                found[name][field].add(place)
    return {name: dict(fields) for name, fields in found.items()}


def declared() -> Found:
    return {
        body.name: {field: set(places) for field, places in body.declared.items()} for body in BODIES if body.declared
    }


def test_every_path_has_a_body() -> None:
    posted = {body.path for body in BODIES} | {"/api/public/otel/v1/traces"}  # whose spans come to /v1/traces, too
    assert posted == routes(SOURCES).keys()


def test_nothing_that_any_client_sends_is_found_again_but_what_is_declared(
    own_kafka: LocalKafka, topic_prefix: str, tmp_path: Path
) -> None:
    log = Log(own_kafka.bootstrap, topic_prefix)
    with Ingest(own_kafka.bootstrap, topic_prefix, tmp_path / "ingest", installed=True).start() as ingest:
        own_kafka.kill()  # so that everything goes through the spool
        for body in BODIES:
            before = ingest.metric("assay_ingest_accepted_total")
            status, answer = post(f"{ingest.url}{body.path}", body.content, body.content_type)
            assert 200 <= status < 300, (body.name, status, answer)
            assert ingest.metric("assay_ingest_accepted_total") - before == body.events, body.name
            # Langfuse's clients know items by ids of their own.
            assert {place.rpartition(".")[2] for _, place in MARK.findall(answer)} <= {"id"}, (body.name, answer)
            assert "canary" not in MARK.sub("", answer), (body.name, answer)
            broken(ingest, body)
        kept = {file: file.read_bytes() for file in (tmp_path / "ingest").rglob("*") if file.is_file()}
        metrics = ingest.metrics()
        own_kafka.start()
        eventually("the spool is empty", lambda: ingest.metric("assay_ingest_spool_bytes") == 0)
        metrics += ingest.metrics()
        assert ingest.stop() == 0

    values = [record.value or b"" for topic in (USAGE, OUTCOMES) for record in log.read(topic)]
    assert passed(values) == declared()
    # Nor a part of one.
    assert "canary" not in MARK.sub("", b"".join(values).decode())
    assert "canary" not in metrics
    assert "canary" not in ingest.log.read_text()
    spooled = b"".join(content for file, content in kept.items() if ingest.spool in file.parents)
    # The spool holds these records and no more, and so the marks that may be there.
    assert set(MARK.findall(spooled.decode(errors="replace"))) == {
        (name, place) for name, fields in declared().items() for places in fields.values() for place in places
    }  # fmt: skip
    assert not [file for file, content in kept.items() if b"canary" in content and ingest.spool not in file.parents]
    # People and prompts were there to be seen.
    events = [orjson.loads(value) for value in values]
    actors = [event["actor"] for event in events if "actor" in event]
    assert len(actors) > 12
    assert all(re.fullmatch(r"pseudonym:[0-9a-f]{16}", actor) for actor in actors)
    assert {event["source"] for event in events if "prompt_fingerprint" in event} == {
        "litellm", "langfuse", "opentelemetry", "promptfoo",
    }  # fmt: skip


def broken(ingest: Ingest, body: Body) -> None:
    """What cannot be read is answered, and nothing of it repeated."""
    for content in (body.content[: len(body.content) // 2], body.content + b"\x07canary"):
        status, answer = post(f"{ingest.url}{body.path}", content, body.content_type)
        assert status < 500, (body.name, status)
        assert "canary" not in answer, (body.name, answer)
