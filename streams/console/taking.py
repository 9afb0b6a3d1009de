"""Records as they come from the topics, into what is kept; what cannot be read is left out and counted."""

from typing import Final

from streams.console.alerts import Alerts
from streams.console.figures import Figures, Key
from streams.console.letters import Letters
from streams.core.avro import ALERT, DEAD_LETTER, KPI
from streams.core.bounds import LATEST_MS
from streams.core.schemas import SchemaCache

__all__ = ["take_alert", "take_kpi", "take_letter"]

#: Records that are far longer than any of ours.
_LONGEST: Final = 1024 * 1024


def take_kpi(figures: Figures, key: bytes, value: bytes | None, schemas: SchemaCache | None) -> bool:
    """A window. Those shorter than a day are not decoded: that they have closed is all that is taken from them."""
    place = Key.parse(key)
    if place is not None and not place.kept:
        figures.see(place.start_ms + place.size_ms)
        return True
    if value is None:
        if place is not None:
            figures.forget(place)
        return True
    try:
        record = KPI.decode(value, schemas) if len(value) <= _LONGEST else None
        if record is None or not _in_time(record.window_start, record.window_end, record.last_event or 0):
            return False
        figures.take(record)
    except ValueError:
        return False
    return True


def take_alert(alerts: Alerts, key: bytes, value: bytes | None, schemas: SchemaCache | None) -> bool:
    """A change of an alert's state."""
    if value is None:
        alerts.forget(key.decode(errors="replace"))
        return True
    try:
        record = ALERT.decode(value, schemas) if len(value) <= _LONGEST else None
    except ValueError:
        return False
    if record is None or not _in_time(record.window_start, record.window_end, record.opened_at, record.updated_at):
        return False
    alerts.take(record)
    return True


def take_letter(letters: Letters, _key: bytes, value: bytes | None, schemas: SchemaCache | None) -> bool:
    """A dead letter."""
    if value is None:
        return True
    try:
        letter = DEAD_LETTER.decode(value, schemas)
    except ValueError:
        return False
    if not _in_time(letter.received_at):
        return False
    letters.take(letter)
    return True


def _in_time(*times_ms: int) -> bool:
    return all(0 <= it <= LATEST_MS for it in times_ms)
