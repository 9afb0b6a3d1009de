"""Explanations as text and as a document."""

import json

from streams.core.policy import Policy
from streams.detectors import JUDGES
from streams.explain.document import Explanation, document
from streams.explain.lives import lives
from streams.explain.rebuilding import compare
from streams.explain.text import render
from tests.unit.subscribers.alerts import alert

DETECTOR = JUDGES.detector("spend_without_outcomes")


def flat(text: str) -> str:
    """Without the breaks of lines."""
    return " ".join(text.split())


def explanation(**fields: object) -> Explanation:
    records = [
        alert("a", 1, evidence={"orphan_runs": 30.0, "score": 1.4}, **fields),
        alert("a", 2, state="resolved", reason="resolved", **fields),
    ]
    return Explanation(lives(records)["a"], DETECTOR)


def test_everything_that_a_reader_asks_is_said() -> None:
    text = flat(render([explanation()], 120))
    for said in (
        DETECTOR.rule, "observed 0.75, expected 0.2, ratio 3.75", "40 of 33 needed", "fires at a score of 1",
        "2026-01-05 11:00 UTC to 2026-01-05 12:00 UTC", "$1,234.57", DETECTOR.silent, "- a long experiment",
        "Look at the runs without an outcome.", "first: The episode begins to fire.", "resolved: It is over.",
        "policy: workflows.payments/refund-bot.exploratory: true", "score 1.4",
    ):  # fmt: skip
        assert said in text, said


def test_lines_are_as_wide_as_the_terminal() -> None:
    assert max(map(len, render([explanation()], 70).splitlines())) <= 70


def test_what_is_unknown_is_not_zero() -> None:
    unknown = explanation(money_at_stake_micro_usd=None, observed=None, expected=None, ratio=None)
    text = render([unknown], 100)
    assert "observed unknown, expected unknown, ratio unknown" in text
    assert "At stake      unknown" in text
    assert document([unknown])["alerts"][0]["money_at_stake_micro_usd"] is None


def test_text_of_strangers_cannot_move_the_cursor() -> None:
    text = render([explanation(team="pay\x1b[2Jments", summary="a\u202eb", next_step="\x07")], 100)
    assert not set(text) & {"\x1b", "\u202e", "\x07"}


def test_a_detector_of_another_release_is_said_to_be_unknown() -> None:
    life = lives([alert("a", detector="lockstep", reason="novel")])["a"]
    text = flat(render([Explanation(life, None)], 100))
    assert "this release has no detector lockstep" in text
    assert "a reason that this release does not know" in text
    found = document([Explanation(life, None)])["alerts"][0]
    assert (found["rule"], found["timeline"][0]["reason_words"]) == (None, None)


def test_revisions_that_are_gone_are_said() -> None:
    text = render([Explanation(lives([alert("a", 3)])["a"], DETECTOR)], 100)
    assert "2 earlier revisions no longer kept" in text


def test_the_document_is_json_and_has_its_fields() -> None:
    it = explanation()
    found = json.loads(json.dumps(document([it])))
    assert found["format"] == 1
    (said,) = found["alerts"]
    assert said["threshold"] == {"score": None, "fires_at": 1.0}
    assert [entry["score"] for entry in said["timeline"]] == [1.4, None]
    assert said["rule"]["words"] == DETECTOR.rule
    assert said["sample"] == {"size": 40, "needed": 33}
    assert said["rebuild"] is None


def test_a_rebuild_is_told_with_its_differences() -> None:
    it = explanation()
    other = lives([alert("a", 1, observed=0.5), alert("a", 2, state="resolved", reason="resolved")])
    rebuild = compare(it.life, other, (), DETECTOR, Policy(), "policy new")
    told = Explanation(it.life, DETECTOR, rebuild)
    assert "revision 1, observed: recorded 0.75, rebuilt 0.5" in render([told], 120)
    found = json.loads(json.dumps(document([told])))["alerts"][0]["rebuild"]
    assert (found["outcome"], found["config_version"]) == ("different", "policy new")
    assert {"revision": 1, "field": "observed", "recorded": 0.75, "rebuilt": 0.5} in found["differences"]
