"""``assay forward``: what it wants, where it takes it from, and how it says what is missing."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import streams.subscribers.bridge
from streams.cli import main
from streams.cli.forward import _stop_on_signals

SECRET = "a-secret-of-twenty-four-bytes"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would have been run."""
    found: list[dict[str, Any]] = []

    def run_bridge(source: Any, url: str, build: Callable[..., Any], **options: Any) -> None:
        found.append({**source._asdict(), "url": url, "bridge": build(None, None, None, int), **options})

    monkeypatch.setattr(streams.subscribers.bridge, "run_bridge", run_bridge)
    return found


@pytest.fixture
def secrets(tmp_path: Path) -> str:
    file = tmp_path / "secrets"
    file.write_text(f"{SECRET}\n")
    return str(file)


def forward(*arguments: str, **environment: str) -> Result:
    return CliRunner(catch_exceptions=False).invoke(main, ["forward", *arguments], env=environment)


def test_flags_say_everything(ran: list[dict[str, Any]]) -> None:
    result = forward("alertmanager", "--url", "http://am:9093/prefix/", "--group", "mine", "--topic-prefix", "prod.",
                     "--resolve-after-seconds", "60", "--session-timeout-seconds", "6")  # fmt: skip
    assert result.exit_code == 0
    (given,) = ran
    assert given["url"] == "http://am:9093/prefix/api/v2/alerts"
    assert (given["group"], given["topic"]) == ("prod.mine", "prod.assay.alerts.v1")
    assert given["client_options"] == {"session_timeout_ms": 6_000, "heartbeat_interval_ms": 2_000}
    assert given["bridge"]._valid_ms == 60_000


def test_the_environment_and_the_file_do_too_and_flags_are_stronger(
    ran: list[dict[str, Any]], tmp_path: Path, secrets: str
) -> None:
    file = tmp_path / "assay.yaml"
    file.write_text(f"webhook:\n  url: http://file/\n  secret_file: {secrets}\n  mode: binary\n  start: latest\n")
    assert forward("webhook", "--config", str(file)).exit_code == 0
    assert forward("webhook", "--config", str(file), ASSAY_WEBHOOK__URL="http://env/hook/").exit_code == 0
    flags = ("--url", "http://flag/", "--mode", "structured", "--start", "earliest")
    assert forward("webhook", *flags, "--config", str(file), ASSAY_WEBHOOK__URL="http://env/").exit_code == 0
    assert [(it["url"], it["bridge"]._binary, it["earliest"]) for it in ran] == [
        ("http://file/", True, False), ("http://env/hook/", True, False), ("http://flag/", False, True),
    ]  # fmt: skip
    assert ran[0]["bridge"]._secrets == [SECRET.encode()]


def test_binary_is_the_mode_of_that_name(ran: list[dict[str, Any]], secrets: str) -> None:
    assert forward("webhook", "--url", "http://a/", "--secret-file", secrets, "--binary").exit_code == 0
    assert ran[0]["bridge"]._binary


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["alertmanager"], "alertmanager.url is not set"),
        (["webhook", "--secret-file", "x"], "webhook.url is not set"),
        (["webhook", "--url", "http://a/"], "webhook.secret_file is not set"),
        (["webhook", "--url", "http://a/", "--secret-file", "/no/such"], "webhook.secret_file: cannot read /no/such"),
        (["alertmanager", "--url", "am:9093"], "alertmanager.url (flag --url): this is not an http or https URL"),
        (
            ["alertmanager", "--url", "http://a", "--resolve-after-seconds", "3"],
            "alertmanager.resolve_after_seconds (flag --resolve-after-seconds): 3 is not valid; give 4 or more",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_said_by_its_name(arguments: list[str], said: str) -> None:
    result = forward(*arguments)
    assert result.exit_code == 3
    assert said in result.stderr


def test_a_port_that_is_taken_is_said(ran: list[dict[str, Any]]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = forward("alertmanager", "--url", "http://a", "--metrics-port", str(port))
    assert result.exit_code == 3
    assert f"forward.metrics_port: cannot listen on 127.0.0.1:{port}" in result.stderr
    assert ran == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_for_an_end_and_what_was_before_is_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with _stop_on_signals() as stopped:
        assert not stopped.is_set()
        os.kill(os.getpid(), number)
        assert stopped.wait(5)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("bridge", ["alertmanager", "webhook"])
def test_a_url_that_is_none_is_refused_without_the_address_of_something_else(bridge: str) -> None:
    result = forward(bridge, "--url", "ftp://x")
    assert result.exit_code == 3
    assert "not an http or https URL; write it as https://host or http://host:port" in result.stderr
    assert "registry" not in result.stderr
