"""Who may import whom. The arrows are the design; this table is the only place that names them."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "axlab"
BASE = {"errors", "units", "events", "languages"}

# layer -> the layers of ours that it may import, beside itself
MAY_IMPORT = {
    "errors": set(),
    "events": set(),
    "units": {"errors"},
    "languages": set(),
    "machine": BASE - {"events"},
    "guests": {"errors", "machine"},
    "vmm": BASE | {"machine", "guests"},
    "shell": BASE | {"machine", "vmm", "guests"},
    "trace": {"events", "errors", "units", "languages", "machine/instruction_trace", "machine/access_trace"},
    "trace_commands": BASE | {"trace", "shell"},
    "time": BASE | {"machine", "vmm", "trace", "shell"},
    "doctor": {"__init__"},
    "private_folder": set(),
    "code_cache": {"errors", "units", "languages", "private_folder"},  # machine gets one handed down
    "fetch": {"errors", "vmm"},
    "__init__": set(),
}
ALL = set(MAY_IMPORT)
MAY_IMPORT |= {
    "lab": ALL | {"lab", "scale"},
    "demo": ALL | {"lab"},
    "scale": BASE | {"machine", "vmm", "trace", "shell", "lab"},
    "run": ALL | {"lab"},
    "bench": ALL | {"lab", "scale", "notebook"},
    "command_line": ALL | {"lab", "run", "course"},
    "cli": ALL | {"command_line", "bench", "scale"},
    "__main__": {"cli"},
    "notebook": ALL | {"lab", "scale"},
    "course": ALL | {"lab", "notebook"},
    "extension": {"notebook", "course"},
}

# library -> the modules (or layers) that may import it; all but lark only inside functions
MAY_USE = {
    "lark": {"machine", "vmm", "shell", "trace"},
    "elftools": {"vmm"},
    "prompt_toolkit": {"shell"},
    "tqdm": {"lab", "cli", "notebook", "scale"},
    "pandas": {"notebook", "shell/frames", "trace/frames", "trace/exit_frame"},
    "numpy": {
        "notebook",
        "trace/frames",
        "trace/export_arrow",
        "trace/executed_columns",
        "trace/profile",
        "trace/exit_frame",
    },
    "matplotlib": {"notebook", "trace/figures"},
    "pyarrow": {"trace/export_arrow"},
    "jupyter_client": {"bench"},  # what a kernel costs
    "unicorn": {"bench"},  # measured beside AxLab where it is installed
    "IPython": {"notebook", "course"},
    "traitlets": {"notebook", "course"},
    "ipywidgets": {"notebook"},
    "anywidget": {"notebook"},
    "nbformat": {"course/build"},
    "nbclient": {"course/build"},
}
# These do nothing without their library, and are themselves imported only when it is needed.
BUILT_ON_A_LIBRARY = {"shell/frames", "shell/terminal", "trace/executed_columns", "trace/profile", "course/magics"}
MODULES = sorted(path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py"))


@cache
def imports(module: str) -> list[tuple[str, str]]:
    """(module imported, when) of a module; when: "at once", "in a function", "for types"."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    when = {}
    for outer in ast.walk(tree):
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            when |= {id(node): "in a function" for node in ast.walk(outer)}
        elif isinstance(outer, ast.If) and "TYPE_CHECKING" in ast.dump(outer.test):
            when |= {id(node): "for types" for node in ast.walk(outer)}
    return [(name, when.get(id(node), "at once")) for node in ast.walk(tree) for name in names_of(node)]


