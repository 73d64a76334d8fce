"""How a command is declared: once, as data, for the parser, help, completion, magics and documentation.

    @command("vm stop", "Stop virtual machines", VMS, FORCE)
    def stop(context: Context, vms: list[VmReference], force: bool) -> Result: ...

The handler's parameters have the names of what is declared (`keep-data` becomes `keep_data`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axlab.shell.arguments import ArgumentType

if TYPE_CHECKING:
    from axlab.shell.results import Result

Handler = Callable[..., "Result"]


@dataclass(frozen=True)
class Argument:
    """A positional argument. `maximum` None: as many as there are, and the value is a list.

    `missing` is what a person reads when none is given, in place of the general error with a caret;
    `lists_flags` prints the command's flags below it. `shown` replaces the derived form in the usage.
    """

    name: str
    type: ArgumentType
    summary: str = ""
    minimum: int = 1
    maximum: int | None = 1
    default: Any = None
    missing: str = ""
    lists_flags: bool = False
    shown: str = ""

    @property
    def usage(self) -> str:
        """`<VM_ID>`, `[VM_ID...]`, ..."""
        word = self.type.metavar + ("..." if self.maximum is None else "")
        return self.shown or (f"<{word}>" if self.minimum else f"[{word}]")


@dataclass(frozen=True)
class Option:
    """`--name VALUE`. With `repeated` it may come several times, and its value is a list."""

    name: str
    type: ArgumentType
    summary: str = ""
    short: str = ""
    default: Any = None
    required: bool = False
    repeated: bool = False


@dataclass(frozen=True)
class Flag:
    """`--name`, true or false: it never takes a value."""

    name: str
    summary: str = ""
    short: str = ""


@dataclass(frozen=True)
class Command:
    """A command's declaration. `when` says whether this lab has it; without, every lab does."""

    path: tuple[str, ...]
    summary: str
    handler: Handler
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    flags: tuple[Flag, ...] = ()
    details: str = ""
    when: Callable[[Any], bool] | None = None

    @property
    def name(self) -> str:
        """Its words: `vm start`."""
        return " ".join(self.path)

    @property
    def usage(self) -> str:
        """`vm start [OPTIONS] [VM_ID...]`."""
        required = [f"--{option.name} <{option.type.metavar}>" for option in self.options if option.required]
        optional = ["[OPTIONS]"] if self.flags or len(self.options) > len(required) else []
        return " ".join([self.name, *optional, *required, *(argument.usage for argument in self.arguments)])

    @property
    def parts(self) -> list[Option | Flag]:
        """Options, then flags."""
        return [*self.options, *self.flags]

    def named(self, name: str) -> Option | Flag | None:
        """The option or flag of a long name."""
        return next((known for known in self.parts if known.name == name), None)

    def lettered(self, letter: str) -> Option | Flag | None:
        """The option or flag of a one-letter name."""
        return next((known for known in self.parts if known.short == letter), None)


def declare(
    path: str,
    summary: str,
    handler: Handler,
    *parts: Argument | Option | Flag,
    when: Callable[[Any], bool] | None = None,
) -> Command:
    """A `Command` from its words and its parts, in the order in which help lists them.

    The first paragraph of the handler's docstring that follows its first line becomes `details`.
    Raises ValueError where the declaration contradicts itself: that is a defect of who declares.
    """
    arguments = tuple(part for part in parts if isinstance(part, Argument))
    for argument in arguments[:-1]:
        if argument.maximum is None:
            raise ValueError(f"{path}: {argument.name} takes all that is left, so it has to come last")
    names = [part.name for part in parts]
    shorts = [part.short for part in parts if isinstance(part, Option | Flag) and part.short]
    for known in (names, shorts):
        if twice := next((name for name in known if known.count(name) > 1), None):
            raise ValueError(f"{path}: {twice!r} is declared twice")
    return Command(
        tuple(path.split()),
        summary,
        handler,
        arguments,
        tuple(part for part in parts if isinstance(part, Option)),
        tuple(part for part in parts if isinstance(part, Flag)),
        "\n\n".join((handler.__doc__ or "").split("\n\n")[1:2]),
        when,
    )


def command(
    path: str, summary: str, *parts: Argument | Option | Flag, when: Callable[[Any], bool] | None = None
) -> Callable[[Handler], Command]:
    """`declare` as a decorator: the name then stands for the `Command`."""

    def declared_as(handler: Handler) -> Command:
        # A lab can be pickled, and pickle looks a function up by its name: it is found behind the command's.
        handler.__qualname__ += ".handler"
        return declare(path, summary, handler, *parts, when=when)

    return declared_as


def declared(namespace: dict[str, Any]) -> list[Command]:
    """All commands that a module declares: `declared(vars(module))`."""
    return [value for value in namespace.values() if isinstance(value, Command)]
