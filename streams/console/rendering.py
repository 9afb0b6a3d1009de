"""Views as HTML: Jinja2 with autoescape, every name from the stream made fit to be shown."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from streams.console.charts import LEFT
from streams.report import words
from streams.report.names import shown

__all__ = ["ASSETS", "NAVIGATION", "rendered"]

NAVIGATION: Final = (
    ("/", "Status"), ("/workflows", "Workflows"), ("/teams", "Teams"), ("/alerts", "Alerts"), ("/sources", "Sources"),
    ("/policy", "Policy"), ("/privacy", "Privacy"),
)  # fmt: skip
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
#: By path: the type and the bytes.
ASSETS: Final[Mapping[str, tuple[str, bytes]]] = {
    f"/static/{it.name}": (_TYPES[it.name.rpartition(".")[2]], it.read_bytes())
    for it in sorted(files("streams.console").joinpath("static").iterdir(), key=lambda it: it.name)
    if it.name.rpartition(".")[2] in _TYPES
}
#: Changes when an asset does, so that browsers need not ask for it again until then.
_ASSET: Final = blake2b(b"".join(data for _, data in ASSETS.values()), digest_size=6).hexdigest()
#: Texts in records come from whoever wrote the topic; longer than any that a detector writes.
_LONGEST: Final = 1_000
_REASONS: Final = {"group_minimum": "it concerns too few people"}


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """A page."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("streams.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {
        "at": _at, "shown": lambda text: shown(str(text)), "text": lambda text: shown(str(text), _LONGEST),
        "reason": lambda text: _REASONS.get(text, shown(text)), "duration": lambda ms: words.duration(round(ms)),
        "with_page": lambda query, page: urlencode({**query, "page": page}), "query": urlencode,
    }  # fmt: skip
    environment.globals |= {"left": LEFT, "navigation": NAVIGATION, "asset": _ASSET}
    return environment


def _at(ms: int) -> Markup:
    """A time in UTC, which the reader's browser may add the local one to."""
    try:
        machine = datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Markup('<time datetime="{}">{}</time>').format(machine, words.instant(ms))
    except (ValueError, OverflowError, OSError):
        return Markup('<span class="unknown">unknown</span>')
