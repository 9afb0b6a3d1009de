"""The policy file: what it says, and refusing all that is wrong in it at once, with the line and the mend."""

import os
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.core.outcomes import OutcomeKind
from streams.core.policy import DETECTORS, DetectorPolicy, Policy, TeamPolicy, WorkflowPolicy
from streams.errors import ConfigError
from streams.policy_file import KEYS, effective_policy, effective_price_book_path, load_policy
from streams.settings import Settings

Load = Callable[[str], Policy]
Problems = Callable[[str], list[str]]

WHOLE = """\
defaults:
  min_actors: 8
  currency: usd
  time_zone: Europe/Berlin
  maturity_days: {change_merged: 14, ticket_resolved: 2.5}
teams:
  payments:
    monthly_budget_usd: 4000.25
    weekly_actor_target_tokens: 500_000
    weekly_actor_target_events: 20
    outcomes_expected: true
    actors: 42
  search: {outcomes_expected: false}
workflows:
  payments/nightly-evals: {declared_schedule: true, snoozed_until: 2027-01-31}
  payments/research: {exploratory: true}
prices: prices.yaml
detectors:
  target_chasing: {enabled: true, alpha: 0.01}
  runaway: {enabled: false}
"""


@pytest.fixture(autouse=True)
def no_assay_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("ASSAY_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "prices.yaml").write_text("version: 1\nmodels: {}\n")
    return tmp_path / "policy.yaml"


@pytest.fixture
def load(file: Path) -> Load:
    def run(text: str) -> Policy:
        file.write_text(text, encoding="utf-8")
        return load_policy(file)

    return run


@pytest.fixture
def problems(file: Path, load: Load) -> Problems:
    """What is wrong with a text, by line, without the file's name."""

    def run(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text)
        lines = str(caught.value).splitlines()
        assert all(re.match(rf"{re.escape(str(file))}, line \d+: ", line) for line in lines), lines
        return [line.removeprefix(f"{file}, ") for line in lines]

    return run


def test_a_file_says_what_it_says(load: Load, tmp_path: Path) -> None:
    assert load(WHOLE) == Policy(
        min_actors=8,
        time_zone="Europe/Berlin",
        maturity_days={OutcomeKind.CHANGE_MERGED: 14.0, OutcomeKind.TICKET_RESOLVED: 2.5},
        teams={
            "payments": TeamPolicy(
                monthly_budget_micro_usd=4_000_250_000,
                weekly_actor_target_tokens=500_000,
                weekly_actor_target_events=20,
                outcomes_expected=True,
                actors=42,
            ),
            "search": TeamPolicy(outcomes_expected=False),
        },
        workflows={
            ("payments", "nightly-evals"): WorkflowPolicy(declared_schedule=True, snoozed_until=date(2027, 1, 31)),
            ("payments", "research"): WorkflowPolicy(exploratory=True),
        },
        detectors={
            "target_chasing": DetectorPolicy(enabled=True, alpha=0.01),
            "runaway": DetectorPolicy(enabled=False),
        },
        prices=str(tmp_path / "prices.yaml"),
    )


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", "{}\n", "teams:\nworkflows:\ndefaults:\ndetectors:\n", "defaults: {maturity_days: }\n",
     "defaults: {currency: USD}\n", "\ufeffdefaults: {time_zone: UTC}\n"],
)  # fmt: skip
def test_what_a_file_does_not_say_is_as_without_one(text: str, load: Load) -> None:
    assert load(text) == Policy()


def test_a_team_below_which_nothing_stands_has_the_defaults(load: Load) -> None:
    assert load("teams:\n  payments:\n").team("payments") == TeamPolicy()


@pytest.mark.parametrize("name", ["no", "2026", "1_000", "0x1f", "Ünïversal", "a.b", "null.team", "1:30"])
def test_names_are_taken_as_they_are_written(name: str, load: Load) -> None:
    policy = load(f"teams:\n  {name}: {{actors: 7}}\nworkflows:\n  {name}/{name}: {{exploratory: yes}}\n")
    assert policy.team(name).actors == 7
    assert policy.workflow(name, name).exploratory


