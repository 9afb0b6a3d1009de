"""What a caller gives becomes the record that the worker decodes; what the worker would refuse is refused here."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from streams.core.avro import USAGE_EVENT
from streams.core.events import UsageDecoder, UsageEvent
from streams.core.reasons import Reason
from streams.producers.drafts import USAGE, Draft, Drafter, Encoding
from streams.producers.errors import InvalidEvent, ProducerError
from streams.producers.identifiers import new_event_id

NOW = 1_767_225_600_000
LEAST: dict[str, Any] = {"team": "payments", "workflow": "refund-bot", "model": "claude-sonnet-4"}


def drafter(encoding: Encoding = "json") -> Drafter:
    ids = iter(f"id-{number}" for number in range(1_000_000))
    return Drafter(USAGE, source="native", encoding=encoding, now_ms=lambda: NOW, new_event_id=lambda: next(ids))


def decoded(draft: Draft) -> UsageEvent:
    [event] = UsageDecoder().decode([draft.value]).events
    assert isinstance(event, UsageEvent)
    return event


@pytest.mark.parametrize("encoding", ["json", "avro"])
def test_what_is_not_said_is_filled_in(encoding: Encoding) -> None:
    draft = drafter(encoding).draft(LEAST)
    assert draft.event_id == "id-0"
    assert draft.key == b"payments"
    assert decoded(draft) == UsageEvent(event_id="id-0", source="native", occurred_at=NOW, **LEAST)


@pytest.mark.parametrize("encoding", ["json", "avro"])
def test_what_is_said_arrives_unchanged(encoding: Encoding) -> None:
    said: dict[str, Any] = {
        **LEAST, "event_id": "mine", "source": "batch", "occurred_at": NOW - 5, "actor": "ana@example.com",
        "run_id": "r1", "request_id": "req_1", "tool": "meshclaw", "provider": "anthropic", "operation": "embedding",
        "input_tokens": 1, "cache_read_tokens": 2, "cache_write_tokens": 3, "output_tokens": 4, "reasoning_tokens": 2,
        "cost_micro_usd": 1_250, "status": "error", "trigger": "ci", "prompt_fingerprint": "00ff", "attributes": {"a": "ü"},
    }  # fmt: skip
    assert decoded(drafter(encoding).draft(said)) == UsageEvent(**said)


def test_avro_is_single_object_encoded_and_smaller() -> None:
    as_avro = drafter("avro").draft(LEAST)
    assert USAGE_EVENT.decode(as_avro.value).team == "payments"
    assert len(as_avro.value) < len(drafter().draft(LEAST).value)


def test_none_means_unknown_and_is_not_sent() -> None:
    draft = drafter().draft({**LEAST, "cost_micro_usd": None, "actor": None})
    assert b"null" not in draft.value
    assert decoded(draft).cost_micro_usd is None


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
        datetime(2026, 1, 1, microsecond=999, tzinfo=UTC),
    ],
)
def test_a_moment_with_a_zone_becomes_milliseconds(moment: datetime) -> None:
    assert decoded(drafter().draft({**LEAST, "occurred_at": moment})).occurred_at == NOW


@pytest.mark.parametrize(
    ("fields", "field", "fix", "reason"),
    [
        ({"team": None}, "team", "missing", Reason.MISSING_FIELD),
        ({"team": ""}, "team", "send a value", Reason.EMPTY),
        ({"team": "x" * 201}, "team", "<= 200", Reason.TOO_LONG),
        ({"workflow": "a\nb"}, "workflow", "remove it", Reason.FORBIDDEN_CHARACTER),
        ({"workflow": 5}, "workflow", "must be str", Reason.WRONG_TYPE),
        ({"input_tokens": -1}, "input_tokens", ">= 0", Reason.OUT_OF_RANGE),
        ({"input_tokens": True}, "input_tokens", "must be int", Reason.WRONG_TYPE),
        ({"input_tokens": 1 << 70}, "input_tokens", "out of range", Reason.OUT_OF_RANGE),
        ({"output_tokens": 1, "reasoning_tokens": 2}, "reasoning_tokens", "part of the output", Reason.INCONSISTENT),
        ({"status": "fine"}, "status", "schema", Reason.UNKNOWN_VALUE),
        ({"occurred_at": 1_767_225_600}, "occurred_at", "milliseconds", Reason.TIMESTAMP_OUT_OF_RANGE),
        ({"occurred_at": datetime(2026, 1, 1)}, "occurred_at", "UTC", None),  # noqa: DTZ001
        ({"input_token": 5}, "input_token", "did you mean input_tokens", None),
        ({"prompt": "hello"}, "prompt", "never sent", None),
        ({"user_agent_string": "x"}, "user_agent_string", "attributes", None),
        ({"tool": object()}, "tool", "JSON", None),
        ({"tool": "\ud800"}, "tool", "JSON", None),
        ({"attributes": {"a": 5}}, "attributes", "must be str", Reason.WRONG_TYPE),
    ],
)
def test_a_bad_event_is_refused_with_the_field_and_the_fix(
    fields: dict[str, Any], field: str, fix: str, reason: Reason | None
) -> None:
    with pytest.raises(InvalidEvent) as refused:
        drafter().draft({**LEAST, **fields})
    assert field in str(refused.value)
    assert fix in str(refused.value)
    assert refused.value.reason == reason
    assert isinstance(refused.value, ValueError)
    assert isinstance(refused.value, ProducerError)


def test_of_several_events_the_bad_one_is_named() -> None:
    with pytest.raises(InvalidEvent, match=r"^event 2 of 4: .*output_tokens"):
        drafter().draft_all([LEAST, LEAST, {**LEAST, "output_tokens": -5}, LEAST])


def test_several_events_keep_their_order() -> None:
    drafts = drafter().draft_all([{**LEAST, "team": f"t{number}"} for number in range(50)])
    assert [draft.key for draft in drafts] == [b"t%d" % number for number in range(50)]


def test_event_ids_are_uuids_of_version_7_that_sort_by_time() -> None:
    ids = [new_event_id() for _ in range(1_000)]
    assert len(set(ids)) == 1_000
    for event_id in ids:
        assert (len(event_id), event_id[14]) == (36, "7")
        assert event_id[19] in "89ab"
    assert [event_id[:13] for event_id in ids] == sorted(event_id[:13] for event_id in ids)


def test_an_encoding_that_nobody_knows_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match=r"encoding is 'xml': give 'json' or 'avro'"):
        drafter("xml")  # type: ignore[arg-type]
