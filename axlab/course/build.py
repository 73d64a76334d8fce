"""Making the labs' notebooks from their sources: `python -m axlab.course.build [01 ...]`, in a checkout.

The English notebook is run and saved with its outputs; a translation is given the same ones, since its code is the
same. Needs nbformat and nbclient, which JupyterLab brings.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from axlab.course.sources import Cell, read_cells, translated
from axlab.errors import AxError
from axlab.shell.results import MIME

FOLDER = Path(__file__).parent.parent.parent / "notebooks"
SOURCES = FOLDER / "source"
LANGUAGES = ("zh",)
CELL_SECONDS = 20

ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "COLUMNS": "120",
    "TZ": "UTC",
    "NO_COLOR": "1",
    "AXLAB_PROGRESS": "off",
    "AXLAB_CACHE": "off",  # a notebook must not depend on what ran before it
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}
"""What notebooks run in, so that they give the same outputs everywhere."""


def build(source: Path) -> list[Path]:
    """Run one lab and write its notebook in every language that it has. Raises AxError and nbclient's errors."""
    cells = read_cells(source.read_text(encoding="utf-8"), str(source))
    english = executed(notebook(source.stem, cells, "en"))
    written = [write(english, FOLDER / f"{source.stem}.ipynb")]
    for language in LANGUAGES:
        path = SOURCES / language / source.name
        if path.exists():
            texts = translated(cells, read_cells(path.read_text(encoding="utf-8"), str(path)), str(path))
            other = notebook(source.stem, texts, language)
            for mine, run in zip(other.cells, english.cells, strict=True):
                if mine.cell_type == "code":
                    mine.outputs, mine.execution_count = run.outputs, run.execution_count
            written.append(write(other, FOLDER / language / f"{source.stem}.ipynb"))
    return written


def notebook(stem: str, cells: list[Cell], language: str) -> Any:
    """A notebook without outputs. Ids of cells are numbers, so that a difference shows what was changed and no more."""
    import nbformat

    number = stem.partition("-")[0]
    made = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "axlab": {"lab": int(number), "language": language},
        }
    )
    for index, cell in enumerate(cells):
        new: Any = nbformat.v4.new_code_cell if cell.kind == "code" else nbformat.v4.new_markdown_cell
        metadata = {"tags": list(cell.tags)} if cell.tags else {}
        made.cells.append(new(cell.text, id=f"lab{number}-{index:02}", metadata=metadata))
    return made


def executed(book: Any) -> Any:
    """The notebook after a kernel has run it, in the folder of notebooks.

    What differs from run to run is left out, and results as JSON: nobody reads them in a notebook, and they are long.
    """
    from nbclient import NotebookClient

    NotebookClient(book, timeout=CELL_SECONDS, resources={"metadata": {"path": str(FOLDER)}}).execute()
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(MIME, None)
    book.metadata["language_info"] = {"name": "python"}
    return book


def write(book: Any, path: Path) -> Path:
    """Save a notebook, and say so."""
    import nbformat

    path.parent.mkdir(exist_ok=True)
    nbformat.write(book, path)  # type: ignore[no-untyped-call]
    print(f"saved {path.relative_to(FOLDER.parent)}")
    return path


def chosen(words: list[str]) -> list[Path]:
    """The sources whose names begin with the words; all without words. Raises AxError."""
    sources = sorted(SOURCES.glob("*.md"))
    for word in words:
        if not any(path.name.startswith(word) for path in sources):
            raise AxError(f"there is no source {word}* in {SOURCES}")
    return [path for path in sources if not words or path.name.startswith(tuple(words))]


def main(words: list[str]) -> int:
    """Build the labs that are named, or all."""
    os.environ |= ENVIRONMENT
    try:
        for source in chosen(words):
            build(source)
    except AxError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
