"""The pages that are made from code are those that the code makes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import taxonomy

_DOCS = Path(__file__).parents[2] / "docs"


def _pages() -> dict[str, Callable[[], str]]:
    spec = importlib.util.spec_from_file_location("generate", _DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pages: dict[str, Callable[[], str]] = module.PAGES
    return pages


@pytest.mark.parametrize("name", sorted(_pages()))
def test_committed_page_is_what_the_code_makes(name: str) -> None:
    committed = (_DOCS / name).read_text(encoding="utf-8")
    assert committed == _pages()[name](), "run: python docs/generate.py"


def test_every_exit_code_of_the_taxonomy_is_explained() -> None:
    page = _pages()["errors.md"]()
    for kind in taxonomy.RingfenceError.__subclasses__():
        if kind.__module__ == taxonomy.__name__:
            assert f"\n| {kind.exit_code} |" in page
