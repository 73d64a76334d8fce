"""What every lab has: its header, predictions, exercises, pictures and its end, in every language."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from axlab.course import build
from axlab.course.check_files import Check
from axlab.course.folders import find_check
from axlab.course.sources import read_cells, translated
from tests.labs import NOTEBOOKS, TestedLab, all_labs

ROOT = NOTEBOOKS.parent
LABS = all_labs()
TRANSLATIONS = [
    (lab, language)
    for language in build.LANGUAGES
    for lab in map(TestedLab, sorted((NOTEBOOKS / "source").glob("*.md")))
    if (NOTEBOOKS / "source" / language / lab.path.name).exists()
]
HEADER = ("Goal", "Prerequisites", "Difficulty", "Minutes")
LAST = ["What you predicted", "Question", "Summary", "Read on"]

each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.path.stem)
each_translation = pytest.mark.parametrize(
    ("lab", "language"), TRANSLATIONS, ids=[f"{lab.path.stem}-{language}" for lab, language in TRANSLATIONS]
)


def code(lab: TestedLab) -> list[str]:
    return [cell.text for cell in lab.cells if cell.kind == "code"]


def words_of(lab: TestedLab, magic: str) -> list[str]:
    """The first word behind each `%magic`, in order."""
    return re.findall(rf"^%{magic} (\S+)", "\n".join(code(lab)), re.MULTILINE)


def test_there_are_labs() -> None:
    assert [lab.number for lab in LABS][:1] == [1]


@each_lab
def test_a_header_says_what_for_for_whom_how_hard_and_how_long(lab: TestedLab) -> None:
    title = lab.cells[0].text
    assert title.startswith(f"# Lab {lab.number}: ")
    rows = dict(re.findall(r"^\| \*\*(\w+)\*\* \| (.+) \|$", title, re.MULTILINE))
    assert tuple(rows) == HEADER
    assert re.fullmatch(r"[1-5] of 5", rows["Difficulty"])
    assert 10 <= int(rows["Minutes"]) <= 180


@each_lab
def test_the_first_code_cell_is_all_the_set_up_there_is(lab: TestedLab) -> None:
    assert code(lab)[0].splitlines()[0] == "%load_ext axlab"
    assert code(lab)[0].splitlines()[1].startswith('student = ""')
    assert "%pip" not in lab.text() and "pip install" not in lab.text()


@each_lab
def test_predictions_are_asked_before_the_run_that_answers_them(lab: TestedLab) -> None:
    cells = code(lab)
    asked = words_of(lab, "predict")
    assert len(asked) >= 3
    assert len(set(asked)) == len(asked)
    assert sorted(words_of(lab, "outcome")) == sorted(asked)
    for name in asked:
        question = next(index for index, cell in enumerate(cells) if cell == f"%predict {name} ...")
        answer = next(index for index, cell in enumerate(cells) if f"%outcome {name} " in cell)
        assert answer > question + 1, f"something is run between the question {name} and its answer"
    assert lab.text().count("> **Predict.**") == len(asked)


@each_lab
def test_every_exercise_has_a_cell_a_check_and_three_hints(lab: TestedLab) -> None:
    assert len(lab.exercises) >= 3
    assert words_of(lab, "check") == lab.exercises
    assert [tag for cell in lab.cells for tag in cell.tags] == [f"exercise-{name}" for name in lab.exercises]
    for name in lab.exercises:
        check = find_check(name, NOTEBOOKS)
        assert check.name == name
        assert len(check.hints) == 3
        assert all(not case.hidden for case in check.cases), "hidden cases are not given to students"
        assert f"### Exercise {name}" in lab.text()
        if check.given is not None:
            assert f"%given {name}" in code(lab)


@each_lab
def test_inputs_of_an_exercise_differ_between_students(lab: TestedLab) -> None:
    checks = [find_check(name, NOTEBOOKS) for name in lab.exercises]
    seeded = [check.given for check in checks if check.given is not None]
    assert seeded
    for given in seeded:
        assert len({repr(given(f"student {number}")) for number in range(20)}) > 1
        assert given(None) == given("")


@each_lab
def test_every_experiment_has_a_picture(lab: TestedLab) -> None:
    experiments = [(title, cells) for title, cells in lab.sections(lab.notebook()) if title.startswith("Experiment")]
    assert len(experiments) >= 2
    for title, cells in experiments:
        pictures = [html for cell in cells for html in htmls(cell) if "<img" in html]
        assert pictures, f"{title} has no picture"


def htmls(cell: Any) -> list[str]:
    return [str(output.get("data", {}).get("text/html", "")) for output in cell.get("outputs", [])]


@each_lab
def test_one_step_breaks_something_on_purpose(lab: TestedLab) -> None:
    assert [title for title, _ in lab.sections(lab.notebook()) if "Break it" in title]


@each_lab
def test_a_lab_ends_with_a_question_a_summary_and_pointers(lab: TestedLab) -> None:
    sections = lab.sections(lab.notebook())
    assert [title for title, _ in sections][-4:] == LAST
    assert code(lab)[-1] == "%predictions"
    end = lab.text().split("\n## Read on\n")[1]
    for kind in ("Code", "Documentation", "Manuals"):
        assert f"- {kind}: " in end
    named = re.findall(r"`((?:axlab|docs|grammars)/[^`]+)`", lab.text())
    assert any(path.startswith("axlab/") for path in named)
    for path in named:
        assert (ROOT / path).exists(), path


@each_lab
def test_a_notebook_is_what_its_source_says(lab: TestedLab) -> None:
    assert shape(lab.notebook()) == shape(build.notebook(lab.path.stem, lab.cells, "en"))


@each_translation
def test_a_translation_has_the_same_cells_code_checks_and_outputs(lab: TestedLab, language: str) -> None:
    path = NOTEBOOKS / "source" / language / lab.path.name
    cells = translated(lab.cells, read_cells(path.read_text(encoding="utf-8"), path.name), path.name)
    english, other = lab.notebook(), lab.notebook(language)
    assert shape(other) == shape(build.notebook(lab.path.stem, cells, language))
    for one, two in zip(english.cells, other.cells, strict=True):
        assert (one.cell_type, one.id, one.metadata) == (two.cell_type, two.id, two.metadata)
        if one.cell_type == "code":
            assert (one.source, one.outputs) == (two.source, two.outputs)
        else:
            assert headings(one) == headings(two)
            assert re.search(r"[\u4e00-\u9fff]", two.source)
            assert names(one) == names(two), "names are not translated"


def names(cell: Any) -> list[str]:
    """What stands in backquotes; the order of words is a language's own."""
    return sorted(re.findall(r"`[^`]*`", cell.source))


