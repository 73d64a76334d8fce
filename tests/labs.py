"""The labs of the course as the tests see them: sources, notebooks, checks, solutions."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from axlab.course.folders import exercises
from axlab.course.sources import Cell, read_cells

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
FIRST = 1  # lab 0 is the welcome: it has no exercises


def read_notebook(path: Path) -> Any:
    """A notebook, as nbformat has it: imported here, because that takes two seconds, and all collect tests."""
    import nbformat

    return nbformat.read(path, 4)


@dataclass(frozen=True)
class TestedLab:
    """A lab by the path of its source."""

    __test__ = False
    path: Path

    @property
    def number(self) -> int:
        return int(self.path.stem.split("-")[0])

    @cached_property
    def cells(self) -> list[Cell]:
        return read_cells(self.path.read_text(encoding="utf-8"), self.path.name)

    def section(self, heading: str) -> list[Cell]:
        """The cells below a heading of the second level."""
        inside, found = False, []
        for cell in self.cells:
            if cell.kind == "markdown" and (headings := re.findall(r"^## (.*)$", cell.text, re.MULTILINE)):
                inside = headings[-1] == heading
            elif inside:
                found.append(cell)
        return found

    @property
    def exercises(self) -> list[str]:
        return exercises(NOTEBOOKS / "checks", self.number)

    def notebook(self, language: str = "en") -> Any:
        folder = NOTEBOOKS if language == "en" else NOTEBOOKS / language
        return read_notebook(folder / f"{self.path.stem}.ipynb")

    @cached_property
    def answers(self) -> dict[str, Any]:
        """`solution`: exercise -> cell; `wrong`: a list of exercise, cell and what is said."""
        return tomllib.loads((NOTEBOOKS / "solutions" / f"{self.number:02}.toml").read_text(encoding="utf-8"))

    def solved(self, exercises: list[str]) -> Any:
        """The notebook with these exercises solved, and the others blank."""
        notebook = self.notebook()
        for cell in notebook.cells:
            for exercise in exercises:
                if f"exercise-{exercise}" in cell.metadata.get("tags", []):
                    cell.source = self.answers["solution"][exercise]
        return notebook

    def text(self) -> str:
        return "\n\n".join(cell.text for cell in self.cells if cell.kind == "markdown")

    def sections(self, book: Any) -> list[tuple[str, list[Any]]]:
        """(heading of the second level, the cells of a notebook below it)."""
        found: list[tuple[str, list[Any]]] = []
        for cell in book.cells:
            headings = re.findall(r"^## (.*)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else []
            found += [(heading, []) for heading in headings]
            if found:
                found[-1][1].append(cell)
        return found


def all_labs() -> list[TestedLab]:
    """Every lab with exercises."""
    labs = [TestedLab(path) for path in sorted((NOTEBOOKS / "source").glob("*.md"))]
    return [lab for lab in labs if lab.number >= FIRST]
