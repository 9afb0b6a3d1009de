"""``assay ingest`` as a process, as installed or with the sources of :mod:`tests.ingest_source`, and a client that does not give up."""

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.child import spawn
from deploy.local.properties import free_ports
from tests.integration.workers import ASSAY, eventually

__all__ = ["Ingest", "send_all"]

_ROOT: Final = Path(__file__).parents[2]


class Ingest:
    """One process; its configuration, spool and log lie under ``directory`` and survive a :meth:`start` after a stop.

    ``installed`` is the command with its own sources; else those of the tests are in their place. Everybody may post, unless
    ``ingest``, the section of that name, has a ``sources_file``.
    """

    def __init__(
        self, brokers: str, prefix: str, directory: Path, ingest: Mapping[str, Any] | None = None, *,
        installed: bool = False,
    ) -> None:  # fmt: skip
        directory.mkdir(parents=True, exist_ok=True)
        self.port, self._web_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self.spool = directory / "data" / "ingest-spool"
        self.log = directory / "ingest.log"
        self._config = directory / "assay.yaml"
        self._config.write_text(yaml.safe_dump({
            "brokers": brokers, "topic_prefix": prefix, "data_dir": str(directory / "data"), "insecure_dev_key": True,
            "ingest": {
                "insecure_no_auth": "sources_file" not in (ingest or {}), "port": self.port, "web_port": self._web_port,
                **(ingest or {}),
            },
        }))  # fmt: skip
        self._command = [ASSAY, "ingest", "--config"] if installed else [sys.executable, "-m", "tests.ingest_source"]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start, and wait until it listens."""
        with self.log.open("ab") as log:
            env = ["/usr/bin/env", f"PYTHONPATH={_ROOT}"]
            self.process = spawn([*env, *self._command, str(self._config)], log=log, dies_with_parent=True)
        eventually("the service listens", self._listens)
        return self

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}"
        return self.status("/healthz") == 200

    def status(self, path: str) -> int:
        """Of a page for machines; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._web_port}{path}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def metrics(self) -> str:
        """All of them, as text."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._web_port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.metrics())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def said(self, event: str) -> list[dict[str, Any]]:
        """Its log lines of one event, in order."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if f'"event":"{event}"' in line]

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def kill(self) -> None:
        """No warning."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        print(f"--- {self.log} ends with:\n{self.log.read_text()[-6_000:]}", file=sys.stderr)


async def send_all(url: str, bodies: Iterable[list[dict[str, Any]]], *, at_once: int = 8) -> list[int]:
    """Post each body until it is answered 200, as a client does that retries; gives how often each was sent."""
    waiting = list(enumerate(bodies))
    tries = [0] * len(waiting)
    waiting.reverse()

    async def client(session: aiohttp.ClientSession) -> None:
        while waiting:
            place, body = waiting.pop()
            content = json.dumps(body).encode()
            while True:
                tries[place] += 1
                try:
                    async with session.post(url, data=content, headers={"Content-Type": "application/json"}) as answer:
                        if answer.status == 200:
                            assert (await answer.json())["accepted"] == len(body)
                            break
                        assert answer.status == 503, await answer.text()
                except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError):
                    pass
                await asyncio.sleep(0.05)

    async with asyncio.timeout(240), aiohttp.ClientSession() as session:
        await asyncio.gather(*(client(session) for _ in range(at_once)))
    return tries
