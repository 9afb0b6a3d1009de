"""One worker, everything that can be put before it: what it publishes, what it refuses, and that it goes on."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import orjson
import pytest

from streams.core.avro import USAGE_EVENT, ParsedSchema, parse_schema, schema_text
from streams.core.events import UsageDecoder, UsageEvent
from streams.core.reasons import Reason
from streams.core.topics import DEAD_LETTERS, KPIS, USAGE
from streams.core.windows import Window
from tests.integration.records import (
    LONG_AGO,
    Figures,
    Log,
    Record,
    event,
    figures,
    fresh_prefix,
    home,
    json_event,
    producer,
    teams_by_partition,
)
from tests.integration.workers import Worker, eventually

SCHEMA_ID = 7
RECEIVED = "assay_events_received_total"
DAY = LONG_AGO // Window.DAY * Window.DAY


class StubRegistry(BaseHTTPRequestHandler):
    """A stub, no registry: it keeps what is registered, and knows one schema that a producer would have registered."""

    server_version = "StubRegistryOfTheTests"
    schemas: ClassVar[dict[int, str]] = {SCHEMA_ID: schema_text("usage_event")}

    def do_GET(self) -> None:
        schema = self.schemas.get(int(self.path.removeprefix("/schemas/ids/")))
        if schema is None:
            self.answer(404, {"error_code": 40403, "message": "the stub does not have it"})
        else:
            self.answer(200, {"schema": schema})

    def do_POST(self) -> None:
        schema = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["schema"]
        known = next((number for number, text in self.schemas.items() if text == schema), None)
        number = known or max(self.schemas) + 1
        self.schemas[number] = schema
        self.answer(200, {"id": number})

    def answer(self, status: int, content: Mapping[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silence: pytest shows what matters."""

    @classmethod
    def get(cls, number: int, /) -> ParsedSchema | None:
        """A ``SchemaCache`` of what the stub knows."""
        return parse_schema(cls.schemas[number]) if number in cls.schemas else None


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), StubRegistry)
    Thread(target=server.serve_forever, name="stub-registry", daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def log(kafka: str) -> Log:
    return Log(kafka, fresh_prefix(), schemas=StubRegistry)


@pytest.fixture(scope="module")
def worker(log: Log, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Shared by all tests here: each has teams of its own, and takes counters relative to its start."""
    environment = {
        "ASSAY_WINDOWS__IDLE_SECONDS": "1",
        "ASSAY_SCHEMA_REGISTRY_URL": registry,
        "ASSAY_DEAD_LETTERS__MAX_SHARE": "1",
    }
    with Worker(log.brokers, log.prefix, tmp_path_factory.mktemp("worker"), environment) as worker:
        yield worker.start().ready()
        assert worker.stop() == 0


def usage_event(identity: str, team: str) -> UsageEvent:
    """The event of :func:`json_event` as the struct that Avro is written from."""
    decoded = UsageDecoder().decode([json_event(identity, team).value]).events[0]
    assert isinstance(decoded, UsageEvent)
    return decoded


def accounted_for(worker: Worker) -> bool:
    """Whether all records received are somewhere, at the moment of a scrape."""
    names = ("applied", "duplicate", "dead_lettered", "late", "rerouted")
    return worker.metric(RECEIVED) == sum(worker.metric(f"assay_events_{name}_total") for name in names)


def day_of(log: Log, team: str) -> Figures:
    return figures(log.kpis(), Window.DAY)[team, DAY]


def test_json_and_avro_side_by_side_become_results_in_the_registrys_avro(worker: Worker, log: Log) -> None:
    before = worker.metric(RECEIVED)
    teams = teams_by_partition("mixed")
    records = []
    for number in range(300):
        team = teams[number % 4]
        identity = f"mixed-{number}"
        match number // 4 % 3:
            case 0:
                records.append(json_event(identity, team))
            case 1:
                records.append(Record(home(team), USAGE_EVENT.to_avro(usage_event(identity, team))))
            case _:
                records.append(Record(home(team), USAGE_EVENT.to_confluent(usage_event(identity, team), SCHEMA_ID)))
    log.put(USAGE, records)
    worker.received(int(before) + 300)
    for team in teams:
        eventually(f"the day of {team}", lambda team=team: day_of(log, team), Figures(75, 7_500, 750, 75_000).__eq__)  # type: ignore[misc]
    results = log.read(KPIS)
    assert {result.value and StubRegistry.schemas[int.from_bytes(result.value[1:5])] for result in results} == {
        schema_text("kpi")
    }
    sizes = {kpi.window_size_ms for kpi in log.kpis() if kpi.team in teams}
    assert sizes == set(Window)
    assert {kpi.workflow for kpi in log.kpis() if kpi.team in teams} == {None, "review"}
    assert accounted_for(worker)


NEIGHBOURS = "neighbours"
LETTER = re.compile(rb"[0-9A-Za-z\x80-\xff]")


def flawed(**fields: object) -> bytes:
    """An event of the team that is sound but for these fields."""
    return json.dumps(event("flawed", NEIGHBOURS) | fields).encode()


def flawed_text(raw: bytes) -> bytes:
    """An event whose team is these bytes, unescaped."""
    return flawed(team="?").replace(b"?", raw)


BAD: dict[str, tuple[bytes | None, Reason]] = {
    "broken JSON": (b'{"event_id":"x","team":', Reason.INVALID_JSON),
    "not JSON at all": (b"hello", Reason.INVALID_JSON),
    "a list": (b"[1]", Reason.WRONG_TYPE),
    "a wrong type": (flawed(input_tokens="12"), Reason.WRONG_TYPE),
    "a fraction": (flawed(input_tokens=1.5), Reason.WRONG_TYPE),
    "a negative count": (flawed(output_tokens=-1), Reason.OUT_OF_RANGE),
    "an absurd count": (flawed(input_tokens=2**50), Reason.OUT_OF_RANGE),
    "a count beyond any integer": (flawed(input_tokens=10**30), Reason.OUT_OF_RANGE),
    "negative money": (flawed(cost_micro_usd=-5), Reason.OUT_OF_RANGE),
    "NaN": (flawed(input_tokens=float("nan")), Reason.INVALID_JSON),
    "a raw NUL in a text": (flawed_text(b"a\0b"), Reason.INVALID_JSON),
    "an escaped NUL in a text": (flawed(team="a\0b"), Reason.FORBIDDEN_CHARACTER),
    "nothing but NULs": (bytes(64), Reason.UNKNOWN_SCHEMA),
    "three NULs": (bytes(3), Reason.INVALID_AVRO),
    "two megabytes": (flawed(attributes={"a": "x" * 2_000_000}), Reason.TOO_LARGE),
    "an unknown schema id": (b"\0" + (999).to_bytes(4, "big") + b"anything", Reason.UNKNOWN_SCHEMA),
    "a known schema id before garbage": (b"\0" + SCHEMA_ID.to_bytes(4, "big") + b"\xff" * 9, Reason.INVALID_AVRO),
    "an unknown fingerprint": (b"\xc3\x01" + b"\1" * 20, Reason.UNKNOWN_SCHEMA),
    "an empty team": (flawed(team=""), Reason.EMPTY),
    "no team": (b'{"event_id":"x"}', Reason.MISSING_FIELD),
    "1970": (flawed(occurred_at=86_400_000), Reason.TIMESTAMP_OUT_OF_RANGE),
    "2100": (flawed(occurred_at=4_102_444_800_000), Reason.FAR_FUTURE),
    "invalid UTF-8": (flawed_text(b"\xff"), Reason.INVALID_UTF8),
    "a raw newline in a text": (flawed_text(b"\n"), Reason.INVALID_JSON),
    "two documents": (flawed() + b"\n" + flawed(), Reason.MULTIPLE_DOCUMENTS),
    "a tombstone": (None, Reason.TOMBSTONE),
    "nothing": (b"", Reason.EMPTY),
}


def kept(value: bytes) -> bytes:
    """All of a record that names no actor, if it can be searched for one: of a binary record it is the header, of a text
    that is no JSON object the punctuation."""
    for mark, size in ((b"\0", 5), (b"\xc3\x01", 10)):
        if value.startswith(mark):
            return value[:size] + b"*" * (len(value) - size)
    try:
        return value if isinstance(orjson.loads(value), dict) else LETTER.sub(b"*", value)
    except orjson.JSONDecodeError:
        return LETTER.sub(b"*", value)


def test_each_bad_record_is_dead_lettered_and_its_neighbours_count(worker: Worker, log: Log) -> None:
    before = worker.metric(RECEIVED)
    place = home(NEIGHBOURS)
    records = [json_event("first", NEIGHBOURS)]
    for number, (value, _) in enumerate(BAD.values()):
        records += [Record(place, value), json_event(f"between-{number}", NEIGHBOURS)]
    # Newlines between the parts of one document are part of JSON: no reason to refuse it.
    records.append(Record(place, json.dumps(event("pretty", NEIGHBOURS), indent=2).encode()))
    sent = log.put(USAGE, records)
    worker.received(int(before) + len(records))

    bad = {record.offset: record for record in sent[1:-1:2]}
    letters = {
        letter.offset: letter for letter in log.dead_letters() if letter.offset in bad and letter.partition == place
    }
    reasons = {
        name: letters[record.offset].reason
        for (name, record) in zip(BAD, sent[1:-1:2], strict=True)
        if record.offset in letters
    }
    assert reasons == {name: reason.value for name, (_, reason) in BAD.items()}
    for offset, letter in letters.items():
        assert letter.topic == log.prefix + USAGE
        assert letter.payload == kept(bad[offset].value or b"")
        assert letter.detail
    assert len(log.read(DEAD_LETTERS)) == len(log.dead_letters()) == len(BAD)

    good = len(BAD) + 2
    wanted = Figures(good, 100 * good, 10 * good, 1_000 * good)
    assert eventually("the neighbours' day", lambda: day_of(log, NEIGHBOURS), wanted.__eq__) == wanted
    assert worker.metric("assay_events_dead_lettered_total") == len(BAD)
    assert accounted_for(worker)
    assert worker.get("/healthz")[0] == worker.get("/readyz")[0] == 200


def test_a_record_in_the_wrong_partition_is_sent_on_and_counted_once(worker: Worker, log: Log) -> None:
    before, rerouted = worker.metric(RECEIVED), worker.metric("assay_events_rerouted_total")
    team = "astray"
    wrong = (home(team) + 1) % 4
    log.put(USAGE, [json_event("at-home", team), json_event("astray", team)._replace(partition=wrong)])
    worker.received(int(before) + 3)  # Twice the record that was sent on: where it lay, and where it belongs.
    assert worker.metric("assay_events_rerouted_total") - rerouted == 1
    wanted = Figures(2, 200, 20, 2_000)
    assert eventually("the day of both", lambda: day_of(log, team), wanted.__eq__) == wanted
    assert accounted_for(worker)


def test_of_transactional_inputs_only_what_was_committed_counts(worker: Worker, log: Log) -> None:
    """Aborted records and the markers of transactions leave gaps in what is delivered, as compaction does."""
    before = worker.metric(RECEIVED)
    team = "transactional"
    place = home(team)
    through = producer(log.brokers, **{"transactional.id": f"{log.prefix}inputs"})
    through.init_transactions()
    for number in range(8):
        through.begin_transaction()
        log.put(USAGE, [json_event(f"tx-{number}-{part}", team) for part in range(5)], through)
        if number % 2:
            through.abort_transaction()
        else:
            through.commit_transaction()
        if number % 3 == 0:
            log.put(USAGE, [json_event(f"plain-{number}", team)])
    good = 4 * 5 + 3
    worker.received(int(before) + good)
    wanted = Figures(good, 100 * good, 10 * good, 1_000 * good)
    assert eventually("the committed day", lambda: day_of(log, team), wanted.__eq__) == wanted
    assert worker.metric(RECEIVED) - before == good
    # The last record of the partition is a marker: the group must come to lie behind it, or lag never ends.
    eventually("the group is at the end", lambda: log.committed(USAGE)[place], log.ends(USAGE)[place].__eq__)
    eventually("there is no lag", lambda: json.loads(worker.get("/healthz")[1])["lag_records"], lambda lag: lag == 0)


def test_pages_of_faust_that_would_serve_state_are_not_there(worker: Worker) -> None:
    assert {path: worker.get(path)[0] for path in ("/table", "/table/", "/router", "/router/", "/performance")} == {
        "/table": 404, "/table/": 404, "/router": 404, "/router/": 404, "/performance": 404,
    }  # fmt: skip


def test_each_line_of_its_log_is_json(worker: Worker) -> None:
    lines = [json.loads(line) for line in worker.log.splitlines()]
    assert all({"event", "level", "logger", "timestamp"} <= line.keys() for line in lines)
    assert {line["level"] for line in lines} <= {"info", "warning", "error"}


def test_prometheus_own_checker_accepts_the_metrics(worker: Worker) -> None:
    unpacked = Path(__file__).parents[2] / "build" / "promtool" / "usr" / "bin" / "promtool"
    promtool = shutil.which("promtool") or (str(unpacked) if unpacked.exists() else None)
    if promtool is None:
        pytest.skip("promtool is not installed; tests/unit/telemetry/test_promtool.py fetches it on a Debian")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=worker.get("/metrics")[1], capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
