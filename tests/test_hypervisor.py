"""The hypervisor as a whole: creation is atomic, time is exact, interrupts arrive, devices have owners."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_guests import (
    ENTRY,
    MS,
    POWERS_OFF,
    RAM,
    SLEEPS_FOR_EVER,
    SPINS,
    config,
    hypervisor,
    listen,
    report,
    reported,
    started,
)

from axlab.errors import AxError, Refused
from axlab.events import Console, Event
from axlab.guests import build
from axlab.vmm.config import AxlabConfig, MemoryRegion, PassthroughDevice, default_config
from axlab.vmm.hypervisor import QUANTUM

TWO = f"ldr x0, =0xc4000003\n mov x1, #1\n ldr x2, ={ENTRY + 0x100:#x}\n hvc #0\n b .\n .org 0x100\n b ."


def test_the_demo_guest_does_all_that_it_says() -> None:
    assert build("demo")
    hv = hypervisor()
    vm = hv.create(default_config("demo"))
    hv.start(vm)
    hv.advance(100 * MS)
    assert (vm.state, vm.reason) == ("Stopped", "guest power-off")
    lines = vm.console.text.splitlines()
    assert lines[1:] == [
        "The hypervisor speaks PSCI 1.1",
        *(["Hello from the second vCPU, context id 7"] if len(vm.vcpus) > 1 else []),
        "tick 1",
        "tick 2",
        "tick 3",
        "Three ticks are enough. Good night.",
    ]


# Creation


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ((MemoryRegion(RAM, 0x100_0000), MemoryRegion(0x3000_0000, 0x1000, 7, 1)), "the host's RAM is 0x40000000-0x24"),
        ((MemoryRegion(RAM, 0x100_0000), MemoryRegion(0x40FF_F000, 0x2000)), r"overlaps memory_regions\[0\]"),
        ((MemoryRegion(RAM, 0x100_0000), MemoryRegion(0x1_0000_0000, 9 << 30)), "more than the host's 8GB of RAM"),
        ((MemoryRegion(0x5000_0000, 0x100_0000),), "RAM"),
    ],
)
def test_a_vm_that_cannot_be_made_leaves_nothing_behind(
    regions: tuple[MemoryRegion, ...], message: str, tmp_path: Path
) -> None:
    hv = hypervisor(folder=tmp_path)
    with pytest.raises(AxError, match=message):
        hv.create(config(SPINS, regions=regions))
    assert (len(hv.vms), hv.host_memory.used(), hv.board.memory.touched()) == (0, 0, 0)
    assert not (tmp_path / "vms").exists()


def test_identical_memory_that_is_in_use_is_refused_naming_its_user() -> None:
    hv = hypervisor()
    hv.create(config(SPINS, regions=(MemoryRegion(RAM, 0x100_0000, 7, 1),)))
    message = r"^0x40000000\.\.0x41000000 of VM\[1\]'s RAM at 0x40000000 overlaps 0x40000000\.\.0x41000000 of VM\[0\]"
    with pytest.raises(AxError, match=message):
        hv.create(config(SPINS, vm_id=1, regions=(MemoryRegion(RAM, 0x100_0000, 7, 1),)))


def test_a_name_that_is_no_file_name_is_refused() -> None:
    with pytest.raises(AxError, match="name"):
        hypervisor().create(config(SPINS, name="../escape"))


def test_every_vm_has_a_folder_with_its_configuration_and_log(tmp_path: Path) -> None:
    hv = hypervisor(folder=tmp_path)
    source = "ldr x1, =0x09000000\n mov w2, #'A'\n strb w2, [x1]\n mov w2, #10\n strb w2, [x1]\n" + POWERS_OFF
    vm = hv.create(config(source, name="mine"))
    hv.start(vm)
    hv.advance(MS)
    folder = tmp_path / "vms" / "mine"
    assert "mine" in (folder / "config.toml").read_text()
    log = (folder / "vm.log").read_text()
    assert log == vm.folder.text()
    assert "console: A\n" in log
    assert "state: Running -> Stopping (guest power-off)" in log
    hv.remove(vm, keep_data=False)
    assert not folder.exists()


def test_a_symbolic_link_is_never_followed_out_of_the_lab(tmp_path: Path) -> None:
    """fix 21"""
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "lab" / "vms").mkdir(parents=True)
    (tmp_path / "lab" / "vms" / "guest0").symlink_to(outside)
    hv = hypervisor(folder=tmp_path / "lab")
    with pytest.raises(AxError, match="symbolic link"):
        hv.create(config(SPINS))
    assert (list(outside.iterdir()), len(hv.vms), hv.host_memory.used()) == ([], 0, 0)


# Time


def test_an_instruction_costs_its_nanoseconds_exactly() -> None:
    hv, vm = started(SPINS)
    assert hv.advance(7 * MS + 150) == "time"
    assert hv.now == 7 * MS + 150
    assert vm.vcpus[0].instructions == 70_002


@pytest.mark.parametrize("limit", [1, 7, 1000, 12_345])
def test_a_limit_of_instructions_is_exact(limit: int) -> None:
    hv, vm = started(TWO, cpus=2)
    hv.advance(MS)
    before = sum(vcpu.instructions for vcpu in vm.vcpus)
    assert hv.advance(max_instructions=limit) == "instructions"
    assert sum(vcpu.instructions for vcpu in vm.vcpus) - before == limit


def test_an_emulated_instruction_counts_as_one() -> None:
    hv, vm = started("ldr x1, =0x09000fe0\n1: ldp w2, w3, [x1]\n b 1b")
    assert hv.advance(max_instructions=101) == "instructions"
    assert (vm.vcpus[0].instructions, vm.exits["MmioOther"]) == (101, 50)


def test_the_stop_condition_is_asked_between_exits() -> None:
    hv, vm = started("ldr x1, =0x09000000\n mov w2, #'A'\n strb w2, [x1]\n strb w2, [x1]\n b .")
    assert hv.advance(MS, stop=lambda: bool(vm.console.output)) == "stop"
    assert vm.console.output == b"A"


def test_a_machine_that_sleeps_with_nothing_to_wake_it_is_idle() -> None:
    hv, vm = started(SLEEPS_FOR_EVER)
    assert hv.advance(1000 * MS) == "idle"
    assert hv.now < MS
    assert hv.asleep(vm)
    hv.sleep(5 * MS)
    assert hv.now > 5 * MS


def test_the_clocks_of_busy_physical_cpus_stay_together() -> None:
    hv, _ = started(TWO, cpus=2)
    apart = []
    for n in range(1, 30):
        hv.advance(MS + n * 33_333)
        clocks = [pcpu.clock for pcpu in hv.physical_cpus.busy()]
        apart.append(max(clocks) - min(clocks))
    assert max(apart) <= QUANTUM * hv.ns_per_instruction


def history(steps: list[int]) -> list[Event]:
    hv = hypervisor()
    seen = listen(hv)
    vm = hv.create(default_config("demo"))
    hv.start(vm)
    for until in steps:
        hv.advance(until)
    return seen


def test_how_often_one_looks_changes_nothing() -> None:
    whole = history([20 * MS])
    assert history(list(range(0, 20 * MS, 77_777)) + [20 * MS]) == whole


def test_time_never_goes_back() -> None:
    hv, _ = started(TWO, cpus=2)
    times = []
    for n in range(50):
        hv.advance(max_instructions=777 * (n % 3))
        times.append(hv.now)
    assert times == sorted(times)


# Interrupts

HANDLER = """
    adr x0, vectors
    msr vbar_el1, x0
    ldr x0, =0x08000000
    mov w1, #0x12
    str w1, [x0]
    mov w1, #-1
    str w1, [x0, #0x84]
    str w1, [x0, #0x104]
    ldr x0, =0x080b0000
    str w1, [x0, #0x80]
    str w1, [x0, #0x100]
    mov x0, #0xff
    msr icc_pmr_el1, x0
    mov x0, #1
    msr icc_igrpen1_el1, x0
    {set_up}
    msr daifclr, #2
1:  {wait}
    b 1b
    .balign 2048
vectors: .space 0x280
    mrs x9, icc_iar1_el1
    {on_interrupt}
    msr icc_eoir1_el1, x9
    mrs x10, elr_el1
"""


def handler(on_interrupt: str = "", set_up: str = "", wait: str = "wfi") -> str:
    body = HANDLER.format(on_interrupt=on_interrupt, set_up=set_up, wait=wait)
    return body + report("x9", "x11") + POWERS_OFF


PHYSICAL_TIMER = "mov x0, #1000\n msr cntp_tval_el0, x0\n mov x0, #1\n msr cntp_ctl_el0, x0\n"
VIRTUAL_TIMER = "mov x0, #1000\n msr cntv_tval_el0, x0\n mov x0, #1\n msr cntv_ctl_el0, x0\n"


@pytest.mark.parametrize("wait", ["wfi", "nop"])
@pytest.mark.parametrize(("set_up", "intid"), [(PHYSICAL_TIMER, 30), (VIRTUAL_TIMER, 27)])
def test_both_timers_interrupt_whether_the_guest_sleeps_or_spins(set_up: str, intid: int, wait: str) -> None:
    since = "mrs x11, cntvct_el0\n sub x11, x11, x12"
    hv, vm = started(handler(set_up="mrs x12, cntvct_el0\n" + set_up, wait=wait, on_interrupt=since))
    hv.advance(5 * MS)
    assert vm.state == "Stopped"
    got, passed = reported(vm, 2)
    assert got == intid
    assert 1000 <= passed < 1500
    assert vm.exits["SysRegWrite"] == (2 if intid == 30 else 0)


def test_the_physical_timer_reads_as_it_was_written() -> None:
    source = PHYSICAL_TIMER + "mrs x1, cntp_ctl_el0\n mrs x2, cntp_tval_el0\n" + report("x1", "x2") + POWERS_OFF
    hv, vm = started(source)
    hv.advance(MS)
    control, left = reported(vm, 2)
    assert control == 1
    assert 0 < left <= 1000


@pytest.mark.parametrize("wait", ["wfi", "nop"])
def test_an_injected_interrupt_arrives(wait: str) -> None:
    hv, vm = started(handler(wait=wait), passed=("/",))
    hv.advance(MS)
    hv.inject(vm, 0, 20)
    hv.advance(2 * MS)
    assert (vm.state, reported(vm)) == ("Stopped", [20])


def test_typing_wakes_a_guest_that_sleeps_until_its_uart_interrupts() -> None:
    unmask = "ldr x1, =0x09000000\n mov w2, #0x10\n str w2, [x1, #0x38]\n"
    hv, vm = started(handler(set_up=unmask, on_interrupt="ldr x1, =0x09000000\n ldr w11, [x1]"))
    assert hv.advance(MS) == "idle"
    hv.console_input(vm, b"k")
    hv.advance(hv.now + MS)
    assert (vm.state, reported(vm, 2)) == ("Stopped", [33, ord("k")])


def test_the_alarm_of_the_real_time_clock_wakes_its_owner() -> None:
    alarm = "ldr x1, =0x09010000\n ldr w2, [x1]\n add w2, w2, #2\n str w2, [x1, #4]\n"
    alarm += "mov w2, #1\n str w2, [x1, #0x10]\n"
    hv, vm = started(handler(set_up=alarm), passed=("/",))
    hv.advance(1_900 * MS)
    assert vm.state == "Running"
    hv.advance(2_100 * MS)
    assert (vm.state, reported(vm)) == ("Stopped", [34])


def test_an_interrupt_that_is_none_is_refused() -> None:
    hv, vm = started(SPINS)
    with pytest.raises(AxError, match=r"^VM\[0\] has no VCpu\[1\]; it has 0 to 0$"):
        hv.inject(vm, 1, 20)
    with pytest.raises(AxError, match=r"^VM\[0\] has no interrupt 5000$"):
        hv.inject(vm, 0, 5000)


def test_without_interrupts_nothing_wakes_a_guest_but_the_host_still_ticks() -> None:
    hv, vm = started(handler(set_up=VIRTUAL_TIMER, wait="nop"), mode="no_irq")
    hv.advance(25 * MS)
    assert (vm.state, vm.exits["ExternalInterrupt"] >= 2) == ("Running", True)
    with pytest.raises(AxError, match="no_irq"):
        hv.inject(vm, 0, 20)


IPI = """
    ldr x0, =0xc4000003
    mov x1, #1
    adr x2, second
    hvc #0
    mov x9, #2000
1:  subs x9, x9, #1
    b.ne 1b
    ldr x0, ={sgi:#x}
    msr icc_sgi1r_el1, x0
    b .
second:
"""


@pytest.mark.parametrize("wait", ["wfi", "nop"])
@pytest.mark.parametrize("sgi", [3 << 24 | 0b10, 3 << 24 | 1 << 40])
def test_an_ipi_reaches_another_vcpu_also_as_a_broadcast(sgi: int, wait: str) -> None:
    """fix 13: the original has no broadcast, and takes MPIDRs for vCPU ids."""
    body = handler(wait=wait).replace("0x080b0000", "0x080d0000")
    hv, vm = started(IPI.format(sgi=sgi) + body, cpus=2)
    hv.advance(5 * MS)
    assert (vm.state, reported(vm)) == ("Stopped", [3])
    assert vm.vcpus[0].exits["SendIPI"] == 1


def test_an_ipi_to_nobody_is_harmless() -> None:
    hv, vm = started("ldr x0, =0x00ff000003ff00ff\n msr icc_sgi1r_el1, x0\n" + POWERS_OFF)
    hv.advance(MS)
    assert vm.state == "Stopped"


# Devices


def test_two_guests_that_both_use_a_uart_keep_separate_consoles() -> None:
    prints = "ldr x1, =0x09000000\n mov w2, #{letter}\n strb w2, [x1]\n" + POWERS_OFF
    hv = hypervisor()
    vms = [hv.create(config(prints.format(letter=65 + n), vm_id=n)) for n in range(2)]
    seen = listen(hv, Console)
    for vm in vms:
        hv.start(vm)
    hv.advance(MS)
    assert [vm.console.output for vm in vms] == [b"A", b"B"]
    assert [(e.vm, e.data) for e in seen] == [(0, b"A"), (1, b"B")]


ECHOES = "ldr x1, =0x09000000\n1: ldr w2, [x1, #0x18]\n tbnz w2, #4, 1b\n ldr w3, [x1]\n str w3, [x1]\n b 1b"


def test_what_is_typed_waits_until_the_guest_takes_it() -> None:
    hv, vm = started(ECHOES)
    hv.advance(MS)
    hv.console_input(vm, b"0123456789" * 5)
    assert len(vm.console.pending) > 0
    hv.advance(10 * MS)
    assert vm.console.output == b"0123456789" * 5
    assert vm.console.pending == b""


def test_what_is_typed_before_the_start_waits_for_the_guest() -> None:
    hv = hypervisor()
    vm = hv.create(config(ECHOES))
    hv.console_input(vm, b"early")
    hv.start(vm)
    hv.advance(5 * MS)
    assert vm.console.output == b"early"


def test_an_emulated_console_is_where_the_configuration_says() -> None:
    source = "ldr x1, =0x0c000000\n mov w2, #'x'\n str w2, [x1]\n" + POWERS_OFF
    hv, vm = started(source, passed=(), mode="emulated", emulated=(("uart", 0x0C00_0000, 0x1000, 33, 2),))
    hv.advance(MS)
    assert vm.console.output == b"x"


def test_a_device_of_the_board_has_one_owner() -> None:
    hv = hypervisor()
    first, second = (hv.create(config(SLEEPS_FOR_EVER, vm_id=n, passed=("/pl031",))) for n in range(2))
    hv.start(first)
    with pytest.raises(AxError, match=r"^device RTC \(/pl031@9010000\) belongs to VM\[0\]$"):
        hv.start(second)
    assert (second.state, hv.running_vms, second.on_vcpus) == ("Loaded", 1, [])
    hv.stop(first, force=True)
    hv.advance(hv.now + MS)
    hv.start(second)
    assert second.state == "Running"


def test_a_device_of_the_board_is_reached_without_an_exit() -> None:
    hv, vm = started("ldr x1, =0x09010000\n ldr w2, [x1]\n" + report("x2") + POWERS_OFF, passed=("/",))
    hv.advance(MS)
    assert reported(vm) == [1_704_067_200]
    assert set(vm.exits) == {"SystemDown"}


def test_a_device_that_shares_its_page_is_reached_by_exits_and_nothing_beside_it() -> None:
    """fix 25 maps whole pages where an address range is given; a device by its path gives nothing away."""
    magic = 0x7472_6976  # of virtio-mmio: "virt"
    source = """
    ldr x1, =0x0a000200
    ldr w2, [x1]
    adr x3, vectors
    msr vbar_el1, x3
    ldr w4, [x1, #0x200]
    b .
    .balign 2048
vectors: .space 0x200
    mov x4, #1
""" + report("x2", "x4") + POWERS_OFF
    hv, vm = started(source, passed=("/virtio_mmio@a000200",))
    hv.advance(MS)
    assert reported(vm, 2) == [magic, 1]
    assert vm.exits["MmioRead"] == 1


def test_a_device_that_was_given_another_address_is_found_there() -> None:
    """fix 25: the original ignores hpa."""
    source = "ldr x1, =0x0c000000\n ldr w2, [x1]\n" + report("x2") + POWERS_OFF
    made = config(source)
    moved = PassthroughDevice(name="clock", gpa=0xC00_0000, hpa=0x901_0000, length=0x1000, irq=34)
    hv = hypervisor()
    vm = hv.create(replace(made, devices=replace(made.devices, passthrough_devices=(moved,))))
    hv.start(vm)
    hv.advance(MS)
    assert reported(vm) == [1_704_067_200]


def test_two_gic_versions_under_passthrough_are_refused() -> None:
    hv = hypervisor()
    first = hv.create(config(SLEEPS_FOR_EVER))
    second = hv.create(config(SLEEPS_FOR_EVER, vm_id=1, axlab=AxlabConfig(gic_version=2)))
    hv.start(first)
    with pytest.raises(AxError, match=r"^the board's GIC is version 3 while VM\[0\] runs, VM\[1\] wants version 2$"):
        hv.start(second)


def test_flash_is_read_as_memory_and_commanded_by_exits() -> None:
    source = """
    ldr x1, =0x04000000
    ldr w2, [x1]
    mov w5, #0x98
    str w5, [x1, #0x154]
    ldr w3, [x1, #0x40]
    mov w5, #0xff
    str w5, [x1]
    ldr w4, [x1, #0x40]
""" + report("x2", "x3", "x4") + POWERS_OFF
    hv, vm = started(source, passed=("/",))
    hv.advance(MS)
    assert reported(vm, 3) == [0, 0x510051, 0]  # Q of both chips
    assert (vm.exits["MmioWrite"], vm.exits["MmioRead"]) == (2, 1)


def test_a_vm_that_is_not_running_cannot_be_reset() -> None:
    hv = hypervisor()
    vm = hv.create(config(SPINS))
    with pytest.raises(Refused, match="^VM is not running, cannot reset$"):
        hv.reset(vm)
    hv.start(vm)
    hv.advance(MS)
    hv.reset(vm)
    hv.advance(2 * MS)
    assert (vm.state, vm.vcpus[0].power) == ("Running", "On")
    assert vm.started_at > MS


def test_a_guest_with_a_gicv2_gets_its_timer_interrupt() -> None:
    source = """
    adr x0, vectors
    msr vbar_el1, x0
    ldr x0, =0x08000000         // GICD
    mov w1, #1
    str w1, [x0]
    mov w1, #1 << 27
    str w1, [x0, #0x100]
    ldr x20, =0x08010000        // GICC
    mov w1, #0xff
    str w1, [x20, #4]
    mov w1, #1
    str w1, [x20]
""" + VIRTUAL_TIMER + """
    msr daifclr, #2
1:  wfi
    b 1b
    .balign 2048
vectors: .space 0x280
    ldr w9, [x20, #0xc]
    str w9, [x20, #0x10]
""" + report("x9") + POWERS_OFF
    hv, vm = started(source, axlab=AxlabConfig(gic_version=2))
    hv.advance(5 * MS)
    assert (vm.state, reported(vm)) == ("Stopped", [27])


def test_a_device_that_changes_its_owner_begins_anew() -> None:
    source = "ldr x1, =0x09030000\n ldr w2, [x1, #0x410]\n mov w3, #8\n str w3, [x1, #0x410]\n"
    source += report("x2") + POWERS_OFF
    hv = hypervisor()
    for vm_id in range(2):
        vm = hv.create(config(source, vm_id=vm_id, passed=("/",)))
        hv.start(vm)
        hv.advance(hv.now + MS)
        assert (vm.state, reported(vm)) == ("Stopped", [0])
