"""One signed commit over a made-up state repository, so that judging it can be measured."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from reconciler.repo.git import Git
from reconciler.repo.layout import ALLOWED_SIGNERS

__all__ = ["ALLOWED_SIGNERS", "make_signer", "signed_commit", "time_to_judge"]

_SIGNER = "alice"
_DEADLINE_S = 60


def make_signer(folder: Path, signers: bytes) -> tuple[Path, bytes]:
    """Make a key in ``folder``; return its file, and ``signers`` (``trust/allowed_signers``) with it as Alice's."""
    key = folder / "INSECURE-bench-key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)]
    subprocess.run(command, check=True, timeout=_DEADLINE_S, stdin=subprocess.DEVNULL)
    public = key.with_name(f"{key.name}.pub").read_text().strip()
    others = [line for line in signers.decode().splitlines() if not line.startswith(f"{_SIGNER} ")]
    return key, "".join(f"{line}\n" for line in (f"{_SIGNER} {public}", *others)).encode()


def signed_commit(repository: Path, *, key: Path, like: str, parent: str) -> str:
    """Return a new commit with the files of ``like`` over ``parent``, signed with ``key``; no branch moves."""
    settings = ("gpg.format=ssh", f"user.signingKey={key}", f"user.name={_SIGNER}", "user.email=alice@localhost")
    options = [part for setting in settings for part in ("-c", setting)]
    command = [
        "git",
        "-C",
        str(repository),
        *options,
        "commit-tree",
        "-S",
        "-p",
        parent,
        "-m",
        "ten",
        f"{like}^{{tree}}",
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(command, check=True, capture_output=True, timeout=_DEADLINE_S, env=environment)
    return done.stdout.decode().strip()


def time_to_judge(git: Git, *, commit: str, last: str) -> Callable[[], None]:
    """Return the judging of ``commit`` after the trusted ``last``, to be measured; it fails if the commit does."""
    from reconciler.repo.trust import FetchedCommit, judge

    def work() -> None:
        judgement = judge(git, head=FetchedCommit(commit=commit), last_trusted=last)
        if judgement.trusted is None or judgement.trusted.commit != commit:
            raise AssertionError(judgement.refusals)

    return work
