"""The file of credentials is read strictly, and only who knows a secret of its source comes in."""

import base64
import hashlib
import hmac
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from streams.errors import ConfigError
from streams.ingest.credentials import KEYS, load_sources_file
from streams.ingest.gate import Gate
from streams.ingest.refusing import HttpRefusal
from streams.ingest.secret_files import SecretFile
from streams.sources import catalogue
from streams.sources.booking import Binding, Rule
from streams.sources.catalogue import Source
from streams.sources.linking import DEFAULT, Clues, link
from streams.sources.signatures import Scheme, secret_key
from tests.ingest_source import SOURCES

NOW_MS = 1_790_000_000_000  # 2026-09-21
TOKEN, OTHER = "t" * 20, "o" * 20
ROOT = Path(__file__).parents[3]


def source(name: str) -> Source:
    return next(each for each in SOURCES if each.name == name)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    (tmp_path / "token").write_text(f"# of the payments proxy\n{TOKEN}\n\n{OTHER}\n")
    (tmp_path / "basic").write_text("pk-lf-1:sk-lf-12345678\n")
    (tmp_path / "secret").write_text("s" * 32 + "\n")

    def written(text: str) -> Path:
        file = tmp_path / "sources.yaml"
        file.write_text(text)
        return file

    return written


ALL = """\
sources:
  - name: proxy
    kind: test
    token_file: token
    team: payments
    rules:
      - {label: alias, pattern: "search-*", workflow: search}
  - {name: sdk, kind: own, basic_file: basic}
  - {name: forge, kind: hooks, secret_file: secret, team: payments}
  - {name: old, kind: otlp, token_file: token, expires: 2026-09-20}
"""


@pytest.fixture
def gate(write: Callable[[str], Path]) -> Gate:
    return Gate(load_sources_file(write(ALL), SOURCES).credentials)


def refusal(gate: Gate, name: str, **headers: str) -> HttpRefusal:
    with pytest.raises(HttpRefusal) as caught:
        gate.admit_by_header(source(name), headers, NOW_MS)
    return caught.value


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def test_a_file_is_read_with_all_it_says(write: Callable[[str], Path]) -> None:
    proxy, sdk, forge, old = load_sources_file(write(ALL), SOURCES, default_team="nobody").credentials
    assert (proxy.name, proxy.kind, proxy.scheme.name) == ("proxy", "test", "BEARER")
    assert proxy.binding == Binding("payments", None, (Rule("alias", "search-*", None, "search"),), "nobody")
    assert (sdk.scheme.name, forge.scheme.name) == ("BASIC", "SIGNATURE")
    assert old.ends_ms == 1_789_948_800_000  # the end of that day, UTC