def headings(cell: Any) -> list[str]:
    return re.findall(r"^#+ ", cell.source, re.MULTILINE)


def shape(book: Any) -> list[Any]:
    return [(cell.cell_type, cell.id, cell.source, dict(cell.metadata)) for cell in book.cells]


TEXTS = tomllib.loads((NOTEBOOKS / "checks" / "zh.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("exercise", TEXTS)
def test_a_translated_check_says_the_same_of_the_same_mistakes(exercise: str) -> None:
    english, chinese = find_check(exercise, NOTEBOOKS), find_check(exercise, NOTEBOOKS / "zh")
    assert len(chinese.hints) == len(english.hints) == 3
    assert len(chinese.mistakes) == len(english.mistakes)
    for one, other in zip(texts_of(english), texts_of(chinese), strict=True):
        assert re.findall(r"`[^`]*`", one) == re.findall(r"`[^`]*`", other), "what stands in backquotes stays as it is"
        assert re.search(r"[\u4e00-\u9fff]", other) or re.fullmatch(r"`[^`]*`", other)


def texts_of(check: Check) -> list[str]:
    return [*check.hints, *(text for _, text in check.mistakes)]


def test_every_exercise_of_a_translated_lab_has_its_texts_translated() -> None:
    labs = {path.name.split("-")[0].lstrip("0") for path in (NOTEBOOKS / "source" / "zh").glob("*.md")} - {""}
    assert set(TEXTS) == {name for lab in LABS if str(lab.number) in labs for name in lab.exercises}
