"""The command tree: declared once, it alone feeds parser, help, usage, completion and documentation."""

from __future__ import annotations

import copy
import inspect
import pickle
from pathlib import Path
from typing import Any

import pytest

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.shell.arguments import Choice, Duration, Many, Number, Text
from axlab.shell.binding import Invocation, bind, parameter
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, Flag, Option, declare
from axlab.shell.help import command_help, node_help, reference
from axlab.shell.results import Result, TextResult
from axlab.shell.standard import standard_tree
from axlab.shell.syntax import parse
from axlab.shell.tree import CommandTree


def nothing(context: Context, **values: Any) -> Result:
    return TextResult(lines=[repr(values)])


@pytest.fixture
def tree() -> CommandTree:
    tree = CommandTree()
    tree.register(
        "guest make",
        "Make guests",
        nothing,
        Argument("names", Text("NAME"), "What they are called", minimum=0, maximum=None),
        Option("cpu", Many(Number(0, 7, "CPU")), "Physical CPUs", short="c", repeated=True),
        Option("form", Choice(("table", "json"), "FORM"), "How it looks", short="f", default="table"),
        Flag("all", "Every one", short="a"),
        Flag("keep-data", "Keep it", short="k"),
    )
    tree.register("guest", "A guest", nothing, Argument("which", Text(), minimum=0))
    tree.register("sleep", "Wait", nothing, Argument("span", Duration()), Option("level", Number(), required=True))
    return tree


def read(tree: CommandTree, line: str) -> Invocation:
    return bind(tree, parse(line)[0])


@pytest.mark.parametrize(
    "line",
    ["vm start --force 0 1 --detach", "vm start 0 1 --force --detach", "vm start 0 --force 1 --detach",
     "vm start 0 1 -d --force", "vm start -d 0 --force 1"],
)  # fmt: skip
def test_options_and_arguments_mix_in_any_order(line: str) -> None:
    """Fix 15: the document's parser takes the 0 behind --force as its value."""
    values = read(standard_tree(), line).values
    assert [reference.text for reference in values["vms"]] == ["0", "1"]
    assert values["force"] and values["detach"]


@pytest.mark.parametrize(
    "line", ["guest make --form json", "guest make --form=json", "guest make -f json", "guest make -fjson"]
)
def test_an_option_may_be_written_in_four_ways(tree: CommandTree, line: str) -> None:
    assert read(tree, line).values["form"] == "json"


def test_defaults_apply(tree: CommandTree) -> None:
    assert read(tree, "guest make").values == {
        "names": [], "cpu": None, "form": "table", "all": False, "keep_data": False,
    }  # fmt: skip


def test_flags_come_in_clusters(tree: CommandTree) -> None:
    values = read(tree, "guest make -akf json x").values
    assert (values["all"], values["keep_data"], values["form"], values["names"]) == (True, True, "json", ["x"])


def test_a_repeated_option_gathers_its_values(tree: CommandTree) -> None:
    assert read(tree, "guest make --cpu 0,1 --cpu 3 -c2").values["cpu"] == [0, 1, 3, 2]


def test_two_dashes_end_the_options(tree: CommandTree) -> None:
    assert read(tree, "guest make -- ls -la --color=auto").values["names"] == ["ls", "-la", "--color=auto"]


def test_a_node_may_have_a_handler_and_subcommands(tree: CommandTree) -> None:
    assert read(tree, "guest x").values == {"which": "x"}
    assert read(tree, "guest make x").node.path == ("guest", "make")


def test_commands_nest_to_any_depth(tree: CommandTree) -> None:
    tree.register("a b c d e", "Deep", nothing)
    assert read(tree, "a b c d e").node.name == "a b c d e"


def test_a_third_party_adds_a_command_to_a_running_shell() -> None:
    lab = Lab()

    def greet(context: Context, name: str, loud: bool) -> Result:
        return TextResult(lines=[f"Hello {name.upper() if loud else name}"])

    lab.shell.tree.register("demo greet", "Say hello", greet, Argument("name", Text("NAME")), Flag("loud", short="l"))
    assert lab.shell("demo greet world -l").text() == "Hello WORLD"
    assert "demo greet" in lab.shell("help demo").text()
    assert [one.text for one in lab.shell.complete("demo gr")] == ["greet"]
    lab.shell.tree.remove("demo greet")
    with pytest.raises(AxError, match="unknown command 'demo'"):
        lab.shell("demo greet world")


def test_a_command_may_be_there_under_a_condition(tree: CommandTree) -> None:
    tree.register("secret", "Only here", nothing, when=lambda lab: lab == "there")
    assert bind(tree, parse("secret")[0], "there").node.name == "secret"
    with pytest.raises(AxError, match="unknown command 'secret'"):
        bind(tree, parse("secret")[0], "elsewhere")
    assert "secret" not in "\n".join(node_help(tree, tree.root, "elsewhere"))


