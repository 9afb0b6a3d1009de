"""Webhooks of our own making, as small as systems could send them."""

import json
from typing import Any

__all__ = ["REPOSITORY", "issue", "merged", "pull", "push", "webhook"]

REPOSITORY = {"full_name": "Acme/Shop", "default_branch": "main", "pushed_at": 1_767_612_600}
ADA = {"login": "ada", "id": 1, "type": "User"}
BOB = {"login": "bob", "id": 2, "type": "User"}
BOT = {"login": "agent[bot]", "id": 3, "type": "Bot"}


def pull(number: int = 12, **fields: Any) -> dict[str, Any]:
    """A pull request of Ada's, opened 2026-01-05T09:30:00Z."""
    return {
        "number": number,
        "state": "open",
        "title": "Charge once",
        "body": "What it does.",
        "user": ADA,
        "created_at": "2026-01-05T09:30:00Z",
        "updated_at": "2026-01-05T11:30:00Z",
        "closed_at": None,
        "merged_at": None,
        "merged": False,
        "labels": [],
        "head": {"ref": "charge-once"},
        "base": {"ref": "main"},
        **fields,
    }


def merged(number: int = 12, at: str = "2026-01-05T11:30:00Z", **fields: Any) -> bytes:
    """The webhook of a pull request that Bob merged."""
    done = {"state": "closed", "merged": True, "merged_at": at, "closed_at": at, "merged_by": BOB}
    return webhook(action="closed", number=number, pull_request=pull(number, **{**done, **fields}), sender=BOB)


def issue(action: str, number: int = 7, **fields: Any) -> bytes:
    """A webhook of an issue of Ada's, opened 2026-01-05T09:00:00Z; Bob does something to it."""
    about = {
        "number": number,
        "state": "open",
        "title": "It charges twice",
        "user": ADA,
        "labels": [{"name": "bug"}],
        "body": None,
        "created_at": "2026-01-05T09:00:00Z",
        "updated_at": "2026-01-05T12:00:00Z",
        "closed_at": None,
        **fields.pop("issue", {}),
    }
    return webhook(action=action, issue=about, sender=BOB, **fields)


def push(*commits: dict[str, Any], ref: str = "refs/heads/main", **fields: Any) -> bytes:
    """A webhook of a push."""
    return webhook(ref=ref, before="0" * 40, after="1" * 40, commits=list(commits), sender=BOB, **fields)


def webhook(**fields: Any) -> bytes:
    """Any webhook of the repository."""
    return json.dumps({"repository": REPOSITORY, **fields}).encode()
