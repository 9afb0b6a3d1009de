"""One request, from its headers to its page: refusals first, and never a trace."""

import time
import traceback
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlencode

import orjson
import structlog
from aiohttp import web

from streams.console.asking import Ask, BadFilter, NotThere, Site
from streams.console.gate import Gate, Pace
from streams.console.metrics import OTHER, ConsoleMetrics
from streams.console.rendering import ASSETS, rendered
from streams.console.routing import Route, query_of, route_of

__all__ = ["HEADERS", "Answer", "Service", "State"]

log = structlog.get_logger(__name__)

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}  # fmt: skip
_HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json"
#: Changes when a field of a document changes its meaning or goes away; not when one is added.
_FORMAT: Final = 1
_AGAIN_SECONDS: Final = 2


class State(NamedTuple):
    """Whether pages can be made; if not, how far reading has come, in a sentence."""

    ready: bool
    sentence: str = ""


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    body: bytes
    content_type: str = _HTML
    headers: Mapping[str, str] = {}


class Service:
    """Answers requests. ``site`` gives what is known now, ``state`` whether that is all."""

    def __init__(
        self, site: Callable[[], Site], state: Callable[[], State], gate: Gate, pace: Pace, metrics: ConsoleMetrics, *, base: str
    ) -> None:  # fmt: skip
        self._site = site
        self._state = state
        self._gate = gate
        self._pace = pace
        self._metrics = metrics
        self._base = base

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer any request; logs nothing of what was asked."""
        began = time.perf_counter()
        name, answer = self.answer(
            request.method, request.rel_url.raw_path, request.rel_url.raw_query_string, request.headers
        )
        self._metrics.answered(name, answer.status, time.perf_counter() - began)
        response = web.Response(
            status=answer.status,
            body=answer.body,
            headers={**HEADERS, "Content-Type": answer.content_type, **answer.headers},
        )
        if request.can_read_body:
            # Nobody sends a body for a page; it is not going to be read.
            response.force_close()
        return response

    def answer(self, method: str, raw_path: str, raw_query: str, headers: Mapping[str, str]) -> tuple[str, Answer]:
        """The name that metrics have for the page, and the answer."""
        if not self._pace.take():
            return OTHER, self._message(
                429, "Too many requests", "The console is asked too often; try again in a second.", {"Retry-After": "1"}
            )
        if method not in ("GET", "HEAD"):
            return OTHER, self._message(405, "Not allowed", "Pages can only be read.", {"Allow": "GET, HEAD"})
        if not self._gate.admits(headers):
            return OTHER, self._message(
                401, "Not allowed in", "This console asks for a bearer token, or to be reached through its identity proxy.",
                {"WWW-Authenticate": 'Bearer realm="assay"'},
            )  # fmt: skip
        path = (
            raw_path.removeprefix(self._base)
            if raw_path.startswith(f"{self._base}/") or raw_path == self._base
            else raw_path
        )
        asset = ASSETS.get(path)
        if asset is not None:
            content_type, data = asset
            return OTHER, Answer(
                200, data, f"{content_type}; charset=utf-8", {"Cache-Control": "private, max-age=86400"}
            )
        route = route_of(path or "/")
        if route is None:
            return OTHER, self._message(404, "There is no such page", "The navigation above has all pages.")
        state = self._state()
        if not state.ready:
            return route.name, self._message(503, "Not ready yet", state.sentence, {"Retry-After": str(_AGAIN_SECONDS)})
        try:
            query = query_of(raw_query)
            if query.get("format", "json") != "json":
                raise BadFilter("format must be json, or left out")
            return route.name, self._page(route, query)
        except NotThere as error:
            return route.name, self._message(404, "Not found", str(error))
        except BadFilter as error:
            return route.name, self._message(
                400,
                "The filter cannot be understood",
                f"{error}.",
                advice="Mend it in the address, or begin again from the navigation.",
            )
        except Exception as error:
            # Only where it happened: a message may hold what was asked, or what records hold.
            log.error("page_failed", page=route.name, error=type(error).__name__, where=_where(error))
            return route.name, self._message(
                500, "The console failed on this page", "That is a bug: report it. Other pages still work."
            )

    def _page(self, route: Route, query: dict[str, str]) -> Answer:
        site = self._site()
        filters = {name: value for name, value in query.items() if name != "format"}
        view = route.page(site, Ask(route.names, filters))
        as_of = site.figures.as_of_ms
        if query.get("format") == "json":
            document = {"format": _FORMAT, "as_of_ms": as_of, **view.document}
            return Answer(200, orjson.dumps(document, default=str, option=orjson.OPT_INDENT_2), _JSON)
        twin = f"?{urlencode({**filters, 'format': 'json'})}"
        html = rendered(view.template, {
            **view.values, "title": view.title, "base": self._base, "section": route.section, "twin": twin, "as_of_ms": as_of,
            "ready": True, "query": {name: value for name, value in filters.items() if name != "page"},
        })  # fmt: skip
        return Answer(200, html.encode(errors="replace"))

    def _message(
        self, status: int, title: str, message: str, headers: Mapping[str, str] | None = None, *, advice: str = ""
    ) -> Answer:  # fmt: skip
        html = rendered("message.html.j2", {
            "title": title, "message": message, "advice": advice, "base": self._base, "section": "", "twin": "", "as_of_ms": None,
            "ready": False,
        })  # fmt: skip
        return Answer(status, html.encode(errors="replace"), headers=headers or {})


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rpartition('streams/')[2]}:{frames[-1].lineno}" if frames else ""
