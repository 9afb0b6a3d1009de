"""The file of sources: who may post what, and whose the events are. Read strictly, all that is wrong told at once."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from streams.errors import ConfigError
from streams.ingest.secret_files import SecretFile
from streams.located_yaml import Place, read_located
from streams.sources.booking import UNATTRIBUTED, Binding, Rule
from streams.sources.catalogue import Source
from streams.sources.linking import DEFAULT, Linking, branch_pattern
from streams.sources.signatures import secret_key

__all__ = ["KEYS", "Credential", "Scheme", "SourcesFile", "load_sources_file"]

#: The keys, as ``docs/ingest.md`` explains them.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("sources", "linking"),
    "sources[N]": (
        "name",
        "kind",
        "token_file",
        "basic_file",
        "secret_file",
        "team",
        "workflow",
        "rules",
        "expires",
    ),
    "sources[N].rules[N]": ("label", "pattern", "team", "workflow"),
    "linking": (*Linking._fields,),
}
_ELSEWHERE: Final = {
    key: f"{section}.{key}".lstrip(".") for section, keys in reversed(tuple(KEYS.items())) for key in keys
}  # fmt: skip
_SECRETS: Final = ("token_file", "basic_file", "secret_file")


class Scheme(StrEnum):
    """How a request shows that it knows the secret."""

    BEARER = "token_file"
    BASIC = "basic_file"
    SIGNATURE = "secret_file"


class Credential(NamedTuple):
    """One entry of the file. ``ends_ms`` is when it expires, None if never."""

    name: str
    kind: str
    scheme: Scheme
    file: SecretFile
    binding: Binding
    ends_ms: int | None = None

    def presented(self) -> list[bytes]:
        """What a request may present: tokens, or user and password as Basic has them."""
        secrets = self.file.secrets()
        return [base64.b64encode(secret) for secret in secrets] if self.scheme is Scheme.BASIC else list(secrets)


class SourcesFile(NamedTuple):
    """What the file says: who may post, and by which names outcomes find their run."""

    credentials: list[Credential]
    linking: Linking


def load_sources_file(
    path: Path,
    sources: Sequence[Source],
    *,
    default_team: str = UNATTRIBUTED,
    default_workflow: str = UNATTRIBUTED,
) -> SourcesFile:
    """What a file says, credentials in its order. Files that it names are relative to it.

    Raises ConfigError with one line per problem, each with file, line, key and mend.
    """
    top, problems = read_located(path, "sources_file")
    found = top.fields(KEYS[""], _ELSEWHERE)
    reader = _Reader(path.parent, {source.name: source for source in sources}, default_team, default_workflow)
    credentials: list[Credential] = []
    names: set[str] = set()
    if "sources" in found:
        for place in found["sources"].items():
            credential = reader.credential(place)
            if credential is None:
                continue
            if credential.name in names:
                place.wrong("an entry before has the same name; give each its own, logs go by it")
            names.add(credential.name)
            if any(_rivals(credential, before) for before in credentials):
                place.wrong(
                    "an entry before has one of its secrets for the same kind: whose a request is would be a guess"
                )
            credentials.append(credential)
    linking = _linking(found["linking"]) if "linking" in found else DEFAULT
    problems.raise_any()
    if not credentials:
        raise ConfigError(f"{path} has no entry below sources; without one nobody can post anything")
    return SourcesFile(credentials, linking)


def _rivals(one: Credential, other: Credential) -> bool:
    """Whether a request could be either's, and it makes a difference."""
    same_door = (one.kind, one.scheme) == (other.kind, other.scheme)
    differ = (one.binding, one.ends_ms) != (other.binding, other.ends_ms)
    return same_door and differ and not set(one.file.secrets()).isdisjoint(other.file.secrets())


