"""What a VM finds on its bus besides RAM: its own consoles and interrupt controller, and devices of the board.

Consoles, GIC frames and flash writes are mediated: an access leaves the guest and is answered here.
Other devices of the board are mapped: the guest reaches them without an exit, through `HostBus`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from axlab import events
from axlab.machine.bus import Access, Bus, Claim
from axlab.machine.flash import Flash
from axlab.machine.gic import FIRST_SPI
from axlab.machine.gic_frames import claims
from axlab.machine.gic_its import FRAME_SIZE, AbsentIts
from axlab.machine.gpio import Pl061
from axlab.machine.memory_map import POWER_BUTTON_LINE, Region, region
from axlab.machine.registers import Device
from axlab.machine.rtc import Pl031
from axlab.machine.uart import Pl011
from axlab.units import PAGE_SIZE
from axlab.vmm import stage2, timers
from axlab.vmm.ownership import SHARED
from axlab.vmm.passthrough import Granted, gic_frames
from axlab.vmm.virtual_gic import VirtualGic

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm

CONSOLE, DUMMY = 0x02, 0x00  # types of emu_devices
ELSEWHERE = (0x01, 0x20, 0x21, 0x22, 0x0A)  # the interrupt controller's frames; the range of IVC channels

WINDOW = 1 << 41
"""Host physical addresses from here on, beyond all the board has, stand for the VM's virtual devices: `HostBus`."""


class Dummy(Device):
    """A device of type 0x0: reads are zero, stores are ignored."""


class HostBus(Bus):
    """The board's bus as the CPUs of one VM reach it. It notes that a device was touched.

    While an instruction is emulated (`handlers_memory.emulate`), the page that it accesses is mapped
    to WINDOW, and leads from here to the VM's own bus.
    """

    def __init__(self, board: Bus, own: Bus) -> None:
        super().__init__()
        self.board = board
        self.own = own
        self.cpus: list[Cpu] = []
        self.touched = False

    def access(self, access: Access) -> int:
        if access.address >= WINDOW:
            inner = Access(access.address - WINDOW, access.width, access.value, access.is_write, access.cpu)
            return self.own.access(inner)
        claim = self.board.find(access.address)
        if claim is not None and isinstance(claim.device, Pl031):
            claim.device.now_ns = self.cpus[access.cpu].now
        self.touched = True
        return self.board.access(access) if claim is None else claim.access(access)


@dataclass
class VirtualDevices:
    """The devices of one VM. `passed` are the board's that its guest reaches, `levels` their outputs as last seen."""

    bus: Bus
    host_bus: HostBus
    gic: VirtualGic
    delivers: bool
    uarts: list[Claim] = field(default_factory=list)
    flashes: list[Claim] = field(default_factory=list)
    passed: list[Claim] = field(default_factory=list)
    levels: dict[str, bool] = field(default_factory=dict)
    alarm: int = 0

    @property
    def power_button(self) -> Claim | None:
        """The GPIO block with the power button, if the guest has it."""
        return next((claim for claim in self.passed if isinstance(claim.device, Pl061)), None)

    def before_entry(self, vcpu: Vcpu, now: int) -> None:
        """Put pending interrupts into the list registers."""
        if self.delivers:
            self.gic.flush(vcpu.id, now)

    def after_exit(self, hv: Hypervisor, vm: Vm, vcpu: Vcpu) -> None:
        """Read the list registers back, and look at the devices that the guest touched itself."""
        if self.delivers:
            self.gic.sync(vcpu.id)
        if self.host_bus.touched:
            self.host_bus.touched = False
            self.route(hv, vm)

    def route(self, hv: Hypervisor, vm: Vm) -> None:
        """Hand interrupt outputs that changed to the VM's GIC."""
        for claim in self.passed:
            self.set_level(hv, vm, claim)
            if isinstance(claim.device, Pl031):
                timers.watch_clock(hv, vm, claim.device)

    def set_level(self, hv: Hypervisor, vm: Vm, claim: Claim) -> None:
        level = claim.device.interrupt
        if claim.intid and self.levels.get(claim.name, False) != level:
            self.levels[claim.name] = level
            hv.set_level(vm, claim.intid, level)


