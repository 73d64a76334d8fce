"""`%vm`, `%%vm` and `%axlab` in IPython."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from notebook_cells import complete, value

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.notebook.completion import command_before
from axlab.notebook.magics import AxLabMagics, load_ipython_extension, loaded, unload_ipython_extension


def test_a_line_gives_the_result_of_the_shells_command(ip: InteractiveShell) -> None:
    result = value(ip, "%vm list")
    assert result.text() == "No virtual machines found."
    assert set(result._repr_mimebundle_()) == {"text/plain", "text/html", "application/vnd.axlab+json"}


def test_the_groups_name_may_be_there_too(ip: InteractiveShell) -> None:
    assert value(ip, "%vm vm list").text() == "No virtual machines found."


def test_a_result_can_be_kept_by_assignment(ip: InteractiveShell) -> None:
    value(ip, "answer = %vm list")
    assert ip.user_ns["answer"].text() == "No virtual machines found."


def test_a_result_can_be_kept_by_an_arrow_and_is_not_shown_then(ip: InteractiveShell) -> None:
    assert value(ip, "%vm answer << list") is None
    assert value(ip, "%axlab other << vm list") is None
    assert ip.user_ns["answer"].text() == ip.user_ns["other"].text() == "No virtual machines found."


def test_an_arrow_needs_a_name_and_a_command(ip: InteractiveShell) -> None:
    with pytest.raises(AxError, match=r"'1x' is no name of a variable\nUsage: NAME << COMMAND"):
        value(ip, "%vm 1x << list")
    with pytest.raises(AxError, match="a command is missing behind <<"):
        value(ip, "%vm x <<")


def test_braces_and_dollars_are_left_alone(ip: InteractiveShell) -> None:
    ip.user_ns["x"] = "list"
    with pytest.raises(AxError, match=r"unknown command '\{x\}' of vm"):
        value(ip, "%vm {x}")
    with pytest.raises(AxError, match=r"unknown command '\$x' of vm"):
        value(ip, "%vm $x")


def test_vm_alone_lists_the_commands(ip: InteractiveShell) -> None:
    assert "start" in value(ip, "%vm").text()


def test_a_guest_boots_from_a_line(ip: InteractiveShell) -> None:
    value(ip, "%vm create demo")
    result = value(ip, "%vm start 0")
    assert result.ok
    lab = value(ip, "lab = %axlab") or ip.user_ns["lab"]
    assert lab.vm(0).state == "Stopped"
    assert lab.trace.summary().count


def test_a_refusal_is_a_result_and_raises_nothing(ip: InteractiveShell) -> None:
    result = value(ip, "%vm start 7")
    assert not result.ok and "✗ VM[7] not found" in result.text()


def test_a_mistake_of_language_is_a_real_error(ip: InteractiveShell) -> None:
    error = ip.run_cell("%vm start 0 --detech").error_in_exec
    assert isinstance(error, AxError)
    assert str(error).splitlines() == [
        "vm start 0 --detech",
        "           ^^^^^^^^ unknown option --detech of vm start; did you mean --detach?",
        "Usage: vm start [OPTIONS] [VM_ID...]",
    ]


def test_an_error_is_shown_short_and_without_a_traceback(
    ip: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    ip.run_cell("%vm start 0 --detech")
    said = capsys.readouterr()
    text = said.out + said.err
    assert "unknown option --detech" in text
    assert "Traceback" not in text and "magics.py" not in text


def test_an_error_marks_its_place_in_red_and_says_what_is_wrong_in_bold() -> None:
    with_caret = AxError("no such word", text="vm strat", column=3, length=5, usage="Usage: vm start")
    assert with_caret._render_traceback_() == [
        "vm strat", "   \x1b[31m^^^^^\x1b[0m\x1b[1m no such word\x1b[0m", "Usage: vm start",
    ]  # fmt: skip
    without = AxError("there is no such file\nand no other")
    assert without._render_traceback_() == [
        "\x1b[31mAxError\x1b[0m: \x1b[1mthere is no such file\x1b[0m", "and no other",
    ]  # fmt: skip
    assert AxError("")._render_traceback_() == ["\x1b[31mAxError\x1b[0m: \x1b[1m\x1b[0m"]


def test_a_script_runs_line_by_line(ip: InteractiveShell) -> None:
    result = value(ip, "%%vm\n# a comment\ncreate demo; start 0 --detach\nlist\n")
    assert len(result.results) == 3
    assert "Running" in result.text()


def test_a_script_keeps_results_in_variables(ip: InteractiveShell) -> None:
    result = value(ip, "%%vm\nmade << create demo\nall << vm list\nlist\n")
    assert ip.user_ns["made"].ok
    assert result.text() == ip.user_ns["all"].text()


def test_a_script_stops_at_the_first_failure_and_shows_what_was_done(
    ip: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AxError) as error:
        value(ip, "%%vm\nlist\nstart 7\nkept << list\n")
    assert str(error.value) == "'vm start 7' failed; the commands after it were not run"
    assert "kept" not in ip.user_ns
    said = capsys.readouterr().out
    assert "No virtual machines found." in said and "✗ VM[7] not found" in said


def test_a_script_with_a_mistake_runs_nothing(ip: InteractiveShell) -> None:
    with pytest.raises(AxError, match="unknown command 'lits' of vm; did you mean list"):
        value(ip, "%%vm\ncreate demo\nlits\n")
    assert value(ip, "%vm list").text() == "No virtual machines found."


def test_words_behind_a_cell_magic_are_refused(ip: InteractiveShell) -> None:
    with pytest.raises(AxError, match="the words 'list' stand behind the magic"):
        value(ip, "%%vm list\nlist\n")


def test_every_kernel_has_a_lab_of_its_own(ip: InteractiveShell) -> None:
    lab = value(ip, "%axlab")
    assert isinstance(lab, Lab)
    assert value(ip, "%axlab") is lab
    assert value(ip, "%axlab new cpus=2") is not lab
    assert len(list(value(ip, "%axlab").hypervisor.physical_cpus)) == 2
    again = value(ip, "%axlab reset")
    assert len(list(again.hypervisor.physical_cpus)) == 2


def test_a_lab_of_the_users_can_be_used(ip: InteractiveShell) -> None:
    ip.user_ns["mine"] = Lab(cpus=1)
    assert value(ip, "%axlab use mine") is ip.user_ns["mine"]
    value(ip, "%vm create demo")
    assert len(list(ip.user_ns["mine"].hypervisor.vms)) == 1


def test_the_lab_of_a_recording_can_be_commanded(ip: InteractiveShell, tmp_path: Path) -> None:
    lab = Lab(cpus=1)
    lab.create("demo")
    lab.record(tmp_path / "it.axrec")
    replayed = value(ip, f"%axlab replay {tmp_path / 'it.axrec'}")
    assert value(ip, "%axlab") is replayed and replayed.fingerprint() == lab.fingerprint()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%axlab replay", "%axlab replay takes the name of a file: %axlab replay FILE"),
        ("%axlab use nothing", "nothing is no lab; make one with nothing = axlab.Lab()"),
        ("%axlab compare", "%axlab compare takes one or two names of variables that hold labs: %axlab "),
        ("%axlab compare x", "x is no lab; make one with x = axlab.Lab()"),
        ("%axlab use", "%axlab use takes the name of a variable that holds a lab: %axlab use NAME"),
        ("%axlab new cpu=2", "'cpu=2' is no setting of a lab; write KEY=VALUE (keys: boot_delay, code_cache, "),
        ("%axlab new cpus=99", "cpus = 99 is wrong: a whole number from 1 to 8 is wanted"),
        ("%axlab reset all", "%axlab reset takes no words: 'all' is one too many"),
        ("%axlab map", "%axlab map takes one VM: map VM [--live]"),
        ("%axlab map 0 --lvie", "unknown option --lvie of %axlab map; did you mean --live?\nUsage: %axlab map VM"),
        ("%axlab exits --lvie", "unknown option --lvie of %axlab exits; did you mean --live?\nUsage: %axlab exits "),
    ],
)
def test_a_mistake_with_the_lab_is_explained(ip: InteractiveShell, line: str, message: str) -> None:
    with pytest.raises(AxError) as error:
        value(ip, line)
    assert message in str(error.value)


def test_axlab_runs_the_shells_commands_too(ip: InteractiveShell) -> None:
    assert value(ip, "%axlab vm list").text() == "No virtual machines found."
    assert "new [KEY=VALUE...]" in value(ip, "%axlab help").text()
    assert "Usage: vm start" in value(ip, "%axlab help vm start").text()


def test_the_map_and_the_exits_of_a_guest_are_pictures(ip: InteractiveShell) -> None:
    value(ip, "%%vm\ncreate demo\nstart 0\n")
    drawn = value(ip, "%axlab map 0")
    assert "RAM rwx" in drawn.text and "stage 2 tables of VM[0]" in drawn.text and "<svg" in drawn.svg
    chart = value(ip, "%axlab exits 0")
    assert "MmioWrite" in chart.alt


def test_two_runs_are_compared_in_words_and_as_a_picture(ip: InteractiveShell) -> None:
    value(ip, "%%vm\ncreate demo\nstart 0\n")
    value(ip, "before = %axlab")
    value(ip, "%axlab new ns_per_instruction=200")
    value(ip, "%%vm\ncreate demo\nstart 0\n")
    assert str(value(ip, "%axlab compare before")).startswith("The runs are the same until 1.2 us of virtual time: ")
    assert value(ip, "%axlab compare before before").equal
    assert "compared with VM[0] demo of before" in value(ip, "%axlab exits 0 --against before").text


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("%vm sta", ["%vm start"]),
        ("r = %vm sta", ["r = %vm start"]),
        ("%vm r << sta", ["%vm r << start"]),
        ("%%vm\nlist\nsta", ["%%vm\nlist\nstart"]),
        ("%%vm\nvm sta", ["%%vm\nvm start"]),
        ("%vm list --format=j", ["%vm list --format=json"]),
        ("%vm start --det", ["%vm start --detach"]),
        ("%vcpu pi", ["%vcpu pin"]),
        ("%machine sh", ["%machine show"]),
        ("%%machine\nsh", ["%%machine\nshow"]),
        ("%axlab rese", ["%axlab reset"]),
        ("%axlab vm li", ["%axlab vm list"]),
    ],
)
def test_completion_knows_the_commands(ip: InteractiveShell, cell: str, expected: list[str]) -> None:
    assert complete(ip, cell) == expected


def test_completion_knows_the_vms_that_fit(ip: InteractiveShell) -> None:
    value(ip, "%vm create demo")
    assert "%vm start 0" in complete(ip, "%vm start ")
    assert "%vm start demo" in complete(ip, "%vm start de")


def test_completion_elsewhere_is_left_alone(ip: InteractiveShell) -> None:
    ip.user_ns["startling"] = 1
    assert "startling" in complete(ip, "startl")
    assert command_before("vm = 3\nvm st", 1, 5) is None
    assert command_before("%%vm st", 0, 7) is None


def test_vcpus_and_the_machine_have_magics_of_their_own(ip: InteractiveShell) -> None:
    value(ip, "%vm create demo")
    assert "0.1 " in value(ip, "%vcpu list").text()
    assert "GICD" in value(ip, "%machine show").text()
    assert "vcpu pin" in value(ip, "%vcpu").text()
    assert len(value(ip, "%%vcpu\nlist\nmachine show\n").results) == 2


def test_a_word_that_is_a_command_of_the_group_and_of_the_shell_means_the_groups(ip: InteractiveShell) -> None:
    value(ip, "%vm create demo")
    assert "VM[0] added to global list" in value(ip, "%vm log 0").text()
    assert "Loaded" in value(ip, "%vm vm list").text()


def test_question_marks_show_help(ip: InteractiveShell) -> None:
    assert "Command virtual machines" in str(ip.object_inspect_text("%vm"))


def test_loading_twice_is_harmless(ip: InteractiveShell) -> None:
    lab = value(ip, "%axlab")
    load_ipython_extension(ip)
    ip.run_line_magic("load_ext", "axlab")
    assert value(ip, "%axlab") is lab
    assert len(ip.Completer.custom_matchers) == 1


def test_unloading_removes_all_that_loading_added(tmp_path: Path, ip: InteractiveShell) -> None:
    before = set(ip.user_ns)
    ip.run_line_magic("unload_ext", "axlab")
    assert loaded(ip) is None
    assert ip.Completer.custom_matchers == []
    assert not {"vm", "axlab"} & (set(ip.magics_manager.magics["line"]) | set(ip.magics_manager.magics["cell"]))
    assert set(ip.user_ns) == before
    unload_ipython_extension(ip)  # a second time is harmless
    ip.run_line_magic("load_ext", "axlab")
    assert isinstance(loaded(ip), AxLabMagics)


def test_the_module_holds_no_lab() -> None:
    import axlab.notebook.magics as module

    assert not [name for name, kept in vars(module).items() if isinstance(kept, Lab | dict) and name[:2] != "__"]


def test_a_lab_in_a_notebook_leaves_no_files_beside_it(ip: InteractiveShell, tmp_path: Path) -> None:
    value(ip, "%%vm\ncreate demo\nstart 0\n")
    assert set(os.listdir(tmp_path)) <= {"ipython"}
