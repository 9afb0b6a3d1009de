"""What the pages for operators tell somebody to type exists: metrics, commands with their options, log events, settings, scripts."""

import re
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import click
import pytest

from streams.cli import main
from streams.settings_page import documented_keys
from tests.rules.test_rules import exposed

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
PAGES = RUNBOOK + "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("capacity.md", "recovery.md"))
COMMANDS = [
    line for block in re.findall(r"^```\n(.*?)^```", PAGES, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]
#: Of Kubernetes, Kafka and the machine: that these exist is not ours to say.
FOREIGN = {"kubectl", "curl", "kafka-get-offsets.sh", "kafka-console-consumer.sh"}
#: Dotted names in the prose that are no settings of Assay: Kafka's, and the chart's values.
FOREIGN_KEYS = {"min.insync.replicas", "retention.ms", "worker.persistence.enabled"}


def alternatives(pattern: str) -> Iterator[str]:
    """Each text that a pattern of ``(a|b)`` groups may stand for."""
    parts = [part.split("|") for part in re.split(r"[()]", pattern)]
    return ("".join(chosen) for chosen in product(*parts))


def resolved(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words begin with, and what is left of them. Raises KeyError for one that there is not."""
    command: click.Command = main
    context = click.Context(command)
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(context, name)
        if found is None:
            raise KeyError(name)
        command = found
    return command, words


def wrong_words(line: str) -> list[str]:
    """What of an ``assay`` command line there is not."""
    try:
        command, rest = resolved(shlex.split(line)[1:])
    except KeyError as error:
        return [str(error)]
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"-h", "--help"}
    return [word for word in rest if word.startswith("-") and word not in known]


def test_there_is_a_command_for_each_alert() -> None:
    sections = re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:]
    assert [section.split("\n")[0] for section in sections if "```" not in section] == []


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one_that_somebody_has(line: str) -> None:
    assert line.split(maxsplit=1)[0] in FOREIGN | {"assay"}
    if line.startswith("assay "):
        assert wrong_words(line) == []


@pytest.mark.parametrize("line", [line for line in COMMANDS if "/metrics" in line])
def test_what_is_looked_for_among_the_metrics_is_there(line: str) -> None:
    (pattern,) = re.findall(r"assay_[a-z_()|]*[a-z_)]", line)
    for name in alternatives(pattern):
        # A histogram is looked for by its name and shows its parts.
        assert {name, f"{name}_count"} & exposed(), name


@pytest.mark.parametrize("line", [line for line in COMMANDS if ".event ==" in line])
def test_what_is_looked_for_in_the_log_is_written(line: str) -> None:
    events = re.findall(r'\.event == "(\w+)"', line)
    written = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "streams").rglob("*.py"))
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert events
    for event in events:
        assert f'"{event}"' in written
        assert f"| `{event}` |" in operations


@pytest.mark.parametrize("page", ["capacity", "recovery", "runbook"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
        path = ROOT / "docs" / (target or f"{page}.md")
        assert path.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, anchor


def test_metrics_that_are_named_exist() -> None:
    for name in set(re.findall(r"`(assay_[a-z_]+)", PAGES)):
        assert {name, f"{name}_count"} & exposed(), name


def test_settings_that_are_named_exist() -> None:
    named = set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)(?:: [^`]*)?`", PAGES))
    assert len(named) > 3
    assert named - FOREIGN_KEYS <= set(documented_keys())


@pytest.mark.parametrize("line", ["assay raport", "assay report --broker x", "assay topics plon"])
def test_a_command_that_is_not_there_is_noticed(line: str) -> None:
    assert wrong_words(line) != []
