"""What each exit leads to. HANDLERS is the only dispatch: a test proves that every exit type stands in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from axlab.machine.isa.system_names import ENCODINGS
from axlab.vmm import exits, handlers_memory, hypercalls, psci, semihosting, stopping, tasks, timers
from axlab.vmm.exits import ExternalInterrupt, FailEntry, Halt, SendIPI, SysRegRead, SysRegWrite
from axlab.vmm.handlers_memory import step_over
from axlab.vmm.physical_cpus import kick

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm

TIMER_NAMES = {ENCODINGS[name]: name for name in timers.EMULATED}
ICC_DIR = ENCODINGS["ICC_DIR_EL1"]


def external_interrupt(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: ExternalInterrupt) -> None:
    """The host's interrupt handler. The guest's own timers are sampled when it is entered again."""
    if is_lost(vcpu):
        stopping.fail(hv, vm, vcpu, f"exception vector at {vcpu.cpu.pc:#x} cannot be fetched")


def is_lost(vcpu: Vcpu) -> bool:
    """Whether the guest can do nothing any more but fail to fetch its exception vector, for ever."""
    cpu = vcpu.cpu
    ec = cpu.sys["ESR_EL1"] >> 26
    return cpu.pc == cpu.sys["FAR_EL1"] == cpu.sys["ELR_EL1"] == cpu.sys["VBAR_EL1"] + 0x200 and ec == 0x21


def system_register_read(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: SysRegRead) -> None:
    """MRS of a register that is emulated; any other is undefined for the guest."""
    name = TIMER_NAMES.get(exit.encoding)
    if name is None:
        undefined(hv, vm, vcpu, exit.encoding)
    else:
        vcpu.cpu.set_x(exit.register, 1, timers.read(vcpu, name))
        step_over(vcpu)


def system_register_write(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: SysRegWrite) -> None:
    """MSR to a register that is emulated; any other is undefined for the guest."""
    name = TIMER_NAMES.get(exit.encoding)
    if name is not None:
        timers.write(hv, vm, vcpu, name, exit.value)
    elif exit.encoding == ICC_DIR:
        vm.gic.deactivate(vcpu.id, exit.value)
    else:
        undefined(hv, vm, vcpu, exit.encoding)
        return
    step_over(vcpu)


def undefined(hv: Hypervisor, vm: Vm, vcpu: Vcpu, encoding: exits.SystemRegister) -> None:
    """The guest takes an Undefined Instruction exception."""
    hv.log("debug", f"VM[{vm.id}] VCpu[{vcpu.id}] system register {encoding} is not emulated", vm)
    vcpu.cpu.inject_undefined()


def halt(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: Halt) -> None:
    """WFI: sleep until an interrupt is pending."""
    step_over(vcpu)
    assert vcpu.task is not None
    vcpu.task.phase = tasks.Phase.SLEEP


def send_ipi(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: SendIPI) -> None:
    """A software-generated interrupt for other vCPUs of the same VM, and perhaps for the sender."""
    step_over(vcpu)
    targets = [other for other in vm.vcpus if is_target(exit, other, vcpu)]
    if vm.devices.delivers:
        vm.gic.send_sgi(vcpu.id, exit.intid, [other.id for other in targets], hv.now)
        for other in targets:
            if other is not vcpu:
                kick(other)
        timers.notice(hv, vm)


def is_target(exit: SendIPI, other: Vcpu, sender: Vcpu) -> bool:
    if exit.to_all:
        return other is not sender
    number = (other.mpidr & 0xFF) - exit.first
    return other.mpidr & ~0xFF == exit.cluster and 0 <= number < 16 and bool(exit.targets >> number & 1)


def fail_entry(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: FailEntry) -> None:
    """The guest cannot go on."""
    stopping.fail(hv, vm, vcpu, exit.reason)


Handler = Callable[["Hypervisor", "Vm", "Vcpu", Any], None]

HANDLERS: dict[type, Handler] = {
    exits.Hypercall: hypercalls.execute,
    exits.MmioRead: handlers_memory.mmio_read,
    exits.MmioWrite: handlers_memory.mmio_write,
    exits.MmioOther: handlers_memory.emulate,
    exits.SysRegRead: system_register_read,
    exits.SysRegWrite: system_register_write,
    exits.ExternalInterrupt: external_interrupt,
    exits.CpuUp: psci.cpu_on,
    exits.CpuDown: psci.cpu_off,
    exits.CpuSuspend: psci.cpu_suspend,
    exits.FirmwareCall: psci.call,
    exits.Halt: halt,
    exits.SendIPI: send_ipi,
    exits.NestedPageFault: handlers_memory.nested_page_fault,
    exits.SystemDown: psci.system_off,
    exits.SystemReset: psci.system_reset,
    exits.Semihosting: semihosting.call,
    exits.FailEntry: fail_entry,
}
