"""Recorded logs, judged anew."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from streams.core.avro import USAGE_EVENT
from streams.core.episodes import Judged
from streams.core.events import UsageDecoder, UsageEvent
from streams.core.policy import Policy, TeamPolicy
from streams.detectors import JUDGES
from streams.engine_params import EngineSetup, engine_setup
from streams.recordings import Log, Recording, Spool, of_files
from streams.replay import newest_until
from streams.settings import Settings
from tests.alert_logs import BUDGET_USD, BURN_MS, LOOP_MS, burn, loop, ordinary, write_lines

_KEY = b"k" * 16
_NOW_MS = BURN_MS + 30 * 86_400_000


@pytest.fixture
def spool() -> Iterator[Spool]:
    with TemporaryFile() as file:
        yield Spool(file)


def test_a_spool_gives_records_as_they_are_again_and_again(spool: Spool) -> None:
    records = [b"one\n", b"\r\n \n", b"\xc3\x01\x00", b"four"]
    spool.add(records[:1])
    spool.add(records[1:])
    assert list(spool) == records
    assert list(spool) == records
    assert spool.size_bytes == sum(map(len, records))


def test_records_in_avro_are_read_from_a_spool(spool: Spool) -> None:
    decoder = UsageDecoder()
    events = decoder.decode([json.dumps(it).encode() for it in loop()]).events
    encoded = [USAGE_EVENT.to_avro(it) for it in events if isinstance(it, UsageEvent)]
    spool.add(encoded)
    assert newest_until([spool], decoder=decoder, until_ms=_NOW_MS) == LOOP_MS + 59 * 10_000


def test_a_recording_gives_the_alerts_and_every_decision(tmp_path: Path) -> None:
    settings = Settings()
    file = write_lines(tmp_path / "usage.jsonl", [*ordinary(), *loop()])
    heard: list[Judged] = []
    found = of_files([file], []).judge(
        settings, engine_setup(settings), JUDGES, pseudonym_key=_KEY, now_ms=_NOW_MS, listener=heard.append
    )
    assert [(it.detector, it.reason) for it in found] == [("runaway", "first"), ("runaway", "resolved")]
    said = {(it.place.detector, it.reason.value) for it in heard}
    assert {
        ("runaway", "first"),
        ("runaway", "open"),
        ("runaway", "resolved"),
        ("redundant_work", "insufficient"),
    } <= said


def test_teams_of_another_partition_are_left_out() -> None:
    setup = _setup_with_budgets()
    values = {
        team: [json.dumps(it).encode() for it in sorted([*ordinary(team), *burn(team)], key=_at)]
        for team in ("payments", "search")
    }
    strayed = values["search"][:1]
    recording = Recording(
        logs={0: Log([values["payments"]]), 1: Log([[*strayed, *values["search"]]])}, size_bytes=None,
        partition_for=lambda team: 0 if team == "payments" else 1,
    )  # fmt: skip
    found = recording.judge(Settings(), setup, JUDGES, pseudonym_key=_KEY, now_ms=_NOW_MS)
    assert {it.team for it in found} == {"payments", "search"}
    assert [it.updated_at for it in found] == sorted(it.updated_at for it in found)
    swapped = Recording(
        logs={0: Log([values["payments"]]), 1: Log([values["search"]])}, size_bytes=None, partition_for=lambda _: 0
    )  # fmt: skip
    assert {it.team for it in swapped.judge(Settings(), setup, JUDGES, pseudonym_key=_KEY, now_ms=_NOW_MS)} == {
        "payments"
    }


def test_the_newest_event_of_all_partitions_sets_the_clock() -> None:
    logs = {
        0: Log([[json.dumps(it).encode() for it in loop()]]),
        1: Log([[json.dumps(it).encode() for it in burn()]]),
        2: Log([[]]),
    }
    recording = Recording(logs=logs, size_bytes=None)
    assert recording.newest_until(Settings(), _NOW_MS) == BURN_MS + 59 * 60_000
    assert Recording(logs={0: Log([[]])}, size_bytes=0).newest_until(Settings(), _NOW_MS) == _NOW_MS


def _setup_with_budgets() -> EngineSetup:
    setup = engine_setup(Settings())
    known = TeamPolicy(monthly_budget_micro_usd=BUDGET_USD * 1_000_000)
    policy = Policy(teams={"payments": known, "search": known})
    return setup._replace(params=replace(setup.params, policy=policy))


def _at(event: dict[str, int]) -> int:
    return event["occurred_at"]
