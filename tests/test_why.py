"""`vm why`: guests that do not go on, each for a reason of its own, and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest
from shell_labs import DEAF, ECHOES, FAULTS, lab_with
from small_guests import COUNTS, ENTRY, SLEEPS_FOR_EVER, SPINS, started
from test_lifecycle import POWER_BUTTON

from axlab.lab import Lab
from axlab.machine.access_trace import AccessTrace
from axlab.vmm.findings import Finding
from axlab.vmm.hypervisor import Hypervisor
from axlab.vmm.symbols import Symbol, symbols_of
from axlab.vmm.vm import Vm
from axlab.vmm.why import explain

WAITS_FOR_THE_OTHER = """
    mrs x9, mpidr_el1
    and x9, x9, #0xff
    cbnz x9, second
    ldr x0, =0xc4000003
    mov x1, #1
    adr x2, second
    hvc #0
    ldr x1, =0x40200000
wait:
    ldr w2, [x1]
    cbz w2, wait
    b .
second:
    ldr x1, =0x40200000
    mov w2, #1
    str w2, [x1]
    mov w2, #0
    str w2, [x1]
    mov x3, #{passes}
1:  subs x3, x3, #1
    b.ne 1b
    mov w2, #1
    str w2, [x1]
    b ."""
ENABLES_ITS_TIMER = """
    ldr x1, =0x08000000
    mov w2, #0x12
    str w2, [x1]
    ldr x1, =0x080b0100
    mov w2, #{enabled}
    str w2, [x1]
    mov x3, #0xf0
    msr icc_pmr_el1, x3
    mov x3, #1
    msr icc_igrpen1_el1, x3
    {timer}
