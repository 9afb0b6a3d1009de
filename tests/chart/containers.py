"""What a container of the chart finds when it starts, without a kubelet: its files laid out, its variables."""

import base64
import re
from pathlib import Path
from typing import Any, Final

from tests.chart.charts import Manifest

__all__ = ["lay_out"]

#: What the Secrets and ConfigMaps of an operator would hold, by key; any other key holds a key of sixteen bytes.
GIVEN: Final = {
    "sources.yaml": "sources: [{name: proxy, kind: litellm, token_file: proxy.token}]\n",
    "book.json": '{"gpt-5-mini": {"input_cost_per_token": 2.5e-07, "output_cost_per_token": 2e-06}}',
    "url": "https://user:password@receiver.example.com/",
    "tls.crt": "",
    "tls.key": "",
}
ENTRIES: Final = ("proxy.token", "tracing.token", "github.secret")


def lay_out(manifests: list[Manifest], pod: Manifest, container: Manifest, root: Path) -> dict[str, str]:
    """Write what the container finds at its mounts under ``root``; gives its environment."""
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    for mount in container["volumeMounts"]:
        target = root / mount["mountPath"].lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        volume = volumes.get(mount["name"], {})
        for part in volume.get("projected", {}).get("sources", [volume]):
            for name, text in contents(manifests, part).items():
                (target / name).write_text(placed(text, root))
    environment = {}
    for variable in container["env"]:
        if "fieldRef" in variable.get("valueFrom", {}):
            path = variable["valueFrom"]["fieldRef"]["fieldPath"]
            environment[variable["name"]] = {"metadata.name": "assay-worker-0", "metadata.namespace": "streams"}[path]
            continue
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        environment[variable["name"]] = GIVEN[reference["key"]] if reference else placed(variable["value"], root)
    # As the kubelet puts in what was said before.
    expand = re.compile(r"\$\((\w+)\)")
    return {name: expand.sub(lambda it: environment[it[1]], value) for name, value in environment.items()}


def placed(text: str, root: Path) -> str:
    """A text whose absolute paths lie under ``root``."""
    return re.sub(r"/(etc|run|var)/", rf"{root}/\1/", text)


def contents(manifests: list[Manifest], volume: dict[str, Any]) -> dict[str, str]:
    """The files of a ConfigMap or Secret: ours as rendered, those of the operator as he would write them."""
    if "configMap" in volume:
        name, ours = volume["configMap"]["name"], "ConfigMap"
    elif "secret" in volume:
        name, ours = volume["secret"].get("secretName") or volume["secret"]["name"], "Secret"
    else:
        return {}
    made = [it for it in manifests if it["kind"] == ours and it["metadata"]["name"] == name]
    items = {it["key"]: it["path"] for it in (volume.get("configMap") or volume["secret"]).get("items", [])}
    if made:
        data = made[0]["data"]
        if ours == "Secret":
            data = {key: base64.b64decode(text).decode() for key, text in data.items()}
        return {path: data[key] for key, path in (items or {key: key for key in data}).items()}
    if not items:
        items = {key: key for key in ("sources.yaml", *ENTRIES)}
    return {path: GIVEN.get(key, f"{key}-is-a-secret-of-sixteen-bytes") for key, path in items.items()}
