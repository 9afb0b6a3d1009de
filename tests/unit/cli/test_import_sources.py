"""``assay import SOURCE``: what a file holds is sent, refused or skipped, and is said; running it again changes nothing."""

import gzip
import json
import os
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from streams.cli import import_sources
from streams.cli import imports as imports_module
from streams.cli.sinks import Destination
from streams.core.topics import OUTCOMES, USAGE
from streams.sources.catalogue import SOURCES
from tests.unit.sources.forge_payloads import pull
from tests.unit.sources.litellm_events import event

Assay = Callable[..., Result]

PAYLOADS = Path(__file__).resolve().parents[3] / "../shared/payloads"
FILES = [source for source in SOURCES if source.files]
MERGED = {"state": "closed", "merged_at": "2026-01-05T11:30:00Z", "closed_at": "2026-01-05T11:30:00Z"}


def own(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"e-{number}", "source": "own", "team": "payments", "workflow": "w", "model": "gpt-4o", "actor": "ada",
        "occurred_at": 1_767_603_600_000 + number, "input_tokens": 1, "output_tokens": 1, **fields,
    }  # fmt: skip


def outcome(number: int) -> dict[str, Any]:
    return {
        "outcome_id": f"o-{number}", "source": "own", "team": "payments", "kind": "eval_passed", "verdict": "accepted",
        "occurred_at": 1_767_603_600_000 + number,
    }  # fmt: skip


def written(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[dict[str, Any]]]]:
    """Batches that went to Kafka's topics."""
    found: list[tuple[str, list[dict[str, Any]]]] = []

    @contextmanager
    def topic(destination: Destination, out: Path | None, _settings: Any, *, whole: bool, judged: bool) -> Any:
        assert out is None
        assert whole
        assert judged

        def write(batch: Sequence[bytes]) -> None:
            found.append((destination.topic, [json.loads(value) for value in batch]))

        yield write

    monkeypatch.setattr(import_sources, "event_sink", topic)
    return found


def test_every_source_whose_files_can_be_read_has_a_command() -> None:
    assert {source.name: source.title for source in FILES} == imports_module._SOURCES
    assert set(import_sources.__all__) == {source.name for source in FILES}


def test_files_become_events_that_replay_reads(assay: Assay, tmp_path: Path) -> None:
    calls = written(tmp_path / "calls.jsonl", own(2), outcome(1), own(1), {"event_id": "e-3", "modle": "x"})
    usage, outcomes, rejected = (tmp_path / name for name in ("u.jsonl", "o.jsonl", "r.jsonl"))
    options = ["--usage", usage, "--outcomes", outcomes, "--rejected", rejected]
    done = assay("import", "events", calls, *options)
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "usage": 2, "outcomes": 1, "refused": {"unknown_value": 1}, "skipped": {}, "attributed": {"payload": 3},
        "links": {"unnamed": 1},
    }  # fmt: skip
    assert [it["event_id"] for it in lines(usage)] == ["e-1", "e-2"]
    assert [it["outcome_id"] for it in lines(outcomes)] == ["o-1"]
    (refused,) = lines(rejected)
    assert (refused["source"], refused["file"], refused["place"]) == ("events", str(calls), "line 4")
    assert "did you mean" in refused["detail"]
    assert "line 4: unknown_value" in done.stderr
    replayed = assay("replay", "--usage", usage, "--outcomes", outcomes, "--kpis", tmp_path / "k.jsonl", "--settle")
    assert replayed.exit_code == 0
    assert json.loads(replayed.stdout)["dead_lettered"] == 0
    first = usage.read_bytes(), outcomes.read_bytes(), rejected.read_bytes()
    assert assay("import", "events", calls, *options).exit_code == 0
    assert (usage.read_bytes(), outcomes.read_bytes(), rejected.read_bytes()) == first


