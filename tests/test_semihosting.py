"""Semihosting: what HLT 0xF000 can ask for."""

from __future__ import annotations

import pytest
from cpu_setup import DATA, cpu_with

from axlab.machine.cpu import Cpu
from axlab.machine.semihosting import APPLICATION_EXIT, Heap, Request, call

FAILED = (1 << 64) - 1


def ask(operation: int, parameter: int, *block: int, text: bytes = b"") -> tuple[Request, Cpu]:
    cpu = cpu_with("nop", semihosting=True)
    for index, value in enumerate(block):
        cpu.memory.write_int(DATA + 8 * index, 8, value)
    cpu.memory.write(DATA + 0x100, text)
    cpu.x[0], cpu.x[1] = operation, parameter
    return call(cpu, Heap(0x1000, 0x2000)), cpu


def test_text_goes_to_the_console() -> None:
    assert ask(0x04, DATA + 0x100, text=b"hello\0more")[0].output == b"hello"
    assert ask(0x03, DATA + 0x100, text=b"x")[0].output == b"x"
    request, cpu = ask(0x05, DATA, 1, DATA + 0x100, 3, text=b"abcd")
    assert (request.output, cpu.x[0]) == (b"abc", 0)


@pytest.mark.parametrize(("operation", "reason", "code"), [(0x18, APPLICATION_EXIT, 3), (0x20, APPLICATION_EXIT, 3)])
def test_an_end_has_an_exit_code(operation: int, reason: int, code: int) -> None:
    assert ask(operation, DATA, reason, code)[0].exit_code == code
    assert ask(operation, DATA, 0x20023, code)[0].exit_code == 1


def test_heap_information_is_written_where_the_block_says() -> None:
    _, cpu = ask(0x16, DATA, DATA + 0x200)
    assert [cpu.memory.read_int(DATA + 0x200 + 8 * n, 8) for n in range(4)] == [0x1000, 0x2000, 0, 0]


def test_only_the_console_can_be_opened() -> None:
    assert ask(0x01, DATA, DATA + 0x100, 4, 3, text=b":tt")[1].x[0] == 2
    assert ask(0x01, DATA, DATA + 0x100, 0, 11, text=b"/etc/passwd")[1].x[0] == FAILED


def test_time_is_virtual() -> None:
    cpu = cpu_with("nop")
    cpu.enter(5_000_000_000)
    cpu.x[0] = 0x10
    assert call(cpu).result == 500


@pytest.mark.parametrize("operation", [0x04, 0x05, 0x07, 0x16, 0x77])
def test_what_cannot_be_done_fails_and_harms_nobody(operation: int) -> None:
    request, cpu = ask(operation, 0x2000_0000)
    assert (cpu.x[0], request.output, request.exit_code) == (FAILED, b"", None)


def test_an_end_whose_reason_cannot_be_read_is_an_end_all_the_same() -> None:
    assert ask(0x18, 1)[0].exit_code == 1
