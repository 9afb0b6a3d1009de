"""``assay topics``: what it prints and how it ends; the plan itself is tested in test_topics_admin.py."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from streams import topics_admin
from streams.errors import ConfigError
from streams.topics_plan import ChangeKind, TopicChange

Assay = Callable[..., Result]

_CHANGE = TopicChange(
    kind=ChangeKind.CREATE, topic="assay.usage.v1", partitions=4, replication_factor=1, config={"retention.ms": "1"}
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Calls of the administration, which finds one topic missing."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def action(brokers: str, **parameters: Any) -> list[TopicChange]:
        calls.append((brokers, parameters))
        return [_CHANGE]

    monkeypatch.setattr(topics_admin, "plan", action)
    monkeypatch.setattr(topics_admin, "apply", action)
    return calls


def test_a_plan_with_changes_ends_with_1(assay: Assay, asked: list[tuple[str, dict[str, Any]]]) -> None:
    result = assay("topics", "plan", "--brokers", "kafka:9092", "--topic-prefix", "x.", "--partitions", "8")
    assert result.exit_code == 1
    assert result.stdout == f"{_CHANGE}\n"
    assert "assay topics apply" in result.stderr
    assert asked == [("kafka:9092", {"prefix": "x.", "app_id": "assay", "partitions": 8, "replication_factor": 1})]


@pytest.mark.usefixtures("asked")
def test_applied_changes_end_with_0(assay: Assay) -> None:
    result = assay("topics", "apply")
    assert result.exit_code == 0
    assert result.stdout == f"{_CHANGE}\n"


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(("command", "key"), [("plan", "changes"), ("apply", "applied")])
def test_json_is_one_document(command: str, key: str, assay: Assay) -> None:
    [change] = json.loads(assay("topics", command, "--json").stdout)[key]
    assert change == {
        "kind": "create",
        "topic": "assay.usage.v1",
        "partitions": 4,
        "replication_factor": 1,
        "config": {"retention.ms": "1"},
    }


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_nothing_to_change_ends_with_0(command: str, assay: Assay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics_admin, command, lambda *_, **__: [])
    result = assay("topics", command)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "nothing to change\n")


def test_a_refusal_ends_with_3(assay: Assay, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> list[TopicChange]:
        raise ConfigError("set partitions to 4")

    monkeypatch.setattr(topics_admin, "apply", refuse)
    result = assay("topics", "apply", "--partitions", "5")
    assert result.exit_code == 3
    assert "set partitions to 4" in result.stderr
