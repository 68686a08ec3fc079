"""Documents that nobody uses, and networks that several enclaves of one tenant use.

Rules: nothing is unused in a repository without enclaves, which is still being built; nodes, switches, zones and
tenants may wait for their use. Networks of several tenants are a clash, not a doubt.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.errors.taxonomy import Finding
from reconciler.model.kinds import AppraisalPolicy, Document, Enclave, Image, Key, Network
from reconciler.repo.catalogue import Catalogue, Located


def doubt_usage(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding for each document that no enclave uses, and for each network that two of one tenant do."""
    enclaves = list(found.all(Enclave).values())
    if not enclaves:
        return
    yield from _joined(found, enclaves)
    specs = [enclave.document.spec for enclave in enclaves]
    used: tuple[tuple[type[Document], set[str]], ...] = (
        (Image, {spec.image for spec in specs}),
        (AppraisalPolicy, _policies(found, {spec.policy for spec in specs})),
        (Network, {name for spec in specs for name in spec.networks}),
        (Key, {name for spec in specs for name in spec.keys}),
    )
    for kind, names in used:
        for name, located in found.all(kind).items():
            if name not in names:
                message = f"{kind.__name__} {name} is used by no enclave"
                hint = "delete the file if it is not meant for later"
                yield located.find("metadata", "name", code="Unused", message=message, hint=hint)


def _policies(found: Catalogue, named: set[str]) -> set[str]:
    """Return the policies ``named``, with all that they include."""
    used: set[str] = set()
    ahead = list(named)
    while ahead:
        name = ahead.pop()
        policy = found.all(AppraisalPolicy).get(name)
        if name not in used and policy:
            ahead += policy.document.spec.include
        used.add(name)
    return used


def _joined(found: Catalogue, enclaves: list[Located[Enclave]]) -> Iterator[Finding]:
    first: dict[tuple[str | None, str], Located[Enclave]] = {}
    for enclave in enclaves:
        for i, name in enumerate(enclave.document.spec.networks):
            earlier = first.setdefault((enclave.tenant, name), enclave)
            network = found.all(Network).get(name)
            if earlier is not enclave and network and not network.document.spec.shared:
                message = f"network {name} is also enclave {earlier.name}'s, so their members reach each other"
                hint = (
                    f"give each a network of its own, or write shared: true in {network.place('spec')} if it is meant"
                )
                yield enclave.find("spec", "networks", i, code="NetworkJoined", message=message, hint=hint)
