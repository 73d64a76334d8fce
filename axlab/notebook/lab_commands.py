"""What `%axlab` can do beside the shell's commands: change the notebook's lab, and draw it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError
from axlab.notebook.figures import AGAINST, FIGURES, lab_named, labs_among, options_of, show
from axlab.notebook.progress import show_progress
from axlab.shell.render import Block, Table
from axlab.shell.results import HelpResult, Result, TextResult

if TYPE_CHECKING:
    from axlab.notebook.magics import AxLabMagics


@dataclass(frozen=True, slots=True)
class LabCommand:
    """A command of `%axlab`: its usage, what it is for, and the function that obeys it."""

    usage: str
    summary: str
    run: Callable[[AxLabMagics, list[str]], Any]


def run(magics: AxLabMagics, line: str) -> Any:
    """Obey a line of `%axlab`. Without words: the lab. Raises AxError."""
    words = line.split()
    if not words:
        return magics.lab
    command = COMMANDS.get(words[0])
    if command is None or words == ["help"]:
        return magics.command("", line) if command is None else help_text(magics)
    if words[0] == "help":
        return magics.command("", line)
    return command.run(magics, words[1:])


def names() -> list[str]:
    """The first words that `%axlab` knows beside the shell's."""
    return list(COMMANDS)


def words_for(magics: AxLabMagics, command: str) -> list[str]:
    """What may stand behind a command of `%axlab`."""
    from axlab.lab import SETTINGS
    from axlab.vmm.scheduler import SCHEDULERS

    if command == "new":
        known = [f"scheduler={name}" for name in (*SCHEDULERS, *magics.schedulers)]
        return sorted([f"{key}=" for key in SETTINGS] + known)
    if command in ("use", "compare"):
        return labs_among(magics.variables)
    if command == "live":
        return ["off"]
    if command in FIGURES:
        vms = list(magics.lab.hypervisor.vms)
        known = [*(str(vm.id) for vm in vms), *(vm.name for vm in vms), *options_of(command)]
        return known + (labs_among(magics.variables) if AGAINST in known else [])
    return []


def help_text(magics: AxLabMagics) -> HelpResult:
    """The commands of `%axlab` and their meaning."""
    width = max(len(command.usage) for command in COMMANDS.values())
    lines = ["Usage: %axlab [COMMAND]", "", "Without a command: the notebook's lab, as in lab = %axlab", ""]
    lines += [f"  {command.usage:<{width}}  {command.summary}" for command in COMMANDS.values()]
    return HelpResult(lines=[*lines, "", "and every command of the shell; '%axlab help vm' describes those of vm."])


def new(magics: AxLabMagics, words: list[str]) -> Any:
    """A new lab, with settings as keywords of `Lab`. The machine of the one before stands still."""
    from axlab.lab import SETTINGS, Lab
    from axlab.notebook.live_machine import stand_still

    settings: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in SETTINGS:
            known = ", ".join(sorted(SETTINGS))
            raise AxError(f"{word!r} is no setting of a lab; write KEY=VALUE (keys: {known})")
        settings[key] = value_of(value)
    made = Lab(**settings | own_scheduler(magics, settings))
    stand_still(magics.lab)
    magics.lab, magics.settings = made, settings
    return made


def own_scheduler(magics: AxLabMagics, settings: dict[str, Any]) -> dict[str, Any]:
    """The class of a scheduler that a cell made, in the place of its name."""
    name = settings.get("scheduler")
    return {"scheduler": magics.schedulers[name]} if name in magics.schedulers else {}


def value_of(text: str) -> int | bool | str:
    """A setting's value as it was written: a number, true or false, or text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if text.isdecimal() else text


def reset(magics: AxLabMagics, words: list[str]) -> Any:
    """A new lab with the settings of the one before."""
    _none(words, "reset")
    return new(magics, [f"{key}={value}" for key, value in magics.settings.items()])


def use(magics: AxLabMagics, words: list[str]) -> Any:
    """Command a lab of the user's, by the name of its variable."""
    if len(words) != 1:
        raise AxError("%axlab use takes the name of a variable that holds a lab: %axlab use NAME")
    magics.lab = lab_named(words[0], magics.variables)
    magics.settings = {}
    return magics.lab


