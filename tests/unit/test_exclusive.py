"""A directory has one holder, and is free again when that ends."""

from pathlib import Path

import pytest

from streams.errors import ConfigError
from streams.exclusive import exclusive


def test_a_second_holder_is_refused_and_told_why(tmp_path: Path) -> None:
    with exclusive(tmp_path / "a" / "b"):
        own = pytest.raises(ConfigError, match="give each worker a data_dir of its own")
        with own, exclusive(tmp_path / "a" / "b", pause_seconds=0):
            raise AssertionError
        with exclusive(tmp_path / "other"):
            pass
    with exclusive(tmp_path / "a" / "b", pause_seconds=0):
        pass


def test_what_happens_inside_is_not_taken_for_its_own_failure(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), exclusive(tmp_path):
        (tmp_path / "none").read_bytes()


def test_a_path_that_cannot_be_a_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="data_dir: cannot write to"), exclusive(tmp_path / "file" / "dir"):
        pass