def test_no_name_of_a_person_is_written(assay: Assay, tmp_path: Path) -> None:
    usage = tmp_path / "u.jsonl"
    done = assay("import", "events", written(tmp_path / "c", own(1), own(2)), "--usage", usage)
    assert "published key" in done.stderr
    (sealed,) = {it["actor"] for it in lines(usage)}
    assert sealed.startswith("pseudonym:")
    key = tmp_path / "key"
    key.write_text("k" * 32)
    done = assay("import", "events", tmp_path / "c", "--usage", usage, "--pseudonym-key-file", key)
    assert "published key" not in done.stderr
    assert lines(usage)[0]["actor"] not in {"ada", sealed}


def test_a_history_goes_to_kafka_in_order_of_time_over_all_files(assay: Assay, tmp_path: Path, sent: list[Any]) -> None:
    new = written(tmp_path / "new", *(own(it) for it in range(1_500, 999, -1)), outcome(999))
    old = written(tmp_path / "old", *(own(it) for it in range(1_000)))
    done = assay("import", "events", new, old, "--insecure-dev-key")
    assert done.exit_code == 0
    assert {topic for topic, _ in sent} == {USAGE, OUTCOMES}
    times = [it["occurred_at"] for _, batch in sent for it in batch]
    assert times == sorted(times)
    assert len(times) == 1_502
    assert all(len(batch) <= 1_000 for _, batch in sent)


def test_without_a_key_nothing_goes_to_kafka(assay: Assay, tmp_path: Path, sent: list[Any]) -> None:
    done = assay("import", "events", written(tmp_path / "c", own(1)))
    assert (done.exit_code, sent) == (3, [])
    assert "pseudonym_key_file" in done.stderr


def test_a_dry_run_says_all_and_sends_nothing(assay: Assay, tmp_path: Path, sent: list[Any]) -> None:
    file = written(
        tmp_path / "c", event(), event(id="x", cache_hit=True, litellm_call_id="y"), {"id": "z", "startTime": -1}
    )
    rejected = tmp_path / "r.jsonl"
    done = assay("import", "litellm", file, "--dry-run", "--rejected", rejected)
    assert done.exit_code == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["would", "be", "what", "records"]
    assert ["sent", "usage", "1"] in rows
    assert ["skipped", "cache_hit", "1"] in rows
    assert next(row for row in rows if row[0] == "refused")[2] == "1"
    assert "line 3" in done.stderr
    assert sent == []
    assert not rejected.exists()


@pytest.mark.parametrize("strict", [False, True])
def test_refusals_are_an_error_where_nothing_else_is_or_where_asked(
    assay: Assay, tmp_path: Path, sent: list[Any], strict: bool
) -> None:
    some = written(tmp_path / "some", own(1), {"event_id": "e"})
    done = assay("import", "events", some, "--insecure-dev-key", *(["--strict"] if strict else []))
    assert done.exit_code == (5 if strict else 0)
    assert len(sent) == 1
    none = written(tmp_path / "none", {"event_id": "e"}, {"x": 1})
    done = assay("import", "events", none, "--insecure-dev-key")
    assert done.exit_code == 5
    assert "2 refused, 0 taken" in done.stderr
    assert len(sent) == 1


def test_many_refusals_are_counted_and_the_first_are_shown(assay: Assay, tmp_path: Path) -> None:
    done = assay("import", "events", written(tmp_path / "c", own(1), *[{"x": 1}] * 30), "--usage", tmp_path / "u")
    assert done.stderr.count("missing_field") == 10
    assert "and 20 more refused; --rejected FILE has them all" in done.stderr


def test_outcomes_without_a_place_to_go_are_not_lost_silently(assay: Assay, tmp_path: Path) -> None:
    usage = tmp_path / "u.jsonl"
    done = assay("import", "events", written(tmp_path / "c", own(1), outcome(1)), "--usage", usage)
    assert done.exit_code == 2
    assert "give --outcomes" in done.stderr
    assert not usage.exists()


