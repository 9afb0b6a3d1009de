"""Which run, workflow and team an outcome names: ordered rules over what its system lets people write, never a guess.

Rules are tried in the order of :class:`Rule`; the first that finds exactly one run decides. Workflow and team are looked
for in the same way, each by itself. A rule that finds two different ones does not choose between them. Texts are searched
for what they name and never kept.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["DEFAULT", "Clues", "Link", "Linked", "Linking", "Rule", "branch_pattern", "link", "team_name"]


class Rule(StrEnum):
    """Where a run may be named, best first."""

    TRAILER = "trailer"
    """A line ``Assay-Run: ID`` in a commit message or in the body of a pull request or ticket."""
    MARKER = "marker"
    """``<!-- assay:run=ID workflow=NAME -->`` in such a body."""
    LABEL = "label"
    """A label ``assay-run:ID``, ``workflow:NAME`` or ``team:NAME``."""
    BRANCH = "branch"
    """The name of the branch, by a pattern with groups ``run`` and ``workflow``."""
    SESSION = "session"
    """A line that names the session of an agent, such as ``Claude-Session-Id: ID``."""


class Link(StrEnum):
    """How an outcome came by its run, or why it has none: a metric label, and the attribute ``link`` of the outcome."""

    TRAILER = "trailer"
    MARKER = "marker"
    LABEL = "label"
    BRANCH = "branch"
    SESSION = "session"
    FIELD = "field"
    """The event has a field for it, and filled it in."""
    WORKFLOW = "workflow"
    """It names a workflow and no run."""
    AMBIGUOUS = "ambiguous"
    """It names several runs: which of them is not known."""
    MALFORMED = "malformed"
    """What stands where a run is named cannot be the id of one: it is too long, or has a character that ids have not."""
    UNNAMED = "unnamed"
    """It names neither run nor workflow."""


class Linking(NamedTuple):
    """Names that rules go by, all in lower case. :func:`branch_pattern` makes a pattern of ``branches``."""

    run_trailers: tuple[str, ...] = ("assay-run",)
    workflow_trailers: tuple[str, ...] = ("assay-workflow",)
    team_trailers: tuple[str, ...] = ("assay-team",)
    session_trailers: tuple[str, ...] = ("claude-session-id",)
    marker: str = "assay"
    run_labels: tuple[str, ...] = ("assay-run",)
    workflow_labels: tuple[str, ...] = ("assay-workflow", "workflow")
    team_labels: tuple[str, ...] = ("assay-team", "team")
    branches: tuple[re.Pattern[str], ...] = (re.compile(r"assay/(?P<workflow>[^/]+)/(?P<run>[^/]+)"),)


class Clues(NamedTuple):
    """What an outcome's system lets people write: ``texts`` are bodies and commit messages."""

    texts: Sequence[str] = ()
    labels: Sequence[str] = ()
    branch: str | None = None


class Linked(NamedTuple):
    """What was found; ``link`` says by which rule the run was, or why it was not."""

    link: Link
    run_id: str | None = None
    workflow: str | None = None
    team: str | None = None

    def fields(self) -> dict[str, str]:
        """The fields of the outcome that were found."""
        found = {"run_id": self.run_id, "workflow": self.workflow, "team": self.team}
        return {name: value for name, value in found.items() if value is not None}


DEFAULT: Final = Linking()

_RUN, _WORKFLOW, _TEAM = "run", "workflow", "team"
#: What may stand for each: what the fields of an outcome hold, and of a run nothing that ids have not, so that the words of
#: a template (``Assay-Run: <id>``) are none.
_FITTING: Final = {
    _RUN: re.compile(r"[^\s<>\"'`,;]{1,256}"),
    _WORKFLOW: re.compile(r"[^\r\n]{1,200}"),
    _TEAM: re.compile(r"[^\r\n]{1,200}"),
}
#: More than git and every forge allow in the name of a branch: what a pattern is tried on is short, whatever it does.
_LONGEST_BRANCH: Final = 512


def branch_pattern(text: str) -> re.Pattern[str]:
    """A pattern for whole names of branches. Raises ValueError, which says what is wrong with it."""
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"the pattern for branches is no regular expression: {error}") from None
    if not {_RUN, _WORKFLOW} & pattern.groupindex.keys():
        raise ValueError("the pattern for branches has neither a group (?P<run>...) nor (?P<workflow>...)")
    return pattern


