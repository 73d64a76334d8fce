"""A person's mistake: the line, a caret under the word, what would be right, and the usage."""

from __future__ import annotations

import pytest

from axlab.errors import AxError
from axlab.lab import Lab


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "vm start 0 --detech",
            "vm start 0 --detech\n"
            "           ^^^^^^^^ unknown option --detech of vm start; did you mean --detach?\n"
            "Usage: vm start [OPTIONS] [VM_ID...]",
        ),
        (
            "vm strat 0",
            "vm strat 0\n"
            "   ^^^^^ unknown command 'strat' of vm; did you mean start?\n"
            "Usage: vm <COMMAND> [OPTIONS] [ARGS]",
        ),
        (
            "vn list",
            "vn list\n"
            "^^ unknown command 'vn'; did you mean vm?\n"
            "Usage: <COMMAND> [OPTIONS] [ARGS]",
        ),
        (
            "qwertz",
            "qwertz\n"
            "^^^^^^ unknown command 'qwertz'; 'help' lists them\n"
            "Usage: <COMMAND> [OPTIONS] [ARGS]",
        ),
        (
            "vm list --format=xml",
            "vm list --format=xml\n"
            "                 ^^^ --format: 'xml' is none of table, json\n"
            "Usage: vm list [OPTIONS]",
        ),
        (
            "vm list -fjsn",
            "vm list -fjsn\n"
            "          ^^^ --format: 'jsn' is none of table, json; did you mean json?\n"
            "Usage: vm list [OPTIONS]",
        ),
        (
            "vm list --format",
            "vm list --format\n"
            "        ^^^^^^^^ --format needs a value: FORMAT\n"
            "Usage: vm list [OPTIONS]",
        ),
        (
            "vm list -f json --format table",
            "vm list -f json --format table\n"
            "                ^^^^^^^^ --format is given twice\n"
            "Usage: vm list [OPTIONS]",
        ),
        (
            "vm stop 0 --force=yes",
            "vm stop 0 --force=yes\n"
            "          ^^^^^^^^^^^ --force takes no value\n"
            "Usage: vm stop [OPTIONS] <VM_ID...>",
        ),
        (
            "vm stop -fx 0",
            "vm stop -fx 0\n"
            "          ^ unknown option -x of vm stop\n"
            "Usage: vm stop [OPTIONS] <VM_ID...>",
        ),
        (
            "vm list extra",
            "vm list extra\n"
            "        ^^^^^ 'extra' is one word too many: vm list takes no arguments\n"
            "Usage: vm list [OPTIONS]",
        ),
        (
            "vm mem 0",
            "vm mem 0\n"
            "        ^ <ADDR> is missing: guest virtual address\n"
            "Usage: vm mem [OPTIONS] <VM_ID> <ADDR> [LEN]",
        ),
        (
            "vm mem 0 here",
            "vm mem 0 here\n"
            "         ^^^^ 'here' is no address; write it as 0x40080000\n"
            "Usage: vm mem [OPTIONS] <VM_ID> <ADDR> [LEN]",
        ),
        (
            "vm run --for 3",
            "vm run --for 3\n"
            "             ^ --for: '3' is no duration; write a number and a unit, such as 10ms, 250us or 1.5s\n"
            "Usage: vm run [OPTIONS]",
        ),
        (
            "vm stop 3-1",
            "vm stop 3-1\n"
            "        ^^^ the range 3-1 ends before it begins; write 1-3\n"
            "Usage: vm stop [OPTIONS] <VM_ID...>",
        ),
        (
            "vm show all",
            "vm show all\n"
            "        ^^^ one VM is wanted here, and 'all' names several; write its id or name\n"
            "Usage: vm show [OPTIONS] <VM_ID>",
        ),
        (
            "vcpu show 1",
            "vcpu show 1\n"
            "          ^ '1' is no vCPU; write VM.CPU, such as 0.1 for vCPU 1 of VM 0\n"
            "Usage: vcpu show <VM.CPU>",
        ),
        (
            "vm step 0 -5",
            "vm step 0 -5\n"
            "          ^^ -5 is not between 1 and 10000000\n"
            "Usage: vm step <VM_ID> [N]",
        ),
        (
            "vm start '虚拟机' --detech",
            "vm start '虚拟机' --detech\n"
            "                  ^^^^^^^^ unknown option --detech of vm start; did you mean --detach?\n"
            "Usage: vm start [OPTIONS] [VM_ID...]",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_shown_with_line_caret_and_usage(lab: Lab, line: str, expected: str) -> None:
    """Fix 16: the document's validation neither points nor proposes."""
    with pytest.raises(AxError) as caught:
        lab.shell(line)
    assert str(caught.value) == expected


def test_of_several_commands_none_runs_when_one_is_wrong(lab: Lab) -> None:
    with pytest.raises(AxError, match="unknown command"):
        lab.shell.run_script("mkdir made; vm strat")
    assert not (lab.folder / "made").exists()


def test_in_a_script_the_line_is_named(lab: Lab) -> None:
    with pytest.raises(AxError) as caught:
        lab.shell.run_script("vm list\n\nvm strat 0\n", "boot.axs")
    assert str(caught.value).split("\n")[:2] == [
        "vm strat 0",
        "   ^^^^^ boot.axs:3: unknown command 'strat' of vm; did you mean start?",
    ]


def test_control_characters_of_a_line_do_not_reach_the_terminal(lab: Lab) -> None:
    with pytest.raises(AxError) as caught:
        lab.shell("vm\t\x1b[31mx")
    assert caught.value.text == "vm  [31mx"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vm create", ["Error: No VM configuration file specified", "Usage: vm create [CONFIG_FILE]"]),
        ("vm stop", ["Error: No VM specified", "Usage: vm stop [OPTIONS] <VM_ID>"]),
        ("vm stop --force", ["Error: No VM specified", "Usage: vm stop [OPTIONS] <VM_ID>"]),
        ("vm delete", ["Error: No VM specified", "Usage: vm delete [OPTIONS] <VM_ID>"]),
        ("vm suspend", ["Error: No VM specified", "Usage: vm suspend <VM_ID>"]),
        (
            "vm show",
            [
                "Error: No VM specified",
                "Usage: vm show [OPTIONS] <VM_ID>",
                "",
                "Options:",
                "  -f, --full    Show full detailed information",
                "  -c, --config  Show configuration details",
                "  -s, --stats   Show statistics",
            ],
        ),
    ],
)
def test_nobody_named_is_answered_in_axvisors_words(lab: Lab, line: str, expected: list[str]) -> None:
    result = lab.shell(line)
    assert not result.ok
    assert result.text().split("\n") == expected


def test_a_vm_that_is_not_there_is_an_error_of_that_item(lab: Lab) -> None:
    result = lab.shell("vm stop 7 nobody 3-9")
    assert not result.ok
    assert result.text().split("\n") == [
        "✗ VM[7] not found",
        "Error: Invalid VM ID: nobody",
        "✗ VM[3-9] not found: no id in this range",
    ]
