"""Trust rules that shut everybody out: of the rules themselves, or of documents that are there.

Rules: a rule covers a path by its patterns; that its signers are known and its threshold can be reached is checked
elsewhere. The rules judge later commits, so what they forget can never be put right by a commit.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.errors.taxonomy import Finding
from reconciler.model.kinds import Repository
from reconciler.repo import layout
from reconciler.repo.authority import who_may_change
from reconciler.repo.catalogue import Catalogue
from reconciler.repo.layout import PLACES

_VITAL = {
    layout.REPOSITORY: layout.REPOSITORY,
    layout.ALLOWED_SIGNERS: layout.ALLOWED_SIGNERS,
    layout.EK_ROOTS: f"{layout.EK_ROOTS}/x.pem",
    layout.EK_CRLS: f"{layout.EK_CRLS}/x.crl",
}
"""What everything rests on, and a path that stands for it."""


def check_rules(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding if there is a part of the trust that nobody may change."""
    for repository in found.all(Repository).values():
        rules = repository.document.spec.trust.rules
        bare = [shown for shown, path in _VITAL.items() if not who_may_change(path, rules=rules)]
        if bare:
            message = f"no rule covers {', '.join(bare)}, so nobody could ever change that again"
            hint = 'add a rule such as {paths: ["ringfence.yaml", "trust/**"], signers: […]}'
            yield repository.find("spec", "trust", "rules", code="NobodyMay", message=message, hint=hint)


def doubt_rules(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding for each folder with documents that nobody may change, once a folder."""
    folders: dict[str, str] = {}
    for place in PLACES:
        for located in found.all(place.kind).values():
            folders.setdefault(located.raw.path.rpartition("/")[0], located.raw.path)
    for repository in found.all(Repository).values():
        rules = repository.document.spec.trust.rules
        for folder, path in sorted(folders.items()):
            if folder and not who_may_change(path, rules=rules):
                message = f"no rule covers {path}, so nobody may change it"
                hint = f'add a rule such as {{paths: ["{folder}/*"], signers: […]}}'
                yield repository.find("spec", "trust", "rules", code="NobodyMay", message=message, hint=hint)
