"""Whether a webhook was sent by whom it says."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from streams.sources.signatures import InvalidSignature, Problem, Scheme, secret_key, verifier, verify
from streams.subscribers.signature import sign

NOW_MS = 1_790_000_000_000
OLD, NEW, OTHER = b"the secret of last year", b"the secret of this year", b"a secret of nobody's, made up"
BODY = json.dumps({"action": "closed", "webhookTimestamp": NOW_MS}).encode()


def hexadecimal(key: bytes, body: bytes = BODY) -> str:
    return hmac.digest(key, body, hashlib.sha256).hex()


def signed(scheme: Scheme, key: bytes, body: bytes = BODY, at_ms: int = NOW_MS) -> dict[str, str]:
    """The headers with which a system sends a body."""
    match scheme:
        case Scheme.GITHUB:
            return {"x-hub-signature-256": f"sha256={hexadecimal(key, body)}"}
        case Scheme.JIRA:
            return {"x-hub-signature": f"sha256={hexadecimal(key, body)}"}
        case Scheme.LINEAR:
            return {"linear-signature": hexadecimal(key, body)}
        case Scheme.PAGERDUTY:
            return {"x-pagerduty-signature": f"v1={hexadecimal(key, body)}"}
        case Scheme.STANDARD:
            return sign([key], "msg_1", at_ms // 1000, body)


def problem(scheme: Scheme, headers: Mapping[str, str], body: bytes = BODY, now_ms: int = NOW_MS) -> Problem | None:
    try:
        verify(scheme, body, headers, [OLD, NEW], now_ms=now_ms)
    except InvalidSignature as error:
        return error.problem
    return None


EVERY = pytest.mark.parametrize("scheme", list(Scheme))


@EVERY
@pytest.mark.parametrize("key", [OLD, NEW])
def test_any_of_the_secrets_that_are_valid_now_will_do(scheme: Scheme, key: bytes) -> None:
    assert problem(scheme, signed(scheme, key)) is None


@EVERY
def test_another_secret_or_another_body_will_not(scheme: Scheme) -> None:
    assert problem(scheme, signed(scheme, OTHER)) is Problem.NO_MATCH
    assert problem(scheme, signed(scheme, NEW), BODY + b" ") is Problem.NO_MATCH


@EVERY
def test_a_body_that_nobody_signed_is_not_believed(scheme: Scheme) -> None:
    assert problem(scheme, {}) is Problem.MISSING_HEADER
    assert problem(scheme, dict.fromkeys(signed(scheme, NEW), "")) is Problem.MISSING_HEADER


@EVERY
def test_without_a_secret_nothing_can_be_checked(scheme: Scheme) -> None:
    with pytest.raises(ValueError, match="no secret"):
        verify(scheme, BODY, signed(scheme, NEW), [], now_ms=NOW_MS)


@pytest.mark.parametrize("scheme", [Scheme.LINEAR, Scheme.STANDARD])
def test_what_was_recorded_is_worth_nothing_later(scheme: Scheme) -> None:
    headers = signed(scheme, NEW)
    assert problem(scheme, headers, now_ms=NOW_MS + 300_000) is None
    assert problem(scheme, headers, now_ms=NOW_MS + 301_000) is Problem.TOO_OLD
    assert problem(scheme, headers, now_ms=NOW_MS - 301_000) is Problem.TOO_NEW


def test_the_time_of_a_replay_cannot_be_moved() -> None:
    later = NOW_MS + 900_000
    assert (
        problem(Scheme.LINEAR, {**signed(Scheme.LINEAR, NEW), "linear-timestamp": str(later)}, now_ms=later)
        == "too_old"
    )
    moved = {**signed(Scheme.STANDARD, NEW), "webhook-timestamp": str(later // 1000)}
    assert problem(Scheme.STANDARD, moved, now_ms=later) is Problem.NO_MATCH


def test_a_time_that_is_none_is_not_believed() -> None:
    for body in (b"{}", b"[]", b"not json", b'{"webhookTimestamp": "soon"}'):
        assert problem(Scheme.LINEAR, signed(Scheme.LINEAR, NEW, body), body) is Problem.MALFORMED
    for text in ("soon", "1e9", "-5", "1" * 13, "١٢"):
        headers = {**signed(Scheme.STANDARD, NEW), "webhook-timestamp": text}
        assert problem(Scheme.STANDARD, headers) is Problem.MALFORMED


def test_the_example_of_githubs_own_documentation() -> None:
    header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    secret = secret_key(Scheme.GITHUB, b"It's a Secret to Everybody")
    verify(Scheme.GITHUB, b"Hello, World!", {"x-hub-signature-256": header}, [secret], now_ms=0)


@EVERY
def test_what_is_wrong_is_told_in_words_that_show_nothing(scheme: Scheme) -> None:
    check = verifier(scheme)
    assert check(BODY, signed(scheme, NEW), [OLD, NEW + b"\n"], NOW_MS) is None
    said = check(BODY, signed(scheme, OTHER), [OLD, NEW], NOW_MS)
    assert said == "the body was signed with another secret, or changed on its way"
    assert "at least 16" in (check(BODY, signed(scheme, NEW), [NEW, b"short"], NOW_MS) or "")
    assert check(BODY, signed(scheme, NEW), [], NOW_MS) == "there is no secret to check signatures with"


def test_pagerduty_signs_once_for_each_secret() -> None:
    both = f"v1={hexadecimal(OTHER)},v1={hexadecimal(NEW)}"
    assert problem(Scheme.PAGERDUTY, {"x-pagerduty-signature": both}) is None
    assert problem(Scheme.PAGERDUTY, {"x-pagerduty-signature": both.replace(",", ", ")}) is None
    assert problem(Scheme.PAGERDUTY, {"x-pagerduty-signature": hexadecimal(NEW)}) is Problem.MALFORMED
    many = ",".join([f"v1={hexadecimal(OTHER)}"] * 16 + [f"v1={hexadecimal(NEW)}"])
    assert problem(Scheme.PAGERDUTY, {"x-pagerduty-signature": many}) is Problem.NO_MATCH


def test_a_signature_by_sha1_is_not_taken() -> None:
    legacy = hmac.digest(NEW, BODY, hashlib.sha1).hex()
    assert problem(Scheme.GITHUB, {"x-hub-signature": f"sha1={legacy}"}) is Problem.MISSING_HEADER
    assert problem(Scheme.JIRA, {"x-hub-signature": f"sha1={legacy}"}) is Problem.MALFORMED


def test_standard_webhooks_are_those_of_the_reference_library() -> None:
    text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.fromtimestamp(NOW_MS // 1000, UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(NOW_MS // 1000),
        "webhook-signature": "v1a,bm90aGluZw== " + Webhook(text).sign("msg_1", at, BODY.decode()),
    }
    verify(Scheme.STANDARD, BODY, headers, [secret_key(Scheme.STANDARD, text.encode())], now_ms=NOW_MS)


@pytest.mark.parametrize("text", ["", "short", "whsec_%%%", "whsec_c2hvcnQ="])
def test_a_secret_that_protects_nothing_is_refused_unseen(text: str) -> None:
    with pytest.raises(ValueError, match=r"openssl|base64") as raised:
        secret_key(Scheme.STANDARD, text.encode())
    assert not text or text not in str(raised.value)


@given(st.sampled_from(list(Scheme)), st.binary(max_size=60), st.dictionaries(st.sampled_from([
    "x-hub-signature-256", "x-hub-signature", "linear-signature", "x-pagerduty-signature", "webhook-id", "webhook-timestamp",
    "webhook-signature",
]), st.text(max_size=60) | st.sampled_from(["sha256=", "v1=,v1=", "v1, v1,", "1790000000", "\ud800"])))  # fmt: skip
def test_nothing_that_is_sent_breaks_the_check(scheme: Scheme, body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidSignature):
        verify(scheme, body, headers, [OLD, NEW], now_ms=NOW_MS)
