"""Quotas: what the enclaves of a tenant ask for together, against what the tenant may have.

Rules: an enclave asks for its ``count``, or for as many nodes as it names. Who may raise a quota is decided by the
trust rules, not here.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.errors.taxonomy import Finding
from reconciler.model.kinds import Enclave, Tenant
from reconciler.repo.catalogue import Catalogue, Located


def check_quotas(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding at the first enclave of each tenant with which its quota is exceeded."""
    asked: dict[str, list[Located[Enclave]]] = {}
    for enclave in found.all(Enclave).values():
        asked.setdefault(enclave.tenant or "", []).append(enclave)
    for name, tenant in found.all(Tenant).items():
        most = tenant.document.spec.max_nodes
        if most is not None:
            yield from _check(asked.get(name, []), tenant=tenant, most=most)


def _check(enclaves: list[Located[Enclave]], *, tenant: Located[Tenant], most: int) -> Iterator[Finding]:
    total = sum(_places(enclave) for enclave in enclaves)
    if total <= most:
        return
    so_far = 0
    for enclave in enclaves:
        so_far += _places(enclave)
        if so_far > most:
            way = "count" if enclave.document.spec.nodes.names is None else "names"
            each = ", ".join(f"{one.name} {_places(one)}" for one in enclaves)
            message = f"tenant {tenant.name} may have {most} nodes, and its enclaves ask for {total}"
            hint = f"they ask for: {each}; ask for fewer, or have maxNodes raised in {tenant.place('spec', 'maxNodes')}"
            yield enclave.find("spec", "nodes", way, code="QuotaExceeded", message=message, hint=hint)
            return


def _places(enclave: Located[Enclave]) -> int:
    nodes = enclave.document.spec.nodes
    return len(nodes.names) if nodes.names is not None else nodes.count or 0
