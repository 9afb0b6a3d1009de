"""Attacks on everything that a real worker lets out, by someone who knows every team and what each person spent.

A company of many small teams works for two weeks. The attacker reads all topics with all revisions, the state's changelog,
the metrics five times a second, the pages and the log, and has the sums that would single somebody out: of one to four
people, in any window, workflow or team. Costs are random numbers of 40 bits: a published figure, or a difference of two,
that equals such a sum is no coincidence.
"""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams.core.kpis import Kpi
from streams.core.topics import ALERTS, DEAD_LETTERS, KPIS, OUTCOMES, USAGE
from streams.core.windows import SIZES
from tests.engine_runs import DAY, HOUR, MINUTE, WEEK, EngineRun
from tests.integration.consoles import Console
from tests.integration.records import LONG_AGO, Log, Record, home
from tests.integration.workers import Worker, eventually

LEAST = 5
MONDAY = LONG_AGO - 12 * HOUR
MARK = "MARKED"
SAID = ("event_id", "run_id", "request_id", "prompt_fingerprint", "tool")


class Call(NamedTuple):
    """One call of one person."""

    team: str
    workflow: str
    person: str
    at: int
    cost: int

    def value(self, number: int) -> bytes:
        """The record, with marks in every field that nothing may let out."""
        fields: dict[str, Any] = {name: f"{MARK}-{name}-{number}" for name in SAID}
        fields["run_id"] = f"{MARK}-run-{self.person}-{self.at // DAY}"
        return orjson.dumps(
            {
                **fields, "source": "native", "occurred_at": self.at, "team": self.team, "workflow": self.workflow,
                "actor": self.person, "model": "m", "input_tokens": 1, "cost_micro_usd": self.cost,
                "attributes": {"note": f"{MARK} prompt"},
            }
        )  # fmt: skip


