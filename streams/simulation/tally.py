"""What a simulated log holds, so that a test knows what must come out."""

from dataclasses import dataclass

__all__ = ["Tally"]


@dataclass(slots=True)
class Tally:
    """Counts of records by what they are; ``records = valid + duplicates + mirrored + poison``.

    Grows while the log is read. ``out_of_order`` counts valid records that arrive late.
    """

    records: int = 0
    valid: int = 0
    duplicates: int = 0
    mirrored: int = 0
    poison: int = 0
    out_of_order: int = 0
