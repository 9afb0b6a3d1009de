"""``assay import request`` answers as the service does, and shows what it would have sent."""

import asyncio
import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from streams.core.pseudonyms import Pseudonyms, iso_week
from streams.ingest.gate import Gate
from streams.settings import DEV_PSEUDONYM_KEY
from streams.sources.booking import Binding
from streams.sources.catalogue import SOURCES
from tests.ingest_source import NOW_MS
from tests.unit.ingest.test_service import Door
from tests.unit.sources.forge_payloads import merged
from tests.unit.sources.litellm_events import event

Assay = Callable[..., Result]

CAPTURED = Path(__file__).resolve().parents[3] / "../shared/payloads/captured"
_JSON = "content-type: application/json"


@pytest.fixture
def body(tmp_path: Path) -> Path:
    file = tmp_path / "body.json"
    file.write_text(json.dumps([event(), {"id": "z", "startTime": -1}]))
    return file


def test_the_answer_and_the_records_are_shown(assay: Assay, body: Path, tmp_path: Path) -> None:
    out = tmp_path / "u.jsonl"
    done = assay("import", "request", body, "--path", "/litellm", "--header", _JSON, "--usage", out, "--team", "mine")
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert (said["status"], said["body"]["accepted"], len(said["body"]["refused"])) == (200, 1, 1)
    (record,) = [json.loads(line) for line in out.read_text().splitlines()]
    sealed = Pseudonyms(DEV_PSEUDONYM_KEY).sealed(iso_week(record["occurred_at"]), "ada")
    assert (record["team"], record["input_tokens"], record["actor"]) == ("mine", 100, sealed)


def test_headers_reach_the_decoder_and_outcomes_are_shown(assay: Assay, tmp_path: Path) -> None:
    hook = tmp_path / "hook.json"
    hook.write_bytes(merged())
    done = assay(
        "import", "request", hook, "--path", "/github", "--header", "X-GitHub-Event: pull_request", "--outcomes", "-"
    )
    assert done.exit_code == 0
    assert json.loads(done.stdout)["kind"] == "change_merged"
    assert json.loads(done.stderr)["body"]["accepted"] == 1


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        (["--path", "/litellm/"], 404, "path"),
        (["--path", "/litellm", "--header", "content-type: image/png"], 415, "content_type"),
        (["--path", "/litellm", "--header", "content-encoding: br"], 415, "encoding"),
        (["--path", "/litellm", "--header", "content-encoding: gzip"], 400, "bad_encoding"),
        (["--path", "/events"], 400, None),
    ],
)
def test_what_would_be_refused_is_5_with_the_services_answer(
    assay: Assay, body: Path, options: list[str], status: int, reason: str | None
) -> None:
    done = assay("import", "request", body, *options)
    assert done.exit_code == 5
    said = json.loads(done.stdout)
    assert (said["status"], said["body"].get("reason")) == (status, reason)


def test_a_body_beyond_the_bound_is_413(assay: Assay, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b" " * 65_537)
    done = assay("import", "request", tmp_path / "b", "--path", "/litellm", "--max-body-bytes", 65_536)
    assert json.loads(done.stdout)["status"] == 413


def test_a_header_without_a_colon_is_wrong_usage(assay: Assay, body: Path) -> None:
    assert assay("import", "request", body, "--path", "/litellm", "--header", "nothing").exit_code == 2


async def ask(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any, list[dict[str, Any]]]:
    """The service's answer, and what it sent."""
    async with Door(Gate([], open_to=Binding()), SOURCES) as door:
        named = {name.replace("-", "_"): value for name, value in headers.items()}
        status, answer = await door.post(path, body, **named)
        return status, answer, list(door.keeper.records)


def compare(assay: Assay, body: Path, path: str, headers: dict[str, str], tmp_path: Path) -> None:
    """The service and the command, asked the same, say the same."""
    status, answer, sent = asyncio.run(ask(path, body.read_bytes(), headers))
    usage, outcomes = tmp_path / "u", tmp_path / "o"
    named = [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]
    done = assay("import", "request", body, "--path", path, *named, "--usage", usage, "--outcomes", outcomes,
                 "--received-at", NOW_MS)  # fmt: skip
    said = json.loads(done.stdout)
    assert said["status"] == status
    assert (said["body"] if "body" in said else base64.b64decode(said["body_base64"])) == answer
    written = [json.loads(line) for file in (usage, outcomes) for line in file.read_text().splitlines()]
    # Under another key people and prompts are other words.
    for record in (*written, *sent):
        record.pop("actor", None), record.pop("prompt_fingerprint", None)
    assert written == sent


@pytest.mark.parametrize("compressed", [False, True])
def test_the_service_says_the_same(assay: Assay, body: Path, tmp_path: Path, compressed: bool) -> None:
    headers = {"content-type": "application/json"}
    if compressed:
        body.write_bytes(gzip.compress(body.read_bytes()))
        headers["content-encoding"] = "gzip"
    compare(assay, body, "/litellm", headers, tmp_path)
    compare(assay, body, "/promptfoo", headers, tmp_path)
    compare(assay, body, "/nowhere", headers, tmp_path)


def test_what_a_body_does_not_date_is_dated_by_its_reception(assay: Assay, tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_text(json.dumps({"promptIdx": 0, "id": "r-1", "success": True, "score": 1}))
    compare(assay, file, "/promptfoo", {"content-type": "application/json"}, tmp_path)
    assert json.loads((tmp_path / "o").read_text())["occurred_at"] == NOW_MS


@pytest.mark.skipif(not CAPTURED.exists(), reason="the captured bodies of real clients are not at ../shared/payloads")
def test_captured_requests_are_answered_as_by_the_service(assay: Assay, tmp_path: Path) -> None:
    compared = 0
    for said in sorted(CAPTURED.glob("*/*.headers.json")):
        name = said.name.removesuffix(".headers.json")
        (body,) = (path for path in said.parent.glob(f"{name}.*") if path != said)
        request: dict[str, Any] = json.loads(said.read_text())
        path = "/litellm" if said.parent.name == "litellm" else request["path"]
        headers = {key.lower(): value for key, value in request["headers"].items()}
        compare(assay, body, path, {"content-type": headers["content-type"]}, tmp_path)
        compared += 1
    assert compared > 15