def printed(hv: Hypervisor, vm: Vm, data: bytes) -> None:
    """The guest printed something."""
    vm.console.output += data
    vm.folder.console(hv.now, data)
    if hv.events.observers:
        hv.events.emit(events.Console(hv.now, vm.id, data))


def console_output(hv: Hypervisor, vm: Vm, claim: Claim) -> None:
    """After an access to a UART: take what it sent, give it what was typed, look at its interrupt."""
    uart = claim.device
    assert isinstance(uart, Pl011)
    if uart.output:
        printed(hv, vm, uart.take_output())
    if vm.console.pending and claim is vm.devices.uarts[0]:
        vm.console.feed(uart)
    vm.devices.set_level(hv, vm, claim)


def console_input(hv: Hypervisor, vm: Vm) -> None:
    """Something was typed, perhaps before the start: give the first UART what it has room for."""
    if not vm.devices.uarts or not vm.console.pending:
        return
    claim = vm.devices.uarts[0]
    assert isinstance(claim.device, Pl011)
    vm.console.feed(claim.device)
    vm.devices.set_level(hv, vm, claim)


def has_input(vm: Vm) -> bool:
    """Whether something was typed that the guest has not taken yet."""
    return bool(vm.console.pending) or any(uart.received for uart in first_uart(vm))


def take_input(hv: Hypervisor, vm: Vm) -> int:
    """The oldest typed byte, past the UART's registers. There must be one: `has_input`."""
    for uart in first_uart(vm):
        if uart.received:
            byte = uart.take_received()
            vm.console.feed(uart)
            vm.devices.set_level(hv, vm, vm.devices.uarts[0])
            return byte
    return vm.console.pending.pop(0)


def first_uart(vm: Vm) -> list[Pl011]:
    """The UART that input goes to, if the VM has one."""
    return [claim.device for claim in vm.devices.uarts[:1] if isinstance(claim.device, Pl011)]


def power_button(vm: Vm) -> Pl061 | None:
    """The GPIO block with the power button, if the guest has unmasked its interrupt there and in its GIC."""
    claim = vm.devices.power_button
    if claim is None or not isinstance(claim.device, Pl061) or not vm.devices.delivers:
        return None
    unmasked = claim.device.register("IE") >> POWER_BUTTON_LINE & 1
    enabled = vm.gic.gic.shared.enabled >> claim.intid - FIRST_SPI & 1
    return claim.device if unmasked and enabled else None


def build(hv: Hypervisor, vm: Vm, cpus: list[Cpu], host_bus: HostBus) -> VirtualDevices:
    """New devices for a VM that is made or starts again, as its configuration says; stage 2 for the board's."""
    config = vm.config
    gic = VirtualGic(
        config.axlab.gic_version,
        cpus,
        config.base.mpidrs,
        owned=None if config.devices.interrupt_mode == "emulated" else owned_interrupts(vm),
        observers=hv.events,
        vm=vm.id,
    )
    devices = VirtualDevices(host_bus.own, host_bus, gic, config.devices.interrupt_mode != "no_irq")
    attach_gic(hv, vm, devices)
    for emulated in config.devices.emu_devices:
        if emulated.type == CONSOLE:
            attach_uart(devices, Claim(emulated.name, emulated.base, emulated.length, Pl011(), emulated.irq))
        elif emulated.type == DUMMY:
            devices.bus.attach(Claim(emulated.name, emulated.base, emulated.length, Dummy()))
        elif emulated.type not in ELSEWHERE:
            hv.log("warn", f"Emulated device {emulated.name}'s type {emulated.type:#x} is not supported yet", vm)
    for grant in vm.granted:
        attach_granted(hv, vm, devices, grant)
    return devices


