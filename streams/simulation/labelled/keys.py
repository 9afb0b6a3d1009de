"""The keys of ``attributes`` that the simulated sources fill, in one place; docs/evaluation.md explains them."""

from typing import Final

__all__ = ["ADDITIONS", "ATTEMPT", "CASES", "CHANGED_FILES", "DELETIONS", "REVIEWS", "SELF_MERGED", "SUITE"]

#: Of a usage event: "1" for the first try of a call, "2" for its first retry. Left out where nothing was retried.
ATTEMPT: Final = "attempt"
#: Of a change: lines added and deleted, files touched, submitted reviews, and whether its author merged it
#: ("true" or "false"). GitHub's pull_request webhook has all of them or what they are counted from.
ADDITIONS: Final = "additions"
DELETIONS: Final = "deletions"
CHANGED_FILES: Final = "changed_files"
REVIEWS: Final = "reviews"
SELF_MERGED: Final = "self_merged"
#: Of an evaluation: how many cases it had, and of which suite.
CASES: Final = "cases"
SUITE: Final = "suite"
