"""What the pages say is what the code does: tables are compared, examples are parsed, links lead somewhere."""

import ast
import re
from pathlib import Path

import pytest

from streams.cli.groups import EXIT_CODES
from streams.core.reasons import Reason
from streams.errors import ConfigError, DataError, DependencyError
from streams.settings import Settings, load_settings
from streams.settings_layers import defaults_of
from streams.settings_page import documented_keys, markdown
from streams.topics_plan import desired_topics
from streams.web.health import STUCK_AFTER_SECONDS, HealthReason

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "schemas" / "README.md", *sorted(DOCS.rglob("*.md"))]
_DAY_MS = 86_400_000


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table whose header begins with this one, without backticks."""
    lines = text.splitlines()
    (start,) = [number for number, line in enumerate(lines) if line.startswith(f"| {heading} |")]
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return found


def examples(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text_of(page), re.DOTALL)


def test_the_configuration_page_is_the_model() -> None:
    assert text_of("docs/configuration.md") == markdown(), (
        "run: python -m streams.settings_page > docs/configuration.md"
    )


def test_every_setting_is_documented_once_with_a_sentence() -> None:
    assert sorted(documented_keys()) == sorted(defaults_of(Settings))
    for line in markdown().splitlines():
        if line.startswith("| `"):
            assert line.rstrip(" |").endswith("."), line


def test_the_example_of_a_configuration_file_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSAY_CONFIG", raising=False)
    (example,) = examples("docs/configuration.md", "yaml")
    file = tmp_path / "assay.yaml"
    file.write_text(example)
    settings = load_settings(file)
    assert (settings.partitions, settings.windows.lateness_seconds) == (12, 120)


def test_the_reasons_of_dead_letters_are_those_of_the_code() -> None:
    assert [name for name, _ in rows(text_of("docs/records.md"), "reason")] == [reason.value for reason in Reason]


def test_the_topics_are_those_that_are_created() -> None:
    specs = desired_topics(prefix="", app_id="assay", partitions=4, replication_factor=1)
    kept = {
        spec.name: "compacted"
        if spec.cleanup_policy == "compact"
        else f"{int(spec.initial['retention.ms']) // _DAY_MS} days"
        for spec in specs
    }
    assert {name: how for name, _, _, how in rows(text_of("docs/records.md"), "topic")} == kept


def test_every_log_event_is_explained() -> None:
    written = {
        (event, "error" if level == "exception" else level)
        for module in (ROOT / "streams").rglob("*.py")
        for level, event in re.findall(r'\blog\.(\w+)\(\s*"([^"]+)"', module.read_text(encoding="utf-8"))
    }
    assert {(event, level) for event, level, *_ in rows(text_of("docs/operations.md"), "event")} == written


def test_the_reasons_of_health_and_its_patience_are_those_of_the_code() -> None:
    page = text_of("docs/operations.md")
    assert [name for name, _ in rows(page, "reason")] == [reason.value for reason in HealthReason]
    assert f"{STUCK_AFTER_SECONDS:.0f} s" in page


def test_the_exit_codes_are_those_of_the_commands() -> None:
    codes = {int(code): meaning for code, meaning, _ in rows(text_of("docs/operations.md"), "code")}
    assert set(codes) == {int(code) for code in re.findall(r"(\d+) \w", EXIT_CODES)}
    assert codes[ConfigError.exit_code].startswith("configuration")
    assert "Kafka" in codes[DependencyError.exit_code]
    assert codes[DataError.exit_code].startswith("data")


def test_the_first_example_is_that_of_the_producers_page() -> None:
    assert examples("README.md", "python")[0] == examples("docs/producers.md", "python")[0]


def test_examples_in_python_can_be_parsed() -> None:
    for example in examples("README.md", "python"):
        ast.parse(example)


def test_readers_are_told_to_read_what_is_committed() -> None:
    for page in ("README.md", "docs/records.md"):
        assert "isolation.level=read_committed" in text_of(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_every_decision_is_in_the_index() -> None:
    index = text_of("docs/adr/README.md")
    for record in sorted((DOCS / "adr").glob("[0-9]*.md")):
        number, title = record.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").split(". ", 1)
        assert record.name.startswith(f"{number}-")
        assert f"| [{number}]({record.name}) | {title} |" in index