def attach_gic(hv: Hypervisor, vm: Vm, devices: VirtualDevices) -> None:
    """The frames of the VM's interrupt controller, where the configuration places them."""
    places = gic_frames(vm.config)
    if places is None:
        return
    found = claims(devices.gic.frames(), places.distributor[0], places.second[0])
    for claim in found:
        devices.bus.attach(claim)
    if places.version == 3:
        attach_where_free(vm, devices.bus, Claim("ITS", region("ITS").base, FRAME_SIZE, AbsentIts()))
        behind = found[-1].base + found[-1].size
        left = places.second[0] + places.second[1] - behind
        if left > 0:
            attach_where_free(vm, devices.bus, Claim("GICR behind", behind, left, Dummy()))


def attach_where_free(vm: Vm, bus: Bus, claim: Claim) -> None:
    """Attach a device that only keeps others from stumbling, unless something real is there."""
    end = claim.base + claim.size
    in_ram = any(ram.gpa < end and claim.base < ram.end for ram in vm.memory_regions)
    if not in_ram and not any(known.base < end and claim.base < known.base + known.size for known in bus.claims):
        bus.attach(claim)


def owned_interrupts(vm: Vm) -> list[int]:
    """The SPIs of the VM's devices."""
    passed = [grant.region.intid for grant in vm.granted]
    return [intid for intid in [*passed, *(device.irq for device in vm.config.devices.emu_devices)] if intid]


def attach_uart(devices: VirtualDevices, claim: Claim) -> None:
    devices.bus.attach(claim)
    devices.uarts.append(claim)


def attach_granted(hv: Hypervisor, vm: Vm, devices: VirtualDevices, grant: Granted) -> None:
    """A device of the board: a PL011 of the VM's own for the UART, flash for reading only, others as they are."""
    place = grant.region
    if place.kind == "gic":
        return
    if place.kind == "uart":
        attach_uart(devices, Claim(place.name, grant.gpa, place.size, Pl011(), place.intid))
        return
    claim = Claim(place.name, grant.gpa, place.size, hv.board.device(place.name), place.intid)
    if isinstance(claim.device, Flash):
        devices.bus.attach(claim)
        devices.flashes.append(claim)
        show_flash(vm, claim)
        return
    if shares_page(vm, grant, hv.board.regions):
        devices.bus.attach(claim)
        return
    first = grant.gpa // PAGE_SIZE * PAGE_SIZE
    size = -(-(grant.gpa + place.size) // PAGE_SIZE) * PAGE_SIZE - first
    vm.stage2.map(first, place.base // PAGE_SIZE * PAGE_SIZE, size, stage2.READ | stage2.WRITE | stage2.DEVICE)
    devices.passed.append(claim)


def renew_board_devices(hv: Hypervisor, vm: Vm) -> None:
    """The devices that a VM takes over are as after power-on; flash keeps its array."""
    given = {grant.region.name: grant.region for grant in vm.granted if grant.region.kind not in SHARED}
    for index, claim in enumerate(hv.board.bus.claims):
        if isinstance(claim.device, Flash) and claim.name in given:
            claim.device.mode, claim.device.expected = "array", ""
        elif claim.name in given:
            device = hv.board.build(given[claim.name])
            assert device is not None
            hv.board.bus.claims[index] = replace(claim, device=device)


def shares_page(vm: Vm, grant: Granted, board: list[Region]) -> bool:
    """Whether a device cannot be mapped: its pages hold other devices that the VM was not given, or are moved oddly."""
    first = grant.region.base // PAGE_SIZE * PAGE_SIZE
    behind = -(-grant.region.end // PAGE_SIZE) * PAGE_SIZE
    moved = grant.gpa - grant.region.base
    given = [other.region.name for other in vm.granted if other.gpa - other.region.base == moved]
    others = [known.name for known in board if known.overlaps(first, behind - first)]
    return moved % PAGE_SIZE != 0 or any(name not in given for name in others)


def show_flash(vm: Vm, claim: Claim) -> None:
    """Map a flash bank for reading while reads give its array; otherwise every access leaves the guest."""
    flash = claim.device
    assert isinstance(flash, Flash)
    if flash.reads_array == (vm.stage2.find(claim.base) is not None):
        return
    if flash.reads_array:
        vm.stage2.map(claim.base, flash.base, flash.size, stage2.READ | stage2.EXECUTE)
    else:
        vm.stage2.unmap(claim.base, flash.size)
    vm.flush_tlbs()
