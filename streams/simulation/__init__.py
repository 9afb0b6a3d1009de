"""A seeded company that spends tokens: the same seed gives the same bytes, forever and everywhere."""

from streams.simulation.poison import POISON, Poison
from streams.simulation.scenario import DEFAULT_START_MS, Scenario
from streams.simulation.stream import Simulation, simulate
from streams.simulation.tally import OutcomeTally, Tally

__all__ = ["DEFAULT_START_MS", "POISON", "OutcomeTally", "Poison", "Scenario", "Simulation", "Tally", "simulate"]
