"""Why an enclave has the nodes that it has: what was decided for it, from the trusted commit and the recorded heads.

The decision is made again here, as the planner makes it, from a clone and nothing else; a head is the sum of those
records whose signatures hold. No metal is asked.
"""

from __future__ import annotations

from typing import Any

from reconciler.cli.archive import evidence_tip, read_records
from reconciler.cli.explain import head_from
from reconciler.daemon.source import Sight
from reconciler.errors.taxonomy import RingfenceError
from reconciler.evidence.statement import Record
from reconciler.model.kinds import Enclave
from reconciler.model.record import Head
from reconciler.plan.assign import assign
from reconciler.plan.decisions import describe_select, passed_over
from reconciler.plan.standing import Standings
from reconciler.repo.git import Git


def document(git: Git, sight: Sight, enclave: str) -> dict[str, Any]:
    """Return everything that explains ``enclave``: what it asks for, whom it was given and why, and who was not."""
    desired = sight.desired
    heads, unreadable = _heads(read_records(git, sight)[0])
    standings = Standings.build(desired, heads)
    made = assign(desired, standings)
    decision, spec = made.decisions[enclave], desired.enclaves[enclave].spec
    return {
        "enclave": enclave,
        "tenant": desired.owners[enclave],
        "commit": desired.commit,
        "evidence": evidence_tip(git, desired.repository.spec.evidence.branch),
        "asksFor": _asks_for(desired.enclaves[enclave]),
        "priority": spec.priority,
        "preemptible": spec.preemptible,
        "wanted": decision.wanted,
        "given": decision.given,
        "chosen": [
            {"node": choice.node, "why": choice.why, "phase": standings.of[choice.node].phase.value}
            for choice in decision.choices
        ],
        "passedOver": passed_over(desired, standings, enclave_of=made.enclave_of, enclave=enclave),
        "preemptions": [
            each.to_json() | {"text": str(each)} for each in made.preemptions if enclave in {each.source, each.target}
        ],
        "problems": [*decision.short, *([decision.notice] if decision.notice else [])],
        "unreadable": unreadable,
    }


def _heads(records: list[Record]) -> tuple[dict[str, Head], list[str]]:
    """Return each node's head, and the nodes whose records are no chain."""
    own: dict[str, list[Record]] = {}
    for record in records:
        own.setdefault(record.node, []).append(record)
    heads: dict[str, Head] = {}
    unreadable = []
    for node, chain in own.items():
        try:
            head = head_from(chain)
        except RingfenceError:
            unreadable.append(node)  # The audit says what is wrong with them.
            continue
        if head is not None:
            heads[node] = head
    return heads, unreadable


def _asks_for(enclave: Enclave) -> str:
    nodes = enclave.spec.nodes
    if nodes.names is not None:
        return f"the nodes {', '.join(nodes.names)}" if nodes.names else "no node by name"
    number = "1 node" if nodes.count == 1 else f"{nodes.count} nodes"
    where = f" with {describe_select(enclave)}" if nodes.select else ""
    return f"{number}{where}{f', spread over {nodes.spread}' if nodes.spread else ''}"


def text(found: dict[str, Any]) -> str:
    """Return the explanation for a terminal."""
    standing = f"priority {found['priority']}{', preemptible' if found['preemptible'] else ''}"
    lines = [
        f"enclave {found['enclave']} has {found['given']} of {found['wanted']} nodes",
        f"it asks for {found['asksFor']}; {standing}",
        f"decided from commit {found['commit'][:12]}, evidence {(found['evidence'] or 'none')[:12]}",
    ]
    lines += [f"problem: {problem}" for problem in found["problems"]]
    lines += [each["text"] for each in found["preemptions"]]
    if found["chosen"]:
        width = max(len(each["node"]) for each in found["chosen"])
        lines += ["", "chosen"]
        lines += [f"  {each['node']:<{width}}  {each['phase']:<8}  {each['why']}" for each in found["chosen"]]
    if found["passedOver"]:
        lines += ["", "passed over", *(f"  {count:>4}  {why}" for why, count in found["passedOver"].items())]
    if found["unreadable"]:
        names = ", ".join(found["unreadable"])
        lines += ["", f"counted as free, since their records do not hold (run ringfence audit): {names}"]
    return "\n".join(lines)
