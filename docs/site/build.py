#!/usr/bin/env python
"""Build the documentation site: `python docs/site/build.py [FOLDER]` (default: build/site). Warnings are errors.

The site's pages are the README, the pages of `docs/`, the notebooks as they were saved, and the API as
autodoc has it. They are laid out in one folder, because Sphinx reads one. Needs the dependency group `docs`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

GUIDE = ("notebook", "shell", "debugging", "trace", "time", "sweeps", "class", "grading", "writing-labs")
REFERENCE = ("commands", "configuration", "filter", "columns", "machine", "snapshot-format")
INSIDE = ("hypervisor", "corrections", "design", "speed")

# What the API pages show of each layer: what is called from a notebook, and what is extended.
API = {
    "errors": ["errors"],
    "lab": ["lab"],
    "events": ["events", "units"],
    "machine": ["memory_map", "board", "bus", "registers", "memory", "cpu", "traps", "fdt"],
    "vmm": ["config", "lifecycle", "hypervisor", "vm", "vcpu", "symbols", "scheduler", "exits", "hypercalls", "stage2"],
    "shell": ["shell", "declaration", "arguments", "tree", "results", "render"],
    "trace": ["trace", "columns", "summary", "spans"],
    "time": ["snapshots", "history", "recording", "tree"],
    "scale": ["sweep", "runs"],
    "notebook": ["picture"],
    "course": ["expectations", "seeds", "guests", "check_files", "checking", "grading"],
}


def lay_out(folder: Path) -> None:
    """Write every page of the site into a folder."""
    shutil.copy(ROOT / "docs/site/conf.py", folder)
    for language, name in (("", "README.md"), ("zh-CN", "README.zh-CN.md")):
        page = f"introduction{'-' * bool(language)}{language}.md"
        (folder / page).write_text(moved(read(ROOT / name)), encoding="utf-8")
    for path in (*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*.svg")):
        shutil.copy(path, folder)
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")) + sorted((ROOT / "notebooks/zh").glob("*.ipynb")):
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (folder / "api").mkdir()
    for layer in API:
        (folder / "api" / f"{layer}.rst").write_text(api_page(layer), encoding="utf-8")
    (folder / "index.md").write_text(index(folder), encoding="utf-8")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def moved(text: str) -> str:
    """The README's links, which are seen from the top of the checkout, as seen from the site."""
    text = re.sub(r"\]\((README)((?:\.[\w-]+)?)\.md\)", lambda m: f"](introduction{m[2].replace('.', '-')}.md)", text)
    return text.replace("](docs/", "](")


def api_page(layer: str) -> str:
    """The page of a layer, in reStructuredText, as autodoc wants it."""
    package = "axlab" if (ROOT / f"axlab/{layer}.py").exists() else f"axlab.{layer}"
    parts = [package if package != "axlab" else f"axlab.{layer}"]
    parts += ["=" * len(parts[0]), ""]
    for module in API[layer]:
        parts += [f"{package}.{module}", "-" * len(f"{package}.{module}"), ""]
        parts += [f".. automodule:: {package}.{module}", "   :members:", ""]
    return "\n".join(parts)


def index(folder: Path) -> str:
    """The front page: where everything is."""
    labs = sorted(path.stem for path in (folder / "notebooks").glob("*.ipynb"))
    chinese = sorted(path.stem for path in (folder / "notebooks/zh").glob("*.ipynb"))
    others = sorted(
        {path.stem for path in folder.glob("*.md")}
        - {*GUIDE, *REFERENCE, *INSIDE, "introduction", "introduction-zh-CN"}
    )
    sections = {
        "Begin": ["Introduction <introduction>", "介绍 <introduction-zh-CN>"],
        "The course": [f"notebooks/{name}" for name in labs],
        "课程(中文)": [f"notebooks/zh/{name}" for name in chinese],
        "Guides": [*GUIDE, *others],
        "Reference": list(REFERENCE),
        "How it is built": list(INSIDE),
        "API": [f"api/{layer}" for layer in API],
    }
    text = [
        "# AxLab",
        "",
        "A hypervisor laboratory in Jupyter: real AArch64 guests under a hypervisor in readable Python.",
        "",
    ]
    for caption, pages in sections.items():
        if pages:
            text += ["```{toctree}", f":caption: {caption}", ":maxdepth: 1", "", *pages, "```", ""]
    return "\n".join(text)


def main(words: list[str]) -> int:
    """Lay the pages out and have Sphinx make the site of them; its exit status."""
    target = Path(words[0]) if words else ROOT / "build" / "site"
    with tempfile.TemporaryDirectory() as name:
        lay_out(Path(name))
        command = [
            sys.executable,
            "-m",
            "sphinx",
            "-W",
            "--keep-going",
            "-q",
            "-b",
            "html",
            "-j",
            "auto",
            name,
            str(target),
        ]
        status = subprocess.call(command, cwd=ROOT, env=environment())
    if status == 0:
        print(f"the site is in {target}: open {target / 'index.html'}")
    return status


def environment() -> dict[str, str]:
    import os

    return os.environ | {"PYTHONPATH": str(ROOT), "AXLAB_CACHE": "off"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
