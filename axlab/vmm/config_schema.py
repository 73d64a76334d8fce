"""What a VM configuration file may say: one table, from which everything else follows.

The checker, the defaults, the comments of `axlab config new`, the reference page, completion and the
suggestions for unknown keys all read `TABLES`. The keys are AxVisor's (crate axvmconfig); `[axlab]`
is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

ADDRESS_LIMIT = 1 << 40
"""Guest physical addresses have 40 bits (VTCR_EL2.T0SZ = 24)."""

SPI_LIMIT = 1019
"""INTIDs 1020-1023 are special (GIC architecture, 2.2.1)."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table, or one field of a row.

    `kind` is the type in TOML's words: integer, string, boolean, `integers` and `strings` (arrays), `rows`
    (an array of arrays or of inline tables, each with `fields`, of which at least `shortest` are given).
    `style` says how an integer is written: address, size, mask, or count.
    `always`: written even at its default, because AxVisor cannot do without it.
    `choices` maps every accepted spelling to the one that AxLab uses.
    """

    name: str
    kind: str
    about: str
    required: bool = False
    always: bool = False
    default: object = None
    low: int = 0
    high: int = (1 << 63) - 1
    style: str = "count"
    choices: dict[object, object] | None = None
    fields: tuple[Key, ...] = ()
    shortest: int = 0
    example: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the file, `[name]`, with its keys in the order in which they are written."""

    name: str
    about: str
    keys: tuple[Key, ...]
    required: bool = True

    def key(self, name: str) -> Key:
        """The key of that name; `KeyError` where the table has none."""
        return {key.name: key for key in self.keys}[name]


VM_TYPES = {0: "host VM", 1: "RTOS", 2: "Linux"}
MAP_ALLOC, MAP_IDENTICAL, MAP_RESERVED = 0, 1, 2
MAP_TYPES = {MAP_ALLOC: "MapAlloc", MAP_IDENTICAL: "MapIdentical", MAP_RESERVED: "MapReserved"}
FLAG_READ, FLAG_WRITE, FLAG_EXECUTE = 1, 2, 4
DUMMY = 0
EMULATED_TYPES = {
    DUMMY: "dummy",
    0x01: "interrupt controller",
    0x02: "console",
    0x0A: "IVC channel",
    0x20: "GIC redistributor",
    0x21: "GIC distributor",
    0x22: "GIC ITS",
    0x30: "PPPT global",
    0xE1: "virtio block",
    0xE2: "virtio net",
    0xE3: "virtio console",
}
TREE_ONLY = ("timer", "psci", "cpus", "chosen", "aliases", "memory", "apb-pclk", "gpio-keys", "pmu")
"""Nodes of a device tree that are no addresses: every guest has them, so passing them through changes nothing."""

NEWER_FORMS = {
    "base.guest_type": "vm_type = 1",
    "devices.passthrough": 'passthrough_devices = [["/"]]',
    "devices.disabled": 'excluded_devices = [["/path"]]',
    "devices.deny": 'excluded_devices = [["/path"]]',
    "devices.virtual": 'emu_devices = [["uart", 0x900_0000, 0x1000, 33, 0x2, []]]',
    "machine": "interrupt_mode in [devices]",
    "memory": "memory_regions in [kernel]",
}
"""Keys of later AxVisor versions, which describe a VM in other words, and what says the same here."""

INTERRUPT_MODES: dict[object, object] = {
    "no_irq": "no_irq",
    "no": "no_irq",
    "none": "no_irq",
    "emulated": "emulated",
    "emu": "emulated",
    "passthrough": "passthrough",
    "pt": "passthrough",
}


def address(name: str, about: str, **more: object) -> Key:
    """A guest physical address."""
    return Key(name, "integer", about, style="address", high=ADDRESS_LIMIT - 1, **more)  # type: ignore[arg-type]


def size(name: str, about: str, **more: object) -> Key:
    """A length in bytes."""
    return Key(name, "integer", about, style="size", high=ADDRESS_LIMIT, **more)  # type: ignore[arg-type]


def interrupt(about: str) -> Key:
    """An INTID; 0 means none."""
    return Key("irq_id", "integer", about, default=0, high=SPI_LIMIT)


# fmt: off
MEMORY_REGION = (
    address("gpa", "guest physical address of the first byte", required=True),
    size("size", "bytes, whole 4 KiB pages", required=True),
    Key("flags", "integer", "R 1, W 2, X 4; 8 and more are device attributes", required=True, style="mask",
        high=0xFFFF),
    Key("map_type", "integer", "0 MapAlloc, 1 MapIdentical (GPA = HPA), 2 MapReserved", default=0,
        choices={number: number for number in MAP_TYPES}),
)
EMULATED_DEVICE = (
    Key("name", "string", "a name of your own", required=True),
    address("base_gpa", "guest physical address", required=True),
    size("length", "bytes", required=True),
    interrupt("INTID (33 = SPI 1), 0 for none"),
    Key("emu_type", "integer", ", ".join(f"{number:#x} {what}" for number, what in EMULATED_TYPES.items()),
        default=0, style="mask", high=0xFFFF_FFFF),
    Key("cfg_list", "integers", "what the type asks for: a redistributor [vCPUs, stride, first CPU]", default=()),
)
PASSTHROUGH_DEVICE = (
    Key("name", "string", "a path in the board's device tree such as /pl011@9000000, / for all; or a name of your own",
        required=True),
    address("base_gpa", "where the guest finds it", default=0),
    address("base_hpa", "where the board has it", default=0),
    size("length", "bytes", default=0),
    interrupt("INTID (33 = SPI 1), 0 for none"),
)
ADDRESS_RANGE = (
    address("base_gpa", "guest physical address, the same on the board", required=True),
    size("length", "bytes", required=True),
)