def compare(magics: AxLabMagics, words: list[str]) -> Any:
    """The first difference between the run of this lab and that of another, or between two others, in words."""
    if not 1 <= len(words) <= 2:
        raise AxError("%axlab compare takes one or two names of variables that hold labs: %axlab compare LAB [LAB]")
    labs = [lab_named(word, magics.variables) for word in words]
    a, b = labs if len(labs) == 2 else (magics.lab, labs[0])
    return a.trace.compare(b)


def replay(magics: AxLabMagics, words: list[str]) -> Any:
    """The lab that a recording makes. Where it comes out differently, the lab as it was then, and the reason."""
    from axlab.lab import Lab
    from axlab.time.replay import Diverged, replay

    if len(words) != 1:
        raise AxError("%axlab replay takes the name of a file: %axlab replay FILE")
    try:
        lab = replay(words[0], Lab, prepare=show_progress)
    except Diverged as error:
        magics.lab = error.lab
        raise
    magics.lab, magics.settings = lab, {}
    return lab


@dataclass(kw_only=True)
class ConfigResult(Result):
    """The settings of a lab, as `%axlab new` takes them."""

    settings: list[dict[str, Any]] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        rows = tuple((one["key"], written(**one)) for one in self.settings)
        return [Table(("SETTING", "VALUE"), rows)]

    def only(self, key: str) -> ConfigResult:
        """One of the settings."""
        return ConfigResult(settings=[one for one in self.settings if one["key"] == key])


def config(magics: AxLabMagics, words: list[str]) -> ConfigResult:
    """What the lab was made with."""
    _none(words, "config")
    return ConfigResult(settings=[{"key": key, "value": value} for key, value in magics.lab.settings.items()])


def written(key: str, value: int | bool | str) -> str:
    """A setting as `%axlab new` reads it."""
    if key == "ram" and isinstance(value, int):
        return f"{value >> 30}G" if not value % (1 << 30) else f"{value >> 20}M"
    return str(value).lower() if isinstance(value, bool) else str(value)


def seed(magics: AxLabMagics, words: list[str]) -> Any:
    """The seed of the lab's scheduler; with a number, a new lab that has this one and is else the same."""
    if not words:
        return config(magics, []).only("seed")
    if len(words) > 1 or not words[0].isdecimal():
        raise AxError("%axlab seed takes one whole number: %axlab seed 7")
    settings = magics.settings | {"seed": int(words[0])}
    return new(magics, [f"{key}={value}" for key, value in settings.items()])


def live(magics: AxLabMagics, words: list[str]) -> Any:
    """Let the machine run between the cells; `off`: only while commands run it."""
    from axlab.notebook.live_machine import machine_of

    if words not in ([], ["off"]):
        raise AxError("%axlab live takes nothing, or off: %axlab live off")
    machine = machine_of(magics.lab)
    if words:
        machine.stop()
        return TextResult(lines=["✓ virtual time stands still, unless a command runs the machine"])
    machine.start()
    return TextResult(lines=["✓ the machine runs, never ahead of the clock; %axlab live off stops it"])


def drawing(name: str) -> LabCommand:
    """The command that draws a figure, or with `--live` shows it live."""
    figure = FIGURES[name]

    def drawn(magics: AxLabMagics, words: list[str]) -> Any:
        return show(magics.lab, name, words, magics.memory, magics.variables)

    return LabCommand(figure.usage, figure.summary, drawn)


def _none(words: list[str], command: str) -> None:
    if words:
        raise AxError(f"%axlab {command} takes no words: {words[0]!r} is one too many")


COMMANDS = {
    "new": LabCommand("new [KEY=VALUE...]", "a new lab, such as: new cpus=2 ram=4G", new),
    "reset": LabCommand("reset", "a new lab with the same settings", reset),
    "use": LabCommand("use NAME", "command the lab of a variable", use),
    "replay": LabCommand("replay FILE", "the lab that a recording makes", replay),
    "compare": LabCommand("compare LAB [LAB]", "the first difference between two runs; LAB is a variable", compare),
    "live": LabCommand("live [off]", "let the machine run while you look and type; or not any more", live),
    "config": LabCommand("config", "the lab's settings", config),
    "seed": LabCommand("seed [N]", "the seed of the scheduler; with N, a new lab with that seed", seed),
    **{name: drawing(name) for name in FIGURES},
    "help": LabCommand("help [COMMAND]", "this, or what a command does", lambda magics, _: help_text(magics)),
}
