"""``assay worker``: settings in, the worker's exit code out."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import Result

from streams.errors import ConfigError
from streams.settings import Settings, load_settings

Assay = Callable[..., Result]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What a worker is started with; it ends with code 4."""
    started: list[Settings] = []
    app = ModuleType("streams.app")

    def run_worker(settings: Settings) -> int:
        started.append(settings)
        return 4

    app.run_worker = run_worker  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "streams.app", app)
    return started


def test_the_worker_gets_the_effective_settings_and_its_code_is_ours(
    assay: Assay, given: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_WINDOWS__LATENESS_SECONDS", "5")
    result = assay("worker", "--brokers", "kafka:9092", "--data-dir", "/var/lib/assay", "--web-port", "0")
    assert result.exit_code == 4
    [settings] = given
    assert (settings.brokers, str(settings.data_dir), settings.web_port) == ("kafka:9092", "/var/lib/assay", 0)
    assert settings.windows.lateness_seconds == 5


def test_an_invalid_configuration_starts_nothing(assay: Assay, given: list[Settings]) -> None:
    assert assay("worker", "--partitions", "0").exit_code == 3
    assert given == []


@pytest.mark.parametrize("key", ["policy", "prices.book"])
def test_a_policy_or_price_book_is_judged_before_kafka_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: str
) -> None:
    """A broker that is away is another's matter, and may be back soon; a mistake in the file stays until it is mended."""
    app = pytest.importorskip("streams.app")
    monkeypatch.setattr(app, "configure_logging", lambda *_: None)
    file = tmp_path / "file.yaml"
    file.write_text("teams: []\n")
    settings = load_settings(None, {key: str(file), "brokers": "127.0.0.1:1", "insecure_dev_key": True})
    with pytest.raises(ConfigError, match=r"file\.yaml"):
        app.run_worker(settings)
