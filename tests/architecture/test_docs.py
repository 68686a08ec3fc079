"""The documentation leads to what exists, and names every room."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FILE = re.compile(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|sh|in|txt|md))`")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_PAGES = sorted([*_ROOT.glob("*.md"), *(_ROOT / "docs").rglob("*.md")])


def _links(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield the file and the fragment of every relative link on ``page``."""
    for target in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if ":" not in target.split("/")[0]:
            path, _, fragment = target.partition("#")
            yield ((page.parent / path).resolve() if path else page), fragment


def _anchors(page: Path) -> set[str]:
    """Return the fragments that ``page`` offers, as forges make them from headings."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _name(page: Path) -> str:
    return str(page.relative_to(_ROOT))


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_relative_links_lead_to_what_exists(page: Path) -> None:
    missing = [str(target) for target, _ in _links(page) if not target.exists()]
    assert missing == []


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_fragments_of_links_are_headings(page: Path) -> None:
    missing = [f"{_name(to)}#{part}" for to, part in _links(page) if part and part not in _anchors(to)]
    assert missing == []


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_files_that_are_named_exist(page: Path) -> None:
    named = _FILE.findall(page.read_text(encoding="utf-8"))
    missing = [name for name in named if not any((top / name).exists() for top in (_ROOT, _ROOT / "reconciler"))]
    assert missing == []


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_every_room_is_named(page: str) -> None:
    rooms = {sign.parent.name for sign in (_ROOT / "reconciler").glob("*/__init__.py")}
    words = set(re.findall(r"[a-z]+", (_ROOT / page).read_text(encoding="utf-8")))
    assert rooms - words == set()


def test_no_page_names_a_path_of_one_machine() -> None:
    named = [_name(page) for page in _PAGES if re.search(r"(?<![\w.])/(?:work|root|home)/", page.read_text("utf-8"))]
    assert named == []


def test_every_direct_dependency_has_a_reason() -> None:
    page = (_ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    lists = [*(_ROOT / "requirements").glob("*.in"), _ROOT / "requirements" / "debian.txt"]
    lines = [line.partition("#")[0].strip() for each in lists for line in each.read_text("utf-8").splitlines()]
    missing = [name for name in lines if name and not name.startswith("-") and f"| {name} |" not in page]
    assert missing == []


def test_every_setting_is_described() -> None:
    from reconciler.daemon.settings import (
        AirlockListener,
        EnclaveListener,
        ProbeCable,
        ProbeSettings,
        RemoteSettings,
        Settings,
        TlsFiles,
        WebhookSettings,
    )

    page = (_ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    fields = {*Settings.model_fields, *AirlockListener.model_fields, *EnclaveListener.model_fields} - {"tls"}
    fields |= {*RemoteSettings.model_fields, *WebhookSettings.model_fields} - {"tls"}
    fields |= {f"probe.{name}" for name in ProbeSettings.model_fields} | set(ProbeCable.model_fields)
    fields |= {f"tls.{name}" for name in TlsFiles.model_fields}
    assert [name for name in sorted(fields) if f"`{name}`" not in page] == []
