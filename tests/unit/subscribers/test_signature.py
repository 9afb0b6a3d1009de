"""Signatures are those of Standard Webhooks, hold for one body at one time, and for any of several secrets."""

import pytest

from streams.subscribers import InvalidSignature, SignatureProblem, verify_signature
from streams.subscribers.signature import parse_secrets, sign

#: The example of the specification's libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
IDENTITY, AT_S, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "another-secret-of-enough-bytes"


def headers(*secrets: str) -> dict[str, str]:
    return sign(parse_secrets("\n".join(secrets)), IDENTITY, AT_S, BODY)


def problem(body: bytes, given: dict[str, str], secrets: str | list[str], now_ms: int = AT_S * 1_000) -> str:
    with pytest.raises(InvalidSignature) as raised:
        verify_signature(body, given, secrets, now_ms=now_ms)
    return raised.value.problem


def test_the_signature_is_that_of_the_specifications_example() -> None:
    assert headers(SECRET) == {
        "webhook-id": IDENTITY, "webhook-timestamp": str(AT_S), "webhook-signature": SIGNATURE,
    }  # fmt: skip
    assert verify_signature(BODY, headers(SECRET), SECRET, now_ms=AT_S * 1_000) == IDENTITY


def test_each_secret_makes_a_signature_and_a_receiver_needs_one_of_them() -> None:
    signed = headers(OTHER, SECRET)
    assert signed["webhook-signature"].split(" ")[1] == SIGNATURE
    for secrets in (SECRET, OTHER, [SECRET, OTHER], ["a-third-secret-of-enough-bytes", OTHER]):
        verify_signature(BODY, signed, secrets, now_ms=AT_S * 1_000)


def test_names_of_headers_come_in_any_case() -> None:
    signed = {name.title(): value for name, value in headers(SECRET).items()}
    verify_signature(BODY, signed, SECRET, now_ms=AT_S * 1_000)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_other"},
        {"webhook-timestamp": str(AT_S + 1)},
        {"webhook-signature": SIGNATURE.replace("v1,", "v2,")},
        {"webhook-signature": SIGNATURE[:-2]},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,ü"},
        {"webhook-signature": "nonsense"},
    ],
)
def test_what_was_not_signed_does_not_match(change: dict[str, str]) -> None:
    assert problem(BODY, headers(SECRET) | change, SECRET) == SignatureProblem.NO_MATCH


def test_another_body_or_another_secret_does_not_match() -> None:
    assert problem(BODY + b" ", headers(SECRET), SECRET) == SignatureProblem.NO_MATCH
    assert problem(BODY, headers(SECRET), OTHER) == SignatureProblem.NO_MATCH
    assert problem(BODY, headers(SECRET), []) == SignatureProblem.NO_MATCH


@pytest.mark.parametrize(
    ("offset_ms", "expected"),
    [(300_000, None), (300_001, "too_old"), (-300_000, None), (-300_001, "too_new")],
)
def test_a_request_is_good_for_five_minutes_only(offset_ms: int, expected: str | None) -> None:
    now_ms = AT_S * 1_000 + offset_ms
    if expected is None:
        verify_signature(BODY, headers(SECRET), SECRET, now_ms=now_ms)
    else:
        assert problem(BODY, headers(SECRET), SECRET, now_ms) == expected


def test_the_clock_is_that_of_the_machine_unless_given() -> None:
    with pytest.raises(InvalidSignature, match="a replay"):
        verify_signature(BODY, headers(SECRET), SECRET)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_is_missing_is_named(name: str) -> None:
    given = headers(SECRET)
    del given[name]
    with pytest.raises(InvalidSignature, match=name) as raised:
        verify_signature(BODY, given, SECRET, now_ms=AT_S * 1_000)
    assert raised.value.problem is SignatureProblem.MISSING_HEADER


@pytest.mark.parametrize("timestamp", ["soon", "-5", "1.5", "٣", "9" * 400, " 1"])
def test_a_timestamp_is_a_number_of_seconds(timestamp: str) -> None:
    assert problem(BODY, headers(SECRET) | {"webhook-timestamp": timestamp}, SECRET) == "not_a_timestamp"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no secret in it"),
        ("# only a comment\n\n", "there is no secret in it"),
        (f"{SECRET}\nshort", "line 2: the secret has 5 bytes; give at least 24"),
        ("whsec_!!!!", "line 1: what follows whsec_ is not base64"),
        ("whsec_c2hvcnQ=", "line 1: the secret has 5 bytes"),
    ],
)
def test_a_secret_that_is_none_is_said_by_its_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_secrets(text)


def test_secrets_are_read_as_they_are_written() -> None:
    assert parse_secrets(f"# newest first\n{OTHER}\n\n{SECRET}\n") == [
        OTHER.encode(), bytes.fromhex("31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0"),
    ]  # fmt: skip
    assert parse_secrets("whsec_" + "QUJD" * 8 + "RA") == [b"ABC" * 8 + b"D"]
