"""Every document that we show is valid, in a whole repository, and names its schema by the right way."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from reconciler.attest.prediction.uki import ImageMeasurements
from reconciler.cli import policy, policy_suggest
from reconciler.cli.image import image_yaml
from reconciler.errors.taxonomy import Finding
from reconciler.lab.inventory import documents
from reconciler.lab.topology import VirtualNode
from reconciler.repo.desired import load_desired
from reconciler.repo.documents import parse_documents
from reconciler.repo.layout import PLACES, locate
from reconciler.repo.schema import schema_line
from reconciler.repo.snapshot import read_directory
from tests.support.documents import FILES
from tests.support.mistakes import snapshot
from tests.support.pki import authority

TOP = Path(__file__).parents[3]
EXAMPLES = TOP / "docs/kinds/examples"
LINE = "# yaml-language-server: $schema="


def test_the_examples_of_the_pages_are_one_repository_without_a_finding() -> None:
    principals = ("alice", "bob", "carol", "dave", "reconciler")
    files = {**read_directory(EXAMPLES).files, "trust/ek-roots/maker.pem": authority("Maker").pem}
    key = FILES["trust/allowed_signers"].split()[1:3]
    lines = [b" ".join((name.encode(), key[0], _other(key[1], number))) for number, name in enumerate(principals)]
    doubts: list[Finding] = []
    desired = load_desired(snapshot({**files, "trust/allowed_signers": b"\n".join(lines) + b"\n"}), doubts=doubts)
    assert doubts == []
    assert sorted(desired.nodes) == ["r3u07", "r4u01"]
    assert {type(one) for one in (desired.repository, *desired.zones.values(), *desired.keys.values())}


def _other(key: bytes, number: int) -> bytes:
    """Return another key of the same kind: base64 of thirty-two other bytes."""
    return key[:-4] + b"%04d" % (1000 * (number + 1))


def test_every_kind_has_an_example() -> None:
    paths = [path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.yaml")]
    assert all(any(place.match(path) for path in paths) for place in PLACES)


def _shown() -> Iterator[tuple[str, str]]:
    """Yield every document that we show or write, with its path in a repository."""
    for top in (EXAMPLES, TOP / "state-repo-template", TOP / "examples/blue"):
        for path in sorted(top.rglob("*.yaml")):
            if locate(path.relative_to(top).as_posix()):
                yield path.relative_to(top).as_posix(), path.read_text(encoding="utf-8")
    node = VirtualNode(index=1)
    inventory = documents([node], endorsements={node.name: "sha256:" + "a" * 64}, roots="")
    yield from ((path, text) for path, text in inventory.items() if locate(path))
    measured = ImageMeasurements(digest="a" * 64, command_line="", pcr4=("a" * 64,), pcr9=(), pcr11=("a" * 64,))
    yield "images/worker.yaml", image_yaml("worker", measured)
    yield "policies/ima.yaml", policy.policy_yaml(policy.document("ima", {}))
    yield "policies/suggested.yaml", policy_suggest.policy_of([], name="suggested")


@pytest.mark.parametrize(("path", "text"), list(_shown()), ids=lambda value: value.partition("\n")[0][-60:])
def test_its_first_line_leads_to_the_schema_of_its_kind(path: str, text: str) -> None:
    first = text.partition("\n")[0]
    assert first == schema_line(path)
    leads_to = posixpath.normpath(posixpath.join(posixpath.dirname(path), first.removeprefix(LINE)))
    (raw,), _ = parse_documents(text.replace("[SIGNERS]", "[a]").encode(), path=path)
    assert isinstance(raw.value, dict)
    schema = json.loads((TOP / leads_to).read_text(encoding="utf-8"))
    assert schema["properties"]["kind"]["const"] == raw.value["kind"]
    assert raw.value.keys() <= schema["properties"].keys()


def test_a_path_of_no_document_has_no_schema() -> None:
    with pytest.raises(ValueError, match="no document's place"):
        schema_line("README.md")


def test_commands_exist_that_the_pages_name() -> None:
    """A page that sends a reader to a command that is not there is worse than none."""
    from reconciler.cli import adopt, evidence, holding, image, node, operate, planning, repository, trust
    from reconciler.cli import inspect as inspect_commands

    groups: dict[str, typer.Typer] = {
        "image": image.app,
        "inspect": inspect_commands.app,
        "policy": policy.app,
        "node": node.app,
    }
    modules = (evidence, operate, repository, planning, trust, holding, adopt)
    known = {command.__name__ for module in modules for command in module.COMMANDS}
    known |= {
        f"{name} {command.name or command.callback.__name__}"
        for name, app in groups.items()
        for command in app.registered_commands
        if command.callback
    }
    text = " ".join(path.read_text(encoding="utf-8") for path in (TOP / "docs/kinds/text").glob("*.txt"))
    words = [part.split("`")[0].split() for part in " ".join(text.split()).split("`ringfence ")[1:]]
    named = {" ".join(word[:2]) if word[0] in groups else word[0] for word in words}
    assert named - known == set()
