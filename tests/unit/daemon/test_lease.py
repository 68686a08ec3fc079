"""Two machines and one evidence branch: one writes, the other waits, and whoever is cut off loses no record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.daemon.followed import FollowedSource
from reconciler.errors.taxonomy import TransientError, TrustError
from reconciler.evidence.lease import Lease, lease_bytes
from reconciler.repo.git import Git
from reconciler.repo.places import PARTED, WRITER_PATH
from reconciler.repo.signing import EvidenceKey
from reconciler.repo.writer import read_lease, writer_id
from tests.unit.daemon.test_courier import Machine, Site, eventually
from tests.unit.daemon.test_courier import site as site  # noqa: PLC0414  # a fixture


def reasons_of(act: FollowedSource) -> str:
    try:
        act.refresh()
        act.hold()
    except (TransientError, TrustError) as error:
        return error.reason
    return ""


def push(machine: Machine, site: Site) -> None:
    machine.git.run("push", "-q", str(site.repo.path), "refs/heads/evidence")


def holder(site: Site, name: str = "one") -> tuple[Machine, FollowedSource]:
    """Return a machine that holds the lease, and whose evidence the hub has."""
    machine = site.machine(name)
    source = machine.open()
    source.refresh()
    source.ledger.set_trusted(site.head)
    source.hold()
    push(machine, site)
    return machine, source


def run_out(site: Site, *, ago: timedelta = timedelta(hours=1)) -> None:
    """Write on the hub, as its holder would have, a lease that ran out."""
    git = Git(site.repo.path)
    tip = git.head("evidence") or ""
    lease = read_lease(git, tip)
    assert lease is not None
    over = lease.model_copy(update={"until": datetime.now(UTC) - ago, "since": datetime.now(UTC) - 2 * ago})
    commit = site.repo.commit({WRITER_PATH: lease_bytes(over)}, signer="carol", parents=[tip])
    site.repo.point("evidence", commit)


def test_a_second_machine_follows_and_waits_while_the_first_one_writes(site: Site) -> None:
    one, source = holder(site)
    two = site.machine("two")
    other = two.open()
    assert reasons_of(other) == "EvidenceLeased"
    source.ledger.set_observation(b"{}")
    push(one, site)
    two.courier._look()
    assert reasons_of(other) == "EvidenceLeased"
    assert two.git.head("evidence") == one.git.head("evidence") == site.hub_evidence()


def test_a_lease_that_is_given_up_goes_over_at_once_and_comes_back(site: Site) -> None:
    one, source = holder(site)
    source.release()
    push(one, site)
    two = site.machine("two")
    other = two.open()
    other.refresh()
    other.hold()
    assert site.hub_evidence() == two.git.head("evidence")
    other.ledger.set_observation(b"{}")
    other.release()
    push(two, site)
    one.courier._look()
    source.refresh()
    assert one.git.head("evidence") == two.git.head("evidence")
    source.hold()
    lease = read_lease(one.git, one.git.head("evidence") or "")
    assert lease is not None
    assert (lease.writer, lease.epoch) == (writer_id(one.git), 3)


def test_of_two_machines_that_take_over_only_one_wins_and_the_other_waits(site: Site) -> None:
    holder(site)
    run_out(site)
    two, three = site.machine("two"), site.machine("three")
    sources = [two.open(), three.open()]
    for source in sources:
        source.refresh()
    sources[0].hold()
    with pytest.raises(TransientError) as caught:
        sources[1].hold()
    assert caught.value.reason == "RemoteMoved"
    three.courier._look()
    assert reasons_of(sources[1]) == "EvidenceLeased"
    assert site.hub_evidence() == two.git.head("evidence") == three.git.head("evidence")


def test_nobody_takes_over_while_the_remote_is_away(site: Site) -> None:
    holder(site)
    run_out(site)
    two = site.machine("two")
    source = two.open()
    source.refresh()
    site.hide()
    with pytest.raises((TransientError, TrustError, Exception)) as caught:
        source.hold()
    assert "Remote" in getattr(caught.value, "reason", "")
    site.show()
    source.hold()
    assert site.hub_evidence() == two.git.head("evidence")


def test_a_takeover_that_reached_the_remote_though_its_machine_died_is_gone_on_with(site: Site) -> None:
    holder(site)
    run_out(site)
    two = site.machine("two")
    source = two.open()
    source.refresh()
    before = two.git.head("evidence")
    source.hold()
    assert before is not None
    two.git.run("update-ref", "refs/heads/evidence", before)  # As if it had died before its own branch moved.
    again = two.open()
    assert reasons_of(again) == ""
    assert two.git.head("evidence") == site.hub_evidence() != before


def test_a_holder_that_is_cut_off_goes_on_and_pushes_in_order(site: Site) -> None:
    one, source = holder(site)
    site.hide()
    one.courier._look()
    for number in range(3):
        source.refresh()
        source.hold()
        source.ledger.set_observation(b"%d" % number)
    site.show()
    one.courier.start()
    eventually(lambda: site.hub_evidence() == one.git.head("evidence"))


def test_a_holder_that_was_taken_over_while_cut_off_stops_and_its_records_are_kept(site: Site) -> None:
    one, source = holder(site)
    run_out(site)
    two = site.machine("two")
    other = two.open()
    other.refresh()
    other.hold()
    source.ledger.set_observation(b"written while nobody could be told")
    lost = one.git.head("evidence") or ""
    one.courier._look()
    with pytest.raises(TrustError) as caught:
        source.refresh()
    assert caught.value.reason == "EvidenceTakenOver"
    ref = f"{PARTED}{lost[:16]}"
    assert ref in caught.value.hint
    assert writer_id(two.git) in caught.value.message
    assert one.git.at(ref) == lost
    one.courier.start()
    eventually(lambda: Git(site.repo.path).at(ref) == lost)
    one.courier.close()
    one.git.run("update-ref", "refs/heads/evidence", site.hub_evidence() or "")  # What the hint says.
    assert reasons_of(one.open()) == "EvidenceLeased"


def test_a_lease_by_nobody_known_changes_nothing(site: Site) -> None:
    one, source = holder(site)
    tip = site.hub_evidence() or ""
    now = datetime.now(UTC)
    forged = Lease(writer="mallory-1", epoch=99, since=now, until=now + timedelta(days=900))
    site.repo.point("evidence", site.repo.commit({WRITER_PATH: lease_bytes(forged)}, signer="mallory", parents=[tip]))
    one.courier._look()
    assert reasons_of(source) == ""
    assert one.reasons == ["EvidenceForeign"]


def test_a_branch_of_ours_that_was_put_back_still_ends_the_passes(site: Site) -> None:
    one, source = holder(site)
    before = one.git.head("evidence") or ""
    source.ledger.set_observation(b"1")
    source.ledger.set_observation(b"2")
    push(one, site)
    one.git.run("update-ref", "refs/heads/evidence", before)
    fresh = one.open()
    with pytest.raises(TrustError) as caught:
        fresh.refresh()
    assert caught.value.reason == "EvidenceAhead"
    assert EvidenceKey(one.key).key_id


def test_the_branches_of_closed_years_reach_the_remote(site: Site) -> None:
    one, source = holder(site)
    tip = one.git.head("evidence") or ""
    one.git.keep("refs/heads/evidence-2025", tip)
    source.ledger.set_observation(b"1")
    one.courier.start()
    eventually(lambda: Git(site.repo.path).head("evidence-2025") == tip)
