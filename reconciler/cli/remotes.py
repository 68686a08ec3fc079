"""The remote that the settings name, put together: a part of the composition root."""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from reconciler.cli.error_text import error_lines
from reconciler.daemon.courier import Courier
from reconciler.daemon.settings import RemoteSettings, Settings, read_private
from reconciler.drivers.spool.bell import ForgeBell
from reconciler.drivers.spool.database import Database
from reconciler.errors.taxonomy import InputError, RingfenceError
from reconciler.repo.git import Git
from reconciler.repo.remote import Access, Remote, configured_url


def courier_for(repository: Path, *, settings: Settings, database: Database) -> Courier | None:
    """Return what carries between ``repository`` and its remote; None if the settings name no remote."""
    if settings.remote is None:
        return None
    check_keys_apart(settings)
    bell = ForgeBell(database)
    remote = remote_for(repository, settings=settings.remote)
    interval_s = settings.remote.interval.total_seconds()
    return Courier(remote, interval_s=interval_s, report=print_trouble, ring=bell.wake, rings=bell.rings)


def check_keys_apart(settings: Settings) -> None:
    """Raise InputError if the key that evidence is signed with is the one that opens the remote.

    Whoever runs the remote's side may see that key used, and a thief of the one should not have the other.
    """
    push = settings.remote.ssh_key if settings.remote else None
    if push is None:
        return
    read_private(push, what="ssh key")
    if _is_same(settings.evidence_key, push):
        hint = "make one for the remote alone: ssh-keygen -t ed25519 -N '' -f FILE"
        message = "is the key that evidence is signed with"
        raise InputError(f"ssh key {push.name}", message, reason="KeyNotApart", hint=hint)


def _is_same(one: Path, other: Path) -> bool:
    try:
        keys = [load_ssh_private_key(path.read_bytes(), password=None).public_key() for path in (one, other)]
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        return False  # Whoever uses the key says what is wrong with it.
    return keys[0] == keys[1]


def remote_for(repository: Path, *, settings: RemoteSettings) -> Remote:
    """Return the remote that ``settings`` name; InputError if a file of theirs is missing or not its owner's only."""
    git = Git(repository)
    token = settings.token
    if settings.ssh_key is not None:
        read_private(settings.ssh_key, what="ssh key")
    if settings.known_hosts is not None and not settings.known_hosts.is_file():
        hint = "ssh-keyscan HOST > FILE, and compare with what the host's owner says"
        raise InputError(f"known hosts {settings.known_hosts}", "are missing", reason="SettingsMissing", hint=hint)
    if token is not None:
        read_token(token)
    access = Access(
        url=settings.url or configured_url(git, settings.name or ""),
        ssh_key=settings.ssh_key,
        known_hosts=settings.known_hosts,
        token=None if token is None else lambda: read_token(token),
        ca=settings.ca,
        deadline_s=settings.deadline.total_seconds(),
    )
    return Remote(git, access=access, branch=settings.branch, evidence=settings.evidence)


def read_token(path: Path) -> str:
    """Return the token in ``path``, one word of printable ASCII."""
    token = read_private(path, what="token").decode("ascii", "replace").strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        hint = "write the token into it, on one line"
        raise InputError(f"token {path}", "is no token", reason="SettingsMalformed", hint=hint)
    return token


def print_trouble(error: RingfenceError) -> None:
    """Tell people of ``error`` on standard error."""
    print("\n".join(error_lines(error)), file=sys.stderr)
