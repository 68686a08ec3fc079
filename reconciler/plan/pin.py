"""Pinned plans: a plan that was shown is the plan that is carried out, or nothing is.

Rules:
1. A pin holds the commit and its tree, the observation's fingerprint, the time, and a digest over all of it.
2. What is pinned are *changes*: every step that moves a port, a machine's power, an image, a key's version or a node's
   standing. Members go on proving themselves and being answered meanwhile; that is upkeep and needs no pin.
3. The first plan made from a pin must have its commit (or another commit of the very same tree), its observation and
   exactly its changes. Plans after it may only go on: each of their changes must be one that is pinned.
Who made the plan is not checked: a pin opens no gate, it only holds back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from reconciler.errors.taxonomy import InputError, TrustError
from reconciler.evidence.canonical import canonical, digest
from reconciler.model.base import Digest, HexDigest
from reconciler.plan.actions import Action
from reconciler.plan.plan import Plan

_UPKEEP = frozenset({"ask-again", "attest", "record-evidence", "release-keys", "confirm"})
_NOT_CONTENT = frozenset({"why", "after", "follows", "accepted", "rejected", "causes", "is_aged"})
_COMMIT = TypeAdapter(Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")])
_FINGERPRINT = TypeAdapter(HexDigest)
_DIGEST = TypeAdapter(Digest)
_AGAIN = "make the plan again, look at it, and reconcile with the new one"


def is_change(action: Action) -> bool:
    """Return whether ``action`` changes hardware, a key or a node's standing; otherwise it is upkeep."""
    return action.verb not in _UPKEEP


def change_of(action: Action) -> dict[str, Any]:
    """Return what ``action`` changes to what, without why, when and on what proof."""
    values = {f.name: _plain(getattr(action, f.name)) for f in fields(action) if f.name not in _NOT_CONTENT}
    return {"id": action.id, **values}


def _plain(value: Any) -> Any:  # noqa: ANN401  # walks the values of any action
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, (str, int)):
        return value
    return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}


def changes_of(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return the changes of ``plan`` by action id."""
    return {action.id: change_of(action) for action in plan.actions if is_change(action)}


def pinned_document(plan: Plan, *, tree: str, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return ``plan`` as a JSON value that it can be pinned by; ``extra`` is what else a reader wants to know."""
    document = {**plan.to_json(), "version": 1, "tree": tree, "changes": changes_of(plan), **(extra or {})}
    return {**document, "digest": digest(canonical(document))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """What a pinned plan allows; ``changes`` by action id. ``digest`` is that of the whole plan."""

    digest: str
    commit: str
    tree: str
    observation: str
    made_at: datetime
    changes: Mapping[str, Mapping[str, Any]]

    def check_first(self, plan: Plan, *, tree: str) -> None:
        """Raise TrustError unless ``plan``, made now at root ``tree``, is the pinned one."""
        self.check_commit(plan, tree=tree)
        if plan.observation != self.observation:
            message = f"the site is no longer as it was when this was planned ({self.made_at:%Y-%m-%dT%H:%M:%SZ})"
            raise TrustError("pinned plan", message, reason="PlanObservationMoved", hint=_AGAIN)
        self.check_next(plan, tree=tree)
        missing = sorted(self.changes.keys() - changes_of(plan).keys())
        if missing:
            raise _differs(f"{missing[0]} is pinned, and would not be done now")

    def check_next(self, plan: Plan, *, tree: str) -> None:
        """Raise TrustError unless ``plan`` does nothing but go on with the pinned one."""
        self.check_commit(plan, tree=tree)
        for id_, change in changes_of(plan).items():
            if id_ not in self.changes:
                raise _differs(f"{id_} is not part of it")
            if self.changes[id_] != change:
                raise _differs(f"{id_} would be done in another way")

    def check_commit(self, plan: Plan, *, tree: str) -> None:
        """Raise TrustError unless ``plan`` is for the pinned desired state: that commit, or one with its very tree."""
        if plan.commit != self.commit and tree != self.tree:
            message = f"it is for commit {self.commit[:12]}, and {plan.commit[:12]} is in force"
            raise TrustError("pinned plan", message, reason="PlanCommitMoved", hint=_AGAIN)


def parse_pin(document: object) -> Pin:
    """Return the pin in a JSON value of ``pinned_document``; raise InputError if it is not one, or was changed."""
    try:
        if not isinstance(document, dict):
            raise _malformed("it is not a plan in JSON")
        rest = {name: value for name, value in document.items() if name != "digest"}
        claimed = _DIGEST.validate_python(document["digest"])
        if document["version"] != 1:
            raise _malformed("another release made it")
        if digest(canonical(rest)) != claimed:
            raise _malformed("it was changed after it was made")
        return Pin(
            digest=claimed,
            commit=_COMMIT.validate_python(document["commit"]),
            tree=_COMMIT.validate_python(document["tree"]),
            observation=_FINGERPRINT.validate_python(document["observation"]),
            made_at=datetime.fromisoformat(document["madeAt"]),
            changes={str(id_): dict(change) for id_, change in document["changes"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, ValidationError) as error:
        raise _malformed("it is not a plan that can be pinned") from error


def _malformed(message: str) -> InputError:
    hint = "make one with: ringfence plan --out FILE"
    return InputError("pinned plan", message, reason="PlanMalformed", hint=hint)


def _differs(message: str) -> TrustError:
    return TrustError("pinned plan", f"the plan made now is another one: {message}", reason="PlanDiffers", hint=_AGAIN)
