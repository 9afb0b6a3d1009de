"""LiteLLM's proxy as a process: configured, started, ended in whatever way."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import aiohttp

from tests.clients.model_server import ModelServer

__all__ = ["Proxy"]

_ROOT = Path(__file__).parents[2]
_KEY = "sk-test-0123456789"
#: The names that callers use, and the provider's models behind them.
_MODELS = {
    "chat": "openai/gpt-4o-mini",
    "claude": "anthropic/claude-sonnet-4-5",
    "embed": "openai/text-embedding-3-small",
    "unpriced": "openai/unheard-of",
    "fail500": "openai/fail-500",
    "fail429": "openai/fail-429",
    "cut": "openai/cut",
}


class Proxy:
    """A proxy in front of the model server. ``callbacks`` are names, by which ``callback_settings`` say more of them."""

    def __init__(
        self,
        program: Path,
        directory: Path,
        models: ModelServer,
        callbacks: list[str],
        *,
        callback_settings: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self._program = program
        self._directory = directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._environment = {
            **os.environ,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_TELEMETRY": "False",
            "PYTHONPATH": str(_ROOT),
            **(environment or {}),
        }
        self._write_config(models, callbacks, callback_settings or {})
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None

    def _write_config(self, models: ModelServer, callbacks: list[str], settings: dict[str, Any]) -> None:
        listed = []
        for name, model in _MODELS.items():
            base = models.url if model.startswith("anthropic/") else models.url + "/v1"
            options = {"model": model, "api_base": base, "api_key": "sk-dummy", "max_retries": 0}
            listed.append({"model_name": name, "litellm_params": options})
        cache = {"cache": True, "cache_params": {"type": "local", "mode": "default_off"}}
        config = {
            "model_list": listed,
            "litellm_settings": {**cache, "callbacks": callbacks},
            "callback_settings": settings,
            "router_settings": {"num_retries": 0, "allowed_fails": 1_000_000},
            "general_settings": {"master_key": _KEY},
        }
        (self._directory / "config.yaml").write_text(json.dumps(config))  # JSON is YAML

    async def start(self) -> None:
        """Start and wait until it answers."""
        try:
            await self._start()
        except BaseException:
            await self.end(signal.SIGKILL)
            raise

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(
            f"http://127.0.0.1:{self._port}",
            headers={"authorization": f"Bearer {_KEY}"},
            timeout=aiohttp.ClientTimeout(total=60),
        )
        with (self._directory / "proxy.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._program, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(self._port),
                cwd=self._directory, env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip
        async with asyncio.timeout(240):
            while True:
                try:
                    async with self._session.get("/health/liveliness") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    assert self._process.returncode is None, self.log()
                await asyncio.sleep(0.3)

    async def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it by a signal, and wait until it has ended."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await asyncio.wait_for(self._process.wait(), 60)
        self._process = None

    def log(self) -> str:
        """What it wrote last."""
        return (self._directory / "proxy.log").read_text(errors="replace")[-20_000:]

    async def post(self, path: str, **body: Any) -> tuple[int, bytes]:
        """One call; a stream is read to its end, or to where it breaks off."""
        assert self._session is not None
        headers = {"anthropic-version": "2023-06-01"} if path == "/v1/messages" else {}
        async with self._session.post(path, json=body, headers=headers) as answer:
            read = b""
            try:
                async for part in answer.content.iter_any():
                    read += part
            except aiohttp.ClientPayloadError:
                pass
            return answer.status, read

    async def get(self, path: str) -> int:
        """Ask for something stored."""
        assert self._session is not None
        async with self._session.get(path) as answer:
            await answer.read()
            return answer.status