def names_of(node: ast.AST) -> list[str]:
    """What an import statement imports; nothing for other nodes."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"axlab.{alias.name}" for alias in node.names] if node.module == "axlab" else [node.module or ""]
    return []


def layer_of(module: str) -> str:
    return module.split("/")[0]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_layers_below_it(module: str) -> None:
    layer = layer_of(module)
    allowed = MAY_IMPORT[layer] | {layer}
    for name, _ in imports(module):
        if name.split(".")[0] == "axlab" and name != "axlab":
            part = name.split(".")[1]
            imported = part if part in MAY_IMPORT else "__init__"
            path = "/".join(name.split(".")[1:])
            assert {imported, path} & (allowed | {"__init__"}), f"{module} imports {name}"


@pytest.mark.parametrize("module", MODULES)
def test_a_library_is_used_only_where_it_belongs_and_only_when_needed(module: str) -> None:
    for name, when in imports(module):
        library = name.split(".")[0]
        if library in sys.stdlib_module_names or library == "axlab" or when == "for types":
            continue
        assert library in MAY_USE, f"{module} imports {name}, which this table does not know"
        assert {module, layer_of(module)} & MAY_USE[library], f"{module} imports {name}"
        light = library == "lark" or layer_of(module) == "notebook" or module in BUILT_ON_A_LIBRARY
        assert light or when != "at once", f"{module} imports {name} before it is needed"


def test_a_lab_runs_without_pandas_matplotlib_and_ipython() -> None:
    program = (
        "import sys\n"
        "for name in ('pandas', 'numpy', 'matplotlib', 'IPython', 'ipywidgets', 'anywidget', 'pyarrow', 'elftools'):\n"
        "    sys.modules[name] = None\n"
        "from axlab import Lab\n"
        "lab = Lab()\n"
        "lab.create('demo')\n"
        "lab.shell('vm start 0')\n"
        "assert lab.vm(0).state == 'Stopped', lab.vm(0).state\n"
        "assert lab.trace.summary().count\n"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


# What a lab imports when it is first asked for it, because that takes long.
LATE = (
    "lark", "pandas", "numpy", "sqlite3", "elftools", "IPython", "prompt_toolkit", "concurrent.futures",
    "axlab.machine.walks", "axlab.machine.translator.translated", "axlab.machine.isa.assembler", "axlab.time.on_disk",
    "axlab.time.recording", "axlab.time.replay", "axlab.trace.filter", "axlab.trace.frames", "axlab.scale",
    "axlab.shell", "axlab.notebook", "tomllib", "axlab.machine.isa.semantics", "axlab.vmm.phases", "axlab.vmm.exits",
    "axlab.time.search",
)  # fmt: skip
LATE_IN_NOTEBOOKS = (
    "concurrent.futures", "statistics", "subprocess", "axlab.machine.translator.blocks", "axlab.machine.isa.semantics",
    "axlab.machine.isa.disassembler", "axlab.vmm.exits", "axlab.lab", "axlab.trace", "axlab.scale.sweep",
    "axlab.time.recording", "axlab.course.grading",
)  # fmt: skip
LATE_ON_THE_COMMAND_LINE = (
    "axlab.lab", "axlab.machine", "axlab.vmm", "axlab.trace", "axlab.course", "axlab.bench.measurements",
    "axlab.scale.sweep", "concurrent.futures", "tomllib", "hashlib", "subprocess",
)  # fmt: skip


def imported(program: str, names: tuple[str, ...]) -> str:
    """Which of these modules a program has imported when it has run."""
    found = f"import sys\n{program}\nprint([name for name in {names} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", found], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_a_lab_is_there_before_what_it_may_never_need() -> None:
    assert imported("import axlab; axlab.Lab()", LATE) == "[]"


def test_the_magics_are_there_before_what_a_notebook_may_never_need() -> None:
    """IPython itself imports some of these."""
    program = "from IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell.instance()\n"
    before = imported(program, LATE_IN_NOTEBOOKS)
    assert imported(program + "shell.run_line_magic('load_ext', 'axlab')", LATE_IN_NOTEBOOKS) == before


def test_the_command_line_is_read_before_what_its_command_needs_is_imported() -> None:
    assert imported("from axlab.cli import parser\nparser()", LATE_ON_THE_COMMAND_LINE) == "[]"


def test_importing_axlab_costs_next_to_nothing() -> None:
    program = "import axlab, sys; print(sorted(m for m in sys.modules if m.startswith('axlab.')))"
    result = subprocess.run([sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"
