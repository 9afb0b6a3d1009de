"""Whose a LiteLLM call is: the team of its key, what its caller says in metadata and tags, and what rules may go by.

What a caller says is believed where the key has no team, and under the names ``assay.team`` and ``assay.workflow``; a
credential's binding and rules come before all of it (:mod:`streams.sources.booking`).
"""

from typing import Any, Final

import msgspec

from streams.sources.litellm.shapes import NOTHING, CustomHeaders, Event, Metadata, Requester
from streams.sources.litellm.words import claude_code_session, name

__all__ = ["custom_headers", "labels_of", "owners_of", "requester"]

#: The user that LiteLLM books calls under its master key to.
_MASTER: Final = "default_user_id"
_MOST_TAGS: Final = 64
_MOST_IN_AN_ID: Final = 256
_UUID_LENGTH: Final = 36
_REQUESTER: Final = msgspec.json.Decoder(Requester)
_HEADERS: Final = msgspec.json.Decoder(CustomHeaders)


def owners_of(event: Event, metadata: Metadata, *, row: bool) -> dict[str, str]:
    """``team``, ``workflow``, ``run_id`` and ``actor``, as far as they are known."""
    said, stored = requester(metadata.requester_metadata), requester(metadata.spend_logs_metadata)
    tags = _tags(event.request_tags)
    found = {
        "team": name(said.assay_team)
        or name(stored.assay_team)
        or name(tags.get("assay.team"))
        or name(metadata.user_api_key_team_alias)
        or name(metadata.team_alias)
        or name(metadata.user_api_key_team_id)
        or name(metadata.team_id)
        or name(said.team)
        or name(stored.team)
        or name(tags.get("team")),
        "workflow": name(said.assay_workflow)
        or name(stored.assay_workflow)
        or name(tags.get("assay.workflow"))
        or name(said.workflow)
        or name(stored.workflow)
        or name(tags.get("workflow")),
        "run_id": _run_id(event, metadata, said, stored, row=row),
        "actor": _actor(event, metadata),
    }
    return {field: value for field, value in found.items() if value is not None}


def labels_of(event: Event, metadata: Metadata) -> dict[str, str]:
    """What rules may map to a team or a workflow; every tag is one, under ``tag.`` and the part before its colon."""
    said = requester(metadata.requester_metadata)
    found = {
        "api_key_alias": metadata.user_api_key_alias,
        "team_id": metadata.user_api_key_team_id or metadata.team_id,
        "team_alias": metadata.user_api_key_team_alias or metadata.team_alias,
        "organization": metadata.user_api_key_org_alias,
        "project": metadata.user_api_key_project_alias,
        "model_group": event.model_group,
        "environment": name(said.environment),
        "service.name": name(said.service_name),
        "repository": name(said.repository),
    }
    labels = {label: value for label, value in found.items() if value}
    for tag, value in _tags(event.request_tags).items():
        labels[f"tag.{tag}"] = value
    return labels


def requester(metadata: msgspec.Raw) -> Requester:
    """The words of a caller's metadata; none where they are no object, as a caller may send anything. A new one each time."""
    if metadata is NOTHING or len(memoryview(metadata)) <= len("null"):
        return Requester()
    try:
        return _REQUESTER.decode(metadata)
    except msgspec.DecodeError:
        return Requester()


def custom_headers(headers: msgspec.Raw) -> CustomHeaders:
    """The headers of a caller's request that are read."""
    if headers is NOTHING or len(memoryview(headers)) <= len("null"):
        return CustomHeaders()
    try:
        return _HEADERS.decode(headers)
    except msgspec.DecodeError:
        return CustomHeaders()


def _tags(said: Any) -> dict[str, str]:
    """Tags by what stands before their colon, a tag without one by itself; LiteLLM's own tags of user agents are none."""
    if not said or not isinstance(said, list):
        return {}
    tags: dict[str, str] = {}
    for tag in map(name, said[:_MOST_TAGS]):
        if tag is not None and not tag.startswith("User-Agent: "):
            key, colon, value = tag.partition(":")
            tags.setdefault(key, value.strip() if colon else tag)
    return tags


def _run_id(event: Event, metadata: Metadata, said: Requester, stored: Requester, *, row: bool) -> str | None:
    """The session that the caller named. A trace id that is a UUID is none: LiteLLM makes one up for every call.

    A row has only one id for both, so there a session must not look like a UUID, either.
    """
    session = None if row else event.session_id
    for value in (said.assay_run, said.run_id, session, said.session_id, stored.run_id, stored.session_id):
        if run_id := name(value, _MOST_IN_AN_ID):
            return run_id
    if run_id := _claude_code_session(event, metadata):
        return run_id
    run_id = name(event.session_id if row else event.trace_id, _MOST_IN_AN_ID)
    return None if run_id is None or len(run_id) == _UUID_LENGTH else run_id


def _claude_code_session(event: Event, metadata: Metadata) -> str | None:
    session = name(custom_headers(metadata.requester_custom_headers).claude_code_session, _MOST_IN_AN_ID)
    return session or claude_code_session(event.end_user or metadata.user_api_key_end_user_id)


def _actor(event: Event, metadata: Metadata) -> str | None:
    """The user that the key belongs to, else the user that the caller names."""
    user = metadata.user_api_key_user_id
    if user and user != _MASTER:
        return user
    end_user = event.end_user or metadata.user_api_key_end_user_id
    if not isinstance(end_user, str) or not end_user:
        return None
    # Claude Code puts a new session behind the same user every time.
    return end_user.partition("_account_")[0] if claude_code_session(end_user) else end_user
