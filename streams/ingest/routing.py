"""What a request's path and headers say of its body. Pure; the service and `assay import request` go by it alike."""

from collections.abc import Iterable, Mapping
from typing import Final

from streams.ingest.inflating import ENCODINGS
from streams.ingest.refusing import HttpRefusal
from streams.sources.catalogue import Route

__all__ = ["check_content_type", "content_type_of", "encoding_of", "nowhere", "told"]

#: Not even a decoder is told these.
_WITHHELD: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
#: Names of one encoding that clients use beside the registered one.
_SAME_ENCODING: Final = {"x-gzip": "gzip", "": "identity"}


def nowhere(path: str, known: Iterable[str]) -> HttpRefusal:
    """The refusal of a path that is nobody's."""
    stripped = path.rstrip("/")
    paths = tuple(known)
    hint = f"did you mean {stripped}?" if stripped in paths else f"there are {', '.join(paths)}"
    return HttpRefusal(404, "path", f"nothing is taken at this path: {hint}")


def content_type_of(header: str, route: Route | None) -> str:
    """The media type that is said, in lower case and without parameters; the route's first where none is."""
    said = header.partition(";")[0].strip().lower()
    if said:
        return said
    return route.content_types[0] if route and route.content_types else ""


def check_content_type(route: Route, content_type: str) -> None:
    """Raises HttpRefusal where a route does not take the media type."""
    if route.content_types and content_type not in route.content_types:
        raise HttpRefusal(
            415, "content_type", f"{route.path} takes {' or '.join(route.content_types)}: send it, and say so in "
            "Content-Type",
        )  # fmt: skip


def encoding_of(headers: Mapping[str, str]) -> str:
    """The compression that is said, by its registered name; ``headers`` in lower case. Raises HttpRefusal."""
    said = headers.get("content-encoding", "").strip().lower()
    encoding = _SAME_ENCODING.get(said, said)
    if encoding not in ENCODINGS:
        known = ", ".join(name for name in ENCODINGS if name != "identity")
        raise HttpRefusal(
            415, "encoding", f"this Content-Encoding is not understood: send one of {known}, or none",
            {"Accept-Encoding": known},
        )  # fmt: skip
    return encoding


def told(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that a decoder may see."""
    return {name: value for name, value in headers.items() if name not in _WITHHELD}
