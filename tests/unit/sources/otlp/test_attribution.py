"""Whose a call is: the first name that is there, on the record or its resource."""

from typing import Any

import pytest

from tests.otlp_requests import TRACE, decoded, span

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 1}


@pytest.mark.parametrize(
    ("attributes", "resource", "expected"),
    [
        ({}, {}, {"run_id": TRACE}),
        ({}, {"team.id": "red"}, {"team": "red", "run_id": TRACE}),
        ({"team.id": "blue"}, {"team": "red"}, {"team": "red", "run_id": TRACE}),
        ({"team": "blue"}, {"assay.team": "red", "team": "x"}, {"team": "red", "run_id": TRACE}),
        ({"assay.team": "blue"}, {"assay.team": "red"}, {"team": "blue", "run_id": TRACE}),
        ({"team": ""}, {"team": "red"}, {"team": "red", "run_id": TRACE}),
        ({"team": ["a"]}, {"team.id": 7}, {"team": "7", "run_id": TRACE}),
        ({"gen_ai.workflow.name": "w"}, {}, {"workflow": "w", "run_id": TRACE}),
        ({"traceloop.workflow.name": "t"}, {"workflow": "w"}, {"workflow": "w", "run_id": TRACE}),
        ({"gen_ai.conversation.id": "c", "session.id": "s"}, {}, {"run_id": "s"}),
        ({"gen_ai.conversation.id": "c"}, {}, {"run_id": "c"}),
        ({"session.id": "s"}, {"assay.run_id": "build-7"}, {"run_id": "build-7"}),
        ({"user.id": "u", "user.email": "e"}, {}, {"actor": "e", "run_id": TRACE}),
        ({"user.id": "u"}, {"user.account_id": "a"}, {"actor": "a", "run_id": TRACE}),
    ],
)
def test_whose_a_call_is(attributes: dict[str, Any], resource: dict[str, Any], expected: dict[str, str]) -> None:
    (item,) = decoded([span(1, {**CHAT, **attributes})], resource=resource).items
    assert {
        name: item.fields[name] for name in ("team", "workflow", "run_id", "actor") if name in item.fields
    } == expected


def test_labels_are_what_rules_may_map() -> None:
    resource = {"service.name": "checkout", "deployment.environment.name": "ci", "host.name": "h", "team": "t"}
    (item,) = decoded([span(1, {**CHAT, "gen_ai.agent.name": "nightly"})], resource=resource).items
    assert item.labels == {
        "service.name": "checkout",
        "deployment.environment.name": "ci",
        "gen_ai.agent.name": "nightly",
    }
