"""``assay console``: settings in, and what it refuses."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import Result

from streams.console.gate import gate_of
from streams.console.metrics import ConsoleMetrics
from streams.errors import ConfigError
from streams.settings import Settings, load_settings

Assay = Callable[..., Result]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What the console is started with."""
    started: list[Settings] = []
    running = ModuleType("streams.console.running")
    running.run_console = started.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "streams.console.running", running)
    return started


def test_the_console_gets_the_effective_settings(assay: Assay, given: list[Settings]) -> None:
    result = assay(
        "console", "--brokers", "kafka:9092", "--port", "0", "--base-path", "/assay/", "--workers", "http://a:1/, http://b:2",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    [settings] = given
    assert (settings.brokers, settings.console.port, settings.console.base_path) == ("kafka:9092", 0, "/assay")
    assert settings.console.workers == "http://a:1,http://b:2"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--base-path", "assay"), "write it as /assay"), (("--base-path", "/a b"), "write it as /assay"),
        (("--workers", "worker:6066"), "http or https URL"), (("--identity-header", "X User"), "X-Forwarded-User"),
        (("--history-weeks", "1"), "history_weeks"),
    ],
)  # fmt: skip
def test_a_setting_that_is_wrong_is_named_with_its_mend(
    assay: Assay, given: list[Settings], flags: tuple[str, str], said: str
) -> None:
    result = assay("console", *flags)
    assert result.exit_code == 3
    assert said in result.stderr
    assert given == []


def test_pages_are_not_shown_to_everybody_unasked(tmp_path: Path) -> None:
    def gate(**chosen: object) -> None:
        gate_of(load_settings(overrides={f"console.{name}": value for name, value in chosen.items()}).console)

    with pytest.raises(ConfigError, match=r"everybody could read; set console\.token_file"):
        gate(host="0.0.0.0")
    gate(host="127.0.0.1")
    gate(host="0.0.0.0", insecure_no_auth=True)
    gate(host="0.0.0.0", identity_header="X-User")
    (tmp_path / "token").write_text("short\n")
    with pytest.raises(ConfigError, match="16"):
        gate(host="0.0.0.0", token_file=tmp_path / "token")


def test_the_page_lists_the_metrics() -> None:
    listed = re.findall(
        r"^\| `(assay_console_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$",
        (ROOT / "docs/console.md").read_text(),
        re.MULTILINE,
    )
    served = [
        (f"{family.name}{'_total' if family.type == 'counter' else ''}", family.type, family.documentation)
        for family in ConsoleMetrics().registry.collect()
    ]
    assert [(name, kind, text) for name, kind, _, text in listed] == served