class _Reader:
    """Entries of one file."""

    def __init__(self, directory: Path, sources: Mapping[str, Source], team: str, workflow: str) -> None:
        self._directory = directory
        self._sources = sources
        self._default_team = team
        self._default_workflow = workflow

    def credential(self, place: Place) -> Credential | None:
        """One entry; None where it is wrong, which then is noted."""
        found = place.fields(KEYS["sources[N]"], _ELSEWHERE)
        name = found["name"].text() if "name" in found else None
        kind = self._kind(place, found)
        secret = self._secret(place, found, kind)
        rules = [self._rule(rule) for rule in found["rules"].items()] if "rules" in found else []
        expires = found["expires"].day() if "expires" in found else None
        binding = Binding(
            found["team"].text() if "team" in found else None,
            found["workflow"].text() if "workflow" in found else None,
            tuple(rule for rule in rules if rule is not None),
            self._default_team,
            self._default_workflow,
        )
        if "name" not in found:
            place.wrong("name is missing; give the entry one, logs go by it")
        if name is None or kind is None or secret is None:
            return None
        return Credential(name, kind, *secret, binding, _end_ms(expires))

    def _kind(self, place: Place, found: Mapping[str, Place]) -> str | None:
        if "kind" not in found:
            place.wrong(f"kind is missing; write one of {', '.join(self._sources)}")
            return None
        kind = found["kind"].text()
        if kind is not None and kind not in self._sources:
            found["kind"].refuse(f"write one of {', '.join(self._sources)}")
            return None
        return kind

    def _secret(
        self, place: Place, found: Mapping[str, Place], kind: str | None
    ) -> tuple[Scheme, SecretFile] | None:  # fmt: skip
        given = [key for key in _SECRETS if key in found]
        if len(given) != 1:
            place.wrong(f"give exactly one of {', '.join(_SECRETS)}")
            return None
        (key,) = given
        said = found[key].text()
        if said is None:
            return None
        scheme = Scheme(key)
        if scheme is Scheme.SIGNATURE and kind is not None and self._sources[kind].verify is None:
            found[key].wrong(f"{kind} signs nothing; give token_file or basic_file")
            return None
        try:
            file = SecretFile(self._directory / Path(said).expanduser(), check=self._check(scheme, kind))
        except ConfigError as error:
            found[key].wrong(str(error))
            return None
        if scheme is Scheme.BASIC and any(b":" not in line for line in file.secrets()):
            found[key].wrong("a line of the file has no colon; write USER:PASSWORD lines")
            return None
        return scheme, file

    def _check(self, scheme: Scheme, kind: str | None) -> Callable[[bytes], object] | None:
        """What raises ValueError for a secret that nobody could sign with."""
        signature = self._sources[kind].signature if kind is not None and scheme is Scheme.SIGNATURE else None
        return None if signature is None else partial(secret_key, signature)

    def _rule(self, place: Place) -> Rule | None:
        found = place.fields(KEYS["sources[N].rules[N]"], _ELSEWHERE)
        texts = {key: each.text() for key, each in found.items()}
        for key in ("label", "pattern"):
            if key not in found:
                place.wrong(f"{key} is missing; a rule maps a label that fits a pattern")
        if not found.keys() & {"team", "workflow"}:
            place.wrong("give a team, a workflow or both; a rule without does nothing")
        label, pattern = texts.get("label"), texts.get("pattern")
        if label is None or pattern is None:
            return None
        return Rule(label, pattern, texts.get("team"), texts.get("workflow"))


def _linking(place: Place) -> Linking:
    """Names by which outcomes find their run, in lower case; what is not said stays as it is by default."""
    said: dict[str, Any] = {}
    for name, each in place.fields(KEYS["linking"], _ELSEWHERE).items():
        if name == "marker":
            said[name] = (each.text() or DEFAULT.marker).lower()
            continue
        texts = [(entry, entry.text()) for entry in each.items()]
        if name == "branches":
            said[name] = tuple(_branch(entry, text) for entry, text in texts if text is not None)
        else:
            said[name] = tuple(text.lower() for _, text in texts if text is not None)
    return DEFAULT._replace(**said)


def _branch(place: Place, text: str) -> re.Pattern[str]:
    try:
        return branch_pattern(text)
    except ValueError as error:
        place.wrong(f"{error}; see docs/linking.md")
        return re.compile("(?!)")


def _end_ms(last_day: date | None) -> int | None:
    """Behind the last millisecond of the day, UTC."""
    if last_day is None:
        return None
    return int(datetime.combine(last_day + timedelta(days=1), time(), UTC).timestamp() * 1000)
