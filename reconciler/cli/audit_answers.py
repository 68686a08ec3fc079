"""What an auditor asks of an audit: options, the question in them, and its answer as a document.

Rules: an answer never stands without the result of the audit that it comes from; here is only the answer. What is
asked about and was never recorded is an error, not an empty answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from reconciler.evidence.history.chronicle import Scope
    from reconciler.evidence.history.forms import Look
    from reconciler.evidence.history.values import History, Stay
    from reconciler.evidence.journal import JournalEntry

At = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="Who was in which enclave then, proven how: 2026-03-03T12:00Z."),
]
Between = Annotated[
    tuple[str, str] | None,
    typer.Option("--between", metavar="FROM UNTIL", help="The same from one time to another; days are whole ones."),
]
OfNode = Annotated[str | None, typer.Option("--node", help="Only this node.")]
OfEnclave = Annotated[str | None, typer.Option("--enclave", help="Only this enclave.")]
OfCommit = Annotated[
    str | None, typer.Option("--commit", help="Only what happened under this desired state (the beginning of its id).")
]
ReportFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE.html", help="Write a report that can be printed and handed on.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: where everything was ``at`` a moment, or all that is in ``scope``."""

    scope: Scope
    at: datetime | None = None

    @property
    def is_narrow(self) -> bool:
        """Return whether it is about anything less than all that is on record."""
        from reconciler.evidence.history.chronicle import Scope

        return self.scope != Scope()


def parse_question(
    *,
    at: str | None = None,
    between: tuple[str, str] | None = None,
    node: str | None = None,
    enclave: str | None = None,
    commit: str | None = None,
    is_wanted: bool = False,
) -> Question | None:
    """Return the question in the options, None if nothing is asked; ``is_wanted`` asks about everything.

    InputError for a time that is none.
    """
    from reconciler.errors.taxonomy import InputError
    from reconciler.evidence.history.chronicle import Scope
    from reconciler.evidence.history.times import Window, parse_moment, parse_window, up_to

    if at is not None and between is not None:
        hint = "leave one of them out"
        raise InputError("audit", "--at and --between are two questions", reason="QuestionUnclear", hint=hint)
    if not any((at, between, node, enclave, commit)) and not is_wanted:
        return None
    moment = None if at is None else parse_moment(at)
    window = up_to(moment) if moment is not None else parse_window(*between) if between else Window()
    return Question(scope=Scope(window=window, node=node, enclave=enclave, commit=commit), at=moment)


def document(
    history: History, question: Question, *, look: Look, journal: Sequence[JournalEntry] = ()
) -> dict[str, Any]:
    """Return question and answer as JSON values (docs/audit.md).

    ``look`` gives what an appraisal rests on, ``journal`` are the entries that the question is about.
    """
    from reconciler.evidence.history import forms, questions
    from reconciler.evidence.history.journal import entry_json

    scope = question.scope
    asked = {"question": forms.question_json(scope, at=question.at)}
    if question.at is not None:
        found = questions.situations(history, question.at, scope=scope)
        return asked | {"answer": {"nodes": [forms.situation_json(one, look=look) for one in found]}}
    stays = questions.stays(history, scope=scope)
    return asked | {
        "answer": {
            "enclaves": [
                {
                    "name": name,
                    "members": [forms.membership_json(stay, endings=questions.endings(stay, history)) for stay in own],
                }
                for name, own in questions.memberships(stays).items()
            ],
            "nodes": [
                {"name": node, "stays": [forms.stay_json(stay, look=look) for stay in own]}
                for node, own in by_node(stays).items()
            ],
            "commits": [forms.commit_json(one) for one in questions.commits(history)],
            "journal": [entry_json(entry) for entry in journal],
        }
    }


def by_node(stays: Iterable[Stay]) -> dict[str, list[Stay]]:
    """Return ``stays`` by node, in their order."""
    found: dict[str, list[Stay]] = {}
    for stay in stays:
        found.setdefault(stay.node, []).append(stay)
    return found
