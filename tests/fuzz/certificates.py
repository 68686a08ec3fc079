"""Targets of endorsements: EK certificates, revocation lists, and bundles in PEM as a state repository holds them.

Half of the changed certificates and lists are signed again, so that what is behind the signature is reached too.
"""

from __future__ import annotations

import base64
from random import Random

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags

from reconciler.attest.endorsement.anchors import load_store, read_anchors
from reconciler.attest.endorsement.certificate import parse_certificate
from reconciler.attest.endorsement.crl import parse_list
from reconciler.attest.endorsement.ek import check_endorsement, ek_key, pin_of
from reconciler.attest.endorsement.inspection import inspect_ek
from reconciler.attest.reader import MalformedError
from tests.fuzz.checks import codes, judged, told
from tests.fuzz.der import change_element, parse
from tests.fuzz.harness import Target
from tests.fuzz.mutate import Mutation, bounded, tokens
from tests.support import pki, softkeys

ROOT = pki.authority("fuzz root")
BELOW = pki.authority("fuzz intermediate", by=ROOT, serial=2)
TPM_NAME = pki.sequence(
    pki.element(
        0xA4,
        pki.sequence(
            *(
                pki.element(0x31, pki.sequence(pki.oid(f"2.23.133.2.{kind}"), pki.element(0x0C, text)))
                for kind, text in ((1, b"id:49465800"), (2, b"SLB9670"), (3, b"id:0007"))
            )
        ),
    )
)
TPM_SPECIFICATION = pki.sequence(
    pki.sequence(
        pki.oid("2.23.133.2.16"),
        pki.element(
            0x31, pki.sequence(pki.element(0x0C, b"2.0"), pki.element(0x02, b"\0"), pki.element(0x02, b"\0\x8a"))
        ),
    )
)
TOLD: pki.Extensions = (
    (pki.END_ENTITY, True),
    (pki.RECEIVES, True),
    (pki.EK_USAGE, False),
    (pki.raw_extension("2.5.29.17", TPM_NAME), True),
    (pki.raw_extension("2.5.29.9", TPM_SPECIFICATION), False),
)
CERTIFICATES = (
    pki.ek(BELOW),
    pki.ek(BELOW, extensions=TOLD) + b"\xff" * 40,
    pki.ek(ROOT, key=softkeys.rsa_key("ek fuzz").public_key(), subject="an EK"),
    BELOW.der,
    softkeys.ek_certificate("fuzz"),
)
LISTS = (
    pki.revocations(ROOT),
    pki.revocations(BELOW, 1, 2, 3, 7),
    pki.revocations(ROOT, 2, reason=ReasonFlags.key_compromise),
    pki.revocations(BELOW, encoding=Encoding.PEM),
)
BUNDLES = (
    ROOT.pem + b"# a comment\n" + BELOW.pem,
    ROOT.pem.replace(b"BEGIN CERT", b"BEGIN TRUSTED CERT").replace(b"END CERT", b"END TRUSTED CERT"),
    LISTS[3] + LISTS[3],
    ROOT.der,
    b"no certificate",
)
_ROOTS, _BELOW, _LISTS = (ROOT.pem,), (BELOW.pem,), (LISTS[0], LISTS[1])
_ANCHORS = read_anchors(_ROOTS, _BELOW, ())
_LISTED = read_anchors(_ROOTS, _BELOW, (LISTS[0], pki.revocations(BELOW)))
_WORDS = tokens([b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n", b"-----BEGIN X509 CRL-----\n", b"="])


def sign_again(random: Random, data: bytes) -> bytes:
    """Change what is signed in a certificate or list, and sign it again as either authority."""
    nodes = parse(data)
    if not nodes or not isinstance(nodes[0].content, list) or len(nodes[0].content) < 2:
        return data
    signed, algorithm = (node.encode() for node in nodes[0].content[:2])
    made, key = change_element(random, signed), random.choice((ROOT, BELOW)).key
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the authorities of these tests have ECDSA keys")
    signature = key.sign(made, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return bounded(pki.sequence(made, algorithm, pki.element(0x03, b"\0", signature)))


def change_blocks(random: Random, data: bytes) -> bytes:
    """Return a bundle of changed certificates or lists in PEM."""
    label = random.choice((b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE", b"X509 CRL", b"OTHER"))
    blocks = [data]
    for _ in range(random.choice((1, 1, 2, 5, 20))):
        whole = random.choice((ROOT.der, BELOW.der, *LISTS[:3]))
        encoded = base64.encodebytes(random.choice((sign_again, change_element))(random, whole))
        blocks.append(b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label, encoded, label))
    random.shuffle(blocks)
    return bounded(b"".join(blocks))


def run_certificate(data: bytes) -> str:
    """Judge and inspect ``data`` as an EK certificate, with and without revocation lists and a time."""
    outcome = []
    for anchors in (_ANCHORS, _LISTED):
        check = judged(
            lambda: check_endorsement(data, anchors=anchors, endorsement="sha256:0", at=pki.NOW)  # noqa: B023 - called at once
        )
        outcome.append(codes(check.reasons))
    for at in (pki.NOW, None):
        report = judged(
            lambda: inspect_ek(data, roots=_ROOTS, intermediates=_BELOW, crls=_LISTS, at=at)  # noqa: B023 - called at once
        )
        told(report.to_json())
        outcome.append(codes(report.reasons))
    certificate = parse_certificate(data)
    pinned = check_endorsement(data, anchors=_ANCHORS, endorsement=pin_of(certificate), at=pki.NOW)
    ek_key(certificate)
    return " | ".join([*outcome, codes(pinned.reasons)])


def run_revocation(data: bytes) -> str:
    """Judge an EK certificate by ``data`` as a revocation list, and parse it."""
    anchors = judged(lambda: read_anchors(_ROOTS, _BELOW, (data, LISTS[0])))
    check = judged(lambda: check_endorsement(CERTIFICATES[0], anchors=anchors, endorsement="sha256:0", at=pki.NOW))
    told([one.message for one in anchors.problems])
    if not data.lstrip().startswith(b"-"):
        parse_list(data)
    elif anchors.unusable_lists:
        raise MalformedError("revocation list", " ".join(anchors.unusable_lists.values()))
    return codes(check.reasons)


def run_bundle(data: bytes) -> str:
    """Load ``data`` as a folder's file, as roots, as intermediates and as lists."""
    found, problems = judged(lambda: load_store({"bundle": data}))
    outcome = [f"{min(len(found), 3)} {len(problems)}"]
    for roots, intermediates, crls in (((data,), _BELOW, ()), (_ROOTS, (data,), ()), (_ROOTS, _BELOW, (data,))):
        report = judged(
            lambda: inspect_ek(CERTIFICATES[0], roots=roots, intermediates=intermediates, crls=crls, at=pki.NOW)  # noqa: B023 - called at once
        )
        told(report.to_json())
        outcome.append(codes(report.reasons))
    if not found:
        raise MalformedError("bundle", "it holds no certificate")
    return " | ".join(outcome)


_DER: tuple[Mutation, ...] = (change_element, sign_again)
TARGETS = (
    Target(name="certificate", run=run_certificate, seeds=CERTIFICATES, mutations=_DER, factor=64, brief=2400),
    Target(name="revocation", run=run_revocation, seeds=LISTS, mutations=_DER, factor=64, brief=1400),
    Target(name="bundle", run=run_bundle, seeds=BUNDLES, mutations=(change_blocks, _WORDS), factor=64, brief=500),
)
