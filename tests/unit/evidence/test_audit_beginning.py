"""An audit that begins with the heads of a closed year."""

from __future__ import annotations

from reconciler.evidence.audit import Beginning, audit
from reconciler.evidence.segments import record_log
from reconciler.model.record import Head
from reconciler.repo.places import blob_path
from tests.support.branches import MemoryBranch, archive_of, branch_with
from tests.support.stages import BOOT_S, Stage, at_stage


def test_records_go_on_from_the_heads_and_blobs_that_went_over() -> None:
    runner = at_stage(Stage.MEMBER)
    before = [entry for entries in runner.world.ledger.rounds for entry in entries]
    runner.world.tick(BOOT_S)
    runner.run()
    after = [entry for entries in runner.world.ledger.rounds for entry in entries][len(before) :]
    heads: dict[str, Head] = {head.node: head for entry in before for head in entry.heads}
    files = branch_with(before).contents
    branch = branch_with(after)
    carried = MemoryBranch(contents={path: data for path, data in files.items() if path.startswith("blobs/")})
    whole = MemoryBranch(contents=carried.contents | branch.contents)
    trusted = runner.world.trusted
    archive = archive_of(trusted, whole)
    found = audit(whole, archive=archive, trusted="", beginning=Beginning(heads=heads))
    assert found.flaws == []
    assert "ChainBroken" in {flaw.code for flaw in audit(whole, archive=archive, trusted="").flaws}
    log = record_log(b"log", before=None)
    more = {blob_path(name): data for name, data in log.blobs.items()}
    leaning = {"n9": heads["n1"].model_copy(update={"node": "n9", "ima": log.tip, "enrolment": None})}
    for blobs, codes in ((more, {"HeadMismatch"}), ({}, {"HeadMismatch", "BlobMissing"})):
        odd = MemoryBranch(contents=whole.contents | blobs)
        told = audit(odd, archive=archive, trusted="", beginning=Beginning(heads=heads | leaning))
        assert {flaw.code for flaw in told.flaws} == codes
