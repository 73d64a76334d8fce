"""Exits by memory accesses: devices of the VM, and addresses where there is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab import events
from axlab.machine.bus import Access, Claim, NothingThere
from axlab.machine.flash import Flash
from axlab.machine.uart import Pl011
from axlab.units import PAGE_SIZE
from axlab.vmm import stage2, stopping, timers, virtual_devices
from axlab.vmm.exits import MmioOther, MmioRead, MmioWrite, NestedPageFault

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm, VmRegion

BLOCK = 2 << 20  # memory that is mapped on demand is mapped in such pieces
M64 = (1 << 64) - 1


def mmio_read(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: MmioRead) -> None:
    """A load of a virtual device: its answer goes into the register, and the guest goes on after it."""
    value = access(hv, vm, vcpu, Access(exit.address, exit.width, cpu=vcpu.id))
    if value is None:
        return
    bits = 8 * exit.width
    if exit.sign_extend and value >> bits - 1:
        value |= M64 << bits & M64
    vcpu.cpu.set_x(exit.register, int(exit.wide), value)
    step_over(vcpu)


def mmio_write(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: MmioWrite) -> None:
    """A store to a virtual device."""
    if access(hv, vm, vcpu, Access(exit.address, exit.width, exit.value, True, vcpu.id)) is not None:
        step_over(vcpu)


def access(hv: Hypervisor, vm: Vm, vcpu: Vcpu, value: Access) -> int | None:
    """Carry an access to the VM's bus; None, and an external abort for the guest, where nothing answers."""
    claim = vm.bus.find(value.address)
    assert claim is not None  # else the exit would be another one
    try:
        answer = claim.access(value)
    except NothingThere:
        abort(hv, vm, vcpu, value.address, value.is_write)
        return None
    if hv.events.observers:
        data = value.value if value.is_write else answer
        hv.events.emit(
            events.Mmio(hv.now, vm.id, vcpu.id, value.address, value.width, data, value.is_write, claim.name)
        )
    settle(hv, vm, claim)
    return answer


def settle(hv: Hypervisor, vm: Vm, claim: Claim) -> None:
    """What follows from an access to a device: bytes for the console, interrupts, flash that shows something else."""
    if isinstance(claim.device, Pl011):
        virtual_devices.console_output(hv, vm, claim)
    elif isinstance(claim.device, Flash):
        virtual_devices.show_flash(vm, claim)
    elif claim.name.startswith("GIC"):
        timers.notice(hv, vm)
    else:
        vm.devices.set_level(hv, vm, claim)


def emulate(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: MmioOther) -> None:
    """An access that the syndrome does not describe (a pair, a write-back, a SIMD register).

    Real hypervisors decode the instruction. Here it is executed again with its page mapped to a window
    that leads back to the VM's bus, so that its meaning is said once, in the CPU.
    """
    cpu = vcpu.cpu
    page = exit.address & ~(PAGE_SIZE - 1)
    before = vm.stage2.find(page)
    vm.stage2.map(page, virtual_devices.WINDOW + page, PAGE_SIZE, stage2.READ | stage2.WRITE | stage2.DEVICE)
    cpu.flush_tlb()
    counted, trace = cpu.executed, cpu.trace
    cpu.trace = None
    trap = cpu.run(1)
    cpu.executed, cpu.trace = counted, trace  # it was counted, and recorded, when it trapped
    vm.stage2.unmap(page, PAGE_SIZE)
    if before is not None:
        vm.stage2.map(page, before.hpa, PAGE_SIZE, before.flags)
    cpu.flush_tlb()
    if trap is not None and trap.kind == "sync":
        abort(hv, vm, vcpu, exit.address, exit.is_write)
    for claim in vm.bus.claims:
        if claim.base < page + PAGE_SIZE and page < claim.base + claim.size:
            settle(hv, vm, claim)


def nested_page_fault(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: NestedPageFault) -> None:
    """Map memory that is mapped on demand; otherwise the guest takes an abort, or cannot go on at all."""
    region = vm.region_of(exit.address)
    if region is not None and region.on_demand and not exit.permission and not exit.on_walk:
        map_on_demand(vm, region, exit.address)
    elif exit.access == "x":
        why = "which it may not execute" if exit.permission else "where nothing is mapped"
        stopping.fail(hv, vm, vcpu, f"instruction fetch from {exit.address:#x}, {why}")
    else:
        abort(hv, vm, vcpu, exit.address, exit.access == "w")


def map_on_demand(vm: Vm, region: VmRegion, address: int) -> None:
    """Map the 2 MiB of a region in which `address` lies."""
    start = max(address // BLOCK * BLOCK, region.gpa)
    end = min(address // BLOCK * BLOCK + BLOCK, region.end)
    vm.stage2.map(start, region.hpa + start - region.gpa, end - start, region.flags)
    vm.flush_tlbs()


def abort(hv: Hypervisor, vm: Vm, vcpu: Vcpu, address: int, is_write: bool) -> None:
    """Nothing answers at `address`: a synchronous external abort in the guest, as on hardware."""
    cpu = vcpu.cpu
    verb = "store to" if is_write else "load from"
    text = f"{verb} {address:#x}, where nothing answers: external abort"
    hv.fault_event(vm, vcpu, text)
    hv.log("debug", f"VM[{vm.id}] VCpu[{vcpu.id}] {text}", vm)
    cpu.inject_abort(cpu.sys["FAR_EL2"], is_write)


def step_over(vcpu: Vcpu) -> None:
    """The guest goes on after the instruction that trapped."""
    vcpu.cpu.pc = vcpu.cpu.pc + 4 & M64
