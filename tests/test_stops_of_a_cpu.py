"""Breakpoints and watches of a CPU: where it stops, what it says, and what it costs."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

import pytest
from cpu_setup import DATA, RAM, VECTORS, cpu_with, map_page, turn_mmu_on
from test_translator_agrees import go_on, memory_of, random_machine, state

from axlab.machine.access_trace import AccessTrace
from axlab.machine.cpu import Cpu
from axlab.machine.stops import Hit, Watch
from axlab.machine.translator import library

LOOP = """
    ldr x1, =0x40200000
    mov x0, #0
loop:
    ldr x2, [x1]
    add x2, x2, #1
    str x2, [x1, #8]
    add x0, x0, #1
    cmp x0, #100
    b.ne loop
    hvc #0
"""
LOAD, STORE, BRANCH = RAM + 8, RAM + 16, RAM + 28
NOBODY: frozenset[int] = frozenset()


@pytest.fixture(params=[True, False], ids=["translated", "stepped"])
def cpu(request: pytest.FixtureRequest) -> Cpu:
    found = cpu_with(LOOP)
    found.translates = request.param
    return found


def test_a_breakpoint_stops_before_its_instruction_and_is_passed_once(cpu: Cpu) -> None:
    cpu.stop_at(frozenset({STORE}), ())
    for count in range(1, 60):
        assert cpu.run(10_000) is None
        assert cpu.hit == Hit("break", STORE)
        assert (cpu.pc, cpu.x[0], cpu.x[2]) == (STORE, count - 1, 1)
    cpu.stop_at(NOBODY, ())
    trap = cpu.run(10_000)
    assert trap is not None and cpu.hit is None
    assert (cpu.x[0], cpu.executed) == (100, 2 + 6 * 100 + 1)


def test_a_breakpoint_that_is_set_where_code_is_hot_stops_it(cpu: Cpu) -> None:
    cpu.run(300)
    cpu.stop_at(frozenset({LOAD, BRANCH}), ())
    assert cpu.run(10_000) is None
    first = cpu.pc
    assert cpu.run(10_000) is None
    assert {first, cpu.pc} == {LOAD, BRANCH}


def test_a_breakpoint_at_the_first_instruction_stops_before_anything_is_executed(cpu: Cpu) -> None:
    cpu.stop_at(frozenset({RAM}), ())
    assert cpu.run(100) is None
    assert (cpu.hit, cpu.executed) == (Hit("break", RAM), 0)


def test_a_watch_stops_behind_the_store_and_says_what_was_there(cpu: Cpu) -> None:
    cpu.memory.write_int(DATA, 8, 41)
    cpu.memory.write_int(DATA + 8, 8, 7)
    cpu.stop_at(NOBODY, (Watch(DATA + 8, DATA + 12),))
    assert cpu.run(10_000) is None
    assert cpu.hit == Hit("write", STORE, DATA + 8, 8, 42, was=7)
    assert cpu.pc == STORE + 4
    assert cpu.run(10_000) is None
    assert cpu.hit == Hit("write", STORE, DATA + 8, 8, 42, was=42)


def test_a_watch_for_reads_sees_no_writes(cpu: Cpu) -> None:
    cpu.stop_at(NOBODY, (Watch(DATA, DATA + 16, "r"),))
    for _ in range(100):
        assert cpu.run(10_000) is None
        assert cpu.hit == Hit("read", LOAD, DATA, 8, 0)
    assert cpu.run(10_000) is not None


def test_the_pair_that_reaches_into_a_watched_range_stops() -> None:
    cpu = cpu_with("ldr x1, =0x40200000\nmov x2, #3\nstp x2, x2, [x1]\nhvc #0")
    cpu.stop_at(NOBODY, (Watch(DATA + 15, DATA + 16),))
    assert cpu.run(100) is None
    assert cpu.hit == Hit("write", RAM + 8, DATA + 8, 8, 3, was=0)


def test_an_access_across_two_pages_is_one_access() -> None:
    cpu = cpu_with("ldr x1, =0x40200ffc\nldr x2, =0x1122334455667788\nstr x2, [x1]\nldr x3, [x1]\nhvc #0")
    turn_mmu_on(cpu)
    accesses = AccessTrace()
    cpu.record_accesses(accesses)
    cpu.stop_at(NOBODY, (Watch(DATA + 0x1000, DATA + 0x1001, "rw"),))
    assert cpu.run(100) is None
    assert cpu.hit == Hit("write", RAM + 8, DATA + 0xFFC, 8, 0x1122_3344_5566_7788, was=0)
    assert cpu.run(100) is None
    assert cpu.hit == Hit("read", RAM + 12, DATA + 0xFFC, 8, 0x1122_3344_5566_7788)
    across = [(access.address, access.size, access.is_write) for access in accesses][2:]
    assert across == [(DATA + 0xFFC, 8, True), (DATA + 0xFFC, 8, False)]


def test_an_atomic_operation_tells_what_it_wrote() -> None:
    cpu = cpu_with("ldr x1, =0x40200000\nmov x2, #5\nldadd x2, x3, [x1]\nhvc #0", lse=True)
    cpu.memory.write_int(DATA, 8, 10)
    cpu.stop_at(NOBODY, (Watch(DATA, DATA + 8, "rw"),))
    assert cpu.run(100) is None
    assert cpu.hit == Hit("write", RAM + 8, DATA, 8, 15, was=10)


def test_a_store_exclusive_reads_nothing_that_is_watched_for() -> None:
    cpu = cpu_with("ldr x1, =0x40200000\nldxr x2, [x1]\nstxr w3, x2, [x1]\nhvc #0")
    cpu.stop_at(NOBODY, (Watch(DATA, DATA + 8, "r"),))
    assert cpu.run(100) is None
    assert cpu.hit == Hit("read", RAM + 4, DATA, 8, 0)
    assert cpu.run(100) is not None


def test_an_access_that_is_refused_is_no_hit() -> None:
    """The first half of the pair could be read, the second could not: the instruction has read nothing."""
    cpu = cpu_with("ldr x1, =0x40400ff8\nldp x2, x3, [x1]\nb .")
    turn_mmu_on(cpu)
    map_page(cpu, 0, 0)
    accesses = AccessTrace()
    cpu.record_accesses(accesses)
    cpu.stop_at(NOBODY, (Watch(0x4040_0FF8, 0x4040_1000, "r"),))
    assert cpu.run(100) is not None, "the vector's HVC"
    assert cpu.hit is None and cpu.pc == VECTORS + 0x204
    assert [access.pc for access in accesses] == [RAM], "only the address was loaded"


def test_a_tag_in_the_address_hides_nothing() -> None:
    cpu = cpu_with("ldr x1, =0xab00000040200000\nstr x1, [x1]\nstr x1, [x1]\nhvc #0")
    turn_mmu_on(cpu)
    cpu.sys["TCR_EL1"] |= 1 << 37
    cpu.stop_at(NOBODY, (Watch(DATA, DATA + 1),))
    for _ in range(2):
        assert cpu.run(100) is None
        assert cpu.hit is not None and cpu.hit.kind == "write"


def test_stops_survive_a_copy(cpu: Cpu) -> None:
    cpu.stop_at(frozenset({STORE}), (Watch(DATA, DATA + 8, "r"),))
    cpu.run(1000)
    other = copy.deepcopy(cpu)
    for _ in range(20):
        assert (cpu.run(1000), cpu.hit, cpu.executed) == (other.run(1000), other.hit, other.executed)


def code_objects(cpu: Cpu) -> dict[int, list[int]]:
    """The code of each block, by its address."""
    assert cpu.translated is not None
    codes: dict[int, list[int]] = {}
    for block in cpu.translated.blocks.values():
        codes.setdefault(block.pc, []).append(id(block.code))
    return codes


def test_a_breakpoint_elsewhere_changes_no_block_that_runs() -> None:
    plain, stopping = cpu_with(LOOP, count=2).peers
    stopping.stop_at(frozenset({VECTORS}), ())
    for one in (plain, stopping):
        one.run(10_000)
    assert code_objects(plain) and code_objects(plain) == code_objects(stopping)


def test_blocks_are_as_they_were_when_the_breakpoint_on_their_page_is_gone() -> None:
    cpu = cpu_with(LOOP)
    cpu.run(300)
    before = code_objects(cpu)[LOAD]
    cpu.stop_at(frozenset({STORE}), ())
    cpu.run(300)
    cpu.stop_at(NOBODY, ())
    cpu.run(200)
    page = cpu.translated and cpu.translated.pages[RAM >> 12, RAM >> 12]
    assert page and id(page.functions[LOAD].__code__) in before  # type: ignore[attr-defined]


def test_a_page_that_is_not_watched_keeps_its_view() -> None:
    cpu = cpu_with(LOOP)
    cpu.stop_at(NOBODY, (Watch(DATA + 0x1000, DATA + 0x1008, "rw"),))
    cpu.run(300)
    assert DATA >> 12 in cpu.readers[8] and DATA >> 12 in cpu.writers[8]


def test_recorded_accesses_say_who_accessed_what_and_when(cpu: Cpu) -> None:
    accesses = AccessTrace()
    cpu.record_accesses(accesses)
    cpu.enter(5000)
    cpu.run(9)
    rows = list(accesses)
    assert [tuple(row) for row in rows[1:]] == [
        (5200, LOAD, DATA, 8, 0, False),
        (5400, STORE, DATA + 8, 8, 1, True),
        (5800, LOAD, DATA, 8, 0, False),
    ]
    cpu.record_accesses(None)
    cpu.run(100)
    assert len(accesses) == 4


def sequence(cpus: list[Cpu], seed: int) -> list[object]:
    """What one after the other makes programs stop, and what became of them."""
    rng = random.Random(seed)
    starts = [cpu.pc for cpu in cpus]
    happened: list[object] = []
    for _ in range(8):
        cpu = cpus[rng.randrange(len(cpus))]
        left, choice = rng.choice((3, 50, 333, 1000)), rng.random()
        end = cpu.executed + left
        trap = None
        while trap is None and cpu.executed < end:
            trap = cpu.run(end - cpu.executed)
            if cpu.hit is not None:
                happened.append((cpu.index, cpu.executed, cpu.pc, cpu.hit))
            elif cpu.slice_end == 0:
                break  # a device ended the slice
        go_on(cpu, trap, choice, starts[cpu.index])
    return happened


def random_stops(rng: random.Random, cpu: Cpu) -> None:
    """A few breakpoints in the program, and a few watches on its data."""
    breakpoints = frozenset(cpu.pc + 4 * rng.randrange(40) for _ in range(rng.randrange(4)))
    data = [DATA + 0x1000, DATA + 0x1800, DATA + 0x1FF8, 0x4040_0FF0, 0x4040_0020]
    watches = []
    for _ in range(rng.randrange(3)):
        start = rng.choice(data) + rng.randrange(16)
        watches.append(Watch(start, start + rng.randint(1, 32), rng.choice(("r", "w", "rw"))))
    cpu.stop_at(breakpoints, tuple(watches))


def test_random_programs_stop_at_the_same_places_stepped_and_translated_and_end_as_without_stops(
    volume: Callable[[int], int],
) -> None:
    stops = 0
    for seed in range(volume(400)):
        rng = random.Random(seed)
        plain = random_machine(rng)
        stepped = copy.deepcopy(plain)
        for cpu in stepped:
            random_stops(rng, cpu)
            cpu.translates = False
        translated = copy.deepcopy(stepped)
        for cpu in translated:
            cpu.translates = True
        happened = sequence(stepped, seed)
        assert happened == sequence(translated, seed), seed
        stops += len(happened)
        assert sequence(plain, seed) == []
        for one, other, without in zip(stepped, translated, plain, strict=True):
            assert state(one) == state(other) == state(without), seed
        assert memory_of(stepped[0]) == memory_of(translated[0]) == memory_of(plain[0]), seed
    assert stops > volume(400), "the programs do stop"


def test_a_block_never_reaches_over_a_breakpoint() -> None:
    cpu = cpu_with(LOOP)
    cpu.stop_at(frozenset({STORE}), ())
    for _ in range(40):
        cpu.run(1000)
    assert cpu.translated is not None
    block = library.compiled(cpu, LOAD)
    assert block is not None and STORE not in block.pcs
