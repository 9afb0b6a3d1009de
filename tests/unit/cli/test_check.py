"""``assay check config``: what is in force, and why."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from streams.settings import Settings, load_settings
from streams.settings_layers import defaults_of, flatten

Assay = Callable[..., Result]


def test_it_prints_every_setting_as_yaml_that_is_a_valid_file(assay: Assay, tmp_path: Path) -> None:
    result = assay("check", "config")
    assert result.exit_code == 0
    # Nothing is wrong; but with this alone a worker would not start.
    assert result.stderr == "no key for pseudonyms: a worker will not start without pseudonym_key_file\n"
    assert flatten(yaml.safe_load(result.stdout)).keys() == defaults_of(Settings).keys()
    file = tmp_path / "assay.yaml"
    file.write_text(result.stdout)
    assert load_settings(file) == Settings()


def test_a_key_is_checked_as_a_worker_would(assay: Assay, tmp_path: Path) -> None:
    """With a key there is nothing to say; one that is too short, or a file that is not there, is an error."""
    key, config = tmp_path / "key", tmp_path / "assay.yaml"
    config.write_text(f"pseudonym_key_file: {key}\n")
    assert assay("check", "config", "--config", config).exit_code == 3
    key.write_text("short")
    assert assay("check", "config", "--config", config).exit_code == 3
    key.write_text("long enough to be a key of pseudonyms")
    result = assay("check", "config", "--config", config)
    assert (result.exit_code, result.stderr) == (0, "")


def test_each_value_has_its_origin_beside_it(assay: Assay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "assay.yaml"
    file.write_text("windows: {idle_seconds: 5}\n")
    monkeypatch.setenv("ASSAY_APP_ID", "other")
    lines = assay("check", "config", "--config", file, "--web-port", "0").stdout.splitlines()
    shown = {line.split("#")[0].strip(): line.split("# ")[1] for line in lines if "#" in line}
    assert shown["web_port: 0"] == "flag --web-port"
    assert shown["app_id: other"] == "env ASSAY_APP_ID"
    assert shown["idle_seconds: 5"] == f"file {file}"
    assert shown["partitions: 4"] == "default"


def test_secrets_are_masked_in_both_forms(assay: Assay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_PSEUDONYM_KEY", "hunter2-hunter2-hunter2")
    monkeypatch.setenv("ASSAY_SCHEMA_REGISTRY_URL", "http://me:hunter2@registry:8081/path")
    for arguments in ([], ["--json"]):
        output = assay("check", "config", *arguments).output
        assert "hunter2" not in output
        assert "**********" in output
        assert "@registry:8081/path" in output


def test_json_is_one_document(assay: Assay) -> None:
    document = json.loads(assay("check", "config", "--json", "--partitions", "12").stdout)
    assert document["valid"] is True
    assert document["settings"]["partitions"] == 12
    assert document["settings"]["windows"]["lateness_seconds"] == 60
    assert document["origins"]["partitions"] == {"kind": "flag", "name": "--partitions"}


def test_an_invalid_configuration_ends_with_3_and_every_problem(assay: Assay, tmp_path: Path) -> None:
    file = tmp_path / "assay.yaml"
    file.write_text("brokrs: x\npartitions: 0\n")
    result = assay("check", "config", "--config", file)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "did you mean brokers?" in result.stderr
    assert "give 1 or more" in result.stderr
    as_json = assay("check", "config", "--config", file, "--json")
    assert as_json.exit_code == 3
    assert len(json.loads(as_json.stdout)["problems"]) == 2


def test_a_flag_of_the_wrong_type_is_wrong_usage(assay: Assay) -> None:
    assert assay("check", "config", "--web-port", "http").exit_code == 2
    assert assay("check", "config", "--log-level", "loud").exit_code == 2
    assert assay("check", "config", "--web-port", "99999").exit_code == 3


def test_no_secret_can_be_a_flag(assay: Assay) -> None:
    text = assay("check", "config", "--help").stdout
    assert "--pseudonym-key-file" in text
    assert "--pseudonym-key " not in text


def test_a_switch_can_be_turned_off_again(assay: Assay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_INSECURE_DEV_KEY", "true")
    document = json.loads(assay("check", "config", "--json", "--no-insecure-dev-key").stdout)
    assert document["settings"]["insecure_dev_key"] is False
