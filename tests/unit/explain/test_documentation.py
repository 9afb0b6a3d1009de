"""The page on alerts says what the code does: reasons, outcomes, changes, and every field of the documents."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streams.backtest.comparison import Change, compared
from streams.backtest.document import Backtest
from streams.backtest.document import document as backtest_document
from streams.core.alerting import PUBLISHED, Reason
from streams.core.episodes import Judged, Place
from streams.core.findings import Insufficient
from streams.core.policy import Policy
from streams.detectors import JUDGES
from streams.explain.document import Explanation
from streams.explain.document import document as explain_document
from streams.explain.lives import lives
from streams.explain.rebuilding import Outcome, Tallies, compare
from streams.explain.words import REASONS
from tests.unit.subscribers.alerts import OPENED_MS, alert
from tests.unit.test_documentation import rows

PAGE = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")


def test_the_reasons_are_those_of_the_code() -> None:
    said = {name: (record, meaning) for name, record, meaning in rows(PAGE, "reason")}
    assert said == {it.value: ("yes" if it in PUBLISHED else "no", words) for it, words in REASONS.items()}


def test_the_outcomes_of_a_rebuild_and_the_changes_of_a_backtest_are_those_of_the_code() -> None:
    assert [name for name, _ in rows(PAGE, "outcome")] == [it.value for it in Outcome]
    assert all(f"`{it.value}`" in PAGE for it in Change)


def test_every_field_of_the_documents_is_on_the_page() -> None:
    life = lives([alert("a")])["a"]
    tallies = Tallies([life])
    place = Place("spend_without_outcomes", "payments", "refund-bot")
    tallies(Judged(place, OPENED_MS, Reason.INSUFFICIENT, Insufficient(1, 2)))
    detector = JUDGES.detector("spend_without_outcomes")
    rebuild = compare(life, lives([alert("a", observed=0.1)]), tallies.of("a"), detector, Policy(), "")
    explained = explain_document([Explanation(life, detector, rebuild)])
    entries = compared({"a": life}, {"b": life})
    tested = backtest_document(Backtest(entries=entries, as_of_ms=OPENED_MS, new="", old=""))
    # Records are the schema's, and detectors and evidence are named by themselves.
    left = {"records", "evidence", "detectors"}
    fields = {*fields_of(explained, left), *fields_of(tested, left)} - {it.value for it in Change}
    assert len(fields) > 50
    assert {name for name in fields if f"`{name}`" not in PAGE} == set()


def fields_of(value: Any, left: set[str]) -> Iterator[str]:
    """The names of all fields of a document, at any depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            if name not in left:
                yield from fields_of(inner, left)
    elif isinstance(value, list):
        for inner in value:
            yield from fields_of(inner, left)
