"""Images that members still run and that the desired state does not hold any more, from earlier trusted commits.

Rules: only the first-parent history of a commit that is trusted already is searched, newest first, and only commits
whose documents are valid count, so that an audit finds the same. What is not found is left out: nobody is held against
an image that is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from reconciler.errors.taxonomy import InputError
from reconciler.model.desired import DatedImage, DesiredState
from reconciler.model.phase import Phase
from reconciler.model.record import Head
from reconciler.repo.desired import load_desired
from reconciler.repo.git import Git, check_id
from reconciler.repo.snapshot import read_commit

_FOLDER = "images"
_MOST_CHANGES = 10


def with_former_images(
    git: Git, desired: DesiredState, *, heads: Mapping[str, Head], earlier: DesiredState | None = None
) -> DesiredState:
    """Return ``desired`` with the former images that the members in ``heads`` run.

    ``earlier`` is a state that was in force before it, if one is at hand: it is asked before the history is searched.
    """
    run = {head.image for head in heads.values() if head.phase is Phase.ENCLAVE and head.image}
    missing = sorted(run - {image.spec.digest for image in desired.images.values()})
    found: dict[str, DatedImage] = {}
    for digest in missing:
        image = (earlier.find_image(digest) if earlier else None) or _search(git, desired.commit, digest)
        if image is not None:
            found[digest] = image
    return replace(desired, former_images=found)


def _search(git: Git, commit: str, digest: str) -> DatedImage | None:
    for candidate in _candidates(git, commit, digest):
        try:
            image = load_desired(read_commit(git, candidate)).find_image(digest)
        except InputError:
            continue
        if image is not None:
            return image
    return None


def _candidates(git: Git, commit: str, digest: str) -> Iterator[str]:
    """Yield the commits around each change that brought ``digest`` into an image's file or took it out of there."""
    options = ("-s", "--first-parent", "--diff-merges=first-parent", "--no-show-signature")
    wanted = (f"--max-count={_MOST_CHANGES}", "--format=%H %P", f"-S{digest}", check_id(commit), "--", _FOLDER)
    for line in git.run("log", *options, *wanted).decode().split("\n"):
        yield from map(check_id, line.split()[:2])
