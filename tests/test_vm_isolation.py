"""What a hostile guest can do to another VM, and to the hypervisor: nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

import pytest
from small_guests import MS, config, hypervisor

from axlab.events import Event
from axlab.lab import Lab
from axlab.vmm.hypervisor import Hypervisor
from axlab.vmm.vm import Vm

GOOD = """
    adr x0, vectors
    msr vbar_el1, x0
    ldr x0, =0x08000000
    mov w1, #0x12
    str w1, [x0]
    mov w1, #-1
    ldr x0, =0x080b0000
    str w1, [x0, #0x80]
    str w1, [x0, #0x100]
    mov x0, #0xff
    msr icc_pmr_el1, x0
    mov x0, #1
    msr icc_igrpen1_el1, x0
    msr cntv_ctl_el0, x0
    ldr x5, =0x09000000
    mov x6, #5000
    msr cntv_tval_el0, x6
    msr daifclr, #2
1:  wfi
    b 1b
    .balign 2048
vectors: .space 0x280
    mrs x9, icc_iar1_el1
    mov w7, #'t'
    str w7, [x5]
    msr cntv_tval_el0, x6
    msr icc_eoir1_el1, x9
    eret
"""

SEED = """
    adr x0, vectors
    msr vbar_el1, x0
    ldr x19, ={seed:#x}
again:
"""
XORSHIFT = """
    eor x19, x19, x19, lsl #13
    eor x19, x19, x19, lsr #7
    eor x19, x19, x19, lsl #17
"""
VECTORS = "\n b again\n .balign 2048\nvectors:\n" + "b again\n .balign 128\n" * 16
ATTACKS = {
    "hypercalls": XORSHIFT
    + "and x0, x19, #7\n lsr x1, x19, #8\n lsr x2, x19, #16\n lsr x3, x19, #32\n mov x4, x19\n hvc #0",
    "psci": XORSHIFT
    + "ldr x0, =0x84000000\n ldr x1, =0x4000001f\n and x1, x19, x1\n orr x0, x0, x1\n and x2, x19, #8\n"
    + "lsr x3, x19, #40\n tst x1, #8\n b.ne again\n and x1, x19, #3\n adr x2, again\n hvc #0",
    "ipi": XORSHIFT + "msr icc_sgi1r_el1, x19\n mrs x1, icc_iar1_el1\n msr icc_eoir1_el1, x1",
    "mmio everywhere": XORSHIFT + "and x1, x19, #0xffffffffff\n str x19, [x1]",
    "the interrupt controller": XORSHIFT
    + "ldr x1, =0x08000000\n and x2, x19, #0x1fffff\n bic x2, x2, #3\n lsr x3, x19, #32\n str w3, [x1, x2]\n"
    + "ldr w3, [x1, x2]",
    "system registers": XORSHIFT
    + "msr cntp_cval_el0, x19\n and x1, x19, #3\n msr cntp_ctl_el0, x1\n msr cntv_ctl_el0, x1",
    "its own memory": XORSHIFT + "ldr x1, =0x40000000\n and x2, x19, #0xfffff8\n str x19, [x1, x2]",
    "reset": XORSHIFT + "ldr w0, =0x84000009\n hvc #0",
    "odd accesses": XORSHIFT
    + "ldr x1, =0x08000000\n and x2, x19, #0xffffff\n add x1, x1, x2\n stp x1, x2, [x1], #16\n ldxr x3, [x1]",
}


def good_one(hv: Hypervisor) -> tuple[Vm, list[Event]]:
    """A well-behaved VM on a physical CPU of its own, and what is told of it."""
    seen: list[Event] = []
    hv.events.add(lambda event: seen.append(event) if getattr(event, "vm", -1) == 1 else None)
    vm = hv.create(config(GOOD, vm_id=1, sets=(0b1000,)))
    hv.start(vm)
    return vm, seen


@cache
def alone() -> tuple[list[Event], bytes]:
    """What happens to the good one without a neighbour."""
    hv = hypervisor()
    vm, seen = good_one(hv)
    hv.advance(6 * MS)
    return seen, bytes(vm.console.output)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_guest_does_nothing_to_its_neighbour(attack: str) -> None:
    hv = hypervisor()
    vm, seen = good_one(hv)
    hostile = hv.create(
        config(SEED.format(seed=0x9E37_79B9_7F4A_7C15) + ATTACKS[attack] + VECTORS, vm_id=2, cpus=2,
               sets=(0b0111, 0b0111), emulated=(("ivc", 0x6000_0000, 0x10_0000, 0, 0x0A),))
    )  # fmt: skip
    hv.start(hostile)
    hv.advance(6 * MS)
    expected, printed = alone()
    assert len(expected) > 30
    assert (seen, bytes(vm.console.output)) == (expected, printed)


def test_random_guests_raise_nothing_out_of_the_hypervisor(volume: Callable[[int], int]) -> None:
    source = random.Random(2023)
    for number in range(volume(200)):
        words = "\n".join(f".word {source.getrandbits(32):#010x}" for _ in range(64))
        hv = hypervisor()
        vm, seen = good_one(hv)
        hv.start(hv.create(config(words, vm_id=2, sets=(0b0111,), name=f"random{number}")))
        hv.advance(MS // 5)
        assert [e for e in alone()[0] if e.time < MS // 5] == [e for e in seen if e.time < MS // 5]


def test_a_guest_sees_nothing_of_what_a_former_one_left_in_memory() -> None:
    hv = hypervisor()
    first = hv.create(config("ldr x1, =0x40200000\n mov x2, #-1\n 1: str x2, [x1], #8\n b 1b", vm_id=1))
    hv.start(first)
    hv.advance(MS)
    hv.stop(first, force=True)
    hv.advance(2 * MS)
    hv.remove(first)
    second = hv.create(config("b .", vm_id=2))
    assert second.memory_regions[0].hpa == first.memory_regions[0].hpa
    assert second.read(0x4020_0000, 0x1000) == bytes(0x1000)


def test_a_lab_tells_the_fingerprint_of_one_vm_among_others() -> None:
    def after(*neighbours: str) -> Lab:
        lab = Lab()
        lab.create(config(GOOD, vm_id=1, sets=(0b1000,)))
        for number, source in enumerate(neighbours, 2):
            lab.create(config(source, vm_id=number, sets=(0b0111,)))
        lab.shell("vm start -d")
        lab.run(for_="2ms")
        return lab

    alone, beside = after(), after("b .", SEED.format(seed=1) + ATTACKS["psci"] + VECTORS)
    assert beside.fingerprint(vm=1) == beside.fingerprint(vm="guest1") == alone.fingerprint(vm=1)
    assert beside.fingerprint() != alone.fingerprint()
