"""The page says what the bridges do: metrics are compared, examples are programs that run."""

import re
from pathlib import Path

import pytest

from streams.subscribers import verify_signature
from streams.subscribers.bridge_metrics import BridgeMetrics
from streams.subscribers.signature import parse_secrets, sign

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "subscribers.md").read_text(encoding="utf-8")
PAGER, RECEIVER = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_metrics_are_those_that_are_exposed() -> None:
    metrics = BridgeMetrics()
    metrics.show_lag(0)
    metrics.show_firing(0)
    documented = {
        name: (kind, labels, text)
        for name, kind, labels, text in re.findall(
            r"^\| `(assay_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE
        )
    }
    exposed = {}
    for family in metrics.registry.collect():
        samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
        (label,) = {name for sample in samples for name in sample.labels} or {""}
        values = ", ".join(sample.labels[label] for sample in samples if label)
        shown = f"`{label}`: {values}" if label else "-"
        exposed[samples[0].name] = (family.type, shown, family.documentation)
    assert documented == exposed


def test_what_is_not_known_has_no_sample() -> None:
    families = {family.name for family in BridgeMetrics().registry.collect()}
    assert not families & {"assay_forward_lag_records", "assay_forward_firing_alerts"}


def test_the_client_is_that_of_the_readme() -> None:
    assert PAGER in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_receiver_takes_what_is_signed_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scope: dict[str, object] = {}
    exec(compile(RECEIVER, "docs/subscribers.md", "exec"), scope)
    receive = scope["receive"]
    assert callable(receive)
    scope["verify_signature"] = lambda *given: verify_signature(*given, now_ms=5_000)
    headers = sign(parse_secrets("the line of the secret file"), "a/1", 5, b"{}")
    assert receive(headers, b"{}") == 204
    assert capsys.readouterr().out == "take a/1\n"
    assert receive(headers, b"{ }") == 401
