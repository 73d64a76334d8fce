"""PSCI 1.1 (Arm DEN0022) and the SMC calling convention's own calls (DEN0028), by HVC or SMC.

CPU_ON, CPU_OFF, CPU_SUSPEND, SYSTEM_OFF and SYSTEM_RESET are exits of their own (`exits`); the others are
FUNCTIONS of a table. No argument that a guest can give does more than return an error code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from axlab import events
from axlab.vmm import stage2, stopping, tasks
from axlab.vmm.exits import CpuDown, CpuSuspend, CpuUp, FirmwareCall, SystemDown, SystemReset
from axlab.vmm.lifecycle import StopReason
from axlab.vmm.vcpu import Power

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm

SUCCESS = 0
NOT_SUPPORTED = -1
INVALID_PARAMETERS = -2
DENIED = -3
ALREADY_ON = -4
ON_PENDING = -5
INVALID_ADDRESS = -9

PSCI_VERSION = 1 << 16 | 1  # 1.1
SMCCC_VERSION = 1 << 16 | 1  # 1.1
TOS_NOT_PRESENT = 2  # of MIGRATE_INFO_TYPE: no trusted OS that would have to be migrated

AFFINITY_ON, AFFINITY_OFF, AFFINITY_ON_PENDING = 0, 1, 2
AFFINITY = 0xFF_00FF_FFFF  # the bits of an MPIDR that name a CPU
POWER_DOWN = 1 << 16  # of a power state
POWER_STATE_RESERVED = 0xFCFE_0000  # bits 31-26 and 23-17 of the original format

M64 = (1 << 64) - 1

SMC64 = 1 << 30
NAMES = {
    0x8400_0000: "PSCI_VERSION",
    0x8400_0001: "CPU_SUSPEND",
    0x8400_0002: "CPU_OFF",
    0x8400_0003: "CPU_ON",
    0x8400_0004: "AFFINITY_INFO",
    0x8400_0005: "MIGRATE",
    0x8400_0006: "MIGRATE_INFO_TYPE",
    0x8400_0007: "MIGRATE_INFO_UP_CPU",
    0x8400_0008: "SYSTEM_OFF",
    0x8400_0009: "SYSTEM_RESET",
    0x8400_000A: "PSCI_FEATURES",
    0x8000_0000: "SMCCC_VERSION",
    0x8000_0001: "SMCCC_ARCH_FEATURES",
}


def answer(hv: Hypervisor, vm: Vm, vcpu: Vcpu, function: str, args: tuple[int, ...], result: int) -> None:
    """Put a result, an error code if negative, into x0."""
    vcpu.cpu.set_x(0, 1, result & M64)
    report(hv, vm, vcpu, function, args, result)


def report(hv: Hypervisor, vm: Vm, vcpu: Vcpu, function: str, args: tuple[int, ...], result: int = 0) -> None:
    if hv.events.observers:
        hv.events.emit(events.Psci(hv.now, vm.id, vcpu.id, function, args, result))


# The exits


def cpu_on(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: CpuUp) -> None:
    """Start the vCPU of an MPIDR; the caller learns at once whether it will start."""
    result = start_cpu(hv, vm, vcpu, exit)
    answer(hv, vm, vcpu, "CPU_ON", (exit.target, exit.entry, exit.context), result)


def start_cpu(hv: Hypervisor, vm: Vm, caller: Vcpu, exit: CpuUp) -> int:
    """The result of CPU_ON."""
    target = vm.vcpu_of(exit.target)
    if target is None:
        return INVALID_PARAMETERS
    if target.power is not Power.OFF:
        return ALREADY_ON if target.power is Power.ON else ON_PENDING
    if exit.entry & 3 or not executable(vm, exit.entry):
        return INVALID_ADDRESS
    hv.log(
        "info",
        f"VM[{vm.id}] VCpu[{caller.id}] booting CPU {exit.target} entry={exit.entry:x} arg={exit.context:#x}",
        vm,
    )
    target.cpu.reset(exit.entry, exit.context)
    vm.gic.reset_cpu(target.id)
    tasks.wake(hv, tasks.spawn(hv, vm, target, tasks.Phase.WAIT_RUNNING))
    return SUCCESS


def executable(vm: Vm, gpa: int) -> bool:
    """Whether a vCPU can begin there: RAM of the guest that it may execute."""
    region = vm.region_of(gpa, 4)
    return region is not None and bool(region.flags & stage2.EXECUTE)


def cpu_off(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: CpuDown) -> None:
    """The caller leaves, and does not come back from the call."""
    hv.log("warn", f"VM[{vm.id}] VCpu[{vcpu.id}] CPU down", vm)
    report(hv, vm, vcpu, "CPU_OFF", ())
    task = vcpu.task
    assert task is not None
    task.phase = tasks.Phase.LEAVING


def cpu_suspend(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: CpuSuspend) -> None:
    """Every suspension is a standby, as DEN0022 5.4.1 permits: sleep as in WFI, then return to the caller."""
    invalid = exit.power_state & POWER_STATE_RESERVED
    bad_entry = exit.power_state & POWER_DOWN and not executable(vm, exit.entry)
    result = INVALID_PARAMETERS if invalid else INVALID_ADDRESS if bad_entry else SUCCESS
    answer(hv, vm, vcpu, "CPU_SUSPEND", (exit.power_state, exit.entry, exit.context), result)
    if result == SUCCESS:
        task = vcpu.task
        assert task is not None
        task.phase = tasks.Phase.SLEEP


def system_off(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: SystemDown) -> None:
    """The guest powers itself off."""
    hv.log("warn", f"VM[{vm.id}] VCpu[{vcpu.id}] system shutdown", vm)
    report(hv, vm, vcpu, "SYSTEM_OFF", ())
    stopping.begin_stop(hv, vm, StopReason.GUEST_POWER_OFF)


def system_reset(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: SystemReset) -> None:
    """The guest starts itself again."""
    hv.log("warn", f"VM[{vm.id}] VCpu[{vcpu.id}] system reset", vm)
    report(hv, vm, vcpu, "SYSTEM_RESET", ())
    stopping.begin_stop(hv, vm, StopReason.GUEST_RESET)


# The functions that only return something

Function = Callable[["Vm", tuple[int, int, int]], int]


def version(vm: Vm, args: tuple[int, int, int]) -> int:
    return PSCI_VERSION


def affinity_info(vm: Vm, args: tuple[int, int, int]) -> int:
    """Whether any vCPU of an affinity level's group is on."""
    target, level, _ = args
    if level > 3:
        return INVALID_PARAMETERS
    mask = AFFINITY & ~((1 << 8 * level) - 1) if level < 3 else 0xFF_0000_0000
    group = [vcpu.power for vcpu in vm.vcpus if vcpu.mpidr & mask == target & mask]
    if not group or target & ~AFFINITY:
        return INVALID_PARAMETERS
    if Power.ON in group:
        return AFFINITY_ON
    return AFFINITY_ON_PENDING if Power.ON_PENDING in group else AFFINITY_OFF