def test_a_tree_is_copied_and_pickled_with_its_lab() -> None:
    lab = Lab()
    lab.shell("cd /; echo one")
    for twin in (copy.deepcopy(lab.shell), pickle.loads(pickle.dumps(lab.shell.tree))):
        assert (getattr(twin, "tree", twin)).find(["vm", "start"])[0].command is not None


def test_two_commands_of_one_name_are_refused(tree: CommandTree) -> None:
    with pytest.raises(AxError, match="the command 'sleep' exists already"):
        tree.register("sleep", "Again", nothing)


def test_a_declaration_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="'x' is declared twice"):
        declare("a", "", nothing, Flag("one", short="x"), Flag("two", short="x"))
    with pytest.raises(ValueError, match="has to come last"):
        declare("a", "", nothing, Argument("many", Text(), maximum=None), Argument("one", Text()))


def test_usage_texts_have_axvisors_layout(tree: CommandTree) -> None:
    command = read(tree, "guest make").node.command
    assert command is not None
    assert command_help(command) == [
        "Usage: guest make [OPTIONS] [NAME...]",
        "Make guests",
        "",
        "Arguments:",
        "  [NAME...]  What they are called",
        "",
        "Options:",
        "  --cpu, -c <CPU,...>  Physical CPUs",
        "  --form, -f <FORM>    How it looks (table|json, default: table)",
        "",
        "Flags:",
        "  --all, -a        Every one",
        "  --keep-data, -k  Keep it",
    ]


@pytest.mark.parametrize("line", ["vm", "vm --help", "vm -h", "help vm"])
def test_a_group_shows_its_help(line: str) -> None:
    """Fix 17: help, usage and the end of the session are commands like others."""
    lines = Lab().shell(line).text().split("\n")
    assert lines[:3] == ["Usage: vm <COMMAND> [OPTIONS] [ARGS]", "Virtual machine management", ""]
    assert "  vm start      Start virtual machines" in lines


@pytest.mark.parametrize("line", ["vm start --help", "help vm start", "vm start 0 --detach --help"])
def test_a_command_shows_its_usage(line: str) -> None:
    text = Lab().shell(line).text()
    assert text.startswith("Usage: vm start [OPTIONS] [VM_ID...]\nStart virtual machines\n")
    assert "\n  --detach, -d  Run in background mode\n" in text


def test_help_of_nothing_that_is_there_points_at_the_word() -> None:
    result = Lab().shell("help vm strat")
    assert not result.ok
    assert result.text().split("\n")[:2] == [
        "help vm strat",
        "        ^^^^^ unknown command 'strat' of vm; did you mean start?",
    ]


def test_every_handler_takes_what_is_declared() -> None:
    for command in Lab().shell.tree.walk():
        names = [parameter(part.name) for part in (*command.arguments, *command.options, *command.flags)]
        assert set(list(inspect.signature(command.handler).parameters)[1:]) == set(names), command.name


def test_every_command_has_a_summary_and_every_part_an_explanation() -> None:
    for command in Lab().shell.tree.walk():
        assert command.summary and command.summary[0].isupper() and not command.summary.endswith(".")
        assert all(part.summary for part in (*command.arguments, *command.options, *command.flags)), command.name


def test_the_reference_in_docs_is_that_of_the_tree() -> None:
    written = (Path(__file__).parent.parent / "docs" / "commands.md").read_text(encoding="utf-8")
    tree = Lab().shell.tree
    assert written == reference(tree), "write docs/commands.md anew: it is reference(Lab().shell.tree)"
    assert all(f"\n## {command.name}\n" in written for command in tree.walk())


def test_the_commands_are_those_of_the_document_and_ours() -> None:
    names = {command.name for command in standard_tree().walk()}
    vm = "create start stop suspend resume restart delete list show run wait step console reset exits regs mem disasm"
    assert {f"vm {word}" for word in (vm + " walk log config clone").split()} <= names
    assert set("help exit quit history clear log source echo ls cat mkdir rm cp mv touch pwd cd uname".split()) <= names
    assert {"vcpu list", "vcpu show", "vcpu pin", "machine show", "machine irqs"} <= names


def test_the_example_of_the_documentation_runs() -> None:
    text = (Path(__file__).parent.parent / "docs" / "shell.md").read_text(encoding="utf-8")
    code = text.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(compile(code, "docs/shell.md", "exec"), names)
    assert names["lab"].shell("demo greet world -l").text() == "Hello WORLD"
