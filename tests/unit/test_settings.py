"""Settings: where a value comes from, what is refused, and in which words."""

import os
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from streams.errors import ConfigError
from streams.settings import DEV_PSEUDONYM_KEY, Settings, load_settings, origins, pseudonym_key
from streams.settings_layers import defaults_of, flatten, nest


@pytest.fixture(autouse=True)
def no_assay_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("ASSAY_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "assay.yaml"


def problems(config: Path | None = None, **overrides: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(config, overrides)
    return str(caught.value).splitlines()


def test_defaults_are_those_of_the_documentation() -> None:
    settings = load_settings()
    assert settings.brokers == "127.0.0.1:9092"
    assert (settings.app_id, settings.topic_prefix, settings.partitions) == ("assay", "", 4)
    assert settings.data_dir == Path("assay-data")
    assert settings.processing_guarantee == "exactly_once"
    assert settings.windows.lateness_seconds == 60
    assert settings.dedupe.max_ids_per_partition == 50_000_000
    assert settings.pseudonym_key is None


def test_a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("web_port: 1\npartitions: 2\ncommit_interval_ms: 3\nwindows: {grace_seconds: 90}\n")
    monkeypatch.setenv("ASSAY_WEB_PORT", "10")
    monkeypatch.setenv("ASSAY_PARTITIONS", "20")
    monkeypatch.setenv("ASSAY_WINDOWS__LATENESS_SECONDS", "7")
    overrides = {"web_port": 100, "brokers": None}
    settings = load_settings(config, overrides)
    assert (settings.web_port, settings.partitions, settings.commit_interval_ms) == (100, 20, 3)
    assert (settings.windows.lateness_seconds, settings.windows.grace_seconds) == (7, 90)
    found = {key: str(origin) for key, origin in origins(config, overrides).items()}
    assert found["web_port"] == "flag --web-port"
    assert found["partitions"] == "env ASSAY_PARTITIONS"
    assert found["windows.lateness_seconds"] == "env ASSAY_WINDOWS__LATENESS_SECONDS"
    assert found["commit_interval_ms"] == f"file {config}"
    assert found["brokers"] == "default"


def test_every_setting_has_an_origin() -> None:
    assert origins().keys() == defaults_of(Settings).keys()


def test_assay_config_names_the_file_unless_a_flag_does(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("web_port: 1\n")
    other = tmp_path / "other.yaml"
    other.write_text("web_port: 2\n")
    monkeypatch.setenv("ASSAY_CONFIG", str(config))
    assert load_settings().web_port == 1
    assert load_settings(other).web_port == 2


def test_overrides_may_be_dotted_or_nested() -> None:
    assert load_settings(None, {"windows.lateness_seconds": 5}).windows.lateness_seconds == 5
    assert load_settings(None, {"windows": {"lateness_seconds": 5}}).windows.lateness_seconds == 5


def test_a_section_may_be_json_in_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_WINDOWS", '{"lateness_seconds": 5}')
    assert load_settings().windows.lateness_seconds == 5


def test_a_section_that_is_not_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_WINDOWS", "5")
    assert "indented" in problems()[0]
    monkeypatch.setenv("ASSAY_WINDOWS", "{")
    assert "not JSON" in problems()[0]


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_SCHEMA_REGISTRY_URL", "")
    monkeypatch.setenv("ASSAY_PARTITIONS", "")
    assert load_settings().schema_registry_url is None
    assert str(origins()["partitions"]) == "default"


def test_settings_are_frozen_in_sections_too() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.brokers = "x:1"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.windows.lateness_seconds = 1  # type: ignore[misc]


def test_an_unknown_key_in_the_file_is_named_with_the_nearest_valid_one(config: Path) -> None:
    config.write_text("brokrs: a:1\nwindows: {latenes_seconds: 1}\nlateness_seconds: 1\nzebra: {a: 1, b: 2}\n")
    assert sorted(problems(config)) == [
        f"brokrs (file {config}): unknown key; did you mean brokers?",
        f"lateness_seconds (file {config}): unknown key; did you mean windows.lateness_seconds?",
        f"windows.latenes_seconds (file {config}): unknown key; did you mean windows.lateness_seconds?",
        f"zebra (file {config}): unknown key; `assay check config` lists the valid ones",
    ]


def test_an_unknown_variable_is_named_with_the_nearest_valid_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_BROKER", "a:1")
    monkeypatch.setenv("ASSAY_WINDOWS__IDLE_SECOND", "1")
    monkeypatch.setenv("ASSAY_WEBB_PORT", "80")
    assert sorted(problems()) == [
        "broker (env ASSAY_BROKER): unknown key; did you mean ASSAY_BROKERS?",
        "webb_port (env ASSAY_WEBB_PORT): unknown key; did you mean ASSAY_WEB_PORT?",
        "windows.idle_second (env ASSAY_WINDOWS__IDLE_SECOND): unknown key; did you mean ASSAY_WINDOWS__IDLE_SECONDS?",
    ]


def test_variables_of_ours_that_are_no_settings_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CRASH_AT", "committed:2")
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ASSAY_SERVICE_HOST", "10.0.0.1"),
        ("ASSAY_SERVICE_PORT_HTTP", "6066"),
        ("ASSAY_PORT", "tcp://10.0.0.1:6066"),
        ("ASSAY_PORT_6066_TCP_ADDR", "10.0.0.1"),
        ("ASSAY_WEB_PORT", "tcp://10.0.0.1:6066"),
        ("ASSAY_WEB_PORT_6066_TCP", "tcp://10.0.0.1:6066"),
        ("ASSAY_WEB_SERVICE_PORT", "6066"),
    ],
)
def test_what_kubernetes_sets_for_a_service_called_assay_is_ignored(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert load_settings() == Settings()
    assert load_settings().web_port == 6066


def test_all_problems_are_reported_at_once_with_origin_and_fix(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("web_port: 99999\npartitions: 4.5\nlog_level: loud\nwindows: {idle_seconds: 0}\ndedupe: 3\n")
    monkeypatch.setenv("ASSAY_COMMIT_INTERVAL_MS", "soon")
    monkeypatch.setenv("ASSAY_NONSENSE", "1")
    assert sorted(problems(config, brokers="nowhere")) == [
        "brokers (flag --brokers): 'nowhere' is not host:port; write for example kafka-0:9092,kafka-1:9092",
        "commit_interval_ms (env ASSAY_COMMIT_INTERVAL_MS): 'soon' is not valid; give a whole number",
        f"dedupe (file {config}): 3 is not valid; give its keys below it, indented",
        f"log_level (file {config}): 'loud' is not valid; give one of 'debug', 'info', 'warning' or 'error'",
        "nonsense (env ASSAY_NONSENSE): unknown key; `assay check config` lists the valid ones",
        f"partitions (file {config}): 4.5 is not valid; give a whole number",
        f"web_port (file {config}): 99999 is not valid; give 65535 or less",
        f"windows.idle_seconds (file {config}): 0 is not valid; give 1 or more",
    ]


@pytest.mark.parametrize(
    "brokers", ["kafka", "kafka:", ":9092", "kafka:0", "kafka:99999", "a:1,,b:2", "http://a:1", ""]
)
def test_brokers_are_host_and_port(brokers: str) -> None:
    assert "host:port" in problems(None, brokers=brokers)[0]


def test_brokers_may_be_several_and_numeric() -> None:
    assert load_settings(None, {"brokers": "kafka-0:9092, [::1]:9093"}).brokers == "kafka-0:9092,[::1]:9093"


def test_a_registry_url_is_http() -> None:
    assert load_settings(None, {"schema_registry_url": "http://registry:8081/"}).schema_registry_url == (
        "http://registry:8081"
    )
    assert "http" in problems(None, schema_registry_url="registry:8081")[0]


def test_a_session_timeout_has_bounds() -> None:
    assert "2" in problems(None, session_timeout_seconds=1)[0]
    assert "300" in problems(None, session_timeout_seconds=301)[0]


def test_grace_covers_lateness() -> None:
    [problem] = problems(None, **{"windows.grace_seconds": 10})
    assert "windows.grace_seconds (10) is shorter than windows.lateness_seconds (60)" in problem


def test_windows_outlive_their_grace() -> None:
    """Else a late event would be counted in none."""
    given = {"outcomes.horizon_days": 8, "dedupe.horizon_days": 20, "dedupe.request_horizon_days": 20}
    [problem] = problems(None, **given, **{"windows.grace_seconds": 7 * 86_400 + 1})
    assert "outcomes.horizon_days (8) ends before windows.grace_seconds (604801) has passed" in problem
    assert load_settings(None, {**given, "windows.grace_seconds": 7 * 86_400}).outcomes.horizon_days == 8


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "not valid YAML"),
        ("- a\n- b\n", "holds a list"),
        ("brokers: a:1\nbrokers: b:1\n", "'brokers' is given twice"),
        ("windows:\n  idle_seconds: 1\n  idle_seconds: 2\n", "line 3"),
        ("\xff", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(text: str, told: str, config: Path) -> None:
    config.write_bytes(text.encode("latin-1"))
    assert told in problems(config)[0]


def test_a_missing_file_is_refused(config: Path) -> None:
    assert "cannot read" in problems(config)[0]


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}\n"])
def test_an_empty_file_changes_nothing(text: str, config: Path) -> None:
    config.write_text(text)
    assert load_settings(config) == Settings()


def test_secrets_are_never_shown(config: Path) -> None:
    settings = load_settings(None, {"pseudonym_key": "correct horse battery"})
    assert isinstance(settings.pseudonym_key, SecretStr)
    assert "horse" not in f"{settings!r}{settings.model_dump_json()}"
    config.write_text("pseudonym_key: [hunter2]\nschema_registry_url: ftp://me:hunter2@registry\n")
    told = problems(config)
    assert len(told) == 2
    assert "hunter2" not in "".join(told)


def test_the_pseudonym_key_comes_from_one_place(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"0123456789abcdef\n")
    assert pseudonym_key(load_settings(None, {"pseudonym_key": "0123456789abcdef"})) == b"0123456789abcdef"
    assert pseudonym_key(load_settings(None, {"pseudonym_key_file": str(file)})) == b"0123456789abcdef"
    assert pseudonym_key(load_settings(None, {"insecure_dev_key": True})) == DEV_PSEUDONYM_KEY
    assert "exactly one" in problems(None, pseudonym_key="0123456789abcdef", insecure_dev_key=True)[0]


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({}, "openssl rand"),
        ({"pseudonym_key": "short"}, "5 bytes"),
        ({"pseudonym_key_file": "/nonexistent/key"}, "cannot read /nonexistent/key"),
    ],
)
def test_a_pseudonym_key_that_protects_nobody_is_refused(overrides: dict[str, str], told: str) -> None:
    settings = load_settings(None, overrides)
    with pytest.raises(ConfigError, match=told):
        pseudonym_key(settings)


def test_every_setting_is_described() -> None:
    def undescribed(model: type[BaseModel]) -> list[str]:
        found = [name for name, field in model.model_fields.items() if not field.description]
        for field in model.model_fields.values():
            if isinstance(field.default, BaseModel):
                found += undescribed(type(field.default))
        return found

    assert undescribed(Settings) == []


def test_names_of_times_and_sizes_carry_their_unit() -> None:
    times = ("lateness", "grace", "idle", "far_future", "horizon", "interval", "timeout", "cache", "buffer")
    units = ("_seconds", "_ms", "_days", "_mb", "_bytes")
    assert [
        key for key in defaults_of(Settings) if any(word in key for word in times) and not key.endswith(units)
    ] == []


def test_flat_and_nested_are_inverses() -> None:
    nested = {"a": 1, "b": {"c": 2, "d": {"e": None}}}
    assert flatten(nested) == {"a": 1, "b.c": 2, "b.d.e": None}
    assert nest(flatten(nested)) == nested
