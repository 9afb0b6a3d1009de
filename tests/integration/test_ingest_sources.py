"""From what systems post to what a worker publishes: ``assay ingest`` as it is installed, its credentials, its routes."""

import hashlib
import hmac
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.local.child import spawn
from deploy.local.properties import free_ports
from streams.core.topics import OUTCOMES, USAGE
from streams.core.windows import Window
from streams.sources.catalogue import SOURCES
from tests.integration.records import Log
from tests.integration.workers import ASSAY, Worker, eventually
from tests.unit.sources.forge_payloads import merged
from tests.unit.sources.litellm_events import event

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

#: 2026-01-05 09:00 UTC, half an hour before the pull request was opened.
_MORNING_S: Final = 1_767_603_600
_SECRET: Final = "a-secret-of-the-forge-0123456789"
_TOKEN: Final = "a-token-of-the-proxy-0123456789"


def post(url: str, body: bytes, **headers: str) -> tuple[int, Any]:
    named = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, named), timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def calls() -> list[dict[str, Any]]:
    """A hundred calls of ten people in one run."""
    return [
        event(
            id=f"chatcmpl-{number}", litellm_call_id=f"call-{number}", session_id="run-1", trace_id="run-1",
            startTime=_MORNING_S + number, endTime=_MORNING_S + number + 1,
            metadata={"user_api_key_user_id": f"person-{number % 10}"},
        )
        for number in range(100)
    ]  # fmt: skip


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "proxy.token").write_text(_TOKEN)
    (tmp_path / "forge.secret").write_text(_SECRET)
    file = tmp_path / "sources.yaml"
    file.write_text("""\
sources:
  - {name: proxy, kind: litellm, token_file: proxy.token, team: payments, workflow: checkout}
  - name: forge
    kind: github
    secret_file: forge.secret
    rules: [{label: repository, pattern: "Acme/*", team: payments}]
""")
    return file


def test_calls_of_a_proxy_and_merges_become_what_a_change_costs(
    kafka: str, topic_prefix: str, tmp_path: Path, sources: Path
) -> None:
    log = Log(kafka, topic_prefix)
    port, web_port = free_ports(2)
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / "ingest.log").open("ab") as output:
        process = spawn(
            [ASSAY, "ingest", "--brokers", kafka, "--topic-prefix", topic_prefix, "--data-dir", str(tmp_path / "data"),
             "--insecure-dev-key", "--sources-file", str(sources), "--port", str(port), "--web-port", str(web_port)],
            log=output, dies_with_parent=True,
        )  # fmt: skip
    try:
        eventually("the service listens", lambda: (tmp_path / "ingest.log").read_text().count("ingest_started"))
        batch, bearer = json.dumps(calls()).encode(), f"Bearer {_TOKEN}"
        # Twice, as a client does that did not hear the answer.
        for _ in range(2):
            assert post(f"{url}/litellm", batch, Authorization=bearer) == (
                200, {"accepted": 100, "refused": [], "skipped": {}},
            )  # fmt: skip
        # Of ten people: what fewer came to is not published.
        for number in range(10):
            merge = merged(
                number, body="It charges once.\n\nAssay-Run: run-1", user={"login": f"person-{number}", "id": number}
            )
            signature = hmac.new(_SECRET.encode(), merge, hashlib.sha256).hexdigest()
            signed = {"X_Hub_Signature_256": f"sha256={signature}", "X_GitHub_Event": "pull_request"}
            assert post(f"{url}/github", merge, **signed) == (200, {"accepted": 1, "refused": [], "skipped": {}})
            assert post(f"{url}/github", merge + b" ", **signed)[0] == 401
            assert post(f"{url}/github", merge, Authorization=bearer)[0] == 403
        assert b"person-" not in b"".join(record.value or b"" for record in [*log.read(USAGE), *log.read(OUTCOMES)])

        worker = Worker(kafka, topic_prefix, tmp_path / "worker", {"ASSAY_WINDOWS__IDLE_SECONDS": "1"})
        with worker.start():
            worker.ready().received(210)

            def day() -> list[Any]:
                kpis = [it for it in log.kpis() if it.scope == "team" and it.window_size_ms == Window.DAY]
                return sorted((it for it in kpis if it.accepted), key=lambda it: it.revision)

            kpi = eventually("the day is published", day)[-1]
            assert worker.metric("assay_events_duplicate_total") == 100
            assert worker.metric("assay_events_dead_lettered_total") == 0
    finally:
        process.terminate()
        assert process.wait(60) == 0
    assert (kpi.team, kpi.calls, kpi.input_tokens, kpi.cache_read_tokens, kpi.output_tokens, kpi.reasoning_tokens) == (
        "payments", 100, 10_000, 200_000, 5_000, 1_000,
    )  # fmt: skip
    assert (kpi.spend_micro_usd, kpi.accepted, kpi.outcomes_by_run) == (1_950_000, 10, 10)
    assert kpi.cost_per_accepted_micro_usd == 195_000


def test_the_page_names_every_source_and_its_path() -> None:
    page = (Path(__file__).parents[2] / "docs" / "ingest.md").read_text(encoding="utf-8")
    for source in SOURCES:
        assert f"| `{source.name}` |" in page, source.name
        for route in source.routes:
            assert f"`{route.path}`" in page, route.path
