"""A new state repository, from the template: ``ringfence init``.

Rules: only into a folder that is empty or not there; the first commit is signed by the first signer, valid, and
trusted by the rules that it brings along. Keys are named by their public halves; no private key is read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reconciler.errors.taxonomy import InputError, cut
from reconciler.repo import layout
from reconciler.repo.codeowners import files_for
from reconciler.repo.git import Git
from reconciler.repo.schema import generate_schemas
from reconciler.repo.signers import parse_allowed_signers, signer_line
from reconciler.repo.worktree import DEFAULT_AUTHOR, commit_files

_PROJECT = Path(__file__).resolve().parent.parent.parent
BRANCH = "main"


def create_repository(
    path: Path,
    *,
    signers: Sequence[Path],
    evidence_signers: Sequence[Path],
    author: str = DEFAULT_AUTHOR,
    template: Path | None = None,
) -> str:
    """Make a state repository at ``path`` and return its first commit.

    ``signers`` and ``evidence_signers`` are public key files; whose key it is, is told by its comment, or else by the
    file's name. The first signer's private key lies beside it or in the agent.
    """
    source = template or _PROJECT / "state-repo-template"
    if not (source / layout.REPOSITORY).is_file():
        hint = "run ringfence from its checkout, or name the template's folder"
        raise InputError(f"template {source.name}", "is not there", reason="NoTemplate", hint=hint)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        hint = "give a folder that is empty or does not exist yet"
        raise InputError(f"folder {path.name}", "is not empty", reason="NotEmpty", hint=hint)
    if not signers or not evidence_signers:
        hint = "give --signer and --evidence-signer, each with a .pub file"
        raise InputError("signers", "nobody could sign anything", reason="NoSigners", hint=hint)
    owners = _read_keys(signers, known={})
    files = _fill(_template_files(source), owners=owners, evidence=_read_keys(evidence_signers, known=owners))
    files |= files_for(files)
    files |= {f"schemas/{name}": content for name, content in generate_schemas().items()}
    path.mkdir(parents=True, exist_ok=True)
    private = signers[0].with_suffix("")
    signing_key = private if signers[0].suffix == ".pub" and private.is_file() else signers[0]
    git = Git(path)
    git.run("init", "--quiet", f"--initial-branch={BRANCH}", "--template=")
    # From now on a plain "git commit" in there is signed, as it must be to have any effect.
    settings = {"gpg.format": "ssh", "user.signingKey": str(signing_key.absolute()), "commit.gpgSign": "true"}
    for name, value in settings.items():
        git.run("config", name, value)
    message = "ringfence: begin\n"
    return commit_files(path, files=files, message=message, signing_key=signing_key, author=author)


def _template_files(source: Path) -> dict[str, bytes]:
    names = sorted(name for name in source.rglob("*") if name.is_file())
    return {name.relative_to(source).as_posix(): name.read_bytes() for name in names}


def _fill(files: dict[str, bytes], *, owners: dict[str, str], evidence: dict[str, str]) -> dict[str, bytes]:
    """Return the template's ``files`` with the signers of this repository in them."""
    lines = "".join(f"{line}\n" for line in dict.fromkeys([*owners.values(), *evidence.values()]))
    allowed = files[layout.ALLOWED_SIGNERS] + lines.encode("ascii")
    _, wrong = parse_allowed_signers(allowed, path=layout.ALLOWED_SIGNERS)
    if wrong:
        hint = "give each signer a key of their own"
        raise InputError("signers", wrong[0].message, reason=wrong[0].code, hint=hint, findings=tuple(wrong))
    rules = files[layout.REPOSITORY].decode("utf-8")
    rules = rules.replace("[EVIDENCE_SIGNERS]", _listed(evidence)).replace("[SIGNERS]", _listed(owners))
    return {**files, layout.ALLOWED_SIGNERS: allowed, layout.REPOSITORY: rules.encode()}


def _listed(names: dict[str, str]) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"[{quoted}]"


def _read_keys(paths: Sequence[Path], *, known: dict[str, str]) -> dict[str, str]:
    """Return the allowed-signers line of each public key, by principal.

    A principal that is ``known`` by another key is not used again: that would lend its authority to this key.
    """
    lines: dict[str, str] = {}
    for path in paths:
        try:
            words = path.read_text("ascii").split()
        except (OSError, UnicodeDecodeError) as error:
            raise _no_key(path) from error
        for principal in (*words[2:3], path.stem):
            line = signer_line(principal, public_key=" ".join(words)) if len(words) > 1 else ""
            signers, wrong = parse_allowed_signers(line.encode("ascii"), path=path.name)
            if signers.signers and not wrong and {**known, **lines}.get(principal, line) == line:
                lines[principal] = line
                break
        else:
            raise _no_key(path)
    return lines


def _no_key(path: Path) -> InputError:
    hint = "give the .pub file of an SSH key: ssh-keygen -t ed25519 -C NAME"
    return InputError(f"public key {cut(path.name)}", "cannot be used", reason="BadPublicKey", hint=hint)
