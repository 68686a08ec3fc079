"""Whose signature a commit or a tag carries: verified by git, read strictly, many at once.

1. Git and its helper (ssh-keygen, gpg) say that the signature is good. They are given the keyring and no other key.
2. They name exactly one signer for each object, who is looked up in the keyring a second way. A valid signature by a
   stranger's key, which git calls good as well, names nobody.
3. The signer's window holds at the date of the object. Whoever signs writes that date, so that an object which is not
   on record yet is held to the window as of now, too; gpg is always asked as of now for these.

Several objects are verified in one call; if that does not succeed for all, each is asked about alone. What a signer
may do is not decided here.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from reconciler.repo.commits import Scheme
from reconciler.repo.git import Git, Signature
from reconciler.repo.gpg import make_home, read_doubt, read_status, set_time
from reconciler.repo.keyring import Keyring

_GOOD = re.compile(r'Good "git" signature for (?P<principal>\S+) with \S+ key (?P<fingerprint>SHA256:\S+)')
_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A commit or a tag to be verified, with the date that it gives itself.

    ``is_recorded``: it was seen and trusted before, so that its own date is the one that counts.
    """

    object_id: str
    scheme: Scheme | None
    made: int
    is_recorded: bool = False
    kind: Literal["commit", "tag"] = "commit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why a signature does not count: a code, and words that follow on what was signed."""

    reason: str
    message: str


