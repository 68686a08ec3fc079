"""The target of IMA logs, binary and ascii: parsed, replayed, judged by a policy, and inspected."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from reconciler.attest.ima.check import check_ima
from reconciler.attest.ima.inspect import inspect_ima
from reconciler.attest.ima.log import parse_ima_log
from reconciler.attest.ima.reference import ImaReference
from reconciler.attest.ima.replay import Rule, extended_digests, replay_all
from reconciler.model.ima import ImaPolicy
from tests.fuzz.checks import codes, judged, told
from tests.fuzz.harness import Target
from tests.fuzz.mutate import PLAIN, bounded, mutate, tokens
from tests.support.imalogs import EC, PCRS, RSA, Line, aggregate_of, ascii_of, binary_of, pem_of, signed

LINES = (
    aggregate_of(),
    Line(),
    Line(path=b"/usr/lib/a file with spaces"),
    signed(Line(path=b"/usr/bin/signed"), key=RSA),
    signed(Line(path=b"/usr/bin/signed-too"), key=EC),
    Line(path=b"/usr/bin/unsigned", template=b"ima-sig", tail=(b"",)),
    Line(path=b"kexec-cmdline", template=b"ima-buf", content=b"quiet", tail=(b"quiet",)),
    Line(path=b".ima", template=b"ima-buf", tail=(b"a key",)),
    Line(path=b"/usr/bin/verity", template=b"ima-ngv2", algorithm=b"verity:sha256"),
    Line(path=b"/old", template=b"ima", algorithm=b"sha1"),
    Line(path=b"/changed", is_violation=True),
    Line(path=b"/other", pcr=11),
)
POLICY = ImaPolicy(
    digests={"/usr/bin/true": (LINES[1].named,), "/old": (LINES[9].named,)},
    buffers={"kexec-cmdline": (LINES[6].named,)},
    excludes=("/usr/lib/.*", "/srv/[a-z]+(/.*)?"),
    keys=(pem_of(RSA), pem_of(EC)),
    ignored_keyrings=(".ima",),
)
REFERENCE = ImaReference(POLICY)
LAX = ImaReference(POLICY.model_copy(update={"unsafe_allow_sha1": True, "unsafe_allow_violations": True}))
SEEDS = (
    binary_of(LINES),
    ascii_of(LINES),
    binary_of(LINES[:9], bank="sha256"),
    ascii_of(LINES[:9], bank="sha256"),
    binary_of([LINES[0], *LINES[3:6]]),
    b"",
)
_WORDS = tokens(
    [
        b"ima-ng",
        b"ima-sig",
        b"ima-buf",
        b"ima-ngv2",
        b"d-ng|n-ng|sig",
        b"boot_aggregate",
        b"sha256:",
        b" ",
        b"\n",
        b"ima",
    ]
)
_TEMPLATES = (
    b"ima",
    b"ima-ng",
    b"ima-sig",
    b"ima-buf",
    b"ima-ngv2",
    b"ima-sigv2",
    b"ima-modsig",
    b"evm-sig",
    b"d-ng|n",
)


def make_lines(random: Random, _data: bytes) -> bytes:
    """Return another log whose entries are changed ones of the seeds, with the template hashes that fit them."""
    lines = [_change(random, random.choice(LINES)) for _ in range(random.choice((1, 3, 8, 40)))]
    if random.random() < 0.8:
        lines.insert(0, LINES[0])
    bank = random.choice(("sha1", "sha256", "sha384", "sha512"))
    return bounded((binary_of if random.random() < 0.5 else ascii_of)(lines, bank=bank))


def _change(random: Random, line: Line) -> Line:
    digest = line.file_digest
    made = (
        lambda: replace(line, path=mutate(random, line.path, PLAIN)[:5000]),
        lambda: replace(line, digest=mutate(random, digest, PLAIN)[:200]),
        lambda: replace(line, tail=tuple(mutate(random, part, PLAIN)[:5000] for part in (*line.tail, b"more"))),
        lambda: replace(line, digest=digest, template=random.choice(_TEMPLATES)),
        lambda: replace(line, digest=digest, algorithm=mutate(random, line.algorithm, PLAIN)[:60]),
        lambda: replace(line, is_violation=not line.is_violation, pcr=random.choice((10, 10, 0, 23, 24))),
        lambda: line,
    )
    return random.choice(made)()


def run_ima(data: bytes) -> str:
    """Inspect and judge ``data`` against quoted values that cover all of it, and go on from there."""
    log = parse_ima_log(data)
    outcome = ""
    for rule in Rule:
        reached = replay_all(log, digests=extended_digests(log, bank="sha256", rule=rule), bank="sha256")
        values = {"sha256": {**PCRS, 10: bytes(32), **reached}}
        for reference in (REFERENCE, LAX):
            result = judged(lambda: check_ima(data, reference=reference, values=values))  # noqa: B023 - called at once
            outcome += codes(result.reasons) + " "
            if result.state is not None:
                state = result.state
                again = judged(lambda: check_ima(data, reference=reference, values=values, state=state))  # noqa: B023 - called at once
                outcome += codes(again.reasons) + " "
    told(inspect_ima(data, values=values))
    return outcome


TARGETS = (
    Target(name="ima", run=run_ima, seeds=SEEDS, mutations=(make_lines, make_lines, _WORDS), factor=192, brief=3000),
)