@pytest.mark.parametrize(
    "options", [["--usage", "-", "--outcomes", "-"], ["--usage", "a", "--rejected", "a"], ["--entry", "x"]]
)
def test_options_that_contradict_each_other_are_wrong_usage(assay: Assay, tmp_path: Path, options: list[str]) -> None:
    assert assay("import", "events", written(tmp_path / "c", own(1)), *options).exit_code == 2


def test_events_can_go_to_standard_output(assay: Assay, tmp_path: Path) -> None:
    done = assay("import", "events", written(tmp_path / "c", own(1)), "--usage", "-")
    assert [json.loads(line)["event_id"] for line in done.stdout.splitlines()] == ["e-1"]
    assert '"usage": 1' in done.stderr


def test_a_file_in_gzip_says_the_same(assay: Assay, tmp_path: Path) -> None:
    plain = written(tmp_path / "c.jsonl", *(event(id=f"c{it}", litellm_call_id=f"l{it}") for it in range(3)))
    packed = tmp_path / "c.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    said = [assay("import", "litellm", file, "--usage", "-").stdout for file in (plain, packed)]
    assert said[0] == said[1] != ""


def test_a_document_that_is_too_long_is_refused_with_the_fix(assay: Assay, tmp_path: Path) -> None:
    file = tmp_path / "long.json"
    file.write_text(json.dumps([own(it) for it in range(1_000)]))
    done = assay("import", "events", file, "--usage", tmp_path / "u", "--max-inflated-bytes", 65_536)
    assert done.exit_code == 5
    assert "as lines (JSONL), or in parts" in done.stderr


SOURCES_FILE = """\
sources:
  - name: shop
    kind: github
    token_file: token
    rules: [{label: repository, pattern: "Acme/*", team: shop}]
  - {name: gateway, kind: litellm, token_file: token, team: platform}
linking: {run_trailers: [our-run]}
"""