def company(seed: int, teams: int = 12) -> list[Call]:
    """Teams of two to nine people, in a workflow or two each, at their hours; some at night."""
    rng = random.Random(seed)
    calls = []
    for number in range(teams):
        people = [f"{MARK}.{number}.{it}@example.com" for it in range(rng.randrange(2, 10))]
        for person in people:
            for day in range(12):
                if day % 7 > 4 and rng.random() < 0.8:
                    continue
                for _ in range(rng.randrange(0, 4)):
                    hour = rng.choice([9, 9, 9, 10, 10, 14, 14, 15, 3])
                    at = MONDAY + day * DAY + hour * HOUR + rng.randrange(HOUR)
                    calls.append(
                        Call(
                            f"team-{number}",
                            rng.choice(["coding", "coding", "review"]),
                            person,
                            at,
                            rng.getrandbits(40),
                        )
                    )
    calls.sort(key=lambda call: call.at)
    # Some come too late for their windows.
    for _ in range(len(calls) // 40):
        at = rng.randrange(len(calls) - 30)
        calls.insert(at + rng.randrange(5, 30), calls.pop(at))
    return calls


def secrets(calls: Iterable[Call]) -> set[int]:
    """Sums of fewer people than the minimum, in every window of every workflow and team."""
    cells: dict[tuple[Any, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for call in calls:
        for size in SIZES:
            for workflow in (call.workflow, None):
                cells[call.team, workflow, size, size.bucket_of(call.at)][call.person] += call.cost
    found = set()
    for sums in cells.values():
        for few in range(1, LEAST):
            found |= {sum(group) for group in combinations(sums.values(), few)}
    return found


def known(kpis: Iterable[Kpi], scrapes: Iterable[dict[str, int]]) -> dict[str, set[int]]:
    """By team, every sum of money that was published, and every step of its metrics."""
    found: dict[str, set[int]] = defaultdict(set)
    for kpi in kpis:
        for sum_ in (kpi.spend_micro_usd, kpi.cohort_spend_micro_usd):
            found[kpi.team].add(sum_ or 0)
    last: dict[str, int] = defaultdict(int)
    for scrape in scrapes:
        for series, value in scrape.items():
            found[series.partition("/")[0]].add(value - last[series])
            found[series.partition("/")[0]].add(value)
            last[series] = value
    return found


def caught(published: dict[str, set[int]], hidden: set[int]) -> list[int]:
    """Secrets that are a published figure or a difference of two of one team."""
    found: list[int] = []
    for sums in published.values():
        found += [it for it in sums if it in hidden]
        found += [one - other for one in sums for other in sums if one - other in hidden]
    return found


def amounts(pages: dict[str, bytes]) -> dict[str, set[int]]:
    """By team, every sum of money in the console's documents, and a nought, so that each is a difference, too."""
    found: dict[str, set[int]] = defaultdict(set)

    def look(it: Any, team: str) -> None:
        if isinstance(it, dict):
            team = it["team"] if isinstance(it.get("team"), str) else team
            for name, value in it.items():
                if "micro_usd" in name and isinstance(value, int):
                    found[team].add(value)
                look(value, team)
        elif isinstance(it, list):
            for each in it:
                look(each, team)

    for path, body in pages.items():
        if "format=json" in path:
            look(orjson.loads(body), "")
    return found


class Scraper:
    """Reads a worker's metrics all the time; costs in micro-dollars, by team and workflow."""

    def __init__(self, worker: Worker) -> None:
        self.scrapes: list[dict[str, int]] = []
        self.texts: set[bytes] = set()
        self._worker = worker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            text = self._worker.get("/metrics")[1]
            self.texts.add(text)
            found = {}
            for family in text_string_to_metric_families(text.decode()):
                for sample in family.samples:
                    if sample.name == "assay_spend_usd_total":
                        found["/".join((sample.labels["team"], sample.labels["workflow"]))] = round(sample.value * 1e6)
            self.scrapes.append(found)
            time.sleep(0.2)

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


def test_the_attack_finds_people_where_nothing_protects_them() -> None:
    """The same attack on figures without the group minimum: it finds very many, so that finding none means something."""
    calls = company(1)
    runs = {least: EngineRun(min_actors=least) for least in (0, LEAST)}
    for run in runs.values():
        run.feed(*(call.value(number) for number, call in enumerate(calls)))
        run.finish(settle=True)
    assert len(caught(known(runs[0].kpis, []), secrets(calls))) > 1_000
    assert caught(known(runs[LEAST].kpis, []), secrets(calls)) == []


@pytest.mark.kafka
def test_nobody_is_found_in_what_a_worker_lets_out(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    calls = company(2)
    log = Log(kafka, topic_prefix)
    records = [Record(home(call.team), call.value(number)) for number, call in enumerate(calls)]
    broken = [Record(record.partition, (record.value or b"")[:-9]) for record in records[:40]]
    outcomes = [
        Record(
            home(call.team),
            orjson.dumps({
                "outcome_id": f"{MARK}-o-{number}", "source": "github", "occurred_at": call.at + 5 * MINUTE,
                "team": call.team, "workflow": call.workflow, "kind": "change_merged" if number % 8 else "unheard_of",
                "verdict": "accepted", "actor": call.person, "run_id": f"{MARK}-run-{call.person}-{call.at // DAY}",
                "ref": f"{MARK}/repo#{number}",
            }),
        )
        for number, call in enumerate(calls[::5])
    ]  # fmt: skip
    settings = {"ASSAY_WINDOWS__IDLE_SECONDS": "2", "ASSAY_PARTITIONS": "4"}
    with Worker(kafka, topic_prefix, tmp_path / "worker", settings) as worker:
        worker.start().ready()
        scraper = Scraper(worker)
        log.put(USAGE, records[: len(records) // 2])
        log.put(OUTCOMES, outcomes)
        log.put(USAGE, [*records[len(records) // 2 :], *broken])
        worker.received(len(records) + len(broken) + len(outcomes))
        weeks = eventually(
            "weeks are published", lambda: [kpi for kpi in log.kpis() if kpi.window_size_ms == WEEK and kpi.cohort_runs]
        )  # fmt: skip
        scraper.end()
        pages = b"".join(worker.get(path)[1] for path in ("/metrics", "/healthz", "/readyz", "/"))
        with Console(kafka, topic_prefix, tmp_path / "console", "--workers", worker.url) as console:
            console.ready()
            looked_at = console.everything()
            pages += b"".join(looked_at.values()) + console.log.encode() + console.get("/metrics", web=True)[1]
    kpis = log.kpis()
    assert weeks
    assert caught(known(kpis, scraper.scrapes), secrets(calls)) == []
    seen = amounts(looked_at)
    assert sum(len(sums) for sums in seen.values()) > 20
    assert caught(seen, secrets(calls)) == []

    letters = log.read(DEAD_LETTERS)
    reasons = Counter(letter.reason for letter in log.dead_letters())
    assert reasons["invalid_json"] == len(broken)
    assert reasons["unknown_kind"] == len(outcomes[::8])
    let_out = {
        "kpis": b"".join(record.value or b"" for record in log.read(KPIS)),
        "alerts": b"".join(record.value or b"" for record in log.read(ALERTS)), "metrics": b"".join(scraper.texts),
        "pages": pages, "log": worker.log.encode(),
        "state": b"".join(record.value or b"" for record in log.read("assay-state-changelog")),
    }  # fmt: skip
    assert {name: said.count(MARK.encode()) for name, said in let_out.items()} == dict.fromkeys(let_out, 0)
    # What a producer must mend is kept but for the person.
    assert not [letter for letter in letters if f"{MARK}.".encode() in (letter.value or b"")]
    assert [letter for letter in letters if f"{MARK}-o-".encode() in (letter.value or b"")]
