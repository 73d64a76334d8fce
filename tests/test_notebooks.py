"""The notebooks that are shipped, and how errors look in a kernel."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.labs import read_notebook

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in read_notebook(path).cells if cell.cell_type == "code"]


def outputs(path: Path) -> list[Any]:
    return [output for cell in code_cells(path) for output in cell.outputs]


each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_is_a_welcome() -> None:
    assert NOTEBOOKS[0].name == "00-welcome.ipynb"


@each_notebook
def test_a_notebook_is_valid(path: Path) -> None:
    import nbformat

    nbformat.validate(read_notebook(path))


@each_notebook
def test_every_cell_was_run_once_and_in_order(path: Path) -> None:
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@each_notebook
def test_a_notebook_was_saved_with_outputs(path: Path) -> None:
    assert outputs(path)


@each_notebook
def test_nothing_of_the_machine_that_saved_it_is_in_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/root/|/home/|/tmp/|[A-Z]:\\\\", text)
    assert str(ROOT) not in text


@each_notebook
def test_pictures_survive_in_a_notebook_that_is_not_trusted(path: Path) -> None:
    for output in outputs(path):
        data = output.get("data", {})
        assert "image/svg+xml" not in data and "application/javascript" not in data
        html = "".join(data.get("text/html", ""))
        assert "<svg" not in html and "<script" not in html
        for image in re.findall("<img[^>]*>", html):
            assert re.search(r'alt="[^"]{20,}"', image), "a picture says in words what it shows"


@each_notebook
def test_every_output_has_a_text_form(path: Path) -> None:
    for output in outputs(path):
        if output.output_type in ("execute_result", "display_data"):
            assert output.data.get("text/plain", "").strip()


@each_notebook
def test_a_notebook_is_small_enough_to_be_read_in_a_diff(path: Path) -> None:
    assert path.stat().st_size < 200_000


def executed(*cells: str) -> list[Any]:
    """The cells after a real kernel has run them."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    NotebookClient(notebook, timeout=60, allow_errors=True, resources={"metadata": {"path": str(ROOT)}}).execute()
    return list(notebook.cells)


@pytest.mark.slow
def test_in_a_kernel_an_error_is_a_real_error_output_in_clean_lines() -> None:
    cells = executed(
        "%load_ext axlab",
        "%vm start 0 --detech",
        "%%vm\nlist\nstart 7",
        "%vm start 7",
        "lab = %axlab\nlab.create('nothing.toml')",
    )
    (mistake,) = cells[1].outputs
    assert (mistake.output_type, mistake.ename) == ("error", "AxError")
    assert "unknown option --detech of vm start; did you mean --detach?" in mistake.evalue
    assert all("Traceback" not in line and ".py" not in line for line in mistake.traceback)
    done, failure = cells[2].outputs
    assert "✗ VM[7] not found" in done["data"]["text/plain"]
    assert failure.output_type == "error" and "'vm start 7' failed" in failure.evalue
    (refusal,) = cells[3].outputs
    assert refusal.output_type == "execute_result"
    (from_python,) = cells[4].outputs
    assert from_python.output_type == "error"
    assert all(".py" not in line for line in from_python.traceback)