@pytest.fixture
def sources_file(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("a-token-of-the-forge-0123456789")
    file = tmp_path / "sources.yaml"
    file.write_text(SOURCES_FILE)
    return file


def merged_pull(**fields: Any) -> dict[str, Any]:
    return pull(**MERGED, url="https://api.github.com/repos/Acme/Shop/pulls/12",
                **{"base": {"ref": "main", "repo": {"full_name": "Acme/Shop"}}, **fields})  # fmt: skip


def test_team_and_links_are_those_of_the_file_of_sources(assay: Assay, tmp_path: Path, sources_file: Path) -> None:
    file = written(tmp_path / "pulls.json", [merged_pull(body="x\n\nOur-Run: run-9")])
    out = tmp_path / "o.jsonl"
    done = assay("import", "github", file, "--outcomes", out, "--sources-file", sources_file)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["attributed"] == {"rule": 1}
    (found,) = lines(out)
    assert (found["team"], found["run_id"]) == ("shop", "run-9")
    assert (
        assay("import", "github", file, "--outcomes", out, "--sources-file", sources_file, "--team", "mine").exit_code
        == 0
    )
    assert lines(out)[0]["team"] == "mine"
    assert assay("import", "github", file, "--outcomes", out).exit_code == 0
    assert (lines(out)[0]["team"], lines(out)[0].get("run_id")) == ("unattributed", None)


def test_an_entry_is_named_where_there_are_several(assay: Assay, tmp_path: Path, sources_file: Path) -> None:
    more = "  - {name: second, kind: litellm, token_file: other, team: second}\nlinking"
    (sources_file.parent / "other").write_text("another token than that of the first entry")
    sources_file.write_text(SOURCES_FILE.replace("linking", more))
    file = written(tmp_path / "c", event())
    command = ["import", "litellm", file, "--usage", tmp_path / "u", "--sources-file", sources_file]
    done = assay(*command)
    assert done.exit_code == 2
    assert "gateway, second" in done.stderr
    assert assay(*command, "--entry", "second").exit_code == 0
    assert lines(tmp_path / "u")[0]["team"] == "second"
    done = assay(*command, "--entry", "shop")
    assert done.exit_code == 2
    assert "it has gateway, second" in done.stderr


def samples() -> list[tuple[str, Path]]:
    """Sample files that can lie on a disk, each with the source that reads it."""
    patterns = {
        "litellm": ["litellm/*.json", "captured/litellm/*.json", "captured/litellm/*.ndjson"],
        "langfuse": ["langfuse/*.json"],
        "promptfoo": ["promptfoo/*.json", "captured/promptfoo/first.*"],
        "github": ["devlake/github/*.jsonl"],
        "jira": ["devlake/jira/*.jsonl"],
        "pagerduty": ["devlake/pagerduty/*.jsonl"],
        "otlp": ["captured/*/*_logs.json", "captured/*/*_traces.json", "captured/*/*_metrics*.json"],
    }
    return [
        (name, path)
        for name, each in patterns.items()
        for pattern in each
        for path in sorted(PAYLOADS.glob(pattern))
        if path.name != "EXPECT.json" and not path.name.endswith(".headers.json")
    ]


@pytest.mark.skipif(
    not PAYLOADS.exists(), reason="the samples of real systems are not here: put them at ../shared/payloads"
)
def test_every_sample_is_read_in_full_and_says_the_same_as_lines_or_in_gzip(assay: Assay, tmp_path: Path) -> None:
    found = samples()
    assert {name for name, _ in found} == {source.name for source in FILES} - {"events"}
    for name, path in found:
        outputs = []
        packed = tmp_path / f"{path.name}.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        os.utime(packed, ns=(0, path.stat().st_mtime_ns))
        for number, file in enumerate((path, packed, path)):
            usage, outcomes = tmp_path / f"u{number}", tmp_path / f"o{number}"
            done = assay("import", name, file, "--usage", usage, "--outcomes", outcomes, "--strict")
            assert done.exit_code == 0, (path, done.stderr)
            summary = json.loads(done.stdout)
            assert summary["refused"] == {}, path
            assert len(lines(usage)) == summary["usage"]
            assert len(lines(outcomes)) == summary["outcomes"]
            outputs.append((usage.read_bytes(), outcomes.read_bytes()))
        assert outputs[0] == outputs[1] == outputs[2], path


BUCKETS = {"input_uncached": "input_tokens", "cache_read": "cache_read_tokens", "cache_write": "cache_write_tokens",
           "output": "output_tokens", "reasoning": "reasoning_tokens"}  # fmt: skip


@pytest.mark.skipif(
    not PAYLOADS.exists(), reason="the samples of real systems are not here: put them at ../shared/payloads"
)
def test_captured_bodies_in_files_come_out_to_the_token(assay: Assay, tmp_path: Path) -> None:
    compared = 0
    for name, path in samples():
        if "captured" not in path.parts or "metrics" in path.name:
            continue
        expected = json.loads((path.parent / "EXPECT.json").read_text()).get(path.name, {})
        told = expected.get("readable_from_body")
        told = expected.get("truth") if told == "same as truth" else told
        if not isinstance(told, dict) or "input_uncached" not in told:
            continue
        usage = tmp_path / "u"
        assert assay("import", name, path, "--usage", usage, "--outcomes", tmp_path / "o").exit_code == 0
        compared += 1
        for bucket, field in BUCKETS.items():
            if told.get(bucket) is not None:
                assert sum(it.get(field, 0) for it in lines(usage)) == told[bucket], (path, bucket)
    assert compared > 5


def test_the_page_has_every_source_and_how_its_lines_are_read() -> None:
    page = (Path(__file__).parents[3] / "docs" / "import.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| `")
    ]
    how = {1_000: "each by itself", 1: "each a request", None: "all of a file together"}
    assert [(name, lines) for name, _, lines in rows] == [
        (f"`{source.name}`", how[source.lines_together]) for source in FILES
    ]
    for source in FILES:
        assert all(f"sources/{name}.md" in page for name in source.pages[:1])
