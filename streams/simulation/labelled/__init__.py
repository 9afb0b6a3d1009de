"""Ten weeks of a made-up company in which it is known who did what: what detectors are judged by.

Nothing of the product reads it. A detector must never be fitted to what is written here: it is one guess at how people
behave, and its constants are no truth about any organisation.
"""

from streams.simulation.labelled.labels import BEHAVIOURS, STRENGTHS, Episode, Labels, LookAlike
from streams.simulation.labelled.scenario import SCENARIOS, TenWeeks, ten_weeks

__all__ = ["BEHAVIOURS", "SCENARIOS", "STRENGTHS", "Episode", "Labels", "LookAlike", "TenWeeks", "ten_weeks"]
