"""`%load_ext axlab`: the magics `%vm`, `%vcpu`, `%machine` and `%axlab`, `%%guest`, `%%sched`, `%%sweep`,
and their completion.

The lab of a notebook belongs to the object that holds the magics, so that there is one for each
kernel and none in the module. It is made when it is first needed.
"""

from __future__ import annotations

from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_cell_magic, magics_class, no_var_expand

from axlab.errors import AxError
from axlab.notebook import guest_cell, sched_cell, sweep_cell
from axlab.notebook.cells import run_cell
from axlab.notebook.completion import matcher_for
from axlab.notebook.progress import show_progress
from axlab.notebook.scripts import Step, read
from axlab.shell.results import Result, ScriptResult


@magics_class
class AxLabMagics(Magics):
    """The magics over one lab."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._lab: Any = None
        self.settings: dict[str, Any] = {}
        self.memory: dict[str, Any] = {}  # of figures: what this lab was when they looked last
        self.schedulers: dict[str, Any] = {}  # the user's own, by the names that %%sched gave them
        self.matcher = matcher_for(self)

    @property
    def variables(self) -> dict[str, Any]:
        """The variables of the user."""
        names: dict[str, Any] = self.shell.user_ns  # type: ignore[union-attr]
        return names

    @property
    def lab(self) -> Any:
        """The lab that the magics command."""
        if self._lab is None:
            from axlab.lab import Lab

            self.lab = Lab()
        return self._lab

    @lab.setter
    def lab(self, lab: Any) -> None:
        self._lab = lab
        lab.schedulers = self.schedulers
        self.memory = {}
        show_progress(lab)

    @no_var_expand
    @line_cell_magic
    def vm(self, line: str, cell: str | None = None) -> Result | None:
        """Command virtual machines: `%vm start 0`, `r = %vm list`, `%vm r << list`.

        `%vm` alone lists the commands, `%vm start --help` describes one. `%%vm` runs a script, one
        command on each line, and stops at the first that fails.
        """
        return self.command("vm", line) if cell is None else self.script("vm", line, cell)

    @no_var_expand
    @line_cell_magic
    def vcpu(self, line: str, cell: str | None = None) -> Result | None:
        """Command virtual CPUs: `%vcpu list`, `%vcpu pin 0.1 2`. `%vcpu` alone lists the commands."""
        return self.command("vcpu", line) if cell is None else self.script("vcpu", line, cell)

    @no_var_expand
    @line_cell_magic
    def machine(self, line: str, cell: str | None = None) -> Result | None:
        """Look at the board under the hypervisor: `%machine show`. `%machine` alone lists the commands."""
        return self.command("machine", line) if cell is None else self.script("machine", line, cell)

    @no_var_expand
    @cell_magic
    def guest(self, line: str, cell: str) -> Result:
        """Make a VM from the AArch64 assembly in a cell, or with `--c` from C: `%%guest NAME`, `%%guest --help`."""
        return run_cell(self, guest_cell.guest, line, cell)

    @no_var_expand
    @cell_magic
    def sched(self, line: str, cell: str) -> Result:
        """Make the class in a cell the lab's scheduler: `%%sched NAME`, `%%sched --help`."""
        return run_cell(self, sched_cell.sched, line, cell)

    @no_var_expand
    @cell_magic
    def sweep(self, line: str, cell: str) -> Result:
        """Run the commands in a cell once for each set of parameters: `%%sweep --param cpus=1,2`, `%%sweep --help`."""
        return run_cell(self, sweep_cell.sweep, line, cell)

    @no_var_expand
    @line_cell_magic
    def axlab(self, line: str, cell: str | None = None) -> Any:
        """Command the notebook's lab: `%axlab new`, `%axlab use NAME`, `%axlab map 0`, `lab = %axlab`.

        `%axlab help` lists what there is. Every command of the shell can be given too (`%axlab help vm`), and
        `%%axlab` runs a script of them.
        """
        from axlab.notebook.lab_commands import run

        return run(self, line) if cell is None else self.script("", line, cell)

    def command(self, group: str, line: str) -> Result | None:
        """Run one line; its result, or None where a variable got it."""
        steps = read(self.lab.shell, line if line.strip() else f"{group} --help", group)
        results = [self.run(step) for step in steps]
        shown = [result for result, step in zip(results, steps, strict=True) if not step.variable]
        if len(shown) > 1:
            return ScriptResult(results=shown, ok=all(result.ok for result in shown))
        return shown[0] if shown else None

    def script(self, group: str, line: str, cell: str) -> Result | None:
        """Run a cell until something fails, which raises AxError after what was done has been shown."""
        if line.strip():
            raise AxError(f"the words {line.strip()!r} stand behind the magic; write commands into the lines below it")
        done: list[Result] = []
        for step in read(self.lab.shell, cell, group):
            result = self.run(step)
            if not step.variable:
                done.append(result)
            if not result.ok:
                self.show(done)
                raise AxError(f"{step.invocation.line.text!r} failed; the commands after it were not run")
        return _together(done)

    def run(self, step: Step) -> Result:
        """Run one command and give its result to the variable that it names."""
        result: Result = self.lab.shell.run(step.invocation)
        if step.variable:
            self.variables[step.variable] = result
        return result

    def show(self, results: list[Result]) -> None:
        from IPython.display import display

        display(_together(results))  # type: ignore[no-untyped-call]


def _together(results: list[Result]) -> Result | None:
    if len(results) < 2:
        return results[0] if results else None
    return ScriptResult(results=results, ok=all(result.ok for result in results))


def load_ipython_extension(shell: InteractiveShell) -> None:
    """`%load_ext axlab`. Loading twice is harmless: the lab stays."""
    if loaded(shell) is None:
        magics = AxLabMagics(shell)
        shell.register_magics(magics)
        shell.Completer.custom_matchers.append(magics.matcher)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """`%unload_ext axlab`: everything that loading added goes, the lab too."""
    magics = loaded(shell)
    if magics is None:
        return
    shell.Completer.custom_matchers.remove(magics.matcher)
    for kind, names in magics.magics.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    del shell.magics_manager.registry[AxLabMagics.__name__]


def loaded(shell: InteractiveShell) -> AxLabMagics | None:
    """The magics of this kernel, or None where the extension is not loaded."""
    magics = shell.magics_manager.registry.get(AxLabMagics.__name__)
    return magics if isinstance(magics, AxLabMagics) else None
