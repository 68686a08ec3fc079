"""Recorded evidence judged again under other documents: shared by ``policy check`` and ``plan --base --head``.

Only the newest accepted evidence of running members is judged. Nothing is recorded and nothing is allowed by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.errors.taxonomy import RingfenceError
from reconciler.evidence.audit import Archive, judged_under
from reconciler.evidence.raw import RawReader
from reconciler.evidence.rejudge import Fate, Outlook, rejudge
from reconciler.evidence.statement import Record
from reconciler.model.desired import DesiredState
from reconciler.model.phase import Phase
from reconciler.model.record import Head


def newest_accepted(records: Iterable[Record], *, heads: Mapping[str, Head]) -> list[Record]:
    """Return the newest accepted appraisal of every running member, by node; ``records`` are in chain order."""
    running = {node for node, head in heads.items() if head.phase is Phase.ENCLAVE}
    newest = {record.node: record for record in records if record.node in running and record.verdict == "accepted"}
    return [record for _, record in sorted(newest.items())]


def judge_again(record: Record, *, archive: Archive, now: DesiredState, policy: str | None = None) -> Outlook:
    """Return what ``now`` makes of an accepted ``record``; TrustError if its evidence is not whole."""
    if record.appraisal is None:  # ``newest_accepted`` gives none of these.
        return Outlook(node=record.node, enclave=record.enclave or "", sequence=record.sequence, fate=Fate.UNKNOWN)
    raw = RawReader(archive.blob).read(record.appraisal.evidence)
    then = judged_under(record, record.appraisal, desired=archive.desired)
    return rejudge(record, evidence=raw, then=then, now=now, policy=policy)


def judge_changed(
    records: Iterable[Record], *, archive: Archive, base: DesiredState, head: DesiredState
) -> tuple[list[Outlook], list[Outlook]]:
    """Return what ``head`` makes of each record that it judges by other rules than ``base`` does.

    First those whose fate is ``head``'s doing, then those that would fare so under ``base`` already.
    """
    new: list[Outlook] = []
    old: list[Outlook] = []
    for record in records:
        if is_judged_alike(record, base=base, head=head):
            continue
        try:
            found = judge_again(record, archive=archive, now=head)
            was = judge_again(record, archive=archive, now=base)
        except RingfenceError as error:
            note = f"its evidence cannot be judged again: {error}"
            unknown = Fate.UNKNOWN
            found = Outlook(
                node=record.node, enclave=record.enclave or "", sequence=record.sequence, fate=unknown, note=note
            )
            was = None
        (old if was == found else new).append(found)
    return new, old


def is_judged_alike(record: Record, *, base: DesiredState, head: DesiredState) -> bool:
    """Return whether both states hold the evidence of ``record`` against the same rules and values."""

    def rules(state: DesiredState) -> tuple[object, ...]:
        node, enclave = state.nodes.get(record.node), state.enclaves.get(record.enclave or "")
        if node is None or enclave is None:
            return (None,)
        return (
            node.spec.tpm,
            node.spec.firmware,
            state.images[enclave.spec.image].spec,
            state.policies[enclave.spec.policy].spec,
            state.ek_roots,
            state.ek_intermediates,
            state.ek_crls,
        )

    return rules(base) == rules(head)
