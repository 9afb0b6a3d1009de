"""The examples of the documentation are programs that run."""

import re
from pathlib import Path
from typing import Any

import pytest

import streams.producers
from streams.producers.drafts import OUTCOME, USAGE, Drafter, EventForm
from streams.producers.identifiers import new_event_id, now_ms

PAGE = Path(__file__).parents[3] / "docs" / "producers.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


class Blocking:
    form = USAGE

    def __init__(self, brokers: str, *, source: str = "native") -> None:
        self.brokers = brokers

    def __enter__(self) -> "Blocking":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def send(self, **fields: object) -> str:
        return drafted(fields, self.form)


class BlockingOutcomes(Blocking):
    form = OUTCOME


class Asynchronous:
    def __init__(self, brokers: str) -> None:
        self.brokers = brokers

    async def __aenter__(self) -> "Asynchronous":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def send_many(self, events: list[dict[str, object]]) -> int:
        return sum(bool(drafted(event)) for event in events)


def drafted(fields: dict[str, object], form: EventForm[Any] = USAGE) -> str:
    drafter = Drafter(form, source="native", encoding="json", now_ms=now_ms, new_event_id=new_event_id)
    return drafter.draft(fields).event_id


@pytest.mark.parametrize("example", EXAMPLES, ids=["blocking", "asyncio", "outcomes"])
def test_an_example_runs_and_its_events_are_valid(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.producers, "UsageProducer", Blocking, raising=False)
    monkeypatch.setattr(streams.producers, "OutcomeProducer", BlockingOutcomes, raising=False)
    monkeypatch.setattr(streams.producers, "AsyncUsageProducer", Asynchronous, raising=False)
    exec(compile(example.replace("100_000", "100"), str(PAGE), "exec"), {"__name__": "example"})
