"""Which register frames a GIC has, and how large they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from axlab.machine import gic_distributor, gic_redistributor, gic_v2
from axlab.machine.bus import Claim
from axlab.machine.gic import Gic
from axlab.machine.gic_interface import InterruptedCpu
from axlab.machine.registers import Device


@dataclass(frozen=True, slots=True)
class Frame:
    """A device that shows a part of a GIC: GICD, GICR<cpu> or GICC; `size` in bytes."""

    name: str
    size: int
    device: Device


def frames(gic: Gic, cpus: Sequence[InterruptedCpu] = ()) -> list[Frame]:
    """GICD, and for each CPU GICR (version 3), or GICC over the virtual interfaces of `cpus` (version 2)."""
    if gic.version == 2:
        found = [Frame("GICD", gic_v2.DISTRIBUTOR_SIZE, gic_v2.DistributorV2(gic))]
        return found + [Frame("GICC", gic_v2.INTERFACE_SIZE, gic_v2.CpuInterfaceV2(cpus))] if cpus else found
    distributor = Frame("GICD", gic_distributor.FRAME_SIZE, gic_distributor.Distributor(gic))
    redistributors = [
        Frame(f"GICR{cpu}", gic_redistributor.FRAME_SIZE, gic_redistributor.Redistributor(gic, cpu))
        for cpu in range(gic.cpus)
    ]
    return [distributor, *redistributors]


def claims(found: list[Frame], distributor: int, other: int, stride: int = gic_redistributor.FRAME_SIZE) -> list[Claim]:
    """The frames at their addresses: GICD at `distributor`, GICC or the GICRs, `stride` apart, from `other` on."""
    first, *rest = found
    claimed = [Claim(first.name, distributor, first.size, first.device)]
    return claimed + [Claim(f.name, other + n * stride, f.size, f.device) for n, f in enumerate(rest)]
