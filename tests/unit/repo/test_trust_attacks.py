"""The table of attacks: each is refused with its code, by its layer, and what was in force stays in force.

Each is built with git in a copy of one trusted repository, and looked at by a reconciler that was running before, by
one that starts afterwards with what it finds on record, and by somebody who only has the clone.
"""

from __future__ import annotations

import tracemalloc
from collections import Counter

import pytest

from reconciler.daemon.source import Sight, TrustedSource
from reconciler.errors.taxonomy import InputError, TrustError
from reconciler.repo.documents import parse_documents
from reconciler.repo.git import Git
from reconciler.repo.signing import EvidenceKey
from tests.support import attacks_authority, attacks_documents, attacks_objects
from tests.support.attack import Attack
from tests.support.attackrepo import AttackRepo

ATTACKS = (*attacks_authority.ATTACKS, *attacks_objects.ATTACKS, *attacks_documents.ATTACKS)
LAYERS = {"trust": TrustError, "documents": InputError}


def source(repo: AttackRepo, *, key: str | None = "carol") -> TrustedSource:
    return TrustedSource(Git(repo.path), key=EvidenceKey(repo.keys[key]) if key else None)


def refused(sight: Sight, attack: Attack) -> bool:
    first = sight.refusals[0]
    text = f"{first.subject}: {first.message}"
    return isinstance(first, LAYERS[attack.layer]) and first.reason == attack.reason and attack.message in text


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_is_refused_and_what_was_in_force_stays_in_force(attacked: AttackRepo, attack: Attack) -> None:
    repo = attacked
    running = source(repo)
    before = running.refresh()
    assert before.desired.commit == repo.base
    assert not before.refusals

    repo.point("main", attack.build(repo))

    looks = [running.refresh(), source(repo).refresh()]
    if attack.is_blinding:
        with pytest.raises(TrustError):
            source(repo, key=None).refresh()
    else:
        looks.append(source(repo, key=None).refresh())
    for seen in looks:
        assert seen.refusals
        assert refused(seen, attack), seen.refusals
        assert seen.desired.commit == repo.good
        assert all(refusal.hint for refusal in seen.refusals if isinstance(refusal, TrustError)), seen.refusals


def test_every_attack_has_a_name_of_its_own() -> None:
    names = Counter(attack.name for attack in ATTACKS)
    assert not [name for name, times in names.items() if times > 1]
    assert len(ATTACKS) >= 45


BOMBS = {
    "anchors that explode": (attacks_documents.bomb(), 400),
    "deeply nested": (attacks_documents.nested(), 60),
    "twenty thousand anchors": (attacks_documents.MANY_ANCHORS, 60),
}
"""Each with how many times its size may be needed, beside a megabyte."""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_no_more_memory_than_its_size_justifies(name: str) -> None:
    content, factor = BOMBS[name]
    tracemalloc.start()
    try:
        documents, findings = parse_documents(content, path="site/nodes/n1.yaml")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not documents
    assert findings
    assert peak < (1 << 20) + factor * len(content), peak / len(content)
