"""Everything that is looked at once the documents fit together: mistakes that refuse, and doubts that do not.

Rules: a mistake is one that no later commit elsewhere could make right, or that would shut everybody out; a doubt may
be meant. Doubts cost time and are looked for only where a person reads them (``ringfence validate``). Every check is
linear in the number of documents. A kind of which a document could not be read is not counted: that is told already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.errors.taxonomy import Finding, Severity
from reconciler.repo.catalogue import Catalogue
from reconciler.repo.checks.contradictions import check_contradictions
from reconciler.repo.checks.images import check_images, doubt_images
from reconciler.repo.checks.quotas import check_quotas
from reconciler.repo.checks.rules import check_rules, doubt_rules
from reconciler.repo.checks.selections import check_selections, doubt_selections
from reconciler.repo.checks.times import check_times
from reconciler.repo.checks.usage import doubt_usage
from reconciler.repo.checks.windows import check_windows
from reconciler.repo.checks.witnesses import check_witnesses

_CHECKS = (
    check_contradictions,
    check_images,
    check_quotas,
    check_rules,
    check_selections,
    check_times,
    check_windows,
    check_witnesses,
)
_DOUBTS = (doubt_images, doubt_rules, doubt_selections, doubt_usage)


def check_sense(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding for everything that cannot be meant."""
    for check in _CHECKS:
        yield from check(found)


def find_doubts(found: Catalogue) -> Iterator[Finding]:
    """Yield a warning for everything that is allowed and looks like a mistake."""
    for doubt in _DOUBTS:
        for finding in doubt(found):
            yield replace(finding, severity=Severity.WARNING)