TABLES = (
    Table("base", "What the VM is.", (
        Key("id", "integer", "The VM's id, 0 to 255, another one for every VM.", required=True, high=255, example="1"),
        Key("name", "string", "Its name: a plain file name; the VM's folder is called so.", required=True,
            example='"guest"'),
        Key("vm_type", "integer", "0 host VM, 1 RTOS, 2 Linux.", required=True,
            choices={number: number for number in VM_TYPES}, example="1"),
        Key("cpu_num", "integer", "The number of virtual CPUs.", required=True, low=1, high=64, example="1"),
        Key("phys_cpu_ids", "integers", "The MPIDR of every vCPU; without it 0x0, 0x1, 0x2...", style="mask",
            high=0xFF_00FF_FFFF, example="[0x0]"),
        Key("phys_cpu_sets", "integers",
            "For every vCPU the physical CPUs that may run it, as a bit mask (0x5: CPU 0 and 2).",
            style="mask", low=1, example="[0x1]"),
        Key("cpu_set", "integer", "The same mask for all vCPUs (an older form of phys_cpu_sets).", style="mask", low=1,
            example="0x1"),
    )),
    Table("kernel", "What it runs, and in which memory.", (
        address("entry_point", "Where the first vCPU begins; without it the image says so.", example="0x4008_0000"),
        Key("image_location", "string", 'Where the images come from. "fs": files; AxLab reads files for "memory", too.',
            choices={"fs": "fs", "memory": "memory"}, default="fs", example='"fs"'),
        Key("kernel_path", "string",
            "The guest's image: flat binary, arm64 Image (gzip or not) or ELF. Relative to this file.",
            required=True, example='"kernel.bin"'),
        address("kernel_load_addr", "Where the image's first byte goes; an ELF file knows better, and it is ignored.",
                example="0x4008_0000"),
        Key("enable_bios", "boolean", "Whether the BIOS image is loaded.", default=True, example="true"),
        Key("bios_path", "string", "A firmware image that is loaded, too.", example='"bios.bin"'),
        address("bios_load_addr", "Where the firmware goes.", example="0x0"),
        Key("dtb_path", "string", "A device tree blob of your own; without it AxLab generates one.",
            example='"guest.dtb"'),
        address("dtb_load_addr", "Where the device tree goes; without it in the last 2 MB of RAM.",
                example="0x4000_0000"),
        Key("ramdisk_path", "string", "An initial RAM disk.", example='"initrd.img"'),
        address("ramdisk_load_addr", "Where the RAM disk goes; without it below the device tree.",
                example="0x4800_0000"),
        Key("cmdline", "string", "The kernel's command line: bootargs in /chosen.", example='"console=ttyAMA0"'),
        Key("disk_path", "string", "A disk image.", example='"disk.img"'),
        Key("boot_protocol", "string",
            "How an x86 image is entered. An AArch64 guest has one way, so it changes nothing.", example='"linux"'),
        Key("memory_regions", "rows", "The guest's RAM: [gpa, size, flags, map_type].", required=True,
            fields=MEMORY_REGION, shortest=3, example="[[0x4000_0000, 0x100_0000, 0x7, 0]]"),
    )),
    Table("devices", "Which devices it has.", (
        Key("interrupt_mode", "string",
            "no_irq, emulated (a GIC of its own) or passthrough (the board's GIC, mediated).",
            choices=INTERRUPT_MODES, always=True, default="no_irq", example='"passthrough"'),
        Key("emu_devices", "rows", "Emulated devices: [name, base, length, irq, type, [config...]].", always=True,
            default=(), fields=EMULATED_DEVICE, shortest=5, example='[["uart", 0x900_0000, 0x1000, 33, 0x2, []]]'),
        Key("passthrough_devices", "rows",
            'Devices of the board: ["/path/in/the/device/tree"], ["/"] for all, or [name, gpa, hpa, length, irq].',
            always=True, default=(), fields=PASSTHROUGH_DEVICE, shortest=1, example='[["/"]]'),
        Key("excluded_devices", "rows", 'Devices of the board that are not passed through: ["/path"].', default=(),
            fields=(Key("path", "string", "a path in the board's device tree", required=True),), shortest=1,
            example='[["/pl031@9010000"]]'),
        Key("passthrough_addresses", "rows", "Address ranges of the board: [gpa, length].", default=(),
            fields=ADDRESS_RANGE, shortest=2, example="[[0x901_0000, 0x1000]]"),
    )),
    Table("axlab", "AxLab's own; AxVisor does not know this table.", (
        Key("gic_version", "integer", "3 or 2. Under passthrough the board has this GIC.", default=3,
            choices={2: 2, 3: 3}, example="3"),
        Key("fp", "boolean", "Floating point and SIMD registers.", default=True, example="true"),
        Key("lse", "boolean", "Atomic instructions (FEAT_LSE).", default=False, example="false"),
        Key("semihosting", "boolean", "HLT #0xF000 reaches the host's console (Arm semihosting).", default=False,
            example="false"),
    ), required=False),
)
# fmt: on


def table(name: str) -> Table:
    """The table of that name; `KeyError` where there is none."""
    return {known.name: known for known in TABLES}[name]
