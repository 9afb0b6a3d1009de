"""A gateway's calls beside those of the producer: LiteLLM's events, posted to ``assay ingest`` as its callback does.

Each batch also has a call that the gateway answered from its cache, which is none of a model, and one that cannot be right;
some batches are sent again, as by a client that did not hear the answer.
"""

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson

from deploy.local.commands import Ingest
from deploy.local.demo_figures import Ingested, ingested_of
from streams.errors import DependencyError
from streams.simulation import Scenario, Simulation

__all__ = ["Proxy"]

_BATCH: Final = 25
_SENT_AGAIN: Final = 4
_TRIES: Final = 60
_WAIT_SECONDS: Final = 0.5
_MICRO: Final = 1_000_000
#: Behind the stream's own time, so that these calls do not hurry it.
_BEHIND_MS: Final = 5 * 60_000


class Proxy:
    """Posts bit by bit beside the regular records. ``calls`` reach the worker, ``again`` of them twice."""

    def __init__(self, ingest: Ingest, token: str, scenario: Scenario, events: int) -> None:
        self._ingest = ingest
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        self._scenario = scenario
        self._batches = max(_SENT_AGAIN, events // 100 // _BATCH)
        self._sent = 0
        self._bodies = self._all()
        self.calls: Final = self._batches * _BATCH
        self.again: Final = self._batches // _SENT_AGAIN * _BATCH

    @staticmethod
    def credential(directory: Path) -> tuple[str, Path]:
        """A token, and the file of sources that lets it in."""
        token = secrets.token_hex(16)
        (directory / "proxy.token").write_text(token)
        file = directory / "sources.yaml"
        file.write_text("sources:\n  - {name: gateway, kind: litellm, token_file: proxy.token}\n")
        return token, file

    def wait_until_ready(self) -> None:
        """Return once ingest takes what is posted. Raises DependencyError."""
        self._ingest.wait_until_ready()

    @property
    def story(self) -> str:
        """What it does, in a sentence."""
        return f"a gateway posts {self.calls:,} calls in LiteLLM's own form to {self._ingest.posts_to}/litellm"

    @property
    def expected(self) -> Ingested:
        """What ingest must say it was sent, in the end."""
        posts = self._batches + self._batches // _SENT_AGAIN
        return Ingested(accepted=posts * _BATCH, refused=posts, skipped=posts)

    def told(self) -> Ingested:
        """What ingest says by now. Raises DependencyError."""
        return ingested_of(self._ingest.metrics())

    def send(self, progress: float) -> None:
        """Post what is due once this share of the regular records (0 to 1) has been processed. Raises DependencyError."""
        due = round(self._batches * min(1.0, progress))
        while self._sent < due:
            body = next(self._bodies)
            self._sent += 1
            for _ in range(2 if self._sent % _SENT_AGAIN == 0 else 1):
                self._post(body)

    def _post(self, body: bytes) -> None:
        request = urllib.request.Request(f"{self._ingest.posts_to}/litellm", body, self._headers)  # noqa: S310  (our own address)
        for _ in range(_TRIES):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                    accepted = json.load(answer)["accepted"]
                if accepted != _BATCH:
                    raise self._ingest.failure(f"took {accepted} calls of {_BATCH}")
                return
            except urllib.error.HTTPError as error:
                if error.code not in (429, 503):
                    raise self._ingest.failure(f"answers {error.code}") from error
                time.sleep(_WAIT_SECONDS)
            except OSError as error:
                raise self._ingest.failure(f"does not answer ({error})") from error
        raise DependencyError(f"assay ingest has been too busy for {_TRIES * _WAIT_SECONDS:.0f} seconds")

    def _all(self) -> Iterator[bytes]:
        lines = iter(Simulation(replace(self._scenario, events=self.calls)))
        for number in range(self._batches):
            at_ms = self._scenario.start_ms + max(
                0, round(self._scenario.span_ms * (number + 1) / self._batches) - _BEHIND_MS
            )
            calls = [_call(orjson.loads(line), at_ms) for _, line in (next(lines) for _ in range(_BATCH))]
            name = f"gateway-{number}"
            hit = {**calls[0], "litellm_call_id": f"{name}-hit", "id": f"{name}-hit", "cache_hit": True}
            wrong = {**calls[0], "litellm_call_id": f"{name}-wrong", "id": f"{name}-wrong", "startTime": "yesterday"}
            yield orjson.dumps([*calls, hit, wrong])


def _call(event: dict[str, Any], at_ms: int) -> dict[str, Any]:
    """A call of the made-up company as LiteLLM's ``StandardLoggingPayload`` tells it."""
    read, written = event.get("cache_read_tokens", 0), event.get("cache_write_tokens", 0)
    prompt, completion = event.get("input_tokens", 0) + read + written, event.get("output_tokens", 0)
    # The simulation's own ids would make it a copy of the producer's event.
    name = f"gateway-{event['event_id']}"
    usage = {
        "prompt_tokens": prompt, "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": read, "cache_creation_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": event.get("reasoning_tokens", 0)},
    }  # fmt: skip
    return {
        "id": f"chatcmpl-{name}", "litellm_call_id": name, "call_type": "acompletion", "status": "success",
        "cache_hit": None, "custom_llm_provider": event.get("provider"), "model": event["model"],
        "startTime": at_ms / 1000, "endTime": at_ms / 1000 + 1,
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "response_cost": event.get("cost_micro_usd", 0) / _MICRO, "request_tags": [],
        "metadata": {
            "user_api_key_team_alias": event["team"], "user_api_key_user_id": event.get("actor"), "usage_object": usage,
            "requester_metadata": {"workflow": event["workflow"]},
        },
        "messages": [{"role": "user", "content": f"a question that nobody else shall read, {name}"}],
        "response": {"id": f"chatcmpl-{name}", "choices": [{"message": {"content": "an answer"}}]},
    }  # fmt: skip
