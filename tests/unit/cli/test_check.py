"""``assay check config``: what is in force, and why."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from streams.policy_file import load_policy
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


POLICY = """\
defaults: {min_actors: 8, time_zone: Europe/Berlin, maturity_days: {ticket_resolved: 2.5, change_merged: 14}}
teams:
  search: {outcomes_expected: false}
  payments: {monthly_budget_usd: 4000.25, weekly_actor_target_tokens: 500000, actors: 42}
workflows:
  payments/nightly: {declared_schedule: true, snoozed_until: 2027-01-31}
  growth/mail: {exploratory: true}
detectors:
  target_chasing: {alpha: 0.01}
  runaway: {enabled: false}
"""


def test_the_policy_in_force_is_shown_team_by_team(assay: Assay, tmp_path: Path) -> None:
    """As comments, so that what is printed still is a configuration file."""
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    result = assay("check", "config", "--policy", file)
    assert result.exit_code == 0
    assert yaml.safe_load(result.stdout)["policy"] == str(file)
    shown = [line for line in result.stdout.splitlines() if line.startswith("#")]
    assert shown == [
        f"# policy {file}",
        f"# version {load_policy(file).version}",
        "# min_actors: 8, currency: usd, time_zone: Europe/Berlin",
        "# maturity_days: change_merged 14, ticket_resolved 2.5",
        "# team growth: defaults",
        "#   workflow mail: declared_schedule no, exploratory yes",
        "# team payments: monthly_budget $4,000.25, weekly_actor_target_tokens 500,000, actors 42",
        "#   workflow nightly: declared_schedule yes, exploratory no, snoozed_until 2027-01-31",
        "# team search: outcomes_expected no",
        "# detector runaway: enabled no",
        "# detector target_chasing: enabled yes, alpha 0.01",
        "# every other team, workflow and detector: defaults",
    ]


@pytest.mark.parametrize(
    ("written", "shown"),
    [("4000", "$4,000.00"), ("0.5", "$0.50"), ("1234567.891", "$1,234,567.891"), ("0.000001", "$0.000001"),
     ("1000000000", "$1,000,000,000.00")],
)  # fmt: skip
def test_money_is_shown_in_dollars(written: str, shown: str, assay: Assay, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(f"teams: {{a: {{monthly_budget_usd: {written}}}}}")
    assert f"# team a: monthly_budget {shown}\n" in assay("check", "config", "--policy", file).stdout


def test_no_name_leaves_its_line(assay: Assay, tmp_path: Path) -> None:
    """YAML ends lines where Python does not, and the other way round."""
    file = tmp_path / "policy.yaml"
    file.write_text('teams: {"a\\u2028partitions: 9": {actors: 7}}')
    stdout = assay("check", "config", "--policy", file).stdout
    assert r"# team a\u2028partitions: 9: actors 7" in stdout
    assert yaml.safe_load(stdout)["partitions"] == 4


def test_the_policy_is_a_part_of_the_document(assay: Assay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    without = json.loads(assay("check", "config", "--json").stdout)["policy"]
    assert (without["defaults"]["min_actors"], without["teams"], without["prices"]) == (5, {}, None)
    monkeypatch.setenv("ASSAY_POLICY", str(file))
    policy = json.loads(assay("check", "config", "--json").stdout)["policy"]
    assert policy["version"] == load_policy(file).version
    assert policy["defaults"]["maturity_days"] == {"change_merged": 14, "ticket_resolved": 2.5}
    assert policy["teams"]["payments"]["monthly_budget_usd"] == 4000.25
    assert policy["teams"]["search"] == {
        "monthly_budget_usd": None,
        "weekly_actor_target_tokens": None,
        "weekly_actor_target_events": None,
        "outcomes_expected": False,
        "actors": None,
    }
    assert policy["workflows"]["payments/nightly"]["snoozed_until"] == "2027-01-31"
    assert policy["detectors"] == {
        "runaway": {"enabled": False, "alpha": None},
        "target_chasing": {"enabled": True, "alpha": 0.01},
    }


def test_a_wrong_policy_ends_with_3_and_every_problem(assay: Assay, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("teams:\n  a: {montly_budget_usd: 1}\n  b: {actors: -1}\n")
    result = assay("check", "config", "--policy", file)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "line 2: teams.a.montly_budget_usd: unknown key; did you mean monthly_budget_usd?" in result.stderr
    assert "line 3: teams.b.actors: -1 is not valid" in result.stderr
    as_json = assay("check", "config", "--policy", file, "--json")
    assert as_json.exit_code == 3
    assert len(json.loads(as_json.stdout)["problems"]) == 2
    assert assay("check", "config", "--policy", tmp_path / "none.yaml").exit_code == 3


def test_the_price_book_of_the_policy_is_checked_too(assay: Assay, tmp_path: Path) -> None:
    policy, config, book = tmp_path / "policy.yaml", tmp_path / "assay.yaml", tmp_path / "prices.yaml"
    policy.write_text("prices: prices.yaml")
    book.write_text("version: 1\nmodels: {small: {input: 1, output: -1}}")
    result = assay("check", "config", "--policy", policy)
    assert result.exit_code == 3
    assert "output is -1: a price cannot be below zero" in result.stderr
    book.write_text("version: 1\nmodels: {small: {input: 1, output: 1}}")
    result = assay("check", "config", "--policy", policy)
    assert result.exit_code == 0
    assert f"# prices: {book}\n" in result.stdout
    # Two books are none.
    (tmp_path / "other.yaml").write_text(book.read_text())
    config.write_text(f"prices: {{book: {tmp_path / 'other.yaml'}}}\n")
    result = assay("check", "config", "--config", config, "--policy", policy)
    assert result.exit_code == 3
    assert "keep one of the two" in result.stderr
