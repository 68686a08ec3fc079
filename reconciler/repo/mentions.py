"""Names that one document mentions of another: found, or told with what was perhaps meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from reconciler.errors.taxonomy import Finding
from reconciler.model.kinds import Document
from reconciler.repo import layout
from reconciler.repo.catalogue import Catalogue, D, Located


def mention(
    found: Catalogue, located: Located[D], kind: type[Document], name: str, *location: str | int
) -> Iterator[Finding]:
    """Yield a finding if there is no ``kind`` called ``name``, which ``located`` mentions at ``location``."""
    if not found.is_known(kind, name):
        place = layout.KINDS[kind.__name__].shown.replace("<tenant>", located.tenant or "").replace("*", name)
        hint = meant(name, found.all(kind)) or f"add {place}"
        message = f"there is no {kind.__name__} {name}"
        yield located.find(*location, code="DanglingReference", message=message, hint=hint)


def meant(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that ``name`` was perhaps meant to be, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}?" if close else ""
