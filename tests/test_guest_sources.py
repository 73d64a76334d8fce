"""Guests from sources: assembly with what AxLab ships, and C."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from axlab.errors import AxError, SourceErrors
from axlab.guests import assemble_guest, c_compiler
from axlab.guests.c_compiler import compile_c
from axlab.lab import Lab
from axlab.machine.isa.assembler import assemble
from axlab.vmm.config import default_config
from axlab.vmm.config_new import emulated_devices
from axlab.vmm.images import load_image
from axlab.vmm.vm import Vm

PRINTS = """
        .include "axlab.S"
        adr     x0, text
        bl      print
        ldr     x0, =1234567890123
        bl      print_decimal
        bl      newline
        mov     x0, #0
        bl      print_decimal
        bl      newline
        ldr     x0, =0x12cafe
        bl      print_hex
        bl      newline
        mov     x1, #1
        adr     x2, second
        mov     x3, '2'
        bl      start_vcpu
        bl      read_char
        bl      print_char
        b       power_off
second: bl      print_char
        b       vcpu_off
text:   .asciz  "hello\\n"
"""
SPEAKS_C = r"""
#include "axlab.h"
static volatile int count;
static lock_t one_at_a_time;
static void other(uint64_t argument)
{
    lock(&one_at_a_time);
    printf("vCPU %d: %lu\n", this_vcpu(), argument);
    unlock(&one_at_a_time);
    send_interrupt(0, 3);
}
static void tick(void)
{
    printf("tick %d\n", ++count);
    if (count < 2)
        timer_in(1000);
}
static void woken(void) { printf("interrupt 3\n"); }
int main(void)
{
    printf("%5d|%-|%05x|%s|%c|%ld|%%\n", -42, 0xabc, "s", 'c', -5L);
    printf("PSCI %x, hypercalls %ld %ld\n", psci_version(), hvc(HVC_DEBUG, 0, 0, 0, 0), hvc(99, 0, 0, 0, 0));
    on_interrupt(3, woken);
    on_interrupt(TIMER_INTERRUPT, tick);
    interrupts_on();
    printf("%d\n", vcpu_start(9, other, 77));
    vcpu_start(1, other, 77);
    timer_in(1000);
    while (count < 2)
        wait_for_interrupt();
    uint64_t before = microseconds();
    sleep(5000);
    printf("slept %d ms\n", (int)(microseconds() - before) / 1000);
    printf("typed %c\n", getchar());
}
"""


def ran(path: Path, typed: bytes = b"") -> Vm:
    """A VM of two vCPUs that ran from a source until it stopped."""
    lab = Lab(code_cache=False)
    config = default_config(path)
    config = replace(
        config,
        base=replace(config.base, cpu_num=2),
        devices=replace(config.devices, emu_devices=emulated_devices(2)),
    )
    vm = lab.create(config)
    lab.hypervisor.start(vm)
    lab.hypervisor.console_input(vm, typed)
    lab.run("1s")
    return vm


def test_what_is_shipped_for_assembly_prints_reads_and_starts_a_vcpu(tmp_path: Path) -> None:
    source = tmp_path / "hello.S"
    source.write_text(PRINTS)
    vm = ran(source, b"Q")
    assert vm.console.text == "hello\n1234567890123\n0\n000000000012cafe\n2Q"
    assert (str(vm.state), vm.reason) == ("Stopped", "guest power-off")


RINGS = """
        .include "axlab.S"
_start: mov     x0, #1 << 27
        bl      gic_enable
        ldr     x0, =62500              // 1 ms
        bl      timer_in
        wfi
        mrs     x19, icc_iar1_el1
        mrs     x20, cntvct_el0
        bl      timer_off
        msr     icc_eoir1_el1, x19
        mrs     x21, cntv_ctl_el0
        b       power_off