def test_a_workflow_may_have_slashes_in_its_name_and_a_team_too_if_teams_has_it(load: Load) -> None:
    policy = load(
        "teams: {org/pay: , org/pay/ments: , org: }\nworkflows: {a/b/c: , org/pay/ments/x: , org/payroll: }\n"
    )
    assert set(policy.workflows) == {("a", "b/c"), ("org/pay/ments", "x"), ("org", "payroll")}


@pytest.mark.parametrize(
    ("written", "micro"),
    [("4000", 4_000_000_000), ("0.000001", 1), ("1e6", 10**12), (".1", 100_000), ("1_000.5", 1_000_500_000),
     ("2.675", 2_675_000), ("1000000000", 10**15), ("+5", 5_000_000)],
)  # fmt: skip
def test_money_is_exact(written: str, micro: int, load: Load) -> None:
    assert load(f"teams: {{a: {{monthly_budget_usd: {written}}}}}").team("a").monthly_budget_micro_usd == micro


def test_numbers_are_whole_if_their_value_is(load: Load) -> None:
    text = "teams: {a: {weekly_actor_target_tokens: 5e5, weekly_actor_target_events: 20.0}}"
    team = load(text).team("a")
    assert (team.weekly_actor_target_tokens, team.weekly_actor_target_events) == (500_000, 20)
    assert type(team.weekly_actor_target_tokens) is int


