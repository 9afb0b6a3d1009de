"""Errors by what the caller does with them: each carries the exit code and reads as one sentence with the fix."""

from typing import ClassVar

__all__ = ["AssayError", "ConfigError", "DataError", "DependencyError"]


class AssayError(Exception):
    """An expected failure: shown as one sentence, never as a traceback."""

    exit_code: ClassVar[int] = 1


class ConfigError(AssayError):
    """The configuration is invalid; a person must change it before a retry makes sense."""

    exit_code = 3


class DependencyError(AssayError):
    """Kafka, the registry or the disk is not available; a retry may succeed."""

    exit_code = 4


class DataError(AssayError):
    """The data is invalid beyond what dead-lettering may absorb; the producer must be fixed."""

    exit_code = 5
