"""A Kubernetes API server for ``make test-cluster``: ``python -m deploy.cluster.building`` builds it and fetches an etcd.

It is compiled from Kubernetes' Go modules, which takes about eight minutes on two cores, once, and needs Go; etcd is Debian's,
unpacked without being installed. Both lie in ``build/cluster``. ``ASSAY_KUBE_APISERVER`` and ``ASSAY_ETCD`` name others.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["KUBERNETES", "MISSING", "Programs", "installed", "main"]

KUBERNETES: Final = "1.34.4"
MISSING: Final = (
    "no Kubernetes API server: run `make test-cluster`, or name one in ASSAY_KUBE_APISERVER and an etcd in ASSAY_ETCD"
)
_BUILD: Final = Path(__file__).parents[2] / "build" / "cluster"
_SERVER: Final = _BUILD / f"kube-apiserver-{KUBERNETES}"
_ETCD: Final = _BUILD / "etcd" / "usr" / "bin" / "etcd"
_MAIN: Final = Path(__file__).parent / "apiserver" / "main.go"
#: What Kubernetes' own module calls the modules that are developed beside it.
_BESIDE: Final = "v0.0.0"


class Programs(NamedTuple):
    """What a cluster is made of."""

    server: Path
    etcd: Path


def installed() -> Programs | None:
    """Their paths, None where one of them is missing."""
    server = Path(os.environ.get("ASSAY_KUBE_APISERVER") or _SERVER)
    etcd = Path(os.environ.get("ASSAY_ETCD") or shutil.which("etcd") or _ETCD)
    return Programs(server, etcd) if server.exists() and etcd.exists() else None


def _go(*arguments: str, cwd: Path | None = None) -> str:
    # Where nothing is under version control, Go would ask about it in vain.
    environment = {**os.environ, "GOFLAGS": "-mod=mod -buildvcs=false"}
    done = subprocess.run(["go", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"go {arguments[0]} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def _module(version: str) -> str:
    """A go.mod that requires what Kubernetes does; modules developed beside it by their releases (v1.X.Y is v0.X.Y there)."""
    fetched: dict[str, Any] = json.loads(_go("mod", "download", "-json", f"k8s.io/kubernetes@v{version}"))
    found: dict[str, Any] = json.loads(_go("mod", "edit", "-json", fetched["GoMod"]))
    released = f"v0{version[1:]}"
    beside = sorted(it["Path"] for it in found["Require"] if it["Version"] == _BESIDE)
    requires = {it["Path"]: it["Version"] for it in found["Require"]} | dict.fromkeys(beside, released)
    lines = ["module apiserver", "", f"go {found['Go']}", "", f"require k8s.io/kubernetes v{version}"]
    lines += [f"require {path} {at}" for path, at in requires.items()]
    lines += [f"replace {path} => {path} {released}" for path in beside]
    return "\n".join(lines) + "\n"


def _build_server() -> None:
    if shutil.which("go") is None:
        raise SystemExit("the API server is built by Go, and there is none: install it (https://go.dev/dl)")
    print(f"building Kubernetes {KUBERNETES}'s API server: about eight minutes, once", file=sys.stderr)
    minor = KUBERNETES.split(".")[1]
    stamp = "k8s.io/component-base/version"
    flags = f"-s -w -X {stamp}.gitVersion=v{KUBERNETES} -X {stamp}.gitMajor=1 -X {stamp}.gitMinor={minor}"
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "go.mod").write_text(_module(KUBERNETES))
        shutil.copy(_MAIN, directory)
        unfinished = _SERVER.with_suffix(".part")
        _go("build", "-ldflags", flags, "-o", str(unfinished), ".", cwd=Path(directory))
        unfinished.rename(_SERVER)


def _fetch_etcd() -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise SystemExit("etcd is Debian's, and this is none: install etcd and name it in ASSAY_ETCD")
    directory = _BUILD / "etcd"
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "-qq", "download", "etcd-server"], cwd=directory, check=True)
    for package in directory.glob("etcd-server_*.deb"):
        subprocess.run(["dpkg", "-x", package.name, "."], cwd=directory, check=True)
        package.unlink()


def main() -> None:
    """Build and fetch what is missing."""
    _BUILD.mkdir(parents=True, exist_ok=True)
    if not (os.environ.get("ASSAY_ETCD") or shutil.which("etcd") or _ETCD.exists()):
        _fetch_etcd()
    if not (os.environ.get("ASSAY_KUBE_APISERVER") or _SERVER.exists()):
        _build_server()


if __name__ == "__main__":
    main()