class Verifier:
    """Verifies against any number of keyrings, as of ``now``, seconds since 1970. A context manager."""

    def __init__(self, git: Git, *, now: int) -> None:
        """Use the repository ``git``; nothing is written before it is needed."""
        self.now = now
        self._git = git
        self._closing = ExitStack()
        self._files: dict[Keyring, Path] = {}
        self._homes: dict[Keyring, Path] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the key files."""
        self._closing.close()

    def verify(self, objects: Iterable[Signed], *, keyring: Keyring) -> dict[str, Signature | Doubt]:
        """Return who of ``keyring`` signed each of ``objects``, or why nobody did."""
        by_kind: dict[tuple[Scheme | None, str], list[Signed]] = {}
        for signed in objects:
            by_kind.setdefault((signed.scheme, signed.kind), []).append(signed)
        verdicts: dict[str, Signature | Doubt] = {}
        for (scheme, _), group in by_kind.items():
            if scheme is None:
                doubt = Doubt(reason="UnsignedCommit", message="is not signed")
                verdicts |= {signed.object_id: doubt for signed in group}
                continue
            ask = self._ask_ssh if scheme is Scheme.SSH else self._ask_gpg
            for start in range(0, len(group), _AT_ONCE):
                verdicts |= self._verify(group[start : start + _AT_ONCE], keyring=keyring, ask=ask)
        return verdicts

    def _verify(
        self, group: Sequence[Signed], *, keyring: Keyring, ask: Callable[..., list[Signature | Doubt]]
    ) -> dict[str, Signature | Doubt]:
        answers = ask(group, keyring=keyring)
        if len(group) > 1 and any(isinstance(answer, Doubt) for answer in answers):
            answers = [ask([signed], keyring=keyring)[0] for signed in group]
        return {signed.object_id: answer for signed, answer in zip(group, answers, strict=True)}

    def _ask_ssh(self, group: Sequence[Signed], *, keyring: Keyring) -> list[Signature | Doubt]:
        settings = {"gpg.ssh.allowedSignersFile": str(self._signers_file(keyring)), "gpg.program": "false"}
        code, said = self._call(group, settings=settings, environment={})
        found = [match for line in said.splitlines() if (match := _GOOD.fullmatch(line))]
        if code or len(found) != len(group):  # 1, 2
            return [self._doubt(group[0], keyring=keyring)] if len(group) == 1 else [_STRANGER for _ in group]
        answers: list[Signature | Doubt] = []
        for signed, match in zip(group, found, strict=True):
            signer = keyring.ssh.at(match["fingerprint"])
            if signer is None or signer.principal != match["principal"]:  # 2
                answers.append(_STRANGER)
                continue
            moments = (signed.made,) if signed.is_recorded else (signed.made, self.now)
            problem = next((why for moment in moments if (why := signer.window.problem(moment))), None)  # 3
            good = Signature(principal=signer.principal, fingerprint=signer.fingerprint)
            answers.append(_outside(f"a key of {signer.principal}", *problem) if problem else good)
        return answers

    def _doubt(self, signed: Signed, *, keyring: Keyring) -> Doubt:
        """Return why ssh-keygen does not take one signature: a stranger's, or one outside its signer's window."""
        always = replace(keyring, ssh=keyring.ssh.always())
        if always == keyring:
            return _STRANGER
        settings = {"gpg.ssh.allowedSignersFile": str(self._signers_file(always)), "gpg.program": "false"}
        code, said = self._call([signed], settings=settings, environment={})
        found = [match for line in said.splitlines() if (match := _GOOD.fullmatch(line))]
        signer = keyring.ssh.at(found[0]["fingerprint"]) if len(found) == 1 and not code else None
        problem = signer.window.problem(signed.made) if signer else None
        return _outside(f"a key of {signer.principal}", *problem) if signer and problem else _STRANGER

    def _ask_gpg(self, group: Sequence[Signed], *, keyring: Keyring) -> list[Signature | Doubt]:
        if not keyring.gpg:
            return [_STRANGER for _ in group]
        home = self._home(keyring)
        set_time(home, self.now)
        answers = self._ask_gpg_once(group, keyring=keyring, home=home)
        if len(group) == 1 and group[0].is_recorded and isinstance(answers[0], Doubt):
            # The key may have been good when this was signed, which the record of that time vouches for.
            set_time(home, group[0].made)
            answers = self._ask_gpg_once(group, keyring=keyring, home=home)
        return answers

    def _ask_gpg_once(self, group: Sequence[Signed], *, keyring: Keyring, home: Path) -> list[Signature | Doubt]:
        settings = {"gpg.program": "gpg", "gpg.minTrustLevel": "undefined", "gpg.ssh.program": "false"}
        code, said = self._call(group, settings=settings, environment={"GNUPGHOME": str(home)})
        primaries = read_status(said, signatures=len(group))
        if code or primaries is None:  # 1, 2
            doubt = read_doubt(said)
            return [_outside("a key", *doubt) if doubt else _STRANGER for _ in group]
        owners = [(primary, keyring.gpg_owner(primary)) for primary in primaries]
        return [Signature(principal=own, fingerprint=primary) if own else _STRANGER for primary, own in owners]  # 2

    def _call(
        self, group: Sequence[Signed], *, settings: dict[str, str], environment: dict[str, str]
    ) -> tuple[int, str]:
        command = f"verify-{group[0].kind}"
        ids = [signed.object_id for signed in group]
        return self._git.attempt(command, "--raw", *ids, settings=settings, environment=environment)

    def _signers_file(self, keyring: Keyring) -> Path:
        if keyring not in self._files:
            folder = Path(self._closing.enter_context(tempfile.TemporaryDirectory(prefix="ringfence-signers-")))
            file = folder / "allowed_signers"
            file.write_bytes(keyring.ssh.to_bytes())
            self._files[keyring] = file
        return self._files[keyring]

    def _home(self, keyring: Keyring) -> Path:
        if keyring not in self._homes:
            home = Path(self._closing.enter_context(tempfile.TemporaryDirectory(prefix="ringfence-gpg-")))
            make_home(home, keys=keyring.gpg)
            self._homes[keyring] = home
        return self._homes[keyring]


_STRANGER = Doubt(reason="UnknownSigner", message="has no valid signature by anybody who is known")


def _outside(who: str, reason: str, message: str) -> Doubt:
    return Doubt(reason=reason, message=f"is signed by {who}, which {message}")
