"""Configurations and images that several test files need."""

from __future__ import annotations

import struct
from pathlib import Path

from axlab.vmm.config import Host, Purpose, VmConfig, parse_config
from axlab.vmm.images import ARM64_MAGIC

NOP = b"\x1f\x20\x03\xd5"


def guest(
    devices: str = "",
    *,
    mode: str = "passthrough",
    regions: str = "[[0x4000_0000, 0x100_0000, 0x7, 0]]",
    kernel: str = "entry_point = 0x4008_0000\nkernel_load_addr = 0x4008_0000\n",
    base: str = "cpu_num = 1\n",
    axlab: str = "",
    folder: Path | str = ".",
) -> VmConfig:
    """A configuration of a few lines; `AxError` where it is wrong."""
    text = (
        f'[base]\nid = 1\nname = "guest"\nvm_type = 1\n{base}[kernel]\nkernel_path = "kernel.bin"\n{kernel}'
        f'memory_regions = {regions}\n[devices]\ninterrupt_mode = "{mode}"\n{devices}\n[axlab]\n{axlab}'
    )
    return parse_config(text, "guest.toml", folder=folder).require()


def arm64_image(*, size: int = 0x2_0000, text_offset: int = 0, flags: int = 0xA, body: int = 0x1000) -> bytes:
    """A Linux arm64 Image's header and some instructions."""
    return NOP + NOP + struct.pack("<QQQ24xII", text_offset, size, flags, ARM64_MAGIC, 0) + NOP * (body // 4)


def elf(
    *,
    machine: int = 183,
    bits: int = 2,
    order: int = 1,
    kind: int = 2,
    entry: int = 0x4008_0000,
    data: bytes = NOP,
    filesz: int | None = None,
    memsz: int = 0x1000,
    vaddr: int = 0x4008_0000,
    paddr: int = 0x4008_0000,
    p_type: int = 1,
    count: int = 1,
) -> bytes:
    """An ELF file of one segment, any field of it as wrong as a test wants."""
    ident = b"\x7fELF" + bytes([bits, order, 1]) + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, entry, 64, 0, 0, 64, 56, count, 64, 0, 0)
    size = len(data) if filesz is None else filesz
    program = struct.pack("<IIQQQQQQ", p_type, 5, 120, vaddr, paddr, size, memsz, 0x1000)
    return ident + header + program + data


AXVISOR = sorted((Path(__file__).parent / "data" / "axvisor-configs").glob("*.toml"))
GOOD = """\
[base]
id = 1
name = "guest"
vm_type = 1
cpu_num = 2
phys_cpu_ids = [0x0, 0x100]

[kernel]
entry_point = 0x4008_0000
kernel_path = "kernel.bin"
kernel_load_addr = 0x4008_0000
memory_regions = [
  [0x4000_0000, 0x100_0000, 0x7, 0], # 16 MB
]

[devices]
interrupt_mode = "passthrough"
emu_devices = []
passthrough_devices = [["/"]]
"""


def findings(text: str, purpose: Purpose = "create", host: Host | None = None) -> list[str]:
    """All findings of a text as people read them."""
    return [str(found) for found in parse_config(text, "guest.toml", purpose=purpose, host=host).findings]


def changed(old: str, new: str) -> str:
    """GOOD with one piece replaced."""
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def with_keys(table: str, lines: str) -> str:
    """GOOD with more keys at the beginning of a table."""
    return changed(f"[{table}]\n", f"[{table}]\n{lines}\n")
