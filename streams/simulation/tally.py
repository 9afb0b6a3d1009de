"""What simulated logs hold, so that a test knows what must come out."""

from dataclasses import dataclass

__all__ = ["OutcomeTally", "Tally"]


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


@dataclass(slots=True)
class OutcomeTally:
    """Counts of outcomes taken; ``outcomes`` is the sum of the verdicts and of ``outcome_duplicates``, exact copies."""

    outcomes: int = 0
    accepted: int = 0
    rejected: int = 0
    reversed: int = 0
    neutral: int = 0
    outcome_duplicates: int = 0

    def add(self, verdict: str, *, is_copy: bool) -> None:
        """Count one."""
        name = "outcome_duplicates" if is_copy else verdict
        self.outcomes += 1
        setattr(self, name, getattr(self, name) + 1)
