"""The chart as a real Helm renders it, in this process, and as parsed objects."""

import copy
import json
import pickle
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import yaml

from deploy.chart import CHART

sdk = pytest.importorskip(
    "helm_python.chart", reason="no Helm for this platform: helm-python-sdk has wheels for Linux on x86-64 only"
)

__all__ = ["CI", "DASHBOARD", "RULES", "base", "merged", "one", "pods", "refused", "rendered", "shape", "text"]

Values = dict[str, Any]
Manifest = dict[str, Any]

#: The files of values for the shapes that are supported.
CI: Final = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))
_PODS: Final = ("StatefulSet", "Deployment", "Job")


#: Told as Prometheus has it: what looks like a template must come out as it went in.
RULES: Final = """groups:
  - name: assay.example
    rules:
      - {alert: AssayExample, expr: up == 0, annotations: {description: "{{ $labels.job }} {{ $value | humanize }}", runbook_url: "https://assay.example.com/docs/runbook.md#x"}}
"""
DASHBOARD: Final = """{"title": "Example", "legendFormat": "{{team}}", "url": "https://grafana.example.com/d/x"}
"""


@cache
def _chart() -> Any:
    return sdk.Chart.load(CHART)


@cache
def _with_files() -> Any:
    """The chart with a file of rules and a dashboard more, so that what is made of files does not depend on which there are."""
    with TemporaryDirectory() as directory:
        copied = Path(directory) / "assay"
        shutil.copytree(CHART, copied)
        for folder, name, text in (("rules", "example_rules.yaml", RULES), ("dashboards", "example.json", DASHBOARD)):
            (copied / "files" / folder).mkdir(parents=True, exist_ok=True)
            (copied / "files" / folder / name).write_text(text)
        return sdk.Chart.load(copied)


def shape(name: str) -> Values:
    """A file of ``ci/``."""
    return copy.deepcopy(_read(CHART / "ci" / f"{name}-values.yaml"))


@cache
def _read(path: Path) -> Values:
    values: Values = yaml.load(path.read_text(), yaml.CSafeLoader)
    return values


def base(**values: Any) -> Values:
    """The least that renders, and more."""
    return merged(shape("minimal"), values)


def merged(values: Values, more: Values) -> Values:
    """As Helm merges: mappings by key, anything else replaced."""
    found = dict(values)
    for key, value in more.items():
        found[key] = (
            merged(found[key], value) if isinstance(value, dict) and isinstance(found.get(key), dict) else value
        )
    return found


def text(values: Values, *, namespace: str = "streams", name: str = "assay") -> dict[str, str]:
    """What Helm makes of every template, by the template's name; with a file of rules and a dashboard more."""
    found: dict[str, str] = _with_files().render(values, name=name, namespace=namespace)
    return found


def rendered(values: Values, *, namespace: str = "streams", name: str = "assay", files: bool = False) -> list[Manifest]:
    """Every object, in the order of the templates' names; with ``files`` a file of rules and a dashboard more."""
    manifests: list[Manifest] = pickle.loads(_rendered(json.dumps(values), namespace, name, files))
    return manifests


@cache
def _rendered(values: str, namespace: str, name: str, files: bool) -> bytes:
    """Pickled, so that each test has objects of its own: what most tests look at is rendered and parsed once."""
    made = (_with_files() if files else _chart()).render(json.loads(values), name=name, namespace=namespace)
    texts = [made[file] for file in sorted(made) if file.endswith(".yaml")]
    return pickle.dumps([document for text in texts for document in yaml.load_all(text, yaml.CSafeLoader) if document])


def refused(values: Values) -> str:
    """Why Helm refuses these values; fails when it does not."""
    with pytest.raises(sdk_errors()) as caught:
        rendered(values)
    return str(caught.value)


def sdk_errors() -> type[Exception]:
    """What the SDK raises for values and templates."""
    from helm_python.errors import HelmError

    found: type[Exception] = HelmError
    return found


def one(manifests: list[Manifest], kind: str, ending: str = "") -> Manifest:
    """The only object of this kind whose name ends so."""
    (found,) = [it for it in manifests if it["kind"] == kind and it["metadata"]["name"].endswith(ending)]
    return found


def pods(manifests: list[Manifest]) -> list[tuple[str, Manifest]]:
    """Every pod, by the name of what makes it: its metadata and spec."""
    found = [(it["metadata"]["name"], it["spec"]["template"]) for it in manifests if it["kind"] in _PODS]
    return found + [(it["metadata"]["name"], it) for it in manifests if it["kind"] == "Pod"]
