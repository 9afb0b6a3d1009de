"""What all of GitHub's payloads have in common: repositories, accounts, labels, and how outcomes are identified."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from streams.core.reasons import Reason
from streams.sources.json_bodies import member, members
from streams.sources.linking import Clues, Link, Linked, Linking, link
from streams.sources.outcome_items import labelled, matches
from streams.sources.readings import BadField, count

__all__ = [
    "DEFAULT",
    "SHORT_COMMIT",
    "SOURCE",
    "GitHub",
    "Repository",
    "Rules",
    "label_names",
    "linked",
    "number_of",
    "person",
    "rule_labels",
]

SOURCE: Final = "github"
#: As many digits of a commit as people look up.
SHORT_COMMIT: Final = 12
#: A name of 100 of an owner of 39 at most; each outcome of a body has it several times.
_LONGEST_NAME: Final = 200
_BOT: Final = "[bot]"


class GitHub(NamedTuple):
    """What differs between those who use GitHub; patterns are shell patterns, without regard to case."""

    #: Labels and types of issues that report a defect.
    defects: tuple[str, ...] = ("bug", "*[:/]bug", "*: bug", "defect", "*[:/]defect", "*: defect", "regression")
    #: Names of check runs that evaluate what agents make, and do not only test it.
    evaluations: tuple[str, ...] = ("eval*", "*[ /_:-]eval*")
    #: Logins of accounts that are nobody, besides those that GitHub itself calls bots.
    service_accounts: tuple[str, ...] = ()


DEFAULT: Final = GitHub()


class Rules(NamedTuple):
    """What payloads are read by."""

    github: GitHub
    linking: Linking


class Repository(NamedTuple):
    """A repository: its name as written, and its custom properties, in which an organisation may name the team."""

    name: str
    properties: Mapping[str, Any] = {}

    @classmethod
    def of(cls, holder: Mapping[str, Any]) -> "Repository":
        """The repository of a payload, or of an object of the REST API. Raises BadField."""
        repository = member(holder, "repository") or member(member(holder, "base"), "repo")
        name = repository.get("full_name")
        if not isinstance(name, str) or "/" not in name:
            address = holder.get("repository_url")
            name = address.rpartition("/repos/")[2] if isinstance(address, str) and "/repos/" in address else None
        if not name:
            raise BadField("repository.full_name", Reason.MISSING_FIELD, "is missing: send the body as it came")
        if len(name) > _LONGEST_NAME:
            raise BadField("repository.full_name", Reason.TOO_LONG, f"is longer than {_LONGEST_NAME} characters")
        return cls(name, member(repository, "custom_properties"))

    def ref(self, number: int) -> str:
        """Where a person looks it up."""
        return f"{self.name}#{number}"

    def identity(self, number: int, what: str) -> str:
        """What identifies that something happened to an issue or pull request; GitHub disregards case in names."""
        return f"{self.name.lower()}#{number}:{what}"


def person(user: Mapping[str, Any], rules: Rules) -> str | None:
    """The login of an account if a person is behind it."""
    login = user.get("login")
    if not isinstance(login, str) or not login or login.endswith(_BOT) or user.get("type", "User") != "User":
        return None
    return None if matches(login, rules.github.service_accounts) else login


def label_names(holder: Mapping[str, Any]) -> list[str]:
    """The names of an issue's or pull request's labels."""
    return [name for it in members(holder, "labels") if isinstance(name := it.get("name"), str)]


def number_of(about: Mapping[str, Any]) -> int:
    """The number of an issue or pull request in its repository. Raises BadField."""
    number = count(about.get("number"), "number")
    if number is None:
        raise BadField("number", Reason.MISSING_FIELD, "is missing: send the body as it came")
    return number


def linked(repository: Repository, clues: Clues, rules: Rules) -> Linked:
    """What the clues name; the repository's properties ``team`` and ``workflow`` fill in what they do not."""
    found = link(clues, rules.linking)
    if not repository.properties:
        return found
    named = link(Clues(labels=[f"{name}:{value}" for name, value in repository.properties.items()]), rules.linking)
    how = Link.WORKFLOW if found.link is Link.UNNAMED and named.workflow else found.link
    return found._replace(link=how, workflow=found.workflow or named.workflow, team=found.team or named.team)


def rule_labels(repository: Repository, **more: Any) -> dict[str, str]:
    """Labels that rules may map to a team or workflow."""
    owner, _, name = repository.name.partition("/")
    return labelled(repository=repository.name, owner=owner, repository_name=name, **more)
