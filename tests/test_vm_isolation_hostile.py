"""Random hostile guests, one or two at a time, beside a well-behaved one that has a physical CPU of its own.

What happens to the well-behaved VM is the same, to the last event, as when it runs alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Any

from small_guests import MS, config, hypervisor
from test_vm_isolation import VECTORS, good_one

from axlab.errors import AxError
from axlab.events import Event
from axlab.trace import Trace
from axlab.vmm.scheduler import SCHEDULERS

IVC = ("ivc", 0x6000_0000, 0x10_0000, 0, 0x0A)
UART = ("uart", 0x0900_0000, 0x1000, 33, 2)
PLACES = (
    0x0, 0x400_0000, 0x0800_0000, 0x0808_0000, 0x080A_0000, 0x0900_0000, 0x0901_0000, 0x0903_0000, 0x0A00_0000,
    0x4000_0000, 0x4100_0000, 0x6000_0000, 0x10_0000_0000,
)  # fmt: skip
ACCESSES = (
    "str x2, [x1]", "str w2, [x1]", "strb w2, [x1]", "ldr x3, [x1]", "ldrh w3, [x1]", "stp x2, x3, [x1]",
    "ldxr x3, [x1]", "stxr w4, x2, [x1]", "dc zva, x1",
)  # fmt: skip
REGISTERS = (
    "cntv_cval_el0", "cntv_tval_el0", "cntp_tval_el0", "cntp_cval_el0", "cntv_ctl_el0", "cntp_ctl_el0", "icc_pmr_el1",
    "icc_eoir1_el1", "icc_bpr1_el1", "icc_igrpen1_el1", "icc_ctlr_el1", "ttbr0_el1", "tcr_el1", "vbar_el1",
)  # fmt: skip
BARRIERS = (
    "msr daifclr, #15", "msr daifset, #2", "isb", "dsb sy", "tlbi vmalle1is", "ic ialluis", "sev", "wfe", "yield",
    "mrs x9, icc_iar1_el1\n msr icc_eoir1_el1, x9", "mrs x9, icc_iar1_el1",
)  # fmt: skip


def loaded(register: str, value: int) -> str:
    return f" ldr {register}, ={value:#x}\n"


def hypercall(source: random.Random) -> str:
    """Any number, or one of AxVisor's or PSCI's, with arguments that may be right."""
    number = source.choice(
        [source.getrandbits(64), source.randrange(12), 0x8400_0000 + source.randrange(32), 0xC400_0003]
    )
    arguments = [source.randrange(5), 0x4008_0000, 0x4010_0000 + 8 * source.randrange(0x400), 0x6000_0000]
    values = [source.choice([value, source.getrandbits(64)]) for value in arguments]
    loads = "".join(loaded(f"x{index}", value) for index, value in enumerate([number, *values]))
    return loads + source.choice([" hvc #0", " smc #0", " hvc #7"])


def ipi(source: random.Random) -> str:
    target = source.choice([source.getrandbits(64), 1 << 40 | source.randrange(16) << 24, source.getrandbits(28)])
    return loaded("x0", target) + " msr icc_sgi1r_el1, x0"


def access(source: random.Random) -> str:
    place = source.choice(PLACES) + source.randrange(0x3_0000)
    return (
        loaded("x1", source.choice([place & ~7, place]))
        + loaded("x2", source.getrandbits(64))
        + (" " + source.choice(ACCESSES))
    )


def register(source: random.Random) -> str:
    return loaded("x0", source.choice([source.getrandbits(64), source.randrange(4)])) + (
        f" msr {source.choice(REGISTERS)}, x0"
    )


def barrier(source: random.Random) -> str:
    return " " + source.choice(BARRIERS)


def own_code(source: random.Random) -> str:
    place = 0x4008_0000 + 4 * source.randrange(0x400)
    return loaded("x1", place) + loaded("x2", source.getrandbits(32)) + " str w2, [x1]"


KINDS: tuple[Callable[[random.Random], str], ...] = (
    *(hypercall,) * 3, ipi, *(access,) * 3, register, *(barrier,) * 2, own_code,
)  # fmt: skip


def hostile(source: random.Random) -> str:
    """A program of 30 attacks, round and round; whatever exception it takes, it goes on."""
    attacks = (source.choice(KINDS)(source) for _ in range(30))
    body = "".join(f"{attack}\n b 9f\n .ltorg\n9:\n" for attack in attacks)
    return " adr x0, vectors\n msr vbar_el1, x0\nagain:\n" + body + VECTORS


def devices(source: random.Random) -> dict[str, Any]:
    if source.random() < 0.5:
        return {"mode": "emulated", "passed": (), "emulated": (UART, IVC)}
    return {"mode": "passthrough", "passed": ("/",), "emulated": (IVC,)}


Seen = tuple[str, list[Event], bytes | None]


def history(scheduler: str, neighbours: int, source: random.Random) -> Seen:
    """What the well-behaved VM lives through in 2 ms beside so many hostile ones."""
    hv = hypervisor(scheduler=scheduler)
    trace = Trace(level="off")
    hv.events.add(trace.recorder)
    trace.follow(hv, hv.events)
    vm, seen = good_one(hv)
    for number in range(neighbours):
        cpus = source.randrange(1, 5)
        made = config(hostile(source), vm_id=2 + number, cpus=cpus, sets=(source.choice([1, 3, 6, 7]),) * cpus,
                      **devices(source))  # fmt: skip
        other = hv.create(made)
        try:
            hv.start(other)
        except AxError as refused:  # the other hostile one has the board's devices
            assert "belongs to VM[2]" in refused.message
    hv.advance(2 * MS)
    return trace.fingerprint(vm=vm.id), seen, vm.read(0x4000_0000, 0x10_0000)


@cache
def alone(scheduler: str) -> Seen:
    return history(scheduler, 0, random.Random(0))


def test_random_hostile_guests_do_nothing_to_their_neighbour(volume: Callable[[int], int]) -> None:
    assert all(len(alone(scheduler)[1]) > 10 for scheduler in SCHEDULERS)
    for seed in range(volume(200)):
        source = random.Random(seed)
        scheduler = sorted(SCHEDULERS)[seed % len(SCHEDULERS)]
        assert history(scheduler, source.choice([1, 1, 2]), source) == alone(scheduler), f"seed {seed}"
