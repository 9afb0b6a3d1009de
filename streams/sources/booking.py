"""From what a source read to records that go to Kafka: whose it is, who stays hidden, and whether the worker takes it.

A team comes, in this order, from the credential that a body came with, from the first rule that matches a label, from the
payload itself, or else from the default, so that spend that nobody claims is seen and not lost. An actor leaves as a
sealed pseudonym of its ISO week, which the worker takes as it is. What is no field of the record does not leave at all,
whatever a decoder put there.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

import orjson

from streams.core.events import UsageDecoder, UsageEvent
from streams.core.outcomes import OutcomeDecoder, OutcomeEvent
from streams.core.pseudonyms import Pseudonyms, iso_week
from streams.core.reasons import Reason
from streams.core.rejections import Rejection
from streams.sources.contract import Form, Item, Refused

__all__ = ["UNATTRIBUTED", "Attribution", "Binding", "Booked", "Booker", "Record", "Rule"]

#: Team and workflow of what nobody claims.
UNATTRIBUTED: Final = "unattributed"

#: Longer than any field of a record or label may be. One text of a body may stand in thousands of its items (a trace's, a
#: resource's), and written out for each of them megabytes would become gigabytes.
_LONGEST: Final = 1_024

_FIELDS: Final = {
    Form.USAGE: frozenset(UsageEvent.__struct_fields__),
    Form.OUTCOME: frozenset(OutcomeEvent.__struct_fields__),
}


class Attribution(StrEnum):
    """What an item's team came from; a metric label."""

    CREDENTIAL = "credential"
    RULE = "rule"
    PAYLOAD = "payload"
    DEFAULT = "default"


class Rule(NamedTuple):
    """Maps a label to a team, a workflow or both. ``pattern`` is a shell pattern, in which case matters."""

    label: str
    pattern: str
    team: str | None = None
    workflow: str | None = None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the item has the label, and the pattern fits the whole of it; none fits beyond 1,024 characters."""
        said = labels.get(self.label)
        return said is not None and len(said) <= _LONGEST and fnmatchcase(said, self.pattern)


class Binding(NamedTuple):
    """What a credential or an import says about whose the items are."""

    team: str | None = None
    workflow: str | None = None
    rules: tuple[Rule, ...] = ()
    default_team: str = UNATTRIBUTED
    default_workflow: str = UNATTRIBUTED

    def attribute(self, fields: dict[str, Any], labels: Mapping[str, str]) -> Attribution:
        """Put team and workflow into the fields, and say where the team came from."""
        matching = [rule for rule in self.rules if rule.matches(labels)]
        team = next((rule.team for rule in matching if rule.team), None)
        workflow = next((rule.workflow for rule in matching if rule.workflow), None)
        said = fields.get("team")
        fields["team"] = self.team or team or said or self.default_team
        if workflow := self.workflow or workflow or fields.get("workflow"):
            fields["workflow"] = workflow
        if self.team:
            return Attribution.CREDENTIAL
        if team:
            return Attribution.RULE
        return Attribution.PAYLOAD if said else Attribution.DEFAULT


class Record(NamedTuple):
    """A record ready to be sent. ``place`` is its item's; the key is the team's name, which places it in a partition."""

    place: str
    key: bytes
    value: bytes


class Booked(NamedTuple):
    """The records of a body, the items that the worker would dead-letter, and where teams came from."""

    usage: list[Record]
    outcomes: list[Record]
    refused: list[Refused]
    attributed: Counter[Attribution]


class Booker:
    """Books items; holds decoders and the pseudonyms' key, nothing of what was booked."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._decoders: dict[Form, UsageDecoder | OutcomeDecoder] = {
            Form.USAGE: UsageDecoder(),
            Form.OUTCOME: OutcomeDecoder(),
        }

    def book(self, items: Sequence[Item], binding: Binding) -> Booked:
        """Items of one body, in order; changes their fields."""
        booked = Booked([], [], [], Counter())
        for form, records in ((Form.USAGE, booked.usage), (Form.OUTCOME, booked.outcomes)):
            chosen = [item for item in items if item.form is form]
            if not chosen:
                continue
            written, values = [], []
            for item in chosen:
                booked.attributed[binding.attribute(item.fields, item.labels)] += 1
                if form is Form.USAGE and "workflow" not in item.fields:
                    item.fields["workflow"] = binding.default_workflow
                value = self._sealed(item)
                if isinstance(value, Refused):
                    booked.refused.append(value)
                else:
                    written.append(item)
                    values.append(value)
            judged = self._decoders[form].decode(values).events
            for item, value, event in zip(written, values, judged, strict=True):
                if isinstance(event, Rejection):
                    booked.refused.append(Refused(item.place, event.reason, event.detail))
                else:
                    records.append(Record(item.place, event.team.encode(), value))
        return booked

    def _sealed(self, item: Item) -> bytes | Refused:
        fields = item.fields
        if not fields.keys() <= (known := _FIELDS[item.form]):
            for name in fields.keys() - known:
                del fields[name]
        actor = fields.get("actor")
        try:
            if actor is not None:
                at_ms = fields.get("occurred_at")
                if isinstance(actor, str) and 0 < len(actor) <= _LONGEST and isinstance(at_ms, int):
                    fields["actor"] = self._pseudonyms.sealed(iso_week(at_ms), actor)
                else:
                    del fields["actor"]  # nobody that could be told apart
            for name, value in fields.items():
                if type(value) is str and len(value) > _LONGEST:
                    detail = f"field {name} is too long: send at most {_LONGEST:,} characters"
                    return Refused(item.place, Reason.TOO_LONG, detail)
            return orjson.dumps(fields)
        except (TypeError, UnicodeEncodeError):
            return _unwritable(item)


def _unwritable(item: Item) -> Refused:
    """What of an item cannot be JSON: an integer beyond 64 bits, or what a decoder should not have let through."""
    name = next(name for name, value in item.fields.items() if not _writable({name: value}))
    if isinstance(item.fields[name], int):
        return Refused(item.place, Reason.OUT_OF_RANGE, f"field {name} is out of range: it must fit into 64 bits")
    return Refused(
        item.place, Reason.WRONG_TYPE, f"field {name} cannot be written as JSON: send valid text, or numbers of 64 bits"
    )


def _writable(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True
