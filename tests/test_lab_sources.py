"""The text that labs are made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from axlab.course import build
from axlab.course.sources import Cell, read_cells, translated
from axlab.errors import AxError

SOURCE = """\
# A title

Some words.
+++
More words, and

```
+++
```
```{code-cell}
:tags: [exercise-1.1]

%vm list

%vm show 0
```
The end.
"""
CELLS = [
    Cell("markdown", "# A title\n\nSome words.", line=1),
    Cell("markdown", "More words, and\n\n```\n+++\n```", line=5),
    Cell("code", "%vm list\n\n%vm show 0", ("exercise-1.1",), 10),
    Cell("markdown", "The end.", line=17),
]


def test_a_source_is_text_and_code_cells() -> None:
    assert read_cells(SOURCE, "01.md") == CELLS


def test_a_block_without_an_end_is_said_with_its_line() -> None:
    with pytest.raises(AxError) as caught:
        read_cells("a\n```{code-cell}\nb", "01.md")
    assert str(caught.value) == "01.md:2: the block that begins with ``` has no end"


def test_a_translation_has_the_code_of_the_original() -> None:
    text = "标题\n+++\n文字\n```{code-cell}\n```\n结束\n"
    cells = translated(CELLS, read_cells(text, "zh/01.md"), "zh/01.md")
    assert [cell.text for cell in cells] == ["标题", "文字", CELLS[2].text, "结束"]
    assert cells[2].tags == ("exercise-1.1",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("一\n```{code-cell}\n```", "zh/01.md:2: a code cell stands where the English source has a markdown cell"),
        ("一\n+++\n二\n```{code-cell}\n```", "zh/01.md: a markdown cell is missing at the end: 'The end.'"),
        (
            "一\n+++\n二\n```{code-cell}\nx\n```\n三",
            "zh/01.md:4: a code cell of a translation is empty; its code stands in the English source",
        ),
        (
            "一\n+++\n二\n```{code-cell}\n```\n三\n+++\n四",
            "zh/01.md:8: a markdown cell stands where the English source has nothing more",
        ),
    ],
)
def test_a_translation_with_other_cells_is_refused(text: str, message: str) -> None:
    with pytest.raises(AxError) as caught:
        translated(CELLS, read_cells(text, "zh/01.md"), "zh/01.md")
    assert str(caught.value) == message


def test_ids_of_cells_are_the_same_in_every_build_and_language() -> None:
    english, chinese = (build.notebook("01-x", CELLS, language) for language in ("en", "zh"))
    assert [cell.id for cell in english.cells] == [cell.id for cell in chinese.cells]
    assert english.cells[2].metadata == {"tags": ["exercise-1.1"]}


def test_a_lab_that_is_not_there_is_said() -> None:
    with pytest.raises(AxError, match="there is no source 99"):
        build.chosen(["99"])
    assert all(isinstance(path, Path) for path in build.chosen([]))
