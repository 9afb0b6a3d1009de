"""The figures of the pages are what their commands give: they are run again, and every number is compared."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from streams.cli import main

DOCS = Path(__file__).parents[2] / "docs"
REVIEWS = {"checkout": ["review-002"], "payments": ["review-000", "review-007", "review-011"]}


def commands(page: str) -> Iterator[list[str]]:
    """The commands of the first block that simulates a company."""
    blocks = re.findall(r"```\n(assay simulate .*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    for line in blocks[0].replace("\\\n", " ").splitlines():
        name, *arguments = shlex.split(line)
        assert name == "assay"
        yield arguments


def run(arguments: list[str], **environment: str) -> str:
    result = CliRunner(catch_exceptions=False).invoke(main, arguments, env={"COLUMNS": "120", **environment})
    assert result.exit_code == 0, result.stderr
    return result.stdout


def prose(page: str) -> str:
    return " ".join((DOCS / page).read_text(encoding="utf-8").split())


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with what the page's commands write, as well as their summary, and that under a policy."""
    with pytest.MonkeyPatch.context() as patch:
        where = tmp_path_factory.mktemp("company")
        patch.chdir(where)
        simulated, replayed = commands("instead-of-targets.md")
        run(simulated)
        (where / "summary.json").write_text(run(replayed))
        declared = {f"{team}/{name}": {"exploratory": True} for team, names in REVIEWS.items() for name in names}
        (where / "policy.yaml").write_text(json.dumps({"workflows": declared}))
        run(["declared.jsonl" if it == "k.jsonl" else it for it in replayed], ASSAY_POLICY="policy.yaml")
        yield where


def week(kpis: Path) -> dict[str, Any]:
    """The report of the page's week, by team."""
    document = json.loads(run(["report", "--kpis", str(kpis), "--week", "2026-W02", "--json"]))
    return {team["team"]: team for team in document["teams"]}


def percent(ratio: Any) -> str:
    value = ratio["value"]
    return "unknown" if value is None else f"{100 * value:.0f} %"


def dollars(micro_usd: int | None, decimals: int = 0) -> str:
    return "unknown" if micro_usd is None else f"${micro_usd / 1e6:,.{decimals}f}"


def test_the_table_of_instead_of_targets(company: Path) -> None:
    tokens: dict[str, tuple[int, int]] = {}
    for line in (company / "k.jsonl").read_text().splitlines():
        kpi = json.loads(line)
        if kpi["scope"] == "team" and (kpi["window_size_ms"], kpi["window_start"]) == (604_800_000, 1_767_571_200_000):
            buckets = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
            # Revisions come in order, and the last one holds.
            tokens[kpi["team"]] = sum(kpi[bucket] for bucket in buckets), kpi["cache_read_tokens"]
    expected = [
        f"| {name} | {tokens[name][0] / 1e6:,.0f} million | {dollars(team['period']['spend_micro_usd'])} "
        f"| {team['period']['accepted']} | {dollars(team['period']['cost_per_accepted_micro_usd']['value'], 2)} "
        f"| {percent(team['period']['reversal_rate'])} | {percent(team['cohort']['orphan_spend_ratio'])} "
        f"| {percent(team['coverage']['outcome_coverage'])} |"
        for name, team in week(company / "k.jsonl").items()
    ]
    lines = (DOCS / "instead-of-targets.md").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| team |")) + 2
    assert lines[start : start + len(expected) + 1] == [*expected, ""]
    read, total = tokens["platform"][1], tokens["platform"][0]
    assert f"{100 * read / total:.0f} % of platform's tokens were read from a cache" in prose("instead-of-targets.md")


def test_the_sentences_of_instead_of_targets(company: Path) -> None:
    teams, declared = week(company / "k.jsonl"), week(company / "declared.jsonl")
    flows = {it["workflow"]: it for team in teams.values() for it in team["workflows"]}
    costs = {name: it["period"]["cost_per_accepted_micro_usd"]["value"] for name, it in flows.items()}

    def span(*kinds: str) -> str:
        known = [cost for name, cost in costs.items() if name.startswith(kinds) and cost is not None]
        return f"{dollars(min(known), 2)} to {dollars(max(known), 2)}"

    payments, checkout, triage = teams["payments"], teams["checkout"], flows["bug-triage-010"]["period"]
    joined = payments["coverage"]["outcome_attribution"]
    orphan = "orphan_spend_ratio"
    summary = json.loads((company / "summary.json").read_text())
    spent = sum(json.loads(line).get("cost_micro_usd") or 0 for line in (company / "u.jsonl").read_text().splitlines())
    assert triage["rejected"] == 0
    page = prose("instead-of-targets.md")
    for said in (
        (
            f"an evaluation passed cost {span('nightly-evals', 'eval-gate')} in this company, a merged change "
            f"{span('coding', 'migration')},"
        ),
        f"`bug-triage-010` of payments has {triage['accepted']} accepted, {triage['reversed']} reversed and no rejected",
        f"in payments {joined['numerator']:,} of {joined['denominator']:,} outcomes ({percent(joined)}) were joined",
        f"Part of the {percent(payments['cohort'][orphan])} is missing links",
        (
            f"payments spent {dollars(payments['period']['spend_micro_usd'])} and had {payments['period']['accepted']} "
            f"outcomes accepted"
        ),
        (
            f"payments' {payments['cohort']['mature_runs']:,} runs cost about "
            f"{dollars(payments['cohort']['spend_micro_usd'])}, and about {payments['cohort']['accepted']} accepted outcomes"
        ),
        (
            f"Checkout's {percent(checkout['cohort'][orphan])} looks like an emergency. But `review-002` spent "
            f"{dollars(flows['review-002']['period']['spend_micro_usd'])} of its "
            f"{dollars(checkout['period']['spend_micro_usd'])}"
        ),
        (
            f"checkout shows {percent(declared['checkout']['cohort'][orphan])} and payments "
            f"{percent(declared['payments']['cohort'][orphan])}"
        ),
        (
            f"`coding-005` beside it cost {dollars(costs['coding-005'], 2)} for each accepted change, with "
            f"{percent(flows['coding-005']['cohort'][orphan])} of its money on runs without one"
        ),
        f"the {percent(checkout['cohort'][orphan])} was not",
        f"{dollars(summary['withheld_micro_usd'], 2)} of {dollars(spent, 2)} is in no record",
    ):
        assert said in page, said


def test_the_example_of_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    *_, told = [run(arguments) for arguments in commands("report.md")]
    page = (DOCS / "report.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```\n(Spend and what came of it.*?)```", page, re.DOTALL)
    assert told.startswith(shown)
    assert told[len(shown) :].lstrip("\n").startswith("How much of this is known")