"""


def test_what_is_shipped_for_assembly_lets_the_timer_ring_and_silences_it(tmp_path: Path) -> None:
    source = tmp_path / "rings.S"
    source.write_text(RINGS)
    vm = ran(source)
    x = vm.vcpus[0].cpu.x
    assert (x[19], x[21]) == (27, 0)
    assert 62_500 <= x[20] < 63_500
    assert vm.gic.gic.private[0].enabled == 1 << 27


def test_a_guest_in_assembly_has_its_labels_as_symbols(tmp_path: Path) -> None:
    source = tmp_path / "hello.S"
    source.write_text(PRINTS)
    symbols = load_image(source).symbols
    second = symbols.address_of("second")
    assert second is not None and symbols.name(second + 4) == "second+0x4"
    assert symbols.address_of("power_off") is not None


def test_it_begins_at_start_where_that_is_defined(tmp_path: Path) -> None:
    source = tmp_path / "late.S"
    source.write_text("nop\n_start: b .\n")
    assert load_image(source).entry == 0x4008_0004
    source.write_text("nop\nb .\n")
    assert load_image(source).entry == 0x4008_0000


def test_a_shipped_routine_cannot_be_defined_again() -> None:
    with pytest.raises(SourceErrors) as caught:
        assemble_guest('.include "axlab.S"\nprint: ret\n', "mine.S")
    assert str(caught.value) == "print: ret\n^^^^^ mine.S:2: print is defined already"


def test_only_what_is_handed_over_can_be_included() -> None:
    with pytest.raises(SourceErrors) as caught:
        assemble_guest('  .include "/etc/passwd"\n', "mine.S")
    assert str(caught.value).endswith("mine.S:1: '/etc/passwd' cannot be included; there is axlab.S")
    with pytest.raises(SourceErrors, match="'axlab.S' cannot be included$"):
        assemble('.include "axlab.S"\n')


def test_an_include_that_includes_itself_ends() -> None:
    made = assemble('.include "a"\n', includes={"a": '.include "a"\nnop\n'})
    assert len(made.code) == 4 and made.lines == {}


def test_a_mistake_in_what_is_included_names_its_file() -> None:
    with pytest.raises(SourceErrors) as caught:
        assemble('.include "a"\nmovv x0, #1\n', name="mine.S", includes={"a": "nop\nhlp #1\n"})
    assert [(error.source, error.line) for error in caught.value.errors] == [("mine.S", 2), ("a", 2)]


def test_a_source_of_nothing_is_no_guest(tmp_path: Path) -> None:
    source = tmp_path / "empty.S"
    source.write_text("// nothing\n")
    with pytest.raises(AxError, match="has no instruction"):
        load_image(source)
    source.write_bytes(b"\xff\xfe")
    with pytest.raises(AxError, match="is no UTF-8 text"):
        load_image(source)


def test_vm_create_takes_a_source(tmp_path: Path) -> None:
    (tmp_path / "guest.S").write_text("b .\n")
    lab = Lab(code_cache=False)
    assert lab.shell(f"vm create {tmp_path / 'guest.S'}").ok
    (tmp_path / "wrong.S").write_text("nop\n  b nowhere\n")
    result = lab.shell(f"vm create {tmp_path / 'wrong.S'}")
    assert not result.ok and "    ^^^^^^^ wrong.S:2: nowhere is not defined" in result.text()


def test_a_guest_in_c_has_console_interrupts_time_vcpus_and_hypercalls(
    tmp_path: Path, needs: Callable[[str, str], str]
) -> None:
    needs(c_compiler.COMPILER, "gcc-aarch64-linux-gnu")
    source = tmp_path / "hello.c"
    source.write_text(SPEAKS_C)
    vm = ran(source, b"Q")
    assert vm.console.text.split("\n") == [
        "  -42|-|00abc|s|c|-5|%",
        "PSCI 10001, hypercalls 0 -1",
        "-2",
        "vCPU 1: 77",
        "interrupt 3",
        "tick 1",
        "tick 2",
        "slept 5 ms",
        "typed Q",
        "",
    ]
    assert (str(vm.state), vm.reason) == ("Stopped", "guest power-off")
    assert vm.symbols.address_of("tick") is not None


def test_an_exception_in_a_guest_in_c_is_told_and_ends_it(tmp_path: Path, needs: Callable[[str, str], str]) -> None:
    needs(c_compiler.COMPILER, "gcc-aarch64-linux-gnu")
    source = tmp_path / "bad.c"
    source.write_text('#include "axlab.h"\nint main(void) { __asm__ volatile("brk #7"); return 0; }\n')
    assert "unexpected exception: ESR 0xf2000007, ELR 0x4008" in ran(source).console.text


def test_mistakes_in_c_are_shown_with_their_lines(needs: Callable[[str, str], str]) -> None:
    needs(c_compiler.COMPILER, "gcc-aarch64-linux-gnu")
    with pytest.raises(SourceErrors) as caught:
        compile_c('#include "axlab.h"\nint main(void) {\n\treturn 1 + bar;\n}\n', "guest.c")
    assert str(caught.value) == (
        "        return 1 + bar;\n                   ^^^ guest.c:3: 'bar' undeclared (first use in this function)"
    )


def test_a_function_that_is_nowhere_is_shown_where_it_is_used(needs: Callable[[str, str], str]) -> None:
    needs(c_compiler.COMPILER, "gcc-aarch64-linux-gnu")
    with pytest.raises(SourceErrors) as caught:
        compile_c("int foo(void);\nint main(void) { return foo(); }\n", "guest.c")
    assert "guest.c:2: foo is used, and nothing of that name is defined" in str(caught.value)


def test_warnings_of_the_compiler_are_kept(needs: Callable[[str, str], str]) -> None:
    needs(c_compiler.COMPILER, "gcc-aarch64-linux-gnu")
    assert compile_c("int main(void) { int x; return 0; }\n", "guest.c").warnings == ("guest.c:1: unused variable 'x'",)


def test_a_missing_compiler_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AxError, match="aarch64-linux-gnu-gcc, and it is not installed: apt-get install gcc-aarch64"):
        compile_c("int main(void) {}\n", "guest.c")
