"""A real ``assay console`` for tests, over records that are put onto real topics."""

import html
import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.local.child import spawn
from deploy.local.properties import free_ports
from tests.integration.workers import ASSAY, eventually

__all__ = ["Console"]


class Console:
    """The process; ``settings`` are variables."""

    def __init__(self, kafka: str, prefix: str, directory: Path, *flags: str, **settings: str) -> None:
        port, web_port = free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self.web = f"http://127.0.0.1:{web_port}"
        self._log = directory / "console.log"
        directory.mkdir(parents=True, exist_ok=True)
        environment = [f"{name}={value}" for name, value in settings.items()]
        with self._log.open("ab") as log:
            self.process: subprocess.Popen[bytes] = spawn(
                ["/usr/bin/env", *environment, ASSAY, "console", "--brokers", kafka, "--topic-prefix", prefix, "--port", str(port),
                 "--web-port", str(web_port), *flags],
                log=log, dies_with_parent=True,
            )  # fmt: skip

    @property
    def log(self) -> str:
        return self._log.read_text()

    def get(
        self, path: str, *, method: str = "GET", web: bool = False, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers; 0 while nobody listens."""
        request = urllib.request.Request((self.web if web else self.url) + path, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read(), dict(error.headers)
        except OSError:
            return 0, b"", {}

    def document(self, path: str) -> Any:
        status, body, _ = self.get(f"{path}{'&' if '?' in path else '?'}format=json")
        assert status == 200, (path, status, body)
        return json.loads(body)

    def everything(self) -> dict[str, bytes]:
        """All pages and twins that links lead to from the first page, by path."""
        found: dict[str, bytes] = {}
        waiting = ["/"]
        while waiting:
            path = waiting.pop()
            if path not in found:
                status, body, headers = self.get(path)
                assert status == 200, path
                found[path] = body
                if headers["Content-Type"].startswith("text/html"):
                    targets = [html.unescape(it) for it in re.findall(r'href="([^"#]+)"', body.decode())]
                    waiting += [path.partition("?")[0] + it if it.startswith("?") else it for it in targets]
        return found

    def ready(self) -> Self:
        def see() -> int:
            assert self.process.poll() is None, self.log
            return self.get("/readyz", web=True)[0]

        eventually("the console is ready", see, lambda status: status == 200)
        return self

    def stop(self) -> int:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
        return self.process.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
