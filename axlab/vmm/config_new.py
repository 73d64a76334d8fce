"""New configurations: for an image alone, and as a commented file for `axlab config new`.

Both start from `KINDS`, and the comments are the schema's own words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from axlab.errors import AxError, nearest
from axlab.units import format_memory_size, parse_size
from axlab.vmm import config_schema as schema
from axlab.vmm.config import (
    BaseConfig,
    DevicesConfig,
    EmulatedDevice,
    KernelConfig,
    MemoryRegion,
    PassthroughDevice,
    VmConfig,
    parse_config,
)
from axlab.vmm.config_meaning import name_problem
from axlab.vmm.config_write import effective, is_written, written
from axlab.vmm.images import BUILT_IN, Image, load_image

RAM_BASE = 0x4000_0000
IVC_BASE = 0x0C00_0000  # where the `virt` board has its platform bus, which guests do not get
MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of guest: what a configuration for it begins with.

    `load` is where the image goes: 0x4008_0000 is where QEMU's `-kernel` and AxVisor's files put a flat
    binary, a Linux Image wants a 2 MB boundary. `whole_board` passes everything through, as AxVisor's
    files do; else the guest has a GIC and a UART of its own, and several may run at once. `rom` is the size
    of read-only memory from address 0 (in the place of the board's first flash bank), `tree` where the
    device tree goes.
    """

    about: str
    vm_type: int
    cpus: int
    memory: int
    load: int
    whole_board: bool = False
    cmdline: str | None = None
    image: str = "kernel.bin"
    rom: int = 0
    tree: int | None = None


KINDS = {
    "demo": Kind("the guest that comes with AxLab", 1, 2, 16 * MB, 0x4008_0000, image=BUILT_IN + "demo"),
    "bare-metal": Kind("a program of your own without an operating system", 1, 1, 128 * MB, 0x4008_0000),
    "rtos": Kind("a small operating system such as ArceOS or RT-Thread", 1, 1, 256 * MB, 0x4020_0000, True),
    "linux": Kind(
        "a Linux kernel (arm64 Image)",
        2,
        1,
        256 * MB,
        0x4020_0000,
        True,
        cmdline="console=ttyAMA0 earlycon",
        image="Image",
    ),
    "u-boot": Kind(
        "the U-Boot boot loader, as Debian's package u-boot-qemu has it",
        1,
        1,
        128 * MB,
        0x0,
        True,
        image="u-boot.bin",
        rom=64 * MB,
        tree=RAM_BASE,
    ),
}


def emulated_devices(cpus: int, *, ivc: bool = False) -> tuple[EmulatedDevice, ...]:
    """A GICv3 and a UART where QEMU's `virt` board has them; with `ivc` also a range for channels to other VMs."""
    channels = (EmulatedDevice("ivc", IVC_BASE, MB, 0, 0x0A),) if ivc else ()
    return (
        EmulatedDevice("gicd", 0x0800_0000, 0x1_0000, 0, 0x21),
        EmulatedDevice("gicr", 0x080A_0000, 0x2_0000 * cpus, 0, 0x20, (cpus, 0x2_0000, 0)),
        EmulatedDevice("uart", 0x0900_0000, 0x1000, 33, 0x02),
        *channels,
    )


def regions_of(kind: Kind, memory: int = 0) -> tuple[MemoryRegion, ...]:
    """RAM, and before it the ROM of a kind that has one: without W it is no RAM for the guest's tree."""
    ram = MemoryRegion(RAM_BASE, memory or kind.memory)
    rom = MemoryRegion(0, kind.rom, schema.FLAG_READ | schema.FLAG_EXECUTE)
    return (rom, ram) if kind.rom else (ram,)


def devices_of(kind: Kind, cpus: int) -> DevicesConfig:
    if kind.whole_board:
        return DevicesConfig("passthrough", passthrough_devices=(PassthroughDevice(path="/"),))
    return DevicesConfig("emulated", emu_devices=emulated_devices(cpus))


def kind_config(
    kind: str,
    *,
    id: int = 0,
    name: str = "",
    image: str = "",
    cpus: int = 0,
    memory: int = 0,
    cmdline: str | None = None,
) -> VmConfig:
    """A configuration for a kind of guest; what is not given is the kind's own."""
    if kind not in KINDS:
        raise AxError(f"{kind!r} is no kind of guest{nearest(kind, list(KINDS))}; there are {', '.join(KINDS)}")
    made = KINDS[kind]
    cpus = cpus or made.cpus
    kernel = KernelConfig(
        image or made.image,
        regions_of(made, memory),
        dtb_load_addr=made.tree,
        entry_point=made.load,
        kernel_load_addr=made.load,
        cmdline=made.cmdline if cmdline is None else cmdline,
    )
    base = BaseConfig(id, name or kind, made.vm_type, cpus)
    return VmConfig(base, kernel, devices_of(made, cpus), source=f"<{kind}>")


# --- an image alone --------------------------------------------------------------------------------


