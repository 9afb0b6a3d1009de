"""What the environment says, and what is said about what it says wrongly."""

import re
from pathlib import Path

import pytest

from streams.producers.litellm.http_sink import HttpSink
from streams.producers.litellm.kafka_sink import KafkaSink
from streams.producers.litellm.options import NAMES, options_from

PAGE = Path(__file__).parents[4] / "docs" / "sources" / "litellm.md"


def test_ingest(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t-1\n")
    options = options_from({
        "LITELLM_ASSAY_URL": "https://ingest:8443/litellm", "LITELLM_ASSAY_TOKEN_FILE": str(tmp_path / "token"),
        "LITELLM_ASSAY_SPOOL": str(tmp_path), "LITELLM_ASSAY_SPOOL_MEGABYTES": "5", "LITELLM_TELEMETRY": "False",
    })  # fmt: skip
    assert (options.spool, options.spool_bytes, options.fingerprint_key) == (tmp_path, 5 * 1024 * 1024, None)
    sink = options.sink()
    assert isinstance(sink, HttpSink)
    assert sink._token() == "t-1"
    (tmp_path / "token").write_text("t-2\n")
    assert sink._token() == "t-2"


def test_kafka(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sixteen bytes or more\n")
    options = options_from({
        "LITELLM_ASSAY_BROKERS": "127.0.0.1:9092", "LITELLM_ASSAY_PSEUDONYM_KEY_FILE": str(tmp_path / "key"),
        "LITELLM_ASSAY_FINGERPRINT_KEY_FILE": str(tmp_path / "key"), "XDG_STATE_HOME": str(tmp_path),
    })  # fmt: skip
    assert options.spool == tmp_path / "assay" / "litellm"
    assert options.fingerprint_key == b"sixteen bytes or more"
    assert isinstance(options.sink(), KafkaSink)


@pytest.mark.parametrize(("said", "named"), [
    ({}, "LITELLM_ASSAY_URL"),
    ({"URL": "http://a/litellm", "BROKERS": "b:9092"}, "LITELLM_ASSAY_URL"),
    ({"URL": "ingest:8080/litellm"}, "LITELLM_ASSAY_URL"),
    ({"URL": "http://a/litellm", "URI": "x"}, "LITELLM_ASSAY_URI is no setting"),
    ({"URL": "http://a/litellm", "TOKEN_FILE": "/nowhere/token"}, "LITELLM_ASSAY_TOKEN_FILE"),
    ({"URL": "http://a/litellm", "FINGERPRINT_KEY_FILE": "/dev/null"}, "LITELLM_ASSAY_FINGERPRINT_KEY_FILE"),
    ({"URL": "http://a/litellm", "SPOOL_MEGABYTES": "1.5"}, "LITELLM_ASSAY_SPOOL_MEGABYTES"),
    ({"BROKERS": "b:9092"}, "LITELLM_ASSAY_PSEUDONYM_KEY_FILE"),
])  # fmt: skip
def test_what_is_wrong_is_named(said: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        options_from({f"LITELLM_ASSAY_{name}": value for name, value in said.items()})


def test_every_variable_is_on_the_page_and_no_other() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"LITELLM_ASSAY_([A-Z_]+)", page)) == NAMES