def problems(write: Callable[[str], Path], text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_sources_file(write(text), SOURCES)
    return [line.partition("sources.yaml")[2].lstrip(", ") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["has no entry below sources; without one nobody can post anything"]),
        ("source: []", ["line 1: source: unknown key; did you mean sources?"]),
        ("sources: {}", ["line 1: sources: give a list, a dash before each of its entries"]),
        (
            "sources:\n- {name: a, kind: tset, token_file: token}",
            ["line 2: sources[1].kind: tset is not valid; write one of test, hooks, otlp, own"],
        ),
        (
            "sources:\n- name: a\n  kind: test\n  tokenfile: token",
            [
                "line 2: sources[1]: give exactly one of token_file, basic_file, secret_file",
                "line 4: sources[1].tokenfile: unknown key; did you mean token_file?",
            ],
        ),
        (
            "sources:\n- {name: a, kind: test, secret_file: secret}",
            ["line 2: sources[1].secret_file: test signs nothing; give token_file or basic_file"],
        ),
        (
            "sources:\n- {name: a, kind: own, basic_file: token}",
            ["line 2: sources[1].basic_file: a line of the file has no colon; write USER:PASSWORD lines"],
        ),
        (
            "sources:\n- {name: a, kind: test, token_file: token}\n- {name: a, kind: test, token_file: token}",
            ["line 3: sources[2]: an entry before has the same name; give each its own, logs go by it"],
        ),
        (
            "sources:\n- {kind: test, token_file: token, expires: tomorrow}",
            [
                "line 2: sources[1].expires: tomorrow is not valid; give a day from 2020-01-01 to 2099-12-31, like 2027-01-31",
                "line 2: sources[1]: name is missing; give the entry one, logs go by it",
            ],
        ),
        (
            "sources:\n- name: a\n  kind: test\n  token_file: token\n  rules:\n  - {label: x, pattern: y}\n  - {team: z}",
            [
                "line 6: sources[1].rules[1]: give a team, a workflow or both; a rule without does nothing",
                "line 7: sources[1].rules[2]: label is missing; a rule maps a label that fits a pattern",
                "line 7: sources[1].rules[2]: pattern is missing; a rule maps a label that fits a pattern",
            ],
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line_and_the_mend(
    write: Callable[[str], Path], text: str, said: list[str]
) -> None:
    assert problems(write, text) == said


def test_names_of_ones_own_are_in_force_for_outcomes(write: Callable[[str], Path]) -> None:
    assert load_sources_file(write(ALL), SOURCES).linking == DEFAULT
    own = ALL + "linking:\n  run_trailers: [Job-Id]\n  marker: Robot\n  branches: ['bot/(?P<run>.+)']\n"
    linking = load_sources_file(write(own), SOURCES).linking
    assert (linking.run_trailers, linking.marker) == (("job-id",), "robot")
    assert link(Clues(["Fixes it\n\nJob-Id: run-7"]), linking).run_id == "run-7"
    assert link(Clues(branch="bot/run-8"), linking).run_id == "run-8"
    assert linking.workflow_labels == DEFAULT.workflow_labels


def test_names_that_cannot_be_are_told(write: Callable[[str], Path]) -> None:
    said = problems(write, ALL + "linking:\n  branches: [bot/.+, '(']\n  run_trailer: [x]\n  marker: [x]\n")
    assert [line.partition(":")[0] for line in said] == ["line 12", "line 12", "line 13", "line 14"]
    assert "neither a group (?P<run>...)" in said[0]
    assert "no regular expression" in said[1]
    assert "did you mean run_trailers?" in said[2]


def test_a_file_of_secrets_that_is_not_there_or_holds_a_short_one_is_told(write: Callable[[str], Path]) -> None:
    path = write("")
    (path.parent / "short").write_text("abc")
    (said,) = problems(write, "sources:\n- {name: a, kind: test, token_file: nowhere}")
    assert "cannot read" in said
    (said,) = problems(write, "sources:\n- {name: a, kind: test, token_file: short}")
    assert "the secret has 3 characters; give at least 16 (openssl rand -hex 32)" in said
    assert "abc" not in said


def test_a_secret_with_which_nobody_could_ever_sign_is_told_at_the_start(write: Callable[[str], Path]) -> None:
    path = write("sources:\n- {name: a, kind: events, secret_file: signing}")
    for text, said in (("whsec_%%%%%%%%%%", "is not base64"), ("whsec_c2hvcnQgb25l", "the secret has 9 bytes")):
        (path.parent / "signing").write_text(text)
        with pytest.raises(ConfigError, match=said) as raised:
            load_sources_file(path, catalogue.SOURCES)
        assert text not in str(raised.value)


@pytest.mark.parametrize("other", ["team: blue", "expires: 2027-01-01"])
def test_a_secret_of_two_entries_that_differ_is_told(write: Callable[[str], Path], other: str) -> None:
    entry = "- {name: %s, kind: test, token_file: token, %s}\n"
    (said,) = problems(write, "sources:\n" + entry % ("a", "team: red") + entry % ("b", other))
    assert said.startswith("line 3: sources[2]: an entry before has one of its secrets for the same kind")
    # With the same meaning, or for another kind, it is nobody's guess.
    same = (
        "sources:\n"
        + entry % ("a", "team: red")
        + entry % ("b", "team: red")
        + (entry % ("c", other)).replace("test", "otlp")
    )
    assert len(load_sources_file(write(same), SOURCES).credentials) == 3


def test_a_secret_that_is_none_keeps_those_before_it_valid_while_secrets_are_exchanged(tmp_path: Path) -> None:
    path, now = tmp_path / "signing", [0.0]
    path.write_text("s" * 32)
    file = SecretFile(path, check=partial(secret_key, Scheme.STANDARD), now_seconds=lambda: now[0])
    path.write_text("s" * 32 + "\nwhsec_c2hvcnQgb25l\n")
    now[0] += 2
    assert file.secrets() == (b"s" * 32,)


@pytest.mark.parametrize("token", [TOKEN, OTHER])
def test_a_token_of_the_source_comes_in_under_its_binding(gate: Gate, token: str) -> None:
    for word in ("Bearer", "bearer"):
        admitted = gate.admit_by_header(source("test"), {"authorization": f"{word} {token}"}, NOW_MS)
        assert admitted is not None
        assert (admitted.name, admitted.binding.team) == ("proxy", "payments")


def test_user_and_password_come_in(gate: Gate) -> None:
    headers = {"authorization": basic("pk-lf-1:sk-lf-12345678")}
    admitted = gate.admit_by_header(source("own"), headers, NOW_MS)
    assert admitted is not None
    assert admitted.name == "sdk"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Token {TOKEN}", TOKEN, f"Basic {TOKEN}",
     "Bearer # of the payments proxy", f"Bearer {'x' * 100_000}", "Bearer \udcff", basic(f"{TOKEN}:")],
)  # fmt: skip
def test_anything_else_does_not(gate: Gate, header: str) -> None:
    refused = refusal(gate, "test", **({"authorization": header} if header else {}))
    assert (refused.status, refused.reason) == (401, "not_authorized")
    assert refused.headers == {"WWW-Authenticate": 'Bearer realm="assay"'}
    assert "Authorization: Bearer" in refused.detail
    assert "kind test" in refused.detail


