"""What is said of a value that does not fit: a code, a message, and what to do next, without its place."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from reconciler.errors.taxonomy import cut
from reconciler.repo.patterns import explain

BEGIN = "begin with apiVersion: ringfence/v1alpha1, kind, metadata and spec, each on a line of its own"

HABITS = {
    "replicas": "the number of nodes is spec.nodes.count",
    "selector": "nodes are selected by spec.nodes.select",
    "nodeselector": "nodes are selected by spec.nodes.select",
    "matchlabels": "write the labels right below select",
    "namespace": "whose it is, its folder says: tenants/<tenant>/",
    "annotations": "there are none; for people, write a comment",
    "status": "what became of it is told by ringfence status and ringfence explain, never written here",
    "template": "there are none; an enclave names its image and its nodes",
    "paused": "write suspend: true",
    "ip": "write address",
    "host": "write address",
}
"""Fields that other systems have, and what takes their place."""

_SECRETS = ("password", "passwd", "secret", "token", "privatekey", "private_key", "username")
_SECRET = (
    "git keeps what it is given for ever: change it where it is used, and give its name alone; see docs/settings.md"  # noqa: S105
)

_RULES = {
    "give either names or count": "write names for these very nodes, or count for any that match, and not both",
    "select and spread go with": "delete select and spread, or write count in place of names",
    "a trunk is declared twice": "declare each trunk once",
    "those are never trunks": "take it out of one of the two",
    "a port is named twice": "name each port once",
    "is named twice": "name each node once",
    "the threshold is higher": "lower the threshold, or add signers",
    "last is smaller than first": "swap the two",
    "a window lasts a day at most": "name the days on which it begins, each window up to 24h",
    "a duration is a whole number": "write it without a blank or a point: 30s, 5m, 2h",
    "PCRs are listed once each": "sort the numbers, and delete what stands twice",
}
"""What to do about a rule of the model, by words of its message."""


class Told(NamedTuple):
    """A finding without its place."""

    code: str
    message: str
    hint: str


def suggest(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that ``word`` was perhaps meant to be, or an empty string."""
    return "".join(f"did you mean {name}?" for name in closest(word, known))


def closest(word: str, known: Iterable[str]) -> list[str]:
    """Return the known name that is most like ``word``, if one is."""
    by_lower = {name.lower(): name for name in known}
    return [by_lower[name] for name in difflib.get_close_matches(word.lower().replace("_", ""), by_lower, n=1)]


def tell_unknown(shown: str, name: str, *, fields: list[str], page: str) -> Told:
    """Return what is said of a field that is not known, where ``fields`` are."""
    if name.lower() in _SECRETS:
        return Told("SecretHere", f"{shown} looks like a secret", _SECRET)
    known = f"fields here are {', '.join(fields)}" if fields else page
    hint = HABITS.get(name.lower()) or suggest(name, fields) or f"delete it, or look for its right name; {known}"
    return Told("UnknownField", f"there is no field {shown}", hint)


def _tell_pattern(context: Mapping[str, object], value: object) -> Told:
    name, hint = explain(str(context["pattern"]), value)
    return Told("BadValue", f"is not {name}", hint)


def _tell_least(context: Mapping[str, object], value: object) -> Told:
    return Told("OutOfRange", f"is {value}; the least is {context['ge']}", f"write {context['ge']} or more")


def _tell_most(context: Mapping[str, object], value: object) -> Told:
    return Told("OutOfRange", f"is {value}; the most is {context['le']}", f"write {context['le']} or less")


def _tell_choice(context: Mapping[str, object], value: object) -> Told:
    choices = [choice.strip("'") for choice in str(context["expected"]).replace(" or ", ", ").split(", ")]
    hint = suggest(str(value), choices) or f"write {' or '.join(choices)}"
    return Told("BadValue", f"is {cut(str(value))}, which is not known here", hint)


def _tell_short(context: Mapping[str, object], value: object) -> Told:
    if value and not isinstance(value, str):
        least = context["min_length"]
        return Told("BadValue", f"has {context['actual_length']}; the least is {least}", f"give {least} or more")
    return Told("BadValue", "is empty", "write something" if isinstance(value, str) else "give at least one")


def _tell_long(context: Mapping[str, object], value: object) -> Told:
    most = context["max_length"]
    what = "characters" if isinstance(value, str) else "entries"
    return Told("BadValue", f"is too long; the most is {most}", f"leave at most {most} {what}")


def _tell_rule(context: Mapping[str, object], _value: object) -> Told:
    message = cut(str(context["error"]))
    hint = next((hint for part, hint in _RULES.items() if part in message), "")
    return Told("BadValue", f"does not fit: {message}", hint)


_Teller = Callable[[Mapping[str, object], object], Told]

TELLERS: Mapping[str, _Teller] = {
    "string_pattern_mismatch": _tell_pattern,
    "greater_than_equal": _tell_least,
    "less_than_equal": _tell_most,
    "literal_error": _tell_choice,
    "enum": _tell_choice,
    "too_short": _tell_short,
    "string_too_short": _tell_short,
    "too_long": _tell_long,
    "string_too_long": _tell_long,
    "value_error": _tell_rule,
}
"""What is said of each kind of error that the model finds, by the name that it has there."""