def link(clues: Clues, linking: Linking = DEFAULT) -> Linked:
    """What the clues name. Takes time linear in the texts."""
    lines = _lines(clues.texts, _trailers_of(linking))
    session_lines = _lines(clues.texts, _sessions_of(linking))
    found: dict[Rule, Iterable[_Said]] = {
        Rule.TRAILER: lines,
        Rule.MARKER: _markers(clues.texts, linking.marker),
        Rule.LABEL: _labels(clues.labels, linking),
        Rule.BRANCH: _branch(clues.branch, linking.branches),
        Rule.SESSION: session_lines,
    }
    said = {rule: _by_what(pairs) for rule, pairs in found.items()}
    how, run_id = _first(said, _RUN)
    workflow = _first(said, _WORKFLOW)[1]
    if how is Link.UNNAMED and workflow is not None:
        how = Link.WORKFLOW
    return Linked(how, run_id, workflow, _first(said, _TEAM)[1])


def team_name(name: object) -> str | None:
    """A system's own name of a team, if it is one that an outcome may have."""
    return name if isinstance(name, str) and name.isprintable() and _FITTING[_TEAM].fullmatch(name) else None


#: What is named (run, workflow or team), and by which text.
_Said = tuple[str, str]


def _first(said: Mapping[Rule, Mapping[str, set[str]]], what: str) -> tuple[Link, str | None]:
    """The first rule that finds exactly one, else what kept the rules from it."""
    why = Link.UNNAMED
    for rule, named in said.items():
        texts = named.get(what, set())
        fitting = {text for text in texts if text.isprintable() and _FITTING[what].fullmatch(text)}
        if len(fitting) == 1:
            return Link(rule), fitting.pop()
        if fitting:
            why = Link.AMBIGUOUS
        elif texts and why is Link.UNNAMED:
            why = Link.MALFORMED
    return why, None


def _by_what(pairs: Iterable[_Said]) -> dict[str, set[str]]:
    named: dict[str, set[str]] = {}
    for what, text in pairs:
        if text := text.strip():
            named.setdefault(what, set()).add(text)
    return named


def _trailers_of(linking: Linking) -> dict[str, str]:
    names = ((_RUN, linking.run_trailers), (_WORKFLOW, linking.workflow_trailers), (_TEAM, linking.team_trailers))
    return {name: what for what, known in names for name in known}


def _sessions_of(linking: Linking) -> dict[str, str]:
    return dict.fromkeys(linking.session_trailers, _RUN)


def _lines(texts: Sequence[str], names: Mapping[str, str]) -> list[_Said]:
    """Lines ``Name: text`` anywhere: merging by squashing leaves trailers in the middle of a message."""
    if not names:
        return []
    pattern = _line_pattern(tuple(names))
    return [(names[match[1].lower()], match[2]) for text in texts for match in pattern.finditer(text)]


@lru_cache(maxsize=64)
def _line_pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = "|".join(map(re.escape, names))
    return re.compile(rf"^[ \t]*({alternatives})[ \t]*:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


def _markers(texts: Sequence[str], marker: str) -> list[_Said]:
    pattern = _marker_pattern(marker)
    pairs = [part.partition("=") for text in texts for match in pattern.finditer(text) for part in match[1].split()]
    return [(what, text) for what, _, text in pairs if what in _FITTING]


@lru_cache(maxsize=64)
def _marker_pattern(marker: str) -> re.Pattern[str]:
    # Without < in it, so that no two beginnings read the same text: linear, whatever is sent.
    return re.compile(rf"<!--\s*{re.escape(marker)}:([^<>]*)-->")


def _labels(labels: Sequence[str], linking: Linking) -> list[_Said]:
    names = ((_RUN, linking.run_labels), (_WORKFLOW, linking.workflow_labels), (_TEAM, linking.team_labels))
    kinds = {name: what for what, known in names for name in known}
    pairs = [label.partition(":") for label in labels]
    return [(kinds[name.strip().lower()], text) for name, _, text in pairs if name.strip().lower() in kinds]


def _branch(branch: str | None, patterns: Sequence[re.Pattern[str]]) -> list[_Said]:
    name = (branch or "").removeprefix("refs/heads/")
    if not name or len(name) > _LONGEST_BRANCH:
        return []
    for pattern in patterns:
        if match := pattern.fullmatch(name):
            return [(what, text) for what, text in match.groupdict().items() if text and what in _FITTING]
    return []
