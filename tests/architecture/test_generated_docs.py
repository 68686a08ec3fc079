"""The pages that are made from code are those that the code makes."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from reconciler.attest.codes import CODES
from reconciler.attest.explain import page_of
from reconciler.errors import taxonomy

_DOCS = Path(__file__).parents[2] / "docs"


@cache
def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", _DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(_generator().PAGES))
def test_committed_page_is_what_the_code_makes(name: str) -> None:
    committed = (_DOCS / name).read_text(encoding="utf-8")
    assert committed == _generator().PAGES[name](), "run: python docs/generate.py"


def test_no_page_is_left_of_a_code_that_is_no_more() -> None:
    assert _generator().strays() == [], "run: python docs/generate.py"


def test_a_page_of_a_code_that_is_no_more_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = _generator()
    (tmp_path / "reasons").mkdir()
    (tmp_path / "reasons" / "NoSuchCode.md").write_text("# NoSuchCode\n")
    monkeypatch.setattr(generator, "DOCS", tmp_path)
    generator.main()
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.md")}
    assert written == set(generator.PAGES)


def test_every_code_has_the_page_that_explain_names() -> None:
    assert [code for code in CODES if not (_DOCS.parent / page_of(code)).is_file()] == []


def test_every_code_is_given_by_a_module_and_by_a_numbered_check_or_says_why_not() -> None:
    for name in CODES:
        page = _generator().PAGES[f"reasons/{name}.md"]()
        assert "\n- `reconciler/attest/" in page, name
        assert ("\nCheck " in page) != name.startswith(("Creation", "NotACreation", "PolicyIncomplete")), name


def test_every_exit_code_of_the_taxonomy_is_explained() -> None:
    page = _generator().PAGES["errors.md"]()
    for kind in taxonomy.RingfenceError.__subclasses__():
        if kind.__module__ == taxonomy.__name__:
            assert f"\n| {kind.exit_code} |" in page