def migrate_info_type(vm: Vm, args: tuple[int, int, int]) -> int:
    return TOS_NOT_PRESENT


def psci_features(vm: Vm, args: tuple[int, int, int]) -> int:
    """Whether a function exists. CPU_SUSPEND has no flags: the original format, no OS-initiated mode."""
    wanted = args[0]
    exits_of_their_own = {0x8400_0001, 0xC400_0001, 0x8400_0002, 0x8400_0003, 0xC400_0003, 0x8400_0008, 0x8400_0009}
    psci_function = wanted in FUNCTIONS and wanted != 0x8000_0001
    return SUCCESS if wanted in exits_of_their_own or psci_function else NOT_SUPPORTED


def smccc_version(vm: Vm, args: tuple[int, int, int]) -> int:
    return SMCCC_VERSION


def arch_features(vm: Vm, args: tuple[int, int, int]) -> int:
    return SUCCESS if args[0] in (0x8000_0000, 0x8000_0001) else NOT_SUPPORTED


FUNCTIONS: dict[int, Function] = {
    0x8400_0000: version,
    0x8400_0004: affinity_info,
    0xC400_0004: affinity_info,
    0x8400_0006: migrate_info_type,
    0x8400_000A: psci_features,
    0x8000_0000: smccc_version,
    0x8000_0001: arch_features,
}


def call(hv: Hypervisor, vm: Vm, vcpu: Vcpu, exit: FirmwareCall) -> None:
    """Any other call: what FUNCTIONS says, or NOT_SUPPORTED."""
    function = FUNCTIONS.get(exit.function)
    result = NOT_SUPPORTED if function is None else function(vm, exit.args)
    name = NAMES.get(exit.function & ~SMC64, f"{exit.function:#010x}")
    if function is None:
        hv.log("debug", f"VM[{vm.id}] VCpu[{vcpu.id}] firmware call {name} is not supported", vm)
    answer(hv, vm, vcpu, name, exit.args, result)
