"""What the Helm chart repeats of the program, and of itself, printed from there: ``python -m deploy.chart`` writes it anew.

Two parts of ``deploy/helm/assay``: the settings in ``values.schema.json``, from the program's own model, and the table of
values in ``README.md``, from the comments in ``values.yaml``. A test fails where they differ.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from streams.settings import Settings

__all__ = ["CHART", "OWNED", "Value", "main", "readme", "schema", "settings_schema", "values"]

CHART: Final = Path(__file__).parent / "helm" / "assay"
#: Settings that the chart itself sets, as only it knows paths, addresses and ports; and the open door, which the
#: program takes on a loopback address only.
OWNED: Final = (
    "console.host",
    "console.ingests",
    "console.port",
    "console.token_file",
    "console.web_host",
    "console.web_port",
    "console.workers",
    "data_dir",
    "forward.metrics_host",
    "forward.metrics_port",
    "ingest.host",
    "ingest.insecure_no_auth",
    "ingest.port",
    "ingest.sources_file",
    "ingest.spool_dir",
    "ingest.tls_certificate_file",
    "ingest.tls_key_file",
    "ingest.web_host",
    "ingest.web_port",
    "instance_id",
    "policy",
    "prices.book",
    "pseudonym_key",
    "pseudonym_key_file",
    "web_host",
    "web_port",
    "webhook.secret_file",
)
_BEGIN: Final = "<!-- values: python -m deploy.chart -->\n"
_END: Final = "<!-- end of values -->\n"
#: What pydantic says and a chart's reader does not need, or Helm's validator does not know.
_NOISE: Final = ("title", "default", "format", "writeOnly")


class Value(NamedTuple):
    """One value of the chart: its dotted key, its default as one line, and the comment above it."""

    key: str
    default: str
    meaning: str


def settings_schema() -> dict[str, Any]:
    """The settings an operator may give by ``config``, as JSON Schema without references."""
    model = Settings.model_json_schema()
    return _section(model, model["$defs"], "")


def _section(section: dict[str, Any], definitions: dict[str, Any], prefix: str) -> dict[str, Any]:
    properties = {}
    for name, given in section["properties"].items():
        if prefix + name in OWNED:
            continue
        if "$ref" in given:
            properties[name] = _section(definitions[given["$ref"].rpartition("/")[2]], definitions, f"{prefix}{name}.")
        else:
            properties[name] = {key: value for key, value in given.items() if key not in _NOISE}
    return {
        "type": "object",
        "description": section["description"].partition("\n")[0],
        "additionalProperties": False,
        "properties": properties,
    }


def schema() -> str:
    """The chart's schema as it should be: what stands there by hand, and the settings as they are."""
    found = json.loads((CHART / "values.schema.json").read_text())
    found["$defs"]["settings"] = settings_schema()
    return json.dumps(found, indent=2) + "\n"


def values() -> list[Value]:
    """Every value of ``values.yaml``, in its order; a mapping that has keys of its own is none."""
    text = (CHART / "values.yaml").read_text()
    root = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    return list(_values(root, text.splitlines(), ""))


def _values(node: yaml.MappingNode, lines: list[str], prefix: str) -> Iterator[Value]:
    for name, given in node.value:
        key = f"{prefix}{name.value}"
        comment = _comment(lines, name.start_mark.line)
        # A block that is itself explained is one value: what Kubernetes has, as a whole.
        if isinstance(given, yaml.MappingNode) and given.value and (not comment or key == "config"):
            yield from _values(given, lines, f"{key}.")
        else:
            default = yaml.safe_load(yaml.serialize(given, Dumper=yaml.SafeDumper))
            yield Value(key, json.dumps(default, ensure_ascii=False), comment)


def _comment(lines: list[str], line: int) -> str:
    found: list[str] = []
    while line > 0 and lines[line - 1].strip().startswith("#"):
        line -= 1
        found.insert(0, lines[line].strip().removeprefix("#").strip())
    return " ".join(found)


def readme() -> str:
    """The chart's README as it should be: what stands there by hand, and the table of values."""
    before, _, rest = (CHART / "README.md").read_text().partition(_BEGIN)
    rows = [f"| `{it.key}` | `{it.default}` | {it.meaning} |" for it in values()]
    table = "\n".join(["| value | default | meaning |", "|---|---|---|", *rows])
    return f"{before}{_BEGIN}{table}\n{_END}{rest.partition(_END)[2]}"


def main() -> None:
    """Write both."""
    (CHART / "values.schema.json").write_text(schema())
    (CHART / "README.md").write_text(readme())


if __name__ == "__main__":
    main()
