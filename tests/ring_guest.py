"""A guest with several vCPUs that pass an interrupt around: each sleeps until it comes, and sends it to the next."""

from __future__ import annotations

from typing import Any

from small_guests import ENTRY, config

from axlab.lab import Lab
from axlab.machine.isa.assembler import assemble
from axlab.vmm.config import VmConfig
from axlab.vmm.symbols import labels

SGI = 5
SOURCE = """
_start:
    mov x20, #1
power_on:                                   // vCPUs 1 and up, each with its number in x0
    ldr x0, =0xc4000003
    mov x1, x20
    adr x2, member
    mov x3, x20
    hvc #0
    add x20, x20, #1
    cmp x20, #{cpus}
    b.lo power_on
    ldr x0, =0x08000000
    mov w1, #0x12
    str w1, [x0]
    mov x0, #0
member:
    mov x19, x0
    add x20, x19, #1                        // the next one in the ring
    cmp x20, #{cpus}
    csel x20, x20, xzr, lo
    mov x21, #{rounds}
    ldr x0, =0x080a0000
    add x0, x0, x19, lsl #17                // this vCPU's redistributor
    str wzr, [x0, #0x14]
    add x0, x0, #0x10000
    mov w1, #-1
    str w1, [x0, #0x80]
    mov w1, #1 << {sgi}
    str w1, [x0, #0x100]
    mov x0, #0xff
    msr icc_pmr_el1, x0
    mov x0, #1
    msr icc_igrpen1_el1, x0
    isb
    adr x22, awake
1:  ldxr w0, [x22]
    add w0, w0, #1
    stxr w1, w0, [x22]
    cbnz w1, 1b
    cbnz x19, wait_for_turn
2:  ldar w0, [x22]                          // the first one begins when all are there
    cmp w0, #{cpus}
    b.ne 2b
    bl pass_on
wait_for_turn:
    wfi
    mrs x3, icc_iar1_el1
    cmp x3, #{sgi}
    b.ne wait_for_turn
    msr icc_eoir1_el1, x3
    bl work
    subs x21, x21, #1
    b.ne 3f
    cbz x19, all_done
    bl pass_on
    ldr w0, =0x84000002                     // CPU_OFF
    hvc #0
3:  bl pass_on
    b wait_for_turn
all_done:
    ldr x1, =0x09000000
    mov w2, '!'
    str w2, [x1]
    ldr w0, =0x84000008                     // SYSTEM_OFF
    hvc #0
    b .

pass_on:                                    // the SGI, to vCPU x20
    mov x0, #1
    lsl x0, x0, x20
    mov x4, #{sgi} << 24
    orr x0, x0, x4
    msr icc_sgi1r_el1, x0
    isb
    ret

work:
    mov x0, #{work}
1:  subs x0, x0, #1
    b.ne 1b
    ret

never_called:
    nop
    ret
    .ltorg
awake: .word 0
"""


def ring(cpus: int = 4, rounds: int = 5, work: int = 100, **more: Any) -> VmConfig:
    """Its configuration: the interrupt goes around `rounds` times, and whoever has it loops `work` times first."""
    return config(source(cpus, rounds, work), name="ring", cpus=cpus, **more)


def source(cpus: int, rounds: int, work: int) -> str:
    return SOURCE.format(cpus=cpus, rounds=rounds, work=work, sgi=SGI)


def ring_lab(level: str = "events", pcpus: int = 4, cpus: int = 4, rounds: int = 5, work: int = 100) -> Lab:
    """A lab in which the ring has run to its end; the VM has the labels of the source as its symbols."""
    assembled = assemble(source(cpus, rounds, work), origin=ENTRY)
    lab = Lab(cpus=pcpus, scheduler="rr")
    lab.trace.record(level)
    vm = lab.create(ring(cpus, rounds, work))
    vm.symbols = labels(assembled.symbols, assembled.code_labels)
    lab.hypervisor.start(vm)
    lab.run("1s")
    assert vm.state == "Stopped", vm.state
    return lab
