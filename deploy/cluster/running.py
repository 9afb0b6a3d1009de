"""A real Kubernetes API server on loopback, with its etcd: objects, validation, rights and admission, but no kubelet.

Nothing runs: a pod stays pending, and no controller makes pods of a StatefulSet. What the server decides is decided for real.
"""

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from deploy.cluster.building import MISSING, installed
from deploy.local.child import spawn
from deploy.local.properties import free_ports
from streams.errors import DependencyError

__all__ = ["Cluster", "Refused", "cluster"]

_START_SECONDS: Final = 180.0
_TOKEN: Final = "of-an-administrator-of-a-test"  # noqa: S105  (it opens a server that only this machine reaches)


class Refused(Exception):
    """The server's answer to what it does not take."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Cluster:
    """The running server, asked as its administrator, or as whoever ``user`` says."""

    def __init__(self, url: str) -> None:
        self.url: Final = url
        self.token: Final = _TOKEN
        self._context = ssl._create_unverified_context()  # noqa: S323,SLF001  (its certificate is of its own making)
        self._paths: dict[tuple[str, str], str] = {}

    def ask(self, method: str, path: str, body: Any = None, *, user: str = "", kind: str = "application/json") -> Any:
        """One request. Raises Refused."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind, "Accept": "application/json"}
        if user:
            headers["Impersonate-User"] = user
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)  # noqa: S310  (loopback)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._context) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            message = json.loads(text).get("message", text) if text.startswith("{") else text
            raise Refused(error.code, message) from error

    def path_of(self, manifest: Mapping[str, Any], namespace: str) -> str:
        """Where this object lies, by the server's own list of kinds."""
        version, kind = manifest["apiVersion"], manifest["kind"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if (version, kind) not in self._paths:
            for resource in self.ask("GET", root)["resources"]:
                if "/" not in resource["name"]:
                    self._paths[version, resource["kind"]] = resource["name"]
        where = manifest["metadata"].get("namespace") or namespace
        return f"{root}/namespaces/{where}/{self._paths[version, kind]}"

    def strictly(self, manifest: Mapping[str, Any], namespace: str) -> None:
        """Have the server judge an object, unknown fields included, and not keep it. Raises Refused."""
        path = f"{self.path_of(manifest, namespace)}/{manifest['metadata']['name']}"
        query = "fieldManager=strict&force=true&dryRun=All&fieldValidation=Strict"
        self.ask("PATCH", f"{path}?{query}", manifest, kind="application/apply-patch+yaml")


@contextmanager
def cluster(directory: Path) -> Iterator[Cluster]:
    """One that is gone afterwards; its logs stay in ``directory``. Raises DependencyError without programs."""
    programs = installed()
    if programs is None:
        raise DependencyError(MISSING)
    directory.mkdir(parents=True, exist_ok=True)
    store, peers, port = free_ports(3)
    key = directory / "service-accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    tokens = directory / "tokens.csv"
    tokens.write_text(f"{_TOKEN},admin,admin,system:masters\n")
    etcd = [
        str(programs.etcd), f"--data-dir={directory / 'etcd'}", f"--listen-client-urls=http://127.0.0.1:{store}",
        f"--advertise-client-urls=http://127.0.0.1:{store}", f"--listen-peer-urls=http://127.0.0.1:{peers}",
    ]  # fmt: skip
    server = [
        str(programs.server), f"--etcd-servers=http://127.0.0.1:{store}", f"--secure-port={port}",
        "--bind-address=127.0.0.1", f"--cert-dir={directory / 'certificates'}", "--authorization-mode=RBAC",
        "--service-account-issuer=https://127.0.0.1", f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}", "--service-cluster-ip-range=10.0.0.0/24",
        f"--token-auth-file={tokens}",
    ]  # fmt: skip
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name, command in (("etcd", etcd), ("server", server)):
            with (directory / f"{name}.log").open("ab") as log:
                running.append(spawn(command, log=log, dies_with_parent=True))
        found = Cluster(f"https://127.0.0.1:{port}")
        _await(found, running, directory)
        yield found
    finally:
        for process in reversed(running):
            process.kill()
            process.wait()


def _await(found: Cluster, running: list[subprocess.Popen[bytes]], directory: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            # Ready includes its own objects: roles, priorities, the namespace `default`.
            found.ask("GET", "/api/v1/namespaces/default")
            found.ask("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:discovery")
        except (OSError, Refused) as error:
            if time.monotonic() > deadline or any(process.poll() is not None for process in running):
                log = (directory / "server.log").read_text(errors="replace")
                raise DependencyError(
                    f"the API server did not start ({error}); its log ends with:\n{log[-2_000:]}"
                ) from error
            time.sleep(0.2)
        else:
            return
