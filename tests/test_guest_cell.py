"""`%%guest`: cells of assembly and C that become VMs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from IPython.core.interactiveshell import InteractiveShell
from notebook_cells import complete, value

from axlab.errors import AxError, SourceErrors
from axlab.guests.c_compiler import COMPILER
from axlab.lab import Lab
from axlab.notebook.memory_spans import guest_spans, host_spans
from axlab.vmm.ivc import ChannelError

HELLO = '%%guest hello\n        .include "axlab.S"\n        adr x0, text\n        bl print\n        b power_off\n'
HELLO += 'text:   .asciz "hello\\n"\n'
SPINS = "%%guest hello\nb .\n"


def lab_of(ip: InteractiveShell) -> Lab:
    lab = value(ip, "%axlab")
    assert isinstance(lab, Lab)
    return lab


def test_a_cell_of_assembly_becomes_a_vm_that_runs(ip: InteractiveShell) -> None:
    made = value(ip, HELLO)
    assert made.text() == (
        "✓ VM[0] hello created: 368 bytes at 0x40080000, 1 vCPU, 16MB; start it with %vm start hello"
    )
    assert made.symbols["text"] == 0x4008_000C
    assert "hello\n" in value(ip, "%vm start hello").text()
    assert lab_of(ip).vm("hello").symbols.name(0x4008_0000 + made.bytes - 4).startswith("start_vcpu")


def test_the_vm_is_made_as_the_options_say(ip: InteractiveShell) -> None:
    made = value(ip, "%%guest wide --cpus 2 --mem 32M --entry el1\nb .\n")
    vm = lab_of(ip).vm("wide")
    assert (made.vcpus, len(vm.vcpus), vm.memory_bytes) == (2, 2, 32 << 20)


def test_a_vm_with_an_ivc_device_gets_channels_and_one_without_does_not(ip: InteractiveShell) -> None:
    value(ip, "%%guest with --ivc\nb .\n")
    value(ip, "%%guest without\nb .\n")
    lab = lab_of(ip)
    lab.shell("vm start with without --detach")
    assert lab.hypervisor.channels.publish(lab.vm("with"), 7, 100).gpa == 0x0C00_0000
    with pytest.raises(ChannelError, match="has no IVC device"):
        lab.hypervisor.channels.publish(lab.vm("without"), 7, 100)


def test_channels_are_in_the_memory_map_one_by_one(ip: InteractiveShell) -> None:
    value(ip, "%%guest talker --ivc\nb .\n")
    lab = lab_of(ip)
    lab.shell("vm start talker --detach")
    vm = lab.vm("talker")
    held = [lab.hypervisor.channels.publish(vm, key, 100) for key in (7, 8)]
    spans = [span for span in guest_spans(vm) if span.kind == "channel"]
    assert [(span.name, span.base, span.target) for span in spans] == [
        (f"IVC channel {one.channel.key:#x}", one.gpa, one.channel.hpa) for one in held
    ]
    on_the_board = [(span.base, span.size) for span in host_spans(lab, vm) if span.kind == "channel"]
    assert on_the_board == sorted((one.channel.hpa, 0x1000) for one in held)


def test_mistakes_in_a_cell_are_shown_by_line_and_nothing_is_made(ip: InteractiveShell) -> None:
    with pytest.raises(SourceErrors) as caught:
        value(ip, "%%guest hello\n  nop\n  movv x0, #1\n  b nowhere\n")
    assert str(caught.value).splitlines() == [
        "  movv x0, #1",
        "  ^^^^ hello.S:3: there is no instruction movv; did you mean mov?",
        "  b nowhere",
        "    ^^^^^^^ hello.S:4: nowhere is not defined",
    ]
    assert len(lab_of(ip).hypervisor.vms) == 0
    assert not (lab_of(ip).folder / "guests").exists()


def test_a_cell_that_is_run_again_replaces_its_vm_and_says_so(ip: InteractiveShell) -> None:
    value(ip, "%vm create demo")
    value(ip, HELLO)
    value(ip, "%vm start hello")
    again = value(ip, SPINS)
    assert (again.vm, again.replaced) == (1, True)
    assert again.text().startswith("✓ VM[1] hello replaced: 4 bytes")
    assert lab_of(ip).vm("hello").state == "Loaded"


def test_a_vm_that_runs_is_not_replaced_unless_that_is_asked_for(ip: InteractiveShell) -> None:
    value(ip, SPINS)
    value(ip, "%vm start hello --detach")
    with pytest.raises(AxError) as caught:
        value(ip, HELLO)
    assert str(caught.value) == (
        "VM[0] hello is Running; stop it first (%vm stop hello), or give --replace, which does"
    )
    assert value(ip, HELLO.replace("hello\n", "hello --replace\n", 1)).replaced


def test_a_vm_that_no_cell_made_is_not_replaced(ip: InteractiveShell) -> None:
    value(ip, "%vm create demo")
    with pytest.raises(AxError, match=r"VM\[0\] demo was not made by %%guest; take another name, or give --replace"):
        value(ip, "%%guest demo\nb .\n")
    assert value(ip, "%%guest demo --replace\nb .\n").replaced


def test_a_guest_that_the_host_cannot_have_leaves_the_old_one(ip: InteractiveShell) -> None:
    value(ip, "%axlab new ram=64M")
    value(ip, SPINS)
    with pytest.raises(AxError, match="memory"):
        value(ip, "%%guest hello --mem 512M\nb .\n")
    assert lab_of(ip).vm("hello").memory_bytes == 16 << 20


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%%guest", "<NAME> is missing: name of the vm"),
        ("%%guest a b", "'b' is one word too many: %%guest takes <NAME>"),
        ("%%guest a --cpu 2", "unknown option --cpu of %%guest; did you mean --cpus?"),
        ("%%guest a --entry el2", "--entry: 'el2' is none of el1; did you mean el1?"),
        ("%%guest a --mem 5000", "--mem: 5000 bytes are no whole number of 4 KiB pages; write for example 16M"),
        ("%%guest a/b", "'a/b' "),
        ("%%guest a", "has no instruction"),
    ],
)
def test_a_wrong_line_is_explained(ip: InteractiveShell, line: str, message: str) -> None:
    with pytest.raises(AxError) as caught:
        value(ip, f"{line}\n// nothing\n" if line.endswith("t a") else f"{line}\nb .\n")
    assert message in str(caught.value)


def test_help_is_a_result(ip: InteractiveShell) -> None:
    text = value(ip, "%%guest --help\nb .\n").text()
    assert text.startswith("Usage: %%guest [OPTIONS] <NAME>") and "axlab.S" in text


def test_its_options_are_completed(ip: InteractiveShell) -> None:
    assert complete(ip, "%%guest hello --re") == ["%%guest hello --replace"]
    assert complete(ip, "%%guest hello --entry e") == ["%%guest hello --entry el1"]


def test_the_guest_is_the_same_after_a_restart_and_in_a_clone(ip: InteractiveShell) -> None:
    value(ip, HELLO)
    value(ip, "%vm clone hello twin")
    assert "hello\n" in value(ip, "%vm start twin").text()
    assert value(ip, "%vm start twin").ok
    assert lab_of(ip).vm("twin").console.text == "hello\nhello\n"


def test_a_cell_of_c_becomes_a_vm_with_its_functions_as_symbols(
    ip: InteractiveShell, needs: Callable[[str, str], str]
) -> None:
    needs(COMPILER, "gcc-aarch64-linux-gnu")
    cell = '#include "axlab.h"\nint main(void) {\n  int unused;\n  printf("C %d\\n", 6 * 7);\n  return 0;\n}\n'
    made = value(ip, f"%%guest c --c\n{cell}")
    assert made.warnings == ["c.c:4: unused variable 'unused'"]
    assert {"main", "printf", "_start"} <= set(made.symbols)
    assert "C 42\n" in value(ip, "%vm start c").text()


def test_mistakes_in_c_have_the_cells_lines(ip: InteractiveShell, needs: Callable[[str, str], str]) -> None:
    needs(COMPILER, "gcc-aarch64-linux-gnu")
    with pytest.raises(SourceErrors, match="c.c:3: 'bar' undeclared"):
        value(ip, "%%guest c --c\nint main(void) {\n  return bar;\n}\n")
