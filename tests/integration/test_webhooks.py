"""Signed webhooks into Kafka, as forges, trackers and pagers send them: what is believed, once, with nothing of it left."""

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import yaml

from streams.core.topics import OUTCOMES
from streams.subscribers.signature import sign
from tests.integration.ingests import Ingest
from tests.integration.records import Log
from tests.unit.sources.forge_payloads import merged

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

OLD, NEW = "an old secret of 32 characters..", "a new secret of 32 characters..."
KINDS: Final = ("github", "jira", "linear", "pagerduty", "events")


def post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
    request = urllib.request.Request(url, body, {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def sources_file(directory: Path) -> Path:
    """A credential for each system, with two secrets, as while one is exchanged for the other."""
    entries = []
    for kind in KINDS:
        (directory / f"{kind}.secret").write_text(f"{OLD}\n{NEW}\n")
        entries.append({"name": kind, "kind": kind, "secret_file": f"{kind}.secret", "team": "payments"})
    file = directory / "sources.yaml"
    file.write_text(yaml.safe_dump({"sources": entries, "linking": {"branches": ["bots/(?P<run>.+)"]}}))
    return file


def signed(kind: str, body: bytes, secret: str, at_s: int) -> dict[str, str]:
    """The headers that a system sends along with a body."""
    digest = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    return {
        "github": {"x-github-event": "pull_request", "x-hub-signature-256": f"sha256={digest}"},
        "jira": {"x-hub-signature": f"sha256={digest}"},
        "linear": {"linear-signature": digest},
        "pagerduty": {"x-pagerduty-signature": f"v1={'0' * 64},v1={digest}"},
        "events": sign([secret.encode()], "msg", at_s, body),
    }[kind]


def webhooks(now_ms: int, at: str) -> dict[str, bytes]:
    """One of each system, all of the same second, with a mark in what people write."""
    resolved = {"items": [{"field": "resolution", "to": "1"}]}
    ticket = {
        "resolution": {"name": "Done"}, "summary": "canary", "resolutiondate": at, "labels": ["workflow:triage"],
    }  # fmt: skip
    incident = {"event_type": "incident.resolved", "occurred_at": at, "data": {"id": "P1", "title": "canary"}}
    native = {"outcome_id": "n", "source": "own", "occurred_at": at, "team": "x", "kind": "change_merged"}
    return {
        "github": merged(at=at, head={"ref": "bots/run-1"}, body="canary", title="canary"),
        "jira": json.dumps({
            "timestamp": now_ms, "webhookEvent": "jira:issue_updated", "changelog": resolved,
            "issue": {"key": "SHOP-22", "fields": ticket},
        }).encode(),
        "linear": json.dumps({
            "type": "Issue", "action": "update", "webhookTimestamp": now_ms, "createdAt": at,
            "updatedFrom": {"completedAt": None},
            "data": {"id": "u", "identifier": "SHOP-1", "title": "canary", "completedAt": at},
        }).encode(),
        "pagerduty": json.dumps({"event": incident}).encode(),
        "events": json.dumps({**native, "verdict": "accepted"}).encode(),
    }  # fmt: skip


def test_signed_webhooks_are_outcomes_and_others_are_nothing(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    log = Log(kafka, topic_prefix)
    now_ms = time.time_ns() // 1_000_000
    now_s, at_s = now_ms // 1000, now_ms // 1000 - 60
    bodies = webhooks(now_ms, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s)))
    settings = {"sources_file": str(sources_file(tmp_path))}
    with Ingest(kafka, topic_prefix, tmp_path / "ingest", settings, installed=True).start() as ingest:
        for kind, body in bodies.items():
            url = f"{ingest.url}/{kind}"
            for secret in (OLD, NEW, NEW):  # before and after the exchange, and delivered again
                answer = post(url, body, signed(kind, body, secret, now_s))
                assert answer == (200, {"accepted": 1, "refused": [], "skipped": {}}), kind
            other = signed("pagerduty" if kind != "pagerduty" else "github", body, NEW, now_s)
            for wrong in (signed(kind, body, "x" * 32, now_s), signed(kind, body + b" ", NEW, now_s), other, {}):
                status, said = post(url, body, wrong)
                assert (status, said["reason"]) == (401, "bad_signature"), (kind, said)

        # What somebody has kept, and sends again later, is as it was signed.
        stale = json.dumps({**json.loads(bodies["linear"]), "webhookTimestamp": now_ms - 900_000}).encode()
        status, said = post(f"{ingest.url}/linear", stale, signed("linear", stale, NEW, now_s))
        assert (status, "replay" in said["detail"]) == (401, True)
        status, said = post(
            f"{ingest.url}/events", bodies["events"], signed("events", bodies["events"], NEW, now_s - 900)
        )
        assert status == 401

        form = urlencode({"payload": bodies["github"]}).encode()
        headers = {**signed("github", form, NEW, now_s), "content-type": "application/x-www-form-urlencoded"}
        assert post(f"{ingest.url}/github", form, headers) == (200, {"accepted": 1, "refused": [], "skipped": {}})

        links = {
            (kind, link): ingest.metric("assay_ingest_linked_total", source=kind, by=link)
            for kind, link in (
                ("github", "branch"), ("jira", "workflow"), ("linear", "unnamed"), ("pagerduty", "unnamed"),
                ("events", "unnamed"),
            )
        }  # fmt: skip
        assert list(links.values()) == [4, 3, 3, 3, 3]
        assert ingest.metric("assay_ingest_linked_total") == 16
        assert "canary" not in ingest.metrics()
        assert ingest.stop() == 0

    values = [record.value or b"" for record in log.read(OUTCOMES)]
    assert b"canary" not in b"".join(values)
    assert b"canary" not in ingest.log.read_bytes()
    told = [json.loads(value) for value in values]
    # A webhook that is delivered again is the same outcome, which the worker counts once.
    assert Counter((said["source"], said["outcome_id"]) for said in told) == {
        ("github", "acme/shop#12:merged"): 4, ("jira", "SHOP-22:resolved"): 3,
        ("linear", f"u:completed:{at_s * 1000}"): 3, ("pagerduty", "P1:resolved"): 3, ("own", "n"): 3,
    }  # fmt: skip
    assert {said["team"] for said in told} == {"payments"}
    found = {said["source"]: said for said in told}
    assert found["github"]["run_id"] == "run-1"
    assert found["github"]["actor"].startswith("pseudonym:")
    assert found["jira"]["workflow"] == "triage"
