"""From what a forge, tracker or pager tells to outcome items: shared by all sources whose records are outcomes."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from streams.core.outcomes import OutcomeKind
from streams.core.reasons import Reason
from streams.sources.contract import Decoded, Form, Item, Skip
from streams.sources.json_bodies import documents
from streams.sources.linking import Linked
from streams.sources.readings import BadField, instant_ms

__all__ = ["Telling", "decoded", "labelled", "matches", "moment", "words"]


class Telling(NamedTuple):
    """One outcome as its system tells it.

    ``outcome_id`` follows from what happened and to what, never from the delivery: told again, it counts once.
    ``began_ms`` is when the work began, for the cycle time. ``actor`` is a person, or None. ``labels`` are for rules.
    """

    outcome_id: str
    kind: OutcomeKind
    verdict: str
    at_ms: int
    ref: str
    linked: Linked
    reverses: str | None = None
    began_ms: int | None = None
    actor: str | None = None
    attributes: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    #: Where it differs from the system's own: another way in which the same system tells the same.
    source: str | None = None

    def item(self, place: str, source: str) -> Item:
        """The item; team and workflow are there if somebody wrote them down as such."""
        fields: dict[str, Any] = {
            "outcome_id": self.outcome_id,
            "source": self.source or source,
            "occurred_at": self.at_ms,
            "kind": self.kind.value,
            "verdict": self.verdict,
            "ref": self.ref,
            "attributes": {**self.attributes, "link": self.linked.link.value},
            **self.linked.fields(),
        }
        if self.reverses is not None:
            fields["reverses"] = self.reverses
        if self.actor is not None:
            fields["actor"] = self.actor
        if self.began_ms is not None and self.began_ms <= self.at_ms:
            fields["cycle_time_ms"] = self.at_ms - self.began_ms
        return Item(place, Form.OUTCOME, fields, self.labels)


def decoded(
    body: bytes, source: str, read: Callable[[dict[str, Any]], Sequence[Telling] | Skip]
) -> Decoded:  # fmt: skip
    """Read each document of a body: what it tells, or why it is passed over; BadField of ``read`` refuses it."""
    found, refused = documents(body)
    result = Decoded([], refused, Counter(), Counter())
    links: Counter[str] = Counter()
    for place, value in found:
        try:
            told = read(value)
        except BadField as error:
            result.refused.append(error.refused(place))
            continue
        if isinstance(told, Skip):
            result.skipped[told] += 1
        else:
            result.items.extend(telling.item(place, source) for telling in told)
            links.update(telling.linked.link.value for telling in told)
    return result._replace(links=links)


def moment(holder: Mapping[str, Any], name: str, field: str) -> int:
    """When something happened, which must be known. Raises BadField."""
    at_ms = instant_ms(holder.get(name), field)
    if at_ms is None:
        raise BadField(field, Reason.MISSING_FIELD, "is missing: send the webhook's body as it came")
    return at_ms


def labelled(**labels: Any) -> dict[str, str]:
    """Labels for rules: those that are texts, and not empty."""
    return {name: value for name, value in labels.items() if isinstance(value, str) and value}


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name fits one of these shell patterns, without regard to case."""
    name = name.casefold()
    return any(fnmatchcase(name, pattern.casefold()) for pattern in patterns)


def words(value: Any) -> tuple[str, ...]:
    """A text to search, if it is one."""
    return (value,) if isinstance(value, str) and value else ()
