"""Documents that fit together and make no sense: what refuses the repository, and what is only asked about."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from reconciler.errors.taxonomy import Finding, InputError, Severity
from reconciler.model.guards import MaintenanceWindow
from reconciler.repo.checks.windows import is_ever_open
from reconciler.repo.desired import load_desired, load_recorded
from tests.support.documents import FILES, added, changed
from tests.support.mistakes import BLUE, N1, N2, NET, POLICY, TOP, Mistake, findings, snapshot

GREEN = "tenants/blue/enclaves/green.yaml"
IMAGE = "images/worker.yaml"
KEY = "tenants/blue/keys/blue-disk.yaml"
TENANT = "tenants/blue/tenant.yaml"
A, B = "a" * 64, "b" * 64


def enclave(name: str, *, nodes: str, network: str = "blue-net", policy: str = "measured-boot") -> bytes:
    spec = f"spec:\n  nodes: {nodes}\n  image: worker\n  policy: {policy}\n  networks: [{network}]\n"
    return f"apiVersion: ringfence/v1alpha1\nkind: Enclave\nmetadata: {{name: {name}}}\n{spec}".encode()


def policy(name: str, spec: str) -> bytes:
    return f"apiVersion: ringfence/v1alpha1\nkind: AppraisalPolicy\nmetadata: {{name: {name}}}\nspec:\n{spec}".encode()


def labelled(**labels: str) -> dict[str, bytes]:
    """Return the valid files, with labels on n1 and n2 (``n1="class: big"``)."""
    files = dict(FILES)
    for name, text in labels.items():
        path = f"site/nodes/{name}.yaml"
        files[path] = files[path].replace(
            f"{{name: {name}}}".encode(), f"{{name: {name}, labels: {{{text}}}}}".encode()
        )
    return files


def edited(files: Mapping[str, bytes], path: str, old: str, new: str) -> dict[str, bytes]:
    assert files[path].decode().count(old) == 1
    return {**files, path: files[path].replace(old.encode(), new.encode())}


def composed(base: str, extra: str) -> dict[str, bytes]:
    """Return the valid files where measured-boot also says ``base``, and includes a policy that says ``extra``."""
    files = changed(POLICY, "  image: derived\n", f"  image: derived\n  include: [extra]\n{base}")
    return {**files, "policies/extra.yaml": policy("extra", extra)}


RULES = 'rules:\n      - paths: ["**"]'
WINDOWS = "  maintenance: [{{days: [{days}], start: {start}, duration: {duration}}}]\n"


def windows(general: tuple[str, str, str], own: tuple[str, str, str]) -> dict[str, bytes]:
    names = ("days", "start", "duration")
    files = dict(FILES)
    for path, values in ((TOP, general), (BLUE, own)):
        files[path] += WINDOWS.format(**dict(zip(names, values, strict=True))).encode()
    return files


CLASSES = labelled(n1="class: compute-large, rack: r1", n2="class: compute-small, rack: r1")

SELECTIONS = [
    Mistake(
        "label value misspelt",
        edited(CLASSES, BLUE, "names: [n1]", "count: 1, select: {class: compute-lrage}"),
        f"{BLUE}:5:37",
        "SelectsNothing",
        "no node in zone east has the label class: compute-lrage",
        "did you mean compute-large?",
    ),
    Mistake(
        "label value unlike all",
        edited(CLASSES, BLUE, "names: [n1]", 'count: 3, select: {rack: "7"}'),
        f"{BLUE}:5:36",
        "SelectsNothing",
        "has the label rack: 7",
        "nodes there have rack: r1",
    ),
    Mistake(
        "label key misspelt",
        edited(CLASSES, BLUE, "names: [n1]", "count: 1, select: {rcak: r1}"),
        f"{BLUE}:5:36",
        "SelectsNothing",
        "has the label rcak: r1",
        "did you mean rack?",
    ),
    Mistake(
        "label key unlike all",
        edited(CLASSES, BLUE, "names: [n1]", "count: 1, select: {colour: red}"),
        f"{BLUE}:5:38",
        "SelectsNothing",
        "has the label colour: red",
        "labels of nodes there are class, rack",
    ),
    Mistake(
        "no labels at all",
        changed(BLUE, "names: [n1]", "count: 1, select: {rack: r1}"),
        f"{BLUE}:5:36",
        "SelectsNothing",
        "has the label rack: r1",
        "nodes there have no labels",
    ),
    Mistake(
        "labels never together",
        edited(
            labelled(n1="class: big, rack: r1", n2="class: small, rack: r2"),
            BLUE,
            "names: [n1]",
            "count: 1, select: {class: big, rack: r2}",
        ),
        f"{BLUE}:5:29",
        "SelectsNothing",
        "no node in zone east has all these labels at once",
        "class: big 1, rack: r2 1; select by fewer labels",
    ),
    Mistake(
        "no node in the zone",
        {
            **{p: c for p, c in FILES.items() if p not in {N1, N2}},
            BLUE: enclave("blue", nodes="{count: 1}"),
            "tenants/blue/keys/blue-disk.yaml": FILES["tenants/blue/keys/blue-disk.yaml"],
        },
        f"{BLUE}:5:18",
        "SelectsNothing",
        "there is no node in zone east",
        "add nodes to site/nodes first, or write count: 0",
    ),
    Mistake(
        "profile without reference values",
        changed(
            POLICY, "  image: derived\n", f'  image: derived\n  firmware: [{{profile: dell, pcrs: {{"0": [{A}]}}}}]\n'
        ),
        f"{BLUE}:7:11",
        "PolicyRefuses",
        "could never accept node n1: it has no reference values for firmware profile ovmf",
        "add what it lacks to the policy",
    ),
    Mistake(
        "pins of others only",
        changed(POLICY, "  image: derived\n", f'  image: derived\n  nodes: [{{node: n2, pcrs: {{"1": [{A}]}}}}]\n'),
        f"{BLUE}:7:11",
        "PolicyRefuses",
        "it has values of single nodes, and none of n1",
    ),
    Mistake(
        "fact of another family",
        edited(
            edited(
                edited(
                    FILES,
                    POLICY,
                    "  image: derived\n",
                    "  image: derived\n  facts: [{fact: cbfsContents, within: []}]\n",
                ),
                N1,
                "uefi",
                "linuxboot",
            ),
            BLUE,
            "names: [n1]",
            "count: 1",
        ),
        f"{BLUE}:7:11",
        "PolicyRefuses",
        "any of the 2 nodes that it may have: it asserts cbfsContents, and firmware of family linuxboot",
    ),
]

LIMITS = [
    Mistake(
        "quota",
        edited(added(GREEN, enclave("green", nodes="{count: 2}")), TENANT, "maxNodes: 4", "maxNodes: 2"),
        f"{GREEN}:5:18",
        "QuotaExceeded",
        "tenant blue may have 2 nodes, and its enclaves ask for 3",
        f"they ask for: blue 1, green 2; ask for fewer, or have maxNodes raised in {TENANT}:5",
    ),
    Mistake(
        "quota by names",
        changed(TENANT, "maxNodes: 4", "maxNodes: 0"),
        f"{BLUE}:5:18",
        "QuotaExceeded",
        "may have 0 nodes, and its enclaves ask for 1",
    ),
    Mistake(
        "proofs too often",
        changed(BLUE, "  image", "  reattest: 2s\n  image"),
        f"{BLUE}:6:13",
        "OutOfRange",
        "spec.reattest is 2s; the least is 5s",
        "30s is usual",
    ),
    Mistake(
        "deadline too short",
        changed(TOP, "  evidence", "  bootDeadline: 5s\n  evidence"),
        f"{TOP}:9:17",
        "OutOfRange",
        "spec.bootDeadline is 5s; the least is 10s",
        "slowest start",
    ),
    Mistake(
        "key rotated too often",
        changed(KEY, "  type: disk\n", "  type: disk\n  rotation: 30m\n"),
        f"{KEY}:6:13",
        "OutOfRange",
        "spec.rotation is 30m; the least is 1h",
        "30d is usual",
    ),
    Mistake(
        "key rotated more often than members prove themselves",
        {
            **changed(KEY, "  type: disk\n", "  type: disk\n  rotation: 1h\n"),
            BLUE: changed(BLUE, "  image", "  reattest: 2h\n  image")[BLUE],
        },
        f"{KEY}:6:13",
        "OutOfRange",
        "members of blue prove themselves every 2h only",
        "a new version comes with a proof",
    ),
    Mistake(
        "windows apart",
        windows(("mon, tue", "22:00", "2h"), ("sat", "22:00", "2h")),
        f"{BLUE}:10:16",
        "NeverOpen",
        "members could never be changed",
        f"mon, tue 22:00 for 2h ({TOP}:10)",
    ),
    Mistake(
        "rules that forget themselves",
        changed(TOP, RULES, 'rules:\n      - paths: ["trust/**", "site/**", "images/*", "policies/*", "tenants/**"]'),
        f"{TOP}:7:7",
        "NobodyMay",
        "no rule covers ringfence.yaml, so nobody could ever change that again",
        "add a rule such as",
    ),
    Mistake(
        "rules that forget the signers",
        changed(
            TOP, RULES, 'rules:\n      - paths: ["ringfence.yaml", "trust/ek-roots/*", "trust/ek-crls/*", "site/**"]'
        ),
        f"{TOP}:7:7",
        "NobodyMay",
        "no rule covers trust/allowed_signers",
    ),
]

POLICIES = [
    Mistake(
        "values apart after inclusion",
        composed(
            f'  firmware: [{{profile: ovmf, pcrs: {{"0": [{A}]}}}}]\n',
            f'  firmware: [{{profile: ovmf, pcrs: {{"0": [{B}]}}}}]\n',
        ),
        "policies/extra.yaml:5:42",
        "PolicyContradicts",
        "no value of PCR 0 of firmware profile ovmf is allowed here and in policy measured-boot",
        f"see {POLICY}:8",
    ),
    Mistake(
        "values of a node apart",
        composed(
            f'  nodes: [{{node: n1, pcrs: {{"1": [{A}]}}}}]\n', f'  nodes: [{{node: n1, pcrs: {{"1": [{B}]}}}}]\n'
        ),
        "policies/extra.yaml:5:34",
        "PolicyContradicts",
        "no value of PCR 1 of node n1",
    ),
    Mistake(
        "facts apart",
        composed("  facts: [{fact: secureBoot, equals: true}]\n", "  facts: [{fact: secureBoot, equals: false}]\n"),
        "policies/extra.yaml:5:11",
        "PolicyContradicts",
        f"nothing can satisfy this and what {POLICY}:8 says of secureBoot",
        "delete one of the two",
    ),
    Mistake(
        "absent and not",
        composed("  facts: [{fact: db, absent: true}]\n", "  facts: [{fact: db, within: []}]\n"),
        "policies/extra.yaml:5:11",
        "PolicyContradicts",
        "says of db",
    ),
    Mistake(
        "GRUB under an image",
        changed(POLICY, "9, 11, 12]\n", "8, 9, 11, 12]\n  facts: [{fact: kernelCommandLine, equals: quiet}]\n"),
        f"{POLICY}:6:18",
        "PolicyContradicts",
        "kernelCommandLine is of PCR 8, which an image leaves empty",
        "without GRUB or shim",
    ),
    Mistake(
        "one digest, two measurements",
        added(
            "images/other.yaml",
            FILES[IMAGE].replace(b"worker", b"other").replace(b"pcr9: [", b"pcr9: [" + A.encode() + b", "),
        ),
        "images/other.yaml:7:5",
        "ImagesDisagree",
        "has the digest of image worker and other measurements",
        f"see {IMAGE}:7; derive both again",
    ),
]

MISTAKES = [*SELECTIONS, *LIMITS, *POLICIES]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_nonsense_is_one_finding_with_its_place_and_a_hint(mistake: Mistake) -> None:
    (only,) = findings(mistake.files)
    assert (only.code, only.place, only.severity) == (mistake.code, mistake.place, Severity.ERROR), only
    assert mistake.message in only.message
    assert only.hint
    assert mistake.hint in only.hint


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_an_audit_reads_what_was_followed_before_it_was_called_nonsense(mistake: Mistake) -> None:
    assert load_recorded(snapshot(mistake.files)).enclaves.keys() >= {"blue"}


def doubts(files: Mapping[str, bytes]) -> list[Finding]:
    found: list[Finding] = []
    load_desired(snapshot(files), doubts=found)
    assert {finding.severity for finding in found} <= {Severity.WARNING}
    return found


DOUBTS = [
    Mistake(
        "more than there are",
        changed(BLUE, "names: [n1]", "count: 3"),
        f"{BLUE}:5:18",
        "SelectsTooFew",
        "asks for 3 nodes, and 2 in zone east match",
        "ask for fewer, or add nodes",
    ),
    Mistake(
        "more than could pass",
        edited(
            edited(changed(BLUE, "names: [n1]", "count: 2"), N2, "profile: ovmf", "profile: dell"),
            POLICY,
            "  image",
            f'  firmware: [{{profile: ovmf, pcrs: {{"0": [{A}]}}}}]\n  image',
        ),
        f"{BLUE}:5:18",
        "SelectsTooFew",
        "asks for 2 nodes, and 2 in zone east match, of which policy measured-boot could accept 1",
    ),
    Mistake(
        "one named node could never pass",
        edited(
            edited(changed(BLUE, "[n1]", "[n1, n2]"), N2, "profile: ovmf", "profile: dell"),
            POLICY,
            "  image",
            f'  firmware: [{{profile: ovmf, pcrs: {{"0": [{A}]}}}}]\n  image',
        ),
        f"{BLUE}:5:23",
        "PolicyRefuses",
        "could never accept node n2: it has no reference values for firmware profile dell",
    ),
    Mistake(
        "spread over nothing",
        edited(CLASSES, BLUE, "names: [n1]", "count: 2, spread: rakc"),
        f"{BLUE}:5:29",
        "SpreadsOverNothing",
        "no node that matches has the label rakc",
        "did you mean rack?",
    ),
    Mistake(
        "spread without labels",
        changed(BLUE, "names: [n1]", "count: 2, spread: rack"),
        f"{BLUE}:5:29",
        "SpreadsOverNothing",
        "has the label rack",
        "label the nodes with rack, or leave spread out",
    ),
    Mistake(
        "network of two enclaves",
        added(GREEN, enclave("green", nodes="{count: 1}")),
        f"{GREEN}:8:14",
        "NetworkJoined",
        "network blue-net is also enclave blue's, so their members reach each other",
        f"or write shared: true in {NET}:5",
    ),
    Mistake(
        "unused network",
        added("site/networks/spare.yaml", FILES[NET].replace(b"blue-net", b"spare").replace(b"200", b"201")),
        "site/networks/spare.yaml:3:18",
        "Unused",
        "Network spare is used by no enclave",
        "delete the file if it is not meant for later",
    ),
    Mistake(
        "unused policy",
        added("policies/old.yaml", policy("old", "  image: derived\n")),
        "policies/old.yaml:3:18",
        "Unused",
        "AppraisalPolicy old is used by no enclave",
    ),
    Mistake(
        "folder without a rule",
        changed(
            TOP, RULES, 'rules:\n      - paths: ["ringfence.yaml", "trust/**", "site/**", "images/*", "tenants/**"]'
        ),
        f"{TOP}:7:7",
        "NobodyMay",
        f"no rule covers {POLICY}, so nobody may change it",
        'paths: ["policies/*"]',
    ),
    *(
        Mistake(
            f"measurements of no image: {field}",
            changed(IMAGE, old, new),
            place,
            "ImageNotPredicted",
            words,
            "ringfence image predict FILE --name worker",
        )
        for field, old, new, place, words in (
            ("pcr4", "pcr4: [", f"pcr4: [{A}, ", f"{IMAGE}:7:11", "pcr4 has 3 digests"),
            ("pcr9", "pcr9: [", f"pcr9: [{A}, ", f"{IMAGE}:8:11", "pcr9 has 3 digests"),
            ("pcr11", "pcr11: [", f"pcr11: [{A}, ", f"{IMAGE}:9:12", "pcr11 does not begin"),
            ("pcr12", "    pcr4", f"    pcr12: [{A}]\n    pcr4", f"{IMAGE}:7:12", "pcr12 is not empty"),
        )
    ),
]


@pytest.mark.parametrize("mistake", DOUBTS, ids=lambda mistake: mistake.name)
def test_doubt_is_told_and_refuses_nothing(mistake: Mistake) -> None:
    (only,) = doubts(mistake.files)
    assert (only.code, only.place) == (mistake.code, mistake.place), only
    assert mistake.message in only.message
    assert only.hint
    assert mistake.hint in only.hint


def quiet() -> dict[str, Mapping[str, bytes]]:
    """Return what may look odd and is in order."""
    shared = edited(FILES, NET, "vlan: 200", "vlan: 200\n  shared: true")
    part = composed("", "  facts: [{fact: secureBoot, equals: true}]\n")
    apart = composed(
        "  facts: [{fact: drivers, equals: [], profiles: [ovmf]}]\n",
        f"  facts: [{{fact: drivers, equals: [{A}], profiles: [dell]}}]\n",
    )
    sets = composed(f"  facts: [{{fact: db, equals: [{A}, {B}]}}]\n", f"  facts: [{{fact: db, equals: [{B}, {A}]}}]\n")
    both = composed("  facts: [{fact: mokList, absent: true}]\n", "  facts: [{fact: mokList, absent: true}]\n")
    both["policies/extra.yaml"] = both["policies/extra.yaml"].replace(b"spec:\n", b"spec:\n  pcrs: [14]\n")
    ranges = composed("  facts: [{fact: sbatLevel, atLeast: 1}]\n", "  facts: [{fact: sbatLevel, equals: 7}]\n")
    return {
        "as it is": FILES,
        "a shared network": {**shared, GREEN: enclave("green", nodes="{count: 1}")},
        "nothing asked for": changed(BLUE, "names: [n1]", "count: 0, select: {rack: r9}"),
        "an included policy": part,
        "facts of different profiles": apart,
        "a set in another order": sets,
        "absent twice": both,
        "a number within a range": ranges,
        "windows that overlap over midnight": windows(("mon", "23:00", "4h"), ("tue", "02:00", "1h")),
        "no enclave": {p: c for p, c in FILES.items() if p != BLUE},
        "the same image twice": added("images/worker2.yaml", FILES[IMAGE].replace(b"worker", b"worker2")),
    }


@pytest.mark.parametrize("name", quiet())
def test_what_only_looks_odd_is_let_be(name: str) -> None:
    assert [one for one in doubts(quiet()[name]) if one.path != "images/worker2.yaml"] == []


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (edited(CLASSES, N2, "zone: east", "zone: est"), "DanglingReference"),
        ({**edited(CLASSES, BLUE, "names: [n1]", "count: 1, select: {rack: r2}"), N2: b"["}, "NotYaml"),
        (edited(CLASSES, BLUE, "policy: measured-boot", "policy: mesaured-boot"), "DanglingReference"),
        (edited(CLASSES, NET, "zone: east", "zone: est"), "DanglingReference"),
        (edited(CLASSES, BLUE, "blue-net", "blue-nte"), "DanglingReference"),
    ],
)
def test_what_cannot_be_read_is_not_called_nonsense_too(files: Mapping[str, bytes], code: str) -> None:
    found = findings(files)
    assert {finding.code for finding in found} == {code}


@pytest.mark.parametrize(
    ("first", "second", "is_open"),
    [
        (("sun", "23:00", "2h"), ("mon", "00:30", "1h"), True),
        (("sun", "23:00", "1h"), ("mon", "00:00", "1h"), False),
        (("wed", "10:00", "1h"), ("wed", "10:59", "1h"), True),
        (("wed", "10:00", "1h"), ("thu", "10:00", "24h"), False),
    ],
)
def test_windows_meet_in_a_week_that_is_a_circle(
    first: tuple[str, str, str],
    second: tuple[str, str, str],
    is_open: bool,  # noqa: FBT001 - a column of the table
) -> None:
    one, other = (
        MaintenanceWindow.model_validate_json(f'{{"days": ["{day}"], "start": "{start}", "duration": "{duration}"}}')
        for day, start, duration in (first, second)
    )
    assert is_ever_open([one], [other]) == is_ever_open([other], [one]) == is_open


def test_first_error_is_what_the_exception_says() -> None:
    with pytest.raises(InputError) as caught:
        load_desired(snapshot(LIMITS[0].files))
    assert (caught.value.reason, caught.value.exit_code) == ("QuotaExceeded", 2)
