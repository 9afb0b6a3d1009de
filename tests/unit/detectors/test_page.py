"""The page about detectors is what the registry says."""

from pathlib import Path

from streams.core.alerting import Reason
from streams.core.policy import TeamPolicy, WorkflowPolicy
from streams.detectors import REGISTRY
from streams.detectors.page import WORDS, markdown

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "detectors.md").read_text(encoding="utf-8")


def test_the_page_is_printed_from_the_registry() -> None:
    assert markdown() == PAGE, "run: python -m streams.detectors.page > docs/detectors.md"


def test_every_detector_has_a_section_with_all_that_one_must_know() -> None:
    assert set(WORDS) == {it.name for it in REGISTRY}
    for detector in REGISTRY:
        section = PAGE.split(f"### `{detector.name}`\n")[1].split("\n### ")[0]
        for said in (detector.rule, detector.silent, detector.next_step, *detector.benign_causes):
            assert said in section
        cells = dict(
            line.strip("| ").split(" | ", 1)
            for line in section.splitlines()
            if line.startswith("| ") and " | " in line[2:-2]
        )
        assert {
            "rule",
            "second signal",
            "needs",
            "fires",
            "silent",
            "may be benign",
            "next step",
            "policy",
            "source",
        } <= set(cells)
        assert len(cells["source"]) > 20


def test_every_reason_is_explained() -> None:
    assert all(f"| `{reason}` |" in PAGE for reason in Reason)


def test_every_setting_that_it_names_is_one_of_the_policy() -> None:
    known = {*TeamPolicy.__dataclass_fields__, *WorkflowPolicy.__dataclass_fields__}
    known |= {name.replace("_micro_usd", "_usd") for name in known}
    assert {name for words in WORDS.values() for name in words.settings} <= known
    policy = (DOCS / "policy.md").read_text(encoding="utf-8")
    assert all(f".{name}`" in policy for words in WORDS.values() for name in words.settings)