def default_config(image: str | Path, *, id: int = 0, name: str | None = None) -> VmConfig:
    """What an image alone runs with. Raises `AxError` where it is none.

    demo: 2 vCPUs, 16 MB. arm64 Image: 256 MB, loaded at 0x4020_0000. Flat: 128 MB, loaded and entered
    at 0x4008_0000. ELF: by its own addresses, 128 MB or as much as it spans. All have a GIC and a UART
    of their own, so that several run at once.
    """
    if str(image) in ("demo", BUILT_IN + "demo"):
        return kind_config("demo", id=id, name=name or "demo")
    found = load_image(image)
    config = kind_config(
        "linux" if found.kind == "arm64" else "bare-metal", id=id, name=name or name_for(Path(image)), image=str(image)
    )
    config = replace(
        config, source=f"<default for {Path(image).name}>", devices=devices_of(KINDS["bare-metal"], config.base.cpu_num)
    )
    if found.kind != "elf":
        return config
    regions = regions_for(found, str(image))
    return replace(config, kernel=KernelConfig(str(image), regions))


def regions_for(image: Image, source: str) -> tuple[MemoryRegion, ...]:
    """RAM for an ELF file: the usual 128 MB where it lies inside, else what it spans, and 16 MB more."""
    low = min(segment.address for segment in image.segments)
    high = max(segment.address + segment.size for segment in image.segments)
    usual = MemoryRegion(RAM_BASE, KINDS["bare-metal"].memory)
    room = 16 * MB
    if usual.contains(low, high + 2 * MB - low):
        return (usual,)
    start, end = low // (2 * MB) * 2 * MB, -(-(high + room) // (2 * MB)) * 2 * MB
    if end - start > 8 << 30 or end > schema.ADDRESS_LIMIT:
        raise AxError(
            f"its segments span {low:#x}-{high:#x}; write a configuration with fitting memory_regions", source=source
        )
    return (MemoryRegion(start, end - start),)


def name_for(path: Path) -> str:
    """A VM's name from an image's."""
    word = re.sub(r"[^\w.-]+", "-", path.stem).strip(".-") or "guest"
    return word if not name_problem(word) else f"guest-{word}"


# --- axlab config new ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that `config new` asks; `option` is the keyword of `kind_config` and the command-line option."""

    option: str
    text: str
    read: Callable[[str], object]


def read_name(text: str) -> str:
    problem = name_problem(text)
    if problem:
        raise AxError(f'"{text}" {problem}')
    return text


def read_number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise AxError(f"{text!r} is no number from {low} to {high}")
        return int(text)

    return read


def read_memory(text: str) -> int:
    size = parse_size(text)
    if not size or size % 4096 or size > 8 << 30:
        raise AxError(f"{text!r} is no whole number of 4 KiB pages up to 8G")
    return size


def read_kind(text: str) -> str:
    if text not in KINDS:
        raise AxError(f"{text!r} is no kind of guest{nearest(text, list(KINDS))}")
    return text


def read_image(text: str) -> str:
    if not text or "\0" in text:
        raise AxError("an image needs a path")
    return text


KIND = Question("kind", f"Kind of guest ({', '.join(KINDS)})", read_kind)
QUESTIONS = (
    Question("name", "Name of the VM", read_name),
    Question("id", "Id, 0 to 255", read_number(0, 255)),
    Question("image", "Path of the image, from the new file's folder", read_image),
    Question("cpus", "Number of vCPUs", read_number(1, 64)),
    Question("memory", "RAM, such as 128M", read_memory),
    Question("cmdline", "Command line of the kernel", str),
)


def ask_options(ask: Callable[[str, str], str], given: dict[str, object] | None = None) -> dict[str, object]:
    """Ask for what is not `given`: `ask(question, default)` returns what was typed, empty for the default.

    A wrong answer is asked again, with what is wrong before the question.
    """
    options = dict(given or {})
    if "kind" not in options:
        options["kind"] = answered(ask, KIND, "demo")
    made = kind_config(str(options["kind"]))
    defaults = {
        "name": made.base.name,
        "id": str(made.base.id),
        "image": made.kernel.kernel_path,
        "cpus": str(made.base.cpu_num),
        "memory": format_memory_size(KINDS[str(options["kind"])].memory),
        "cmdline": made.kernel.cmdline or "",
    }
    settled = {"image"} if options["kind"] == "demo" else set()
    settled |= set() if made.kernel.cmdline else {"cmdline"}
    for question in QUESTIONS:
        if question.option not in options and question.option not in settled:
            options[question.option] = answered(ask, question, defaults[question.option])
    return options


def answered(ask: Callable[[str, str], str], question: Question, default: str) -> object:
    """An answer that can be read; the default for an empty one."""
    text = question.text
    while True:
        try:
            return question.read(ask(text, default).strip() or default)
        except AxError as error:
            text = f"{error.message}\n{question.text}"


def new_config(kind: str, **options: object) -> str:
    """A commented file for a kind of guest, with the keywords of `kind_config`. Raises `AxError`.

    Every key of the schema is in it: those that matter with a value, the others commented out with an example.
    """
    config = kind_config(kind, **options)  # type: ignore[arg-type]
    text = commented(config, KINDS[kind])
    parse_config(text, f"<{kind}>").require()
    return text


def commented(config: VmConfig, kind: Kind) -> str:
    """The configuration with the schema's words above every key."""
    lines = [
        f"# A virtual machine for {kind.about}.",
        "# axlab config check FILE says whether it is right; AxVisor reads it, too.",
    ]
    for table in schema.TABLES:
        lines += ["", f"# {table.about}", f"[{table.name}]"]
        for key in table.keys:
            value = effective(config, table.name, key)
            lines += [f"# {key.about}"]
            if is_written(key, value):
                lines += [f"{key.name} = {written(key, value)}"]
            else:
                shown = written(key, key.default) if key.default not in (None, ()) else key.example
                lines += [f"# {key.name} = {shown}"]
    return "\n".join(lines) + "\n"
