"""Reasons a record is not applied: one enum, used as metric label, log field and dead-letter text alike."""

from enum import StrEnum

__all__ = ["Reason"]


class Reason(StrEnum):
    """Why a record was dead-lettered.

    The values are public: they appear in ``assay.dead-letters.v1``, in the label ``reason`` and in the docs. The set
    is closed so that the label's cardinality is bounded.
    """

    TOMBSTONE = "tombstone"
    TOO_LARGE = "too_large"
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"
    MULTIPLE_DOCUMENTS = "multiple_documents"
    INVALID_AVRO = "invalid_avro"
    UNKNOWN_SCHEMA = "unknown_schema"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    TOO_LONG = "too_long"
    EMPTY = "empty"
    FORBIDDEN_CHARACTER = "forbidden_character"
    UNKNOWN_VALUE = "unknown_value"
    UNKNOWN_KIND = "unknown_kind"
    INVALID_TIMESTAMP = "invalid_timestamp"
    TIMESTAMP_OUT_OF_RANGE = "timestamp_out_of_range"
    INCONSISTENT = "inconsistent"
    FAR_FUTURE = "far_future"
    TOO_LATE = "too_late"
