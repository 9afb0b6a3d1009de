"""What comes back from real servers of every kind, and that a stop does not wait for one."""

import base64
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streams.subscribers.posting import Poster
from streams.subscribers.retrying import Answer

NEVER = threading.Event()


class Server:
    """Answers with a status, headers and a body; or not at all, when the status is None."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.headers: dict[str, str] = {}
        self.body = b""
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.clients: list[tuple[str, int]] = []
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                server.clients.append(self.client_address)
                if server.status is None:
                    server.released.wait(60)
                    return
                self.send_response(server.status)
                for name, value in {**server.headers, "Content-Length": str(len(server.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(server.body)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


@pytest.fixture
def post(server: Server) -> Iterator[Callable[..., Answer]]:
    """Posts to the server, or to another address."""
    posters: list[Poster] = []

    def send(url: str | None = None, *, timeout_seconds: float = 30, stopping: bool = False) -> Answer:
        url = url or f"http://127.0.0.1:{server.port}/hook/"
        posters.append(Poster(url, timeout_seconds=timeout_seconds, stopping=lambda: stopping))
        return posters[-1].post(b'{"a":1}', {"content-type": "application/json", "webhook-id": "a/1"})

    yield send
    for poster in posters:
        poster.close()


def test_what_is_sent_arrives_as_it_is(server: Server, post: Callable[..., Answer]) -> None:
    assert post().status == 200
    ((path, headers, body),) = server.got
    assert (path, body) == ("/hook/", b'{"a":1}')
    assert (headers["content-type"], headers["webhook-id"], headers["user-agent"]) == (
        "application/json",
        "a/1",
        "assay",
    )


def test_one_connection_serves_many_requests(server: Server) -> None:
    poster = Poster(f"http://127.0.0.1:{server.port}/", timeout_seconds=30, stopping=NEVER.is_set)
    assert [poster.post(b"{}", {}).status for _ in range(3)] == [200, 200, 200]
    poster.close()
    assert len(set(server.clients)) == 1


def test_credentials_in_the_address_are_sent_as_basic_authentication(
    server: Server, post: Callable[..., Answer]
) -> None:
    post(f"http://me:p%40ss@127.0.0.1:{server.port}/")
    assert server.got[0][1]["authorization"] == f"Basic {base64.b64encode(b'me:p@ss').decode()}"


def test_a_refusal_says_why_and_no_more_than_fits_a_line(server: Server, post: Callable[..., Answer]) -> None:
    server.status, server.body = 422, b"no such field " + b"x" * 10_000
    answer = post()
    assert answer.status == 422
    assert answer.detail.startswith("no such field")
    assert len(answer.detail) == 300


def test_how_long_to_wait_is_read(server: Server, post: Callable[..., Answer]) -> None:
    server.status, server.headers = 429, {"Retry-After": "17"}
    assert post().retry_after_s == 17


def test_a_redirect_is_not_followed(server: Server, post: Callable[..., Answer]) -> None:
    server.status, server.headers = 302, {"Location": f"http://127.0.0.1:{server.port}/elsewhere"}
    assert post().status == 302
    assert len(server.got) == 1


def test_an_address_where_nobody_listens_is_no_answer(post: Callable[..., Answer]) -> None:
    answer = post("http://127.0.0.1:9/")
    assert (answer.status, answer.timed_out) == (None, False)
    assert answer.detail


def test_a_server_that_does_not_answer_in_time_is_no_answer(server: Server, post: Callable[..., Answer]) -> None:
    server.status = None
    answer = post(timeout_seconds=0.2)
    assert (answer.status, answer.timed_out) == (None, True)


def test_a_stop_does_not_wait_for_a_server_that_does_not_answer(server: Server, post: Callable[..., Answer]) -> None:
    server.status = None
    assert post(timeout_seconds=300, stopping=True) == Answer(None, "the bridge stops", timed_out=True)


def test_a_request_under_way_may_still_end_well_when_the_bridge_stops(post: Callable[..., Answer]) -> None:
    assert post(stopping=True).status == 200
