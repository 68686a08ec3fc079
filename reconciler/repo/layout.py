"""Which kind of document stands where in a state repository.

Rules: a place holds one kind; a file with one document is named after it. Files that are not YAML are left alone,
and so is everything outside the folders named here; YAML inside them that nothing reads is a finding.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from reconciler.model.kinds import (
    AppraisalPolicy,
    Document,
    Enclave,
    Image,
    Key,
    Network,
    Node,
    Repository,
    Switch,
    Tenant,
    Zone,
)

REPOSITORY = "ringfence.yaml"
ALLOWED_SIGNERS = "trust/allowed_signers"
GPG_KEYS = "trust/gpg"
EK_ROOTS = "trust/ek-roots"
EK_INTERMEDIATES = "trust/ek-intermediates"
EK_CRLS = "trust/ek-crls"
TOP_LEVEL = frozenset({REPOSITORY, "trust", "site", "images", "policies", "tenants"})
"""The first segments of every path that means something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where documents of one kind stand; ``name`` says which group of the pattern, if any, is their name."""

    kind: type[Document]
    pattern: re.Pattern[str]
    shown: str

    def match(self, path: str) -> re.Match[str] | None:
        """Return how ``path`` fits this place."""
        return self.pattern.fullmatch(path)


def _place(kind: type[Document], shown: str) -> Place:
    pattern = re.escape(shown).replace("<tenant>", "(?P<tenant>[^/]+)").replace(r"\*", "(?P<name>[^/]+)")
    return Place(kind=kind, pattern=re.compile(pattern), shown=shown)


PLACES = (
    _place(Repository, REPOSITORY),
    _place(Zone, "site/zones/*.yaml"),
    _place(Switch, "site/switches/*.yaml"),
    _place(Network, "site/networks/*.yaml"),
    _place(Node, "site/nodes/*.yaml"),
    _place(Image, "images/*.yaml"),
    _place(AppraisalPolicy, "policies/*.yaml"),
    _place(Tenant, "tenants/<tenant>/tenant.yaml"),
    _place(Key, "tenants/<tenant>/keys/*.yaml"),
    _place(Enclave, "tenants/<tenant>/enclaves/*.yaml"),
)

KINDS = {place.kind.__name__: place for place in PLACES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One file's place. ``name`` is what a single document in it is called, None if it may be called anything."""

    place: Place
    name: str | None
    tenant: str | None


def locate(path: str) -> Spot | None:
    """Return what ``path`` holds, or None if it holds no document."""
    for place in PLACES:
        found = place.match(path)
        if found:
            groups = found.groupdict()
            tenant = groups.get("tenant")
            name = tenant if place.kind is Tenant else groups.get("name")
            return Spot(place=place, name=name, tenant=tenant)
    return None


def is_read(path: str) -> bool:
    """Return whether the content of ``path`` is part of the desired state."""
    is_trust = path == ALLOWED_SIGNERS or is_ek_root(path) or is_ek_intermediate(path) or is_ek_crl(path)
    return is_trust or is_gpg_key(path) or locate(path) is not None


def is_gpg_key(path: str) -> bool:
    """Return whether ``path`` holds the GPG key of a signer."""
    return _is_in(path, folder=GPG_KEYS, endings=(".asc",))


def gpg_principal(path: str) -> str:
    """Return whose GPG key stands at ``path``."""
    return path.rsplit("/", 1)[-1].removesuffix(".asc")


def is_trust_root(path: str) -> bool:
    """Return whether later commits are judged by what stands at ``path``."""
    return path in {REPOSITORY, ALLOWED_SIGNERS} or is_gpg_key(path)


def is_ek_root(path: str) -> bool:
    """Return whether ``path`` holds certificates of TPM makers that endorse by themselves."""
    return _is_in(path, folder=EK_ROOTS, endings=(".pem",))


def is_ek_intermediate(path: str) -> bool:
    """Return whether ``path`` holds certificates of TPM makers that need a root above them."""
    return _is_in(path, folder=EK_INTERMEDIATES, endings=(".pem",))


def is_ek_crl(path: str) -> bool:
    """Return whether ``path`` holds revocation lists of TPM makers."""
    return _is_in(path, folder=EK_CRLS, endings=(".crl", ".pem"))


def _is_in(path: str, *, folder: str, endings: tuple[str, ...]) -> bool:
    return path.startswith(f"{folder}/") and path.endswith(endings) and path.count("/") == folder.count("/") + 1


def is_stray(path: str) -> bool:
    """Return whether ``path`` looks like a document and stands where nothing reads it."""
    if locate(path) or not path.lower().endswith((".yaml", ".yml")):
        return False
    return may_mean(path.split("/", 1)[0])


def may_mean(top: str) -> bool:
    """Return whether ``top``, the first segment of a path, means something here, or was perhaps meant to."""
    meant = top.lower()
    return meant in TOP_LEVEL or meant == "ringfence.yml" or meant in _INNER


_INNER = frozenset({"zones", "switches", "networks", "nodes", "enclaves"})
"""Folders that people make at the top, though they belong further down."""


def right_place(path: str) -> str:
    """Return where the stray document at ``path`` was perhaps meant to stand, or an empty string."""
    lower = path.lower().removesuffix(".yml").removesuffix(".yaml") + ".yaml"
    if locate(lower):
        return lower
    folders, _, file = lower.rpartition("/")
    tenant = folders.split("/")[1] if folders.startswith("tenants/") and "/" in folders else "<tenant>"
    known = {place.shown.rpartition("/")[0].replace("<tenant>", tenant): place for place in reversed(PLACES)}
    same_end = [folder for folder in known if folder.endswith(f"/{folders}")]
    near = (same_end or difflib.get_close_matches(folders, [folder for folder in known if folder], n=1, cutoff=0.8))[:1]
    meant = f"{near[0]}/{file}" if near else ""
    return meant if locate(meant) else ""


def places_near(path: str) -> str:
    """Return the places that documents may stand in, those below the same first folder if there are any."""
    top = path.split("/", 1)[0].lower()
    near = [place.shown for place in PLACES if place.shown.startswith(f"{top}/")]
    return ", ".join(near or [place.shown for place in PLACES])