def test_bounds_are_included(load: Load) -> None:
    assert load("defaults: {min_actors: 5, maturity_days: {eval_passed: 0, eval_failed: 365}}").min_actors == 5
    assert load("detectors: {runaway: {alpha: 0.5}}").detector("runaway").alpha == 0.5


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # Unknown keys, with the nearest that is known.
        ("team: {}", "line 1: team: unknown key; did you mean teams?"),
        ("zebra: {}", "line 1: zebra: unknown key; write one of defaults, teams, workflows, prices, detectors"),
        ("\nmin_actors: 6", "line 2: min_actors: unknown key; did you mean defaults.min_actors?"),
        (
            "teams:\n  a:\n    montly_budget_usd: 3",
            "line 3: teams.a.montly_budget_usd: unknown key; did you mean monthly_budget_usd?",
        ),
        (
            "teams: {a: {exploratory: true}}",
            "line 1: teams.a.exploratory: unknown key; did you mean workflows.TEAM/WORKFLOW.exploratory?",
        ),
        (
            "workflows: {a/b: {snoozd_until: 2027-01-01}}",
            "line 1: workflows.a/b.snoozd_until: unknown key; did you mean snoozed_until?",
        ),
        ("detectors: {runway: {}}", "line 1: detectors.runway: unknown key; did you mean runaway?"),
        (
            "detectors: {runaway: {enable: true}}",
            "line 1: detectors.runaway.enable: unknown key; did you mean enabled?",
        ),
        (
            "defaults: {maturity_days: {change_merge: 1}}",
            "line 1: defaults.maturity_days.change_merge: unknown key; did you mean change_merged?",
        ),
        # The group minimum is a floor.
        (
            "defaults:\n  min_actors: 4",
            "min_actors: 4 is not valid; give a whole number from 5 to 10,000; 5 is the fewest that protect each other",
        ),
        ("defaults: {currency: eur}", "line 1: defaults.currency: eur is not valid; write usd, and convert budgets"),
        ("defaults: {time_zone: Europe/Berln}", "defaults.time_zone: Europe/Berln is not valid; did you mean Europe/B"),
        ("defaults: {time_zone: europe/berlin}", "did you mean Europe/Berlin?"),
        ("defaults: {time_zone: Europe}", "defaults.time_zone: Europe is not valid; give the name of a time zone"),
        ("defaults: {time_zone: ../../etc/passwd}", "give the name of a time zone"),
        ("defaults: {time_zone: localtime}", "defaults.time_zone: localtime is not valid"),
        ("defaults: {time_zone: 1}", "defaults.time_zone: 1 is not valid; give a text"),
        ("defaults: {maturity_days: {eval_passed: -1}}", "eval_passed: -1 is not valid; give a number from 0 to 365"),
        ("defaults: {maturity_days: {eval_passed: 366}}", "give a number from 0 to 365"),
        ("defaults: {maturity_days: 14}", "defaults.maturity_days: give its keys below it, indented"),
        # Money.
        (
            "teams: {a: {monthly_budget_usd: true}}",
            "teams.a.monthly_budget_usd: true is not valid; give a number above 0, up to 1,000,000,000, in dollars",
        ),
        ("teams: {a: {monthly_budget_usd: -4000}}", "-4000 is not valid"),
        ("teams: {a: {monthly_budget_usd: 0}}", "0 is not valid; give a number above 0"),
        ("teams: {a: {monthly_budget_usd: 1000000001}}", "1000000001 is not valid"),
        ("teams: {a: {monthly_budget_usd: .nan}}", ".nan is not valid"),
        ("teams: {a: {monthly_budget_usd: .inf}}", ".inf is not valid"),
        ("teams: {a: {monthly_budget_usd: NaN}}", "NaN is not valid"),
        ("teams: {a: {monthly_budget_usd: 1e999999999}}", "1e999999999 is not valid"),
        ("teams: {a: {monthly_budget_usd: 1e99}}", "1e99 is not valid"),
        ("teams: {a: {monthly_budget_usd: $4000}}", "$4000 is not valid"),
        ("teams: {a: {monthly_budget_usd: 010}}", "010 is not valid"),
        ("teams: {a: {monthly_budget_usd: 0x10}}", "0x10 is not valid"),
        ("teams: {a: {monthly_budget_usd: 500_}}", "500_ is not valid"),
        ("teams: {a: {monthly_budget_usd: 1__0}}", "1__0 is not valid"),
        ("teams: {a: {monthly_budget_usd: 1:30}}", "1:30 is not valid"),
        (
            "teams: {a: {monthly_budget_usd: '4000'}}",
            "'4000' is not valid; give a number above 0, up to 1,000,000,000, in dollars, without quotes",
        ),
        ("teams: {a: {monthly_budget_usd: 0.0000001}}", "has a fraction of a micro-dollar; give six decimals at most"),
        ("teams: {a: {monthly_budget_usd: [4000]}}", "this is no single value; give a number"),
        (
            "teams: {a: {monthly_budget_usd: }}",
            "has no value; give a number above 0, up to 1,000,000,000, in dollars, or leave the key out",
        ),
        ("teams: {a: {monthly_budget_usd: !euro 4000}}", "the tag !euro is refused; leave it out"),
        # Other numbers.
        ("teams: {a: {actors: true}}", "teams.a.actors: true is not valid; give a whole number from 1 to 10,000,000"),
        ("teams: {a: {actors: 0}}", "0 is not valid"),
        ("teams: {a: {actors: 41.5}}", "41.5 is not valid"),
        ("teams: {a: {actors: 10000001}}", "10000001 is not valid"),
        ("teams: {a: {weekly_actor_target_tokens: -1}}", "-1 is not valid"),
        ("teams: {a: {weekly_actor_target_tokens: 1000000000001}}", "give a whole number from 1 to 1,000,000,000,000"),
        ("teams: {a: {weekly_actor_target_events: 1000000001}}", "give a whole number from 1 to 1,000,000,000"),
        (f"teams: {{a: {{actors: {'9' * 5_000}}}}}", f"{'9' * 57}... is not valid"),
        ("detectors: {runaway: {alpha: 0}}", "alpha: 0 is not valid; give a number above 0, up to 0.5"),
        ("detectors: {runaway: {alpha: 0.51}}", "0.51 is not valid"),
        ("detectors: {runaway: {alpha: yes}}", "yes is not valid"),
        # Switches.
        ("teams: {a: {outcomes_expected: 1}}", "teams.a.outcomes_expected: 1 is not valid; give true or false"),
        ("teams: {a: {outcomes_expected: 'true'}}", "'true' is not valid; give true or false, without quotes"),
        ("teams: {a: {outcomes_expected: !!bool perhaps}}", "perhaps is not valid; give true or false"),
        ("workflows: {a/b: {exploratory: maybe}}", "workflows.a/b.exploratory: maybe is not valid; give true or false"),
        ("workflows: {a/b: {declared_schedule: {}}}", "this is no single value; give true or false"),
        ("detectors: {runaway: {enabled: }}", "has no value; give true or false, or leave the key out"),
        # Days.
        ("workflows: {a/b: {snoozed_until: tomorrow}}", "tomorrow is not valid; give a day from 2020-01-01"),
        ("workflows: {a/b: {snoozed_until: 2027-02-30}}", "2027-02-30 is not valid"),
        ("workflows: {a/b: {snoozed_until: 20270101}}", "20270101 is not valid"),
        ("workflows: {a/b: {snoozed_until: 2027-01-01 12:00:00}}", "2027-01-01 12:00:00 is not valid"),
        ("workflows: {a/b: {snoozed_until: 2207-01-01}}", "2207-01-01 is not valid"),
        # Names.
        ("workflows: {a: {}}", "line 1: workflows.a: names no workflow of a team; write TEAM/WORKFLOW"),
        ("workflows: {a/: {}}", "workflows.a/: names no workflow of a team"),
        ("workflows: {/b: {}}", "workflows./b: names no workflow of a team"),
        ("workflows: {a/ b: {}}", "workflows.a/ b: ' b' is no name"),
        ("teams: {'a\tb': {}}", r"teams.'a\tb': 'a\tb' is no name; give 1 to 200 characters"),
        (f"teams: {{{'a' * 201}: {{}}}}", "is no name; give 1 to 200 characters"),
        ("teams: {'': {}}", "teams.'': '' is no name"),
        # Shape.
        ("- teams", "line 1: give its keys below it, indented"),
        ("teams: [a]", "line 1: teams: give its keys below it, indented"),
        ("teams: {a: 4000}", "line 1: teams.a: give its keys below it, indented"),
        ("teams: !!set {a: }", "line 1: teams: give its keys below it, indented"),
        ("teams: {a: {actors: 7}, b: {}, a: {}}", "line 1: teams.a: given twice, first in line 1; keep one of them"),
        ("teams: {}\nprices: a\nteams: {}", "line 3: teams: given twice, first in line 1"),
        ("teams:\n  a:\n    actors: 7\n    actors: 7", "line 4: teams.a.actors: given twice, first in line 3"),
        ("workflows: {a/b: {}, a/b: {}}", "workflows.a/b: given twice"),
        ("teams:\n  ? [a]\n  : {}", "line 2: teams: a key here is no name"),
        ("teams:\n  <<: {actors: 7}", "line 2: teams: a key here is no name"),
        ("teams: {~: {}}", "line 1: teams: a key here is no name"),
        # What is not YAML, or YAML of a kind that is refused.
        ("teams: [", "line 1: not valid YAML: "),
        ("teams:\n\t- a", "line 2: not valid YAML: "),
        ("a: 1\n---\nb: 2", "line 2: not valid YAML: "),
        ("\nteams: {a: \x07}", "line 2: holds the character U+0007; remove it"),
        ("teams:\n  a: &a {actors: 7}\n  b: *a", "line 3: not valid YAML: the alias *a is refused; write out what"),
        ("teams:\n  a: &a [*a]", "line 2: not valid YAML: the alias *a is refused"),
        ("teams: " + "[" * 100_000, "line 1: not valid YAML: nested too deeply"),
        ("teams: " + "{a: " * 21, "line 1: not valid YAML: nested too deeply"),
        # The price book.
        ("prices: none.yaml", "none.yaml is no file; give the path of a price book, relative to this file"),
        ("prices: .", "is no file"),
        ("prices: {book: prices.yaml}", "prices: this is no single value; give a text"),
    ],
    ids=lambda value: value[:60].replace("\n", " "),
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_line_its_key_and_the_mend(
    text: str, problem: str, problems: Problems
) -> None:
    found = problems(text)
    assert len([line for line in found if problem in line]) == 1, found
    # Nothing else is wrong with it, except where a text is cut off.
    assert len(found) == 1 or "given twice" in problem, found