def test_who_has_to_use_basic_is_told(gate: Gate) -> None:
    refused = refusal(gate, "own")
    assert refused.headers == {"WWW-Authenticate": 'Basic realm="assay"'}


def test_a_secret_of_another_source_is_told_apart_from_one_that_nobody_knows(gate: Gate) -> None:
    refused = refusal(gate, "own", authorization=f"Bearer {TOKEN}")
    assert (refused.status, refused.reason) == (403, "wrong_source")
    assert "for test, not for own" in refused.detail
    assert TOKEN not in refused.detail


def test_an_expired_credential_says_so(gate: Gate) -> None:
    refused = refusal(gate, "otlp", authorization=f"Bearer {TOKEN}")
    assert (refused.status, refused.reason) == (401, "expired")
    assert refused.detail == "the credential old has expired: use a new one"
    day_before = NOW_MS - 2 * 86_400_000
    assert gate.admit_by_header(source("otlp"), {"authorization": f"Bearer {TOKEN}"}, day_before) is not None


def test_a_signature_comes_in_once_the_body_is_there(gate: Gate) -> None:
    hooks, body = source("hooks"), b"[]"
    assert gate.admit_by_header(hooks, {}, NOW_MS) is None
    signature = hmac.new(b"s" * 32, body, hashlib.sha256).hexdigest()
    assert gate.admit_by_signature(hooks, body, {"x-signature": signature}, NOW_MS).binding.team == "payments"
    for changed, headers in ((b"[ ]", {"x-signature": signature}), (body, {}), (body, {"x-signature": "0"})):
        with pytest.raises(HttpRefusal) as caught:
            gate.admit_by_signature(hooks, changed, headers, NOW_MS)
        assert (caught.value.status, caught.value.reason) == (401, "bad_signature")


def test_a_wrong_token_is_not_made_good_by_a_signature(gate: Gate) -> None:
    assert refusal(gate, "hooks", authorization="Bearer nonsense").status == 401


def test_secrets_are_rotated_by_their_file(tmp_path: Path) -> None:
    path, now = tmp_path / "token", [0.0]
    path.write_text("a" * 16)
    file = SecretFile(path, now_seconds=lambda: now[0])

    def later(text: str | None) -> tuple[bytes, ...]:
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
            os.utime(path, ns=(int(now[0] * 1e9), int(now[0] * 1e9) + 1))
        now[0] += 2
        return file.secrets()

    assert later("a" * 16 + "\n" + "b" * 16) == (b"a" * 16, b"b" * 16)
    assert later("b" * 16) == (b"b" * 16,)
    # What cannot be read leaves what holds: a file that is just being written must not lock everybody out.
    assert later("") == (b"b" * 16,)
    assert later("short") == (b"b" * 16,)
    assert later(None) == (b"b" * 16,)
    assert later("c" * 16) == (b"c" * 16,)


def test_the_page_explains_every_key() -> None:
    page = (ROOT / "docs" / "ingest.md").read_text(encoding="utf-8")
    for keys in KEYS.values():
        for key in keys:
            assert f"`{key}`" in page, key
