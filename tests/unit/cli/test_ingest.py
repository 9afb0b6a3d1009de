"""``assay ingest``: settings in; and what `assay check config` says of it."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import Result

from streams.settings import Settings
from tests.ingest_source import SOURCES

Assay = Callable[..., Result]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What the service is started with."""
    started: list[Settings] = []
    running = ModuleType("streams.ingest.running")
    running.run_ingest = started.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "streams.ingest.running", running)
    return started


def test_the_service_gets_the_effective_settings(assay: Assay, given: list[Settings]) -> None:
    result = assay("ingest", "--brokers", "kafka:9092", "--port", "0", "--insecure-no-auth", "--spool-mb", "100")
    assert result.exit_code == 0
    [settings] = given
    assert settings.brokers == "kafka:9092"
    assert (settings.ingest.port, settings.ingest.insecure_no_auth, settings.ingest.spool_mb) == (0, True, 100)


def test_an_invalid_configuration_starts_nothing(assay: Assay, given: list[Settings]) -> None:
    result = assay("ingest", "--tls-key-file", "key")
    assert result.exit_code == 3
    assert "belong together; give both or neither" in result.stderr
    assert given == []


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("streams.ingest.setup.sources_file_of.__defaults__", (SOURCES,))
    (tmp_path / "token").write_text("t" * 32)
    (tmp_path / "sources.yaml").write_text("sources:\n- {name: proxy, kind: test, token_file: token, team: payments}\n")
    file = tmp_path / "assay.yaml"
    file.write_text(f"insecure_dev_key: true\ningest: {{sources_file: {tmp_path / 'sources.yaml'}}}\n")
    return file


def test_the_file_of_sources_is_checked_and_shown_without_its_secrets(assay: Assay, config: Path) -> None:
    result = assay("check", "config", "--config", config)
    assert result.exit_code == 0
    assert "#   proxy: test, by token_file, team payments" in result.stdout
    assert "tttt" not in result.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ingest: {sources_file: nowhere.yaml}", "cannot read nowhere.yaml"),
        ("ingest: {insecure_no_auth: true, host: 0.0.0.0}", "0.0.0.0 is no loopback address"),
        ("ingest: {insecure_no_auth: true, sources_file: here.yaml}", "keep exactly one of them"),
        ("ingest: {tls_certificate_file: a, tls_key_file: b}", "a and b are no certificate and its key"),
        ("ingest: {tls_key_file: b}", "give both or neither"),
        ("ingest: {spool_megabytes: 1}", "did you mean ingest.spool_mb?"),
    ],
)
def test_what_would_not_start_is_told(assay: Assay, config: Path, change: str, said: str) -> None:
    config.write_text(f"insecure_dev_key: true\n{change}\n")
    result = assay("check", "config", "--config", config)
    assert result.exit_code == 3
    assert said in result.stderr
