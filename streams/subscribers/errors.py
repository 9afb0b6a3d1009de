"""What can go wrong in subscribing, by what the caller does about it."""

from enum import StrEnum

from streams.errors import DependencyError

__all__ = ["BrokerUnavailable", "InvalidSignature", "SignatureProblem"]


class BrokerUnavailable(DependencyError):
    """No broker answers, or it has no such topic: mend the address, or try again later."""


class SignatureProblem(StrEnum):
    """Why a signature does not hold."""

    MISSING_HEADER = "missing_header"
    NOT_A_TIMESTAMP = "not_a_timestamp"
    TOO_OLD = "too_old"
    TOO_NEW = "too_new"
    NO_MATCH = "no_match"


class InvalidSignature(ValueError):
    """A request that was not signed with any of the secrets, or not lately: answer 401 and act on nothing in it."""

    def __init__(self, problem: SignatureProblem, message: str) -> None:
        super().__init__(message)
        self.problem = problem