1:  {wait}
    b 1b"""
TIMER = "mov x3, #100\n msr cntv_tval_el0, x3\n mov x3, #1\n msr cntv_ctl_el0, x3"
GROUP_1 = "    ldr x1, =0x080b0080\n    mov w2, #-1\n    str w2, [x1]\n"


def timer_guest(wait: str, timer: str = TIMER, enabled: int = 0x8000000, then: str = "") -> str:
    return GROUP_1 + ENABLES_ITS_TIMER.format(wait=wait, timer=timer + "\n" + then, enabled=enabled)


def found(source: str | tuple[str, ...], vm: int = 0, time: str = "5ms", **more: Any) -> list[Finding]:
    """What is said of a VM after a while."""
    lab = lab_with(*([source] if isinstance(source, str) else source), **more)
    lab.shell("vm start all -d")
    lab.run(time)
    before = lab.fingerprint()
    findings = explain(lab.hypervisor, lab.vm(vm))
    assert lab.fingerprint() == before, "looking changes nothing"
    return findings


def test_a_vcpu_that_sleeps_for_ever_is_told_what_could_have_woken_it() -> None:
    cause, warning = found("    msr daifset, #15\n" + SLEEPS_FOR_EVER)
    assert cause.text == "VCpu[0] sleeps in WFI, and nothing is going to wake it"
    assert cause.details == (
        "next  0x40080008: b 0x40080004",
        "its virtual timer is off (CNTV_CTL_EL0.ENABLE = 0)",
        "the distributor forwards nothing (GICD_CTLR enables no group)",
        "no interrupt is enabled",
    )
    assert warning.kind == "warning"
    assert warning.text == (
        "VCpu[0] executed WFI with everything masked: no interrupt is enabled, PSTATE masks IRQ and FIQ"
    )


def test_a_timer_that_is_not_enabled_in_the_redistributor_is_named() -> None:
    (cause, *_) = found(timer_guest("wfi", enabled=0))
    assert "its virtual timer is on, but interrupt 27 is not enabled in its redistributor" in cause.details
    assert "interrupt 27 (virtual timer) is pending, but not enabled" in cause.details


def test_a_timer_that_masks_its_own_interrupt_is_named() -> None:
    (cause, *_) = found(timer_guest("wfi", timer="mov x3, #3\n msr cntv_ctl_el0, x3"))
    assert cause.details[1:] == (
        "its virtual timer is on, and masks its own interrupt (CNTV_CTL_EL0.IMASK = 1)",
        "enabled interrupts: 27 (virtual timer); none of them is pending",
    )


def test_a_vcpu_that_sleeps_until_its_timer_is_well() -> None:
    far = "ldr x3, =6250000\n msr cntv_tval_el0, x3\n mov x3, #1\n msr cntv_ctl_el0, x3"
    (fact, *_) = found(timer_guest("wfi", timer=far))
    assert fact.kind == "fact"
    assert fact.text.startswith("VCpu[0] sleeps in WFI until its timer wakes it in 9")


def test_a_vcpu_that_spins_with_interrupts_masked_never_ends() -> None:
    (cause,) = found(DEAF)
    assert cause == Finding(
        "cause",
        "VCpu[0] spins at 0x40080004 with interrupts masked (PSTATE.I): 1 instruction, every pass like the one before",
        0,
        ("  0x40080004: b 0x40080004", "nothing in the loop reads memory, and no interrupt can end it: it never will"),
    )


def test_an_interrupt_that_is_never_acknowledged_is_warned_of() -> None:
    findings = found(timer_guest("nop"))
    assert findings[0].text.startswith("VCpu[0] spins at")
    assert findings[-1].text == (
        "interrupt 27 (virtual timer) is pending at VCpu[0], which does not acknowledge it: PSTATE.I masks IRQs"
    )


def test_an_interrupt_that_was_acknowledged_and_not_ended_is_warned_of() -> None:
    findings = found(timer_guest("nop", then="2: mrs x5, icc_iar1_el1\n cmp x5, #27\n b.ne 2b"))
    assert findings[-1].text == ("interrupt 27 (virtual timer) is active at VCpu[0]: it was acknowledged and not ended")


def test_a_failed_vm_shows_the_walk_that_led_nowhere() -> None:
    (cause,) = found(FAULTS)
    assert cause.text == (
        "VM[0] failed: VCpu[0] at 0x10000000: instruction fetch from 0x10000000, where nothing is mapped"
    )
    assert cause.details[1:6] == (
        "the walk for that instruction:",
        "  VA 0x10000000, fetch at EL1",
        "  stage 1: off (SCTLR_EL1.M = 0), IPA = VA",
        "  stage 2: VTTBR_EL2, 4 KiB granule, 40-bit input from level 1",
        cause.details[5],
    )
    assert cause.details[5].endswith("[0] = 0x0: invalid")


def test_a_guest_without_vectors_that_touches_nothing_mapped_is_followed_to_the_store() -> None:
    (cause,) = found("    ldr x1, =0x10000000\n    str x1, [x1]\n    b .")
    assert "VBAR_EL1 is 0: the guest has set no vector table" in cause.details
    assert (
        "the exception was a data access: a store to 0x10000000, where nothing answers (synchronous external abort) "
        "(ESR_EL1 0x96000050)"
    ) in cause.details
    assert "by 0x40080004: str x1, [x1]" in cause.details
    assert cause.details[-1] == "  stage 2 translation fault, level 1, VA 0x10000000 (IPA 0x10000000)"


def test_a_handler_that_spins_is_followed_to_the_exception() -> None:
    source = "    adr x0, v\n msr vbar_el1, x0\n udf #0\n .balign 2048\nv: .skip 0x200\n b ."
    (cause,) = found(source)
    assert "it came there by a synchronous exception: VBAR_EL1 is 0x40080800, the vector 0x200" in cause.details
    assert cause.details[-1].startswith("the exception was an undefined instruction (ESR_EL1 0x2000000) at 0x40080008")


def test_a_guest_that_waits_for_console_input_is_told_so() -> None:
    (cause,) = found(ECHOES)
    assert cause.text == "VCpu[0] waits for console input: it polls uart FR at 0x9000018, now 0x90"
    assert cause.details[0] == "'vm type 0 TEXT' gives it some"


def test_a_spin_on_memory_names_it_who_would_write_it_and_that_he_is_descheduled() -> None:
    lab = lab_with(WAITS_FOR_THE_OTHER.format(passes=2000), cpus=2, sets=(1, 1))
    lab.vm(0).symbols = symbols_of([Symbol("flag", 0x4020_0000, 4), Symbol("wait", ENTRY + 0x20, 8)])
    lab.shell("vm start 0 -d")
    lab.run("3ms")
    spin, ready = explain(lab.hypervisor, lab.vm(0))
    assert spin.text == (
        "VCpu[0] spins at 0x40080020 (wait) with interrupts masked (PSTATE.I): 2 instructions, every pass like the one "
        "before; it waits for the 4 bytes at 0x40200000 (flag), now 0x0, to change"
    )
    assert spin.details == (
        "  0x40080020 wait: ldr w2, [x1]",
        "  0x40080024 wait+0x4: cbz w2, 0x40080020",
        "VCpu[1] would write it at 0x40080034: str w2, [x1]; it is descheduled: ready for 2.9993 ms, "
        "while VM[0]-VCpu[0] has the CPU",
    )
    assert ready.text == (
        "VCpu[1] is ready and has waited 2.9993 ms for a physical CPU: physical CPU 0 runs VM[0]-VCpu[0]"
    )
    assert ready.details == (
        "the FIFO scheduler takes a CPU from nobody: it waits until that one sleeps, or leaves",
        "its affinity 0x1 allows it no other; 'vcpu pin' changes that",
    )


def test_who_wrote_last_is_known_where_accesses_are_recorded() -> None:
    lab = lab_with(WAITS_FOR_THE_OTHER.format(passes=60000), cpus=2, sets=(1, 2))
    lab.vm(0).vcpus[1].cpu.record_accesses(AccessTrace())
    lab.shell("vm start 0 -d")
    lab.run("50us")
    spin = explain(lab.hypervisor, lab.vm(0))[0]
    assert any(line.startswith("VCpu[1] wrote 0x0 there ") and "str w2, [x1]" in line for line in spin.details)


def test_who_wrote_last_is_found_in_the_labs_history() -> None:
    lab = lab_with(WAITS_FOR_THE_OTHER.format(passes=60000), cpus=2, sets=(1, 2))
    lab.shell("vm start 0 -d")
    lab.run("50us")
    before = lab.fingerprint(), lab.now, lab.vm(0).vcpus[1].cpu.x[3]
    result = lab.shell("vm why 0")
    spin = result.json()["findings"][0]
    assert "VCpu[1] wrote it last, " in spin["details"][-1]
    assert "wrote 4 bytes at 0x40200000: 1 -> 0, by 0x4008003c: str w2, [x1]; it is Running now" in spin["details"][-1]
    assert (lab.fingerprint(), lab.now, lab.vm(0).vcpus[1].cpu.x[3]) == before
    assert lab.run("1s") in ("idle", "time")


def test_a_vm_that_is_starved_under_fifo_is_told_by_whom() -> None:
    findings = found((SPINS,) * 5, vm=4)
    assert [finding.text for finding in findings] == [
        "VCpu[0] is ready and has waited 5 ms for a physical CPU: physical CPU 0 runs VM[0]-VCpu[0], "
        "physical CPU 1 runs VM[1]-VCpu[0], physical CPU 2 runs VM[2]-VCpu[0], physical CPU 3 runs VM[3]-VCpu[0]"
    ]


def test_a_vcpu_that_was_never_started_waits_for_cpu_on() -> None:
    findings = found(DEAF, cpus=2)
    assert findings[-1] == Finding("fact", "VCpu[1] is off: nobody has called PSCI CPU_ON for it", 1)


def test_a_loop_that_gets_somewhere_is_no_fault() -> None:
    (fact,) = found(COUNTS)
    assert fact.kind == "fact"
    assert fact.text.endswith("its registers change from pass to pass")


def test_code_that_writes_over_itself_is_warned_of() -> None:
    findings = found("    adr x1, 1f\n ldr w2, [x1]\n1: nop\n str w2, [x1]\n b 1b")
    assert findings[-1] == Finding(
        "warning",
        "VCpu[0] writes over code that is executed: 4 bytes at 0x40080008",
        0,
        ("by 0x4008000c: str w2, [x1]",),
    )


def power_button_ignored() -> tuple[Hypervisor, Vm]:
    hv, vm = started(POWER_BUTTON + "1: b 1b", passed=("/",))
    hv.advance(1_000_000)
    hv.stop(vm)
    hv.advance(501_000_000)
    return hv, vm


def test_a_guest_that_ignores_its_power_button_has_some_time_left() -> None:
    hv, vm = power_button_ignored()
    cause = explain(hv, vm)[0]
    assert cause.text == (
        "VM[0] was asked to power off by its power button, and has not done so; "
        "in 1.49901 s its vCPUs are made to leave"
    )


@pytest.mark.parametrize(
    ("commands", "text"),
    [
        ("", "VM[0] has not been started: 'vm start 0' boots it"),
        ("vm start 0 -d; vm suspend 0", "VM[0] is suspended by a command: 'vm resume 0' lets it go on"),
        ("vm start 0 -d; vm stop 0 -f; vm run", "VM[0] has stopped: forced; 'vm start 0' boots it again"),
    ],
)
def test_a_vm_at_rest_is_told_what_moves_it(commands: str, text: str) -> None:
    lab: Lab = lab_with(SPINS)
    if commands:
        lab.shell(commands)
    assert lab.shell("vm why 0").text() == f"● {text}"
