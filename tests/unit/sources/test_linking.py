"""Which run an outcome names, and why it names none."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.linking import DEFAULT, Clues, Link, Linked, Rule, branch_pattern, link, team_name

RUN = "0198a3f2-1c5e-7d60-9c1e-0d6f2b1c4a55"


@pytest.mark.parametrize(("clues", "how", "run", "workflow", "team"), [
    (Clues(["Assay-Run: run-1"]), "trailer", "run-1", None, None),
    (Clues(["Fix it\r\n\r\nassay-run:   run-1  \r\nAssay-Workflow: nightly fixes\r\nAssay-Team: payments\r\n"]), "trailer", "run-1", "nightly fixes", "payments"),
    # Squashing leaves trailers in the middle of a message.
    (Clues(["Fix it (#12)\n\n* first\n\nAssay-Run: run-1\n\n* second\n"]), "trailer", "run-1", None, None),
    (Clues(["text <!-- assay:run=run-1 workflow=review team=payments --> text"]), "marker", "run-1", "review", "payments"),
    (Clues(["<!--assay:run=run-1-->"]), "marker", "run-1", None, None),
    (Clues(labels=["assay-run:run-1", "workflow: review", "Team:payments", "bug"]), "label", "run-1", "review", "payments"),
    (Clues(branch="assay/review/run-1"), "branch", "run-1", "review", None),
    (Clues(branch="refs/heads/assay/review/run-1"), "branch", "run-1", "review", None),
    (Clues([f"Fix it\n\nClaude-Session-Id: {RUN}\n"]), "session", RUN, None, None),
    # The best rule decides, each thing by itself.
    (Clues(["Assay-Run: best\n<!-- assay:run=second workflow=marked -->"], ["assay-run:third", "workflow:labelled"], "assay/branched/last"), "trailer", "best", "marked", None),
    (Clues(labels=["workflow:review"]), "workflow", None, "review", None),
    (Clues(labels=["team:payments"]), "unnamed", None, None, "payments"),
    # Several runs: none is chosen, unless another rule names one.
    (Clues(["Assay-Run: one\nAssay-Run: two"]), "ambiguous", None, None, None),
    (Clues(["Assay-Run: one\nAssay-Run: two"], ["assay-run:two"]), "label", "two", None, None),
    (Clues(["Assay-Run: one", "x\n\nAssay-Run: one"]), "trailer", "one", None, None),
    # What a template asks for is no run.
    (Clues(["Assay-Run: <id of the run>"]), "malformed", None, None, None),
    (Clues(["Assay-Run: two words"]), "malformed", None, None, None),
    (Clues(["Assay-Run: " + "x" * 257]), "malformed", None, None, None),
    (Clues(["Assay-Run: \u202erun"]), "malformed", None, None, None),
    (Clues(["Assay-Run:", "Assay-Run:   \n"]), "unnamed", None, None, None),
    (Clues(["Assay-Run: <id>"], ["assay-run:run-1"]), "label", "run-1", None, None),
    # A malformed run beside a workflow: the workflow holds, and what is wrong with the run is said.
    (Clues(["Assay-Run: <id>\nAssay-Workflow: review"]), "malformed", None, "review", None),
    # Never a guess.
    (Clues(["We looked at Assay-Run: run-1 again"]), "unnamed", None, None, None),
    (Clues(["Claude-Session: https://claude.ai/code/session_01ABC"]), "unnamed", None, None, None),
    (Clues(branch="claude/fix-login-011CUxyz"), "unnamed", None, None, None),
    (Clues(branch=f"copilot/fix-{RUN}"), "unnamed", None, None, None),
    (Clues(branch="my/assay/review/run-1"), "unnamed", None, None, None),
    (Clues(branch="assay/review/run-1/more"), "unnamed", None, None, None),
    (Clues(branch="assay/" + "x" * 600 + "/run"), "unnamed", None, None, None),
    (Clues(), "unnamed", None, None, None),
])  # fmt: skip
def test_what_clues_name(clues: Clues, how: str, run: str | None, workflow: str | None, team: str | None) -> None:
    assert link(clues) == Linked(Link(how), run, workflow, team)


def test_names_and_patterns_can_be_ones_own() -> None:
    own = DEFAULT._replace(
        run_trailers=("agent-task",),
        run_labels=("task",),
        marker="acme",
        branches=(branch_pattern(r"bots/(?P<run>\d+)"),),
        session_trailers=(),
    )
    assert link(Clues(["Agent-Task: 1"]), own).run_id == "1"
    assert link(Clues(["<!-- acme:run=2 -->"]), own).run_id == "2"
    assert link(Clues(labels=["task:3"]), own).run_id == "3"
    assert link(Clues(branch="bots/4"), own).run_id == "4"
    ours = Clues(["Assay-Run: 1\nClaude-Session-Id: 2\n<!-- assay:run=3 -->"], ["assay-run:4"], "assay/a/5")
    assert link(ours, own) == Linked(Link.UNNAMED)


@pytest.mark.parametrize("pattern", ["(?P<run>", "agents/.*", "(?P<task>.*)"])
def test_a_pattern_that_can_find_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="the pattern for branches"):
        branch_pattern(pattern)


def test_fields_are_those_that_were_found() -> None:
    assert link(Clues(["Assay-Run: r"])).fields() == {"run_id": "r"}
    assert link(Clues(labels=["team:t", "workflow:w"])).fields() == {"workflow": "w", "team": "t"}


@pytest.mark.parametrize(("name", "found"), [("Payments", "Payments"), ("", None), ("x" * 201, None), ("a\nb", None), (7, None)])  # fmt: skip
def test_names_of_teams(name: object, found: str | None) -> None:
    assert team_name(name) == found


PIECES = st.sampled_from([
    "Assay-Run:", "assay-run: a", "<!-- assay:", "run=b", " -->", "-->", "\n", "\r\n", " ", "<", ">", "workflow=", "x", "\u2028", "\x00",
    "Claude-Session-Id: c", "Assay-Team:", "é",
])  # fmt: skip


@given(
    st.lists(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=40), max_size=4),
    st.lists(st.text(max_size=20) | st.sampled_from(["assay-run:a", "workflow:", "team: b", ":", "assay-run:"]), max_size=4),
    st.none() | st.text(max_size=30) | st.sampled_from(["assay/a/b", "assay//", "assay/a/b\n"]),
)  # fmt: skip
def test_whatever_is_found_fits_the_record(texts: list[str], labels: list[str], branch: str | None) -> None:
    found = link(Clues(texts, labels, branch))
    for value, most in ((found.run_id, 256), (found.workflow, 200), (found.team, 200)):
        assert value is None or (0 < len(value) <= most and value.isprintable() and value == value.strip())
    assert (found.run_id is None) == (found.link in {"workflow", "ambiguous", "malformed", "unnamed"})


@pytest.mark.parametrize("piece", [
    "<!-- assay:", "<!--" + " " * 50, "Assay-Run", "assay-run: a\n", " ", "\n", "<!-- assay:run=a ", "Assay-Run: " + "x" * 100,
])  # fmt: skip
def test_hostile_texts_cost_time_in_proportion(piece: str) -> None:
    def cost(size: int) -> float:
        clues = Clues([piece * (size // len(piece))])
        began = time.process_time()
        link(clues)
        return time.process_time() - began

    small = min(cost(50_000) for _ in range(3))
    assert min(cost(400_000) for _ in range(3)) < 40 * max(small, 0.001)  # eight times as long; 64 if it were quadratic


def test_the_page_has_every_rule_in_order_and_every_link() -> None:
    page = (Path(__file__).parents[3] / "docs" / "linking.md").read_text(encoding="utf-8")
    rules, links = page.split("## What was found")
    assert re.findall(r"^\| `(\w+)` \|", rules, re.MULTILINE) == [*Rule, "field"]
    table = "".join(line for line in links.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", table)) >= set(Link)
    for names in (DEFAULT.run_trailers, DEFAULT.workflow_trailers, DEFAULT.team_trailers, DEFAULT.session_trailers):
        assert all(f"{name}:" in page.lower() for name in names)
    for names in (DEFAULT.run_labels, DEFAULT.workflow_labels, DEFAULT.team_labels):
        assert all(f"`{name}:" in page.lower() for name in names)
