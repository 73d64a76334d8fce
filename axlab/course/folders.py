"""Where checks are: a folder `checks` beside the notebook, or the course's own."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

from axlab.course.check_files import Check, read_check
from axlab.errors import AxError

EXERCISE = re.compile(r"[0-9]+\.[0-9]+")


def shipped() -> Path:
    """The folder of the course's checks: inside an installed package, else that of the checkout."""
    package = Path(__file__).parent
    packaged = package / "checks"
    return packaged if packaged.is_dir() else package.parent.parent / "notebooks" / "checks"


def exercises(folder: Path, lab: int | None = None) -> list[str]:
    """The exercises that a folder has checks for (of one lab), in their order."""
    names = [path.stem for path in folder.glob("*.py") if EXERCISE.fullmatch(path.stem)]
    numbers = sorted(tuple(int(part) for part in name.split(".")) for name in names)
    return [f"{first}.{second}" for first, second in numbers if lab in (None, first)]


def translated(check: Check, texts: Path) -> Check:
    """A check with the hints and messages of a file of texts, which are in the order of the check's. Raises AxError."""
    if not texts.is_file():
        return check
    try:
        found = tomllib.loads(texts.read_text(encoding="utf-8")).get(check.name)
        if found is None:
            return check
        pairs = zip(check.mistakes, found["mistakes"], strict=True)
        mistakes = tuple((made, text) for (made, _), text in pairs)
        return replace(check, hints=tuple(found["hints"]), mistakes=mistakes)
    except (OSError, ValueError) as error:
        raise AxError(f"the texts of exercise {check.name} cannot be used: {error}", source=str(texts)) from None
    except KeyError as error:
        raise AxError(f"the texts of exercise {check.name} have no {error.args[0]}", source=str(texts)) from None


def find_check(exercise: str, start: Path) -> Check:
    """The check of an exercise: from `checks` in the folder `start` or the one above, else from the course.

    A notebook in the folder of a language (`start` is `zh`) gets hints and messages from `checks/zh.toml`.
    Raises AxError."""
    if not EXERCISE.fullmatch(exercise):
        raise AxError(f"{exercise!r} is no exercise; its number is that of the lab and its own, such as 3.2")
    places = [start / "checks", start.parent / "checks", shipped()]
    for folder in places:
        path = folder / f"{exercise}.py"
        if path.is_file():
            return translated(read_check(path), folder / f"{start.name}.toml")
    lab = int(exercise.split(".")[0])
    known = [name for folder in places for name in exercises(folder, lab)]
    there = f"lab {lab} has {', '.join(dict.fromkeys(known))}" if known else f"there are no checks for lab {lab}"
    raise AxError(f"there is no exercise {exercise}; {there}")
