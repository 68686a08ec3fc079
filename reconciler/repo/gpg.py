"""GnuPG, called as a program: the only module that starts it, and the only one that reads what it says.

Rules: a home of its own for each keyring, with the pinned keys and nothing else in it; no agent, no network, no trust
database of anybody; the time is an argument. One primary key a file, named after its principal; private keys are
refused. A signature counts if the status lines say exactly one thing: a good one, SHA-256 or longer, by a key or subkey
of a pinned primary key, neither expired nor revoked. Who may do what is not decided here.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors.taxonomy import InputError, TransientError

MAX_KEY_BYTES = 64 << 10
_DEADLINE_S = 30.0
_BLOCK = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_PRIMARY = re.compile(r"[0-9A-F]{40}")
_STATUS = re.compile(r"\[GNUPG:\] (?P<keyword>[A-Z_]+)(?: (?P<rest>.*))?")
_VALID = re.compile(
    r"[0-9A-F]{40} [0-9-]+ [0-9]+ [0-9]+ 4 0 (?P<key>1|19|22) (?P<hash>8|9|10) 00 (?P<primary>[0-9A-F]{40})"
)
_EXPECTED = frozenset({"NEWSIG", "GOODSIG", "VALIDSIG"})
_HARMLESS = frozenset({"KEY_CONSIDERED", "SIG_ID", "PLAINTEXT", "PLAINTEXT_LENGTH", "NOTATION_NAME", "NOTATION_DATA"})
_CONFIGURATION = """\
batch
no-tty
no-greeting
no-autostart
no-auto-key-retrieve
no-auto-key-import
disable-dirmngr
no-auto-check-trustdb
weak-digest SHA1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpgKey:
    """One principal's key: the primary key's fingerprint, and the armoured file that holds it."""

    principal: str
    fingerprint: str
    armour: bytes


def read_fingerprint(content: bytes) -> tuple[str, str]:
    """Return the fingerprint of the one primary key in ``content`` and "", or "" and what is wrong.

    InputError: gpg is not installed.
    """
    if len(content) > MAX_KEY_BYTES or content.count(b"-----BEGIN") != 1 or _BLOCK not in content:
        return "", "is not one armoured public key"
    found = _show(content)
    return (found, "") if found else ("", "is not one armoured public key")


@functools.lru_cache(maxsize=256)
def _show(content: bytes) -> str:
    with tempfile.TemporaryDirectory(prefix="ringfence-gpg-") as folder:
        home = Path(folder)
        (home / "gpg.conf").write_text(_CONFIGURATION)
        output = _gpg(home, "--with-colons", "--show-keys", stdin=content)
    records = [line.split(":") for line in output.decode("utf-8", "replace").splitlines()]
    kinds = [record[0] for record in records]
    prints = [record[9] for record in records if record[0] == "fpr"]
    if kinds.count("pub") != 1 or "sec" in kinds or not prints or not _PRIMARY.fullmatch(prints[0]):
        return ""
    return prints[0]


def make_home(home: Path, *, keys: Iterable[GpgKey]) -> None:
    """Fill the empty folder ``home`` with ``keys``, as a home directory of gpg."""
    home.chmod(0o700)
    set_time(home, None)
    _gpg(home, "--quiet", "--import", stdin=b"\n".join(key.armour for key in keys))


def set_time(home: Path, moment: int | None) -> None:
    """Let gpg judge what has expired as of ``moment`` (seconds since 1970)."""
    fixed = f"faked-system-time {moment}\n" if moment is not None else ""
    (home / "gpg.conf").write_text(f"{_CONFIGURATION}{fixed}")


def read_status(said: str, *, signatures: int) -> list[str] | None:
    """Return the primary fingerprint behind each of ``signatures`` good ones in gpg's status lines.

    None: there are more or fewer of them, or one is anything but good.
    """
    sections: list[list[tuple[str, str]]] = []
    for line in said.splitlines():
        found = _STATUS.fullmatch(line)
        if not found:
            continue
        if found["keyword"] == "NEWSIG" or not sections:
            sections.append([])
        sections[-1].append((found["keyword"], found["rest"] or ""))
    primaries = [_primary(section) for section in sections]
    if len(primaries) != signatures:
        return None
    good = [primary for primary in primaries if primary]
    return good if len(good) == signatures else None


def read_doubt(said: str) -> tuple[str, str] | None:
    """Return the code and the words of why gpg does not call a known key's signature good, None if it is unknown."""
    keywords = {found["keyword"] for line in said.splitlines() if (found := _STATUS.fullmatch(line))}
    if "REVKEYSIG" in keywords:
        return "SignerRevoked", "was revoked"
    if "EXPKEYSIG" in keywords or "EXPSIG" in keywords:
        return "SignerExpired", "has expired" if "EXPKEYSIG" in keywords else "made a signature that has expired"
    return None


def _primary(section: list[tuple[str, str]]) -> str | None:
    counted = [keyword for keyword, _ in section if not keyword.startswith("TRUST_") and keyword not in _HARMLESS]
    if sorted(counted) != sorted(_EXPECTED):
        return None
    valid = _VALID.fullmatch(next(rest for keyword, rest in section if keyword == "VALIDSIG"))
    return valid["primary"] if valid else None


def _gpg(home: Path, *arguments: str, stdin: bytes) -> bytes:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "GNUPGHOME": str(home), "HOME": str(home), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["gpg", *arguments], input=stdin, capture_output=True, check=False, timeout=_DEADLINE_S, env=environment
        )
    except FileNotFoundError as error:
        message = "is not installed, and trust/gpg holds keys"
        raise InputError("gpg", message, reason="GpgMissing", hint="apt-get install gnupg") from error
    except subprocess.TimeoutExpired as error:
        message = f"took longer than {_DEADLINE_S:.0f} s"
        raise TransientError("gpg", message, reason="GpgTimeout", hint="is the disk busy?") from error
    return done.stdout
