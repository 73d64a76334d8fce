"""What a simulated CPU may have or lack; its ID registers tell the guest the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Features:
    """The options of a CPU: a VM's `[axlab]` table sets them.

    `fp`: the floating-point and Advanced SIMD registers (without it every such instruction is UNDEFINED).
    `lse`: the atomic instructions of ARMv8.1 (FEAT_LSE). `semihosting`: HLT 0xF000 calls the host.
    `gic_version`: 3 offers the GIC by system registers, 2 only by memory-mapped frames.
    """

    fp: bool = True
    lse: bool = False
    semihosting: bool = False
    gic_version: int = 3
