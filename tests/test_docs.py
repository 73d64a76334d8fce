"""The documentation: links lead somewhere, and the Chinese README is in step with the English one."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
FENCED = re.compile(r"^(`{3,}).*?^\1$", re.MULTILINE | re.DOTALL)


def prose(path: Path) -> str:
    """A page without its fenced blocks."""
    return FENCED.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(prose(page)):
        if re.match(r"https?://", target):
            continue  # other sites cannot be reached from here
        path = (page.parent / target).resolve() if target else page
        assert path.is_relative_to(ROOT) and path.exists(), f"{page.name}: {target}"
        assert not anchor or anchor[1:] in anchors(path), f"{page.name}: {target}{anchor}"


def english() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def chinese() -> str:
    return (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")


def sections(text: str) -> list[str]:
    return re.split(r"^## ", text, flags=re.MULTILINE)


def test_both_readmes_have_the_same_sections_blocks_and_names() -> None:
    assert len(sections(english())) == len(sections(chinese()))
    for one, two in zip(sections(english()), sections(chinese()), strict=True):
        title = one.splitlines()[0]
        assert blocks(one) == blocks(two), f"README.zh-CN.md: the blocks of {title!r} differ"
        assert names(one) == names(two), f"README.zh-CN.md: what stands in backquotes under {title!r} differs"
        assert links(one) == links(two), f"README.zh-CN.md: the links under {title!r} differ"


def blocks(text: str) -> list[str]:
    return [match[0] for match in FENCED.finditer(text)]


def names(text: str) -> Counter[str]:
    return Counter(" ".join(name.split()) for name in re.findall(r"`([^`]+)`", FENCED.sub("", text)))


def links(text: str) -> list[str]:
    return [target for target, _ in LINK.findall(text) if not target.startswith("README")]


def test_the_site_has_every_page_of_the_documentation(tmp_path: Path) -> None:
    import runpy

    runpy.run_path(str(ROOT / "docs/site/build.py"))["lay_out"](tmp_path)
    front = (tmp_path / "index.md").read_text(encoding="utf-8")
    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")]
    pages = {path.with_suffix("").as_posix() for path in files if path.suffix != ".svg"} - {"index", "conf"}
    named = set(re.findall(r"^(?:.*<)?([\w/.-]+)>?$", front, re.MULTILINE))
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= pages
    assert pages <= named, f"the front page of the site does not lead to {pages - named}"