def test_all_problems_are_told_at_once_in_the_order_of_the_file(problems: Problems) -> None:
    text = WHOLE
    for old, new in (
        ("min_actors: 8", "min_actors: 1"), ("monthly", "montly"), ("actors: 42", "actors: many"),
        ("payments/research", "research"), ("prices.yaml", "none.yaml"), ("alpha: 0.01", "alpha: 2"),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    assert [line.split(": ")[:2] for line in problems(text)] == [
        ["line 2", "defaults.min_actors"],
        ["line 8", "teams.payments.montly_budget_usd"],
        ["line 12", "teams.payments.actors"],
        ["line 16", "workflows.research"],
        ["line 17", "prices"],
        ["line 19", "detectors.target_chasing.alpha"],
    ]


@given(
    start=st.integers(0, len(WHOLE)),
    cut=st.integers(0, 8),
    put=st.text("{}[]:,&*!?|>'\"%@`~<#-\n\t \0é.e9", max_size=4),
)
@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_in_a_file_is_a_policy_or_a_configuration_error(start: int, cut: int, put: str, load: Load) -> None:
    """Never a traceback, and never a line without its place."""
    told: list[str] = []
    try:
        assert load(WHOLE[:start] + put + WHOLE[start + cut :]).min_actors >= 5
    except ConfigError as error:
        told = str(error).split("\n")
    assert all(re.search(r"policy\.yaml, line \d+: ", line) for line in told)


def test_a_file_has_a_largest_size(load: Load) -> None:
    assert load("#" * 1_048_576) == Policy()
    with pytest.raises(ConfigError, match="longer than 1,048,576 bytes"):
        load("#" * 1_048_577)


def test_a_file_that_is_not_there_or_is_not_text(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"policy: cannot read .*No such file"):
        load_policy(file)
    file.write_bytes(b"teams:\n  pay\xff: {}\n")
    with pytest.raises(ConfigError, match="line 2: not text; save the file as UTF-8"):
        load_policy(file)


def test_settings_without_a_policy_have_the_defaults(file: Path) -> None:
    assert effective_policy(Settings()) == Policy()
    file.write_text("defaults: {min_actors: 9}")
    assert effective_policy(Settings(policy=file)).min_actors == 9


def test_a_price_book_is_named_by_the_settings_or_the_policy(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = tmp_path / "prices.yaml"
    named, not_named = load("prices: prices.yaml"), Policy()
    assert effective_price_book_path(Settings(), not_named) is None
    assert effective_price_book_path(Settings(), named) == book
    with_book = Settings.model_validate({"prices": {"book": str(book)}})
    assert effective_price_book_path(with_book, not_named) == book
    # Both may name it, each in its own way.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.yaml").symlink_to(book)
    for same in (str(book), "prices.yaml", "../" + tmp_path.name + "/prices.yaml", "link.yaml"):
        settings = Settings.model_validate({"prices": {"book": same}})
        path = effective_price_book_path(settings, named)
        assert path is not None
        assert path.samefile(book)


def test_two_price_books_are_refused(load: Load, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("version: 1\nmodels: {}\n")
    policy = load("prices: prices.yaml")
    settings = Settings.model_validate(
        {"policy": str(tmp_path / "p.yaml"), "prices": {"book": str(tmp_path / "other.yaml")}}
    )
    with pytest.raises(
        ConfigError,
        match=r"prices\.book is .*other\.yaml, and prices in the policy .*p\.yaml is .*prices\.yaml; keep one",
    ):
        effective_price_book_path(settings, policy)


PAGE = Path(__file__).parents[2] / "docs" / "policy.md"


def rows(heading: str) -> list[list[str]]:
    """The cells of every table of the page whose header begins with this one, without backticks."""
    found: list[list[str]] = []
    inside = False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"| {heading} |"):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            found.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return found


def test_the_example_of_the_page_is_valid_and_has_every_key(load: Load) -> None:
    example = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    policy = load(example)
    assert policy.team("payments").monthly_budget_micro_usd == 4_000_000_000
    ZoneInfo(policy.time_zone)
    for keys in KEYS.values():
        for key in keys:
            assert re.search(rf"\b{key}:", example), key


def test_the_page_explains_every_key_detector_and_kind() -> None:
    assert [key for key, *_ in rows("key")] == [
        f"{section}.{key}".lstrip(".") for section, keys in KEYS.items() if section for key in keys
    ] + ["prices"]  # fmt: skip
    assert [name for name, *_ in rows("detector")] == list(DETECTORS)
    page = PAGE.read_text(encoding="utf-8")
    assert [kind for kind in OutcomeKind if f"`{kind}`" not in page] == []
