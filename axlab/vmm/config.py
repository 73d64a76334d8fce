"""The configuration of one VM as values, and how a file becomes them.

The file is AxVisor's TOML, unchanged; `config_schema.TABLES` says what may stand in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from axlab.errors import AxError
from axlab.vmm import config_schema as schema
from axlab.vmm.images import BUILT_IN

Severity = Literal["error", "warning"]
Purpose = Literal["check", "create"]
"""What reads the file: `axlab config check` warns of what `vm create` refuses (overlapping RAM and the like)."""


@dataclass(frozen=True, slots=True)
class MemoryRegion:
    """RAM of a guest: `[gpa, size, flags, map_type]`, bytes; flags R 1, W 2, X 4."""

    gpa: int
    size: int
    flags: int = 7
    map_type: int = schema.MAP_ALLOC

    @property
    def end(self) -> int:
        """The first address behind the region."""
        return self.gpa + self.size

    @property
    def identical(self) -> bool:
        """Whether the guest physical address is the host physical one."""
        return self.map_type != schema.MAP_ALLOC

    def contains(self, gpa: int, size: int = 1) -> bool:
        """Whether all `size` bytes at `gpa` lie in the region."""
        return self.gpa <= gpa and gpa + size <= self.end


@dataclass(frozen=True, slots=True)
class EmulatedDevice:
    """A device that the hypervisor plays: `[name, base, length, irq, type, [config...]]`; `irq` is an INTID, 0 none."""

    name: str
    base: int
    length: int
    irq: int = 0
    type: int = 0
    config: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        """What the type number means, or nothing for an unknown one."""
        return schema.EMULATED_TYPES.get(self.type, "")


@dataclass(frozen=True, slots=True)
class PassthroughDevice:
    """A device of the board: by `path` in its device tree (`/` means all), or by address with a `name`."""

    path: str = ""
    name: str = ""
    gpa: int = 0
    hpa: int = 0
    length: int = 0
    irq: int = 0


@dataclass(frozen=True, slots=True)
class AddressRange:
    """Addresses of the board that the guest sees where they are: `[gpa, length]`."""

    gpa: int
    length: int


@dataclass(frozen=True, slots=True)
class BaseConfig:
    """`[base]`: what the VM is. `phys_cpu_ids[i]` is vCPU i's MPIDR, `phys_cpu_sets[i]` its affinity mask."""

    id: int
    name: str
    vm_type: int = 1
    cpu_num: int = 1
    phys_cpu_ids: tuple[int, ...] | None = None
    phys_cpu_sets: tuple[int, ...] | None = None

    @property
    def mpidrs(self) -> tuple[int, ...]:
        """Every vCPU's MPIDR affinity: as configured, else 0x0, 0x1, 0x2..., 16 in a cluster as on QEMU's board."""
        return self.phys_cpu_ids or tuple((i // 16) << 8 | i % 16 for i in range(self.cpu_num))

    @property
    def affinities(self) -> tuple[int | None, ...]:
        """Every vCPU's mask of physical CPUs, None where any will do."""
        return self.phys_cpu_sets or (None,) * self.cpu_num


@dataclass(frozen=True, slots=True)
class KernelConfig:
    """`[kernel]`: what the VM runs. An address that is None is decided by the image or the loader."""

    kernel_path: str
    memory_regions: tuple[MemoryRegion, ...]
    entry_point: int | None = None
    kernel_load_addr: int | None = None
    image_location: str = "fs"
    enable_bios: bool = True
    bios_path: str | None = None
    bios_load_addr: int | None = None
    dtb_path: str | None = None
    dtb_load_addr: int | None = None
    ramdisk_path: str | None = None
    ramdisk_load_addr: int | None = None
    cmdline: str | None = None
    disk_path: str | None = None
    boot_protocol: str | None = None


@dataclass(frozen=True, slots=True)
class DevicesConfig:
    """`[devices]`. `interrupt_mode` is no_irq, emulated or passthrough; the file's short forms are gone here."""

    interrupt_mode: str = "no_irq"
    emu_devices: tuple[EmulatedDevice, ...] = ()
    passthrough_devices: tuple[PassthroughDevice, ...] = ()
    excluded_devices: tuple[str, ...] = ()
    passthrough_addresses: tuple[AddressRange, ...] = ()


@dataclass(frozen=True, slots=True)
class AxlabConfig:
    """`[axlab]`: what AxVisor's file cannot say."""

    gic_version: int = 3
    fp: bool = True
    lse: bool = False
    semihosting: bool = False


@dataclass(frozen=True, slots=True)
class VmConfig:
    """A checked configuration. `folder` is what relative paths are relative to, `source` the file's name.

    `lines` has the line of every key (`kernel.kernel_path`), for what is found wrong later.
    """

    base: BaseConfig
    kernel: KernelConfig
    devices: DevicesConfig = field(default_factory=DevicesConfig)
    axlab: AxlabConfig = field(default_factory=AxlabConfig)
    source: str = "<config>"
    folder: str = "."
    lines: dict[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def memory_bytes(self) -> int:
        """All RAM that the guest sees, in bytes."""
        return sum(region.size for region in self.kernel.memory_regions)

    def resolve(self, path: str) -> Path:
        """A path of the file, relative to the file's folder; the name of a built-in guest stays as it is."""
        return Path(path) if path.startswith(BUILT_IN) else Path(self.folder) / path

    def region_of(self, gpa: int, size: int = 1) -> MemoryRegion | None:
        """The memory region that holds all `size` bytes at a guest physical address."""
        return next((region for region in self.kernel.memory_regions if region.contains(gpa, size)), None)

    def renamed(self, *, id: int | None = None, name: str | None = None) -> VmConfig:
        """The same configuration for another VM."""
        base = replace(self.base, id=self.base.id if id is None else id, name=name or self.base.name)
        return replace(self, base=base)

    def anywhere(self) -> VmConfig:
        """The same configuration with absolute paths, for a file in another folder."""
        kernel = replace(
            self.kernel,
            kernel_path=self.absolute(self.kernel.kernel_path) or "",
            bios_path=self.absolute(self.kernel.bios_path),
            dtb_path=self.absolute(self.kernel.dtb_path),
            ramdisk_path=self.absolute(self.kernel.ramdisk_path),
            disk_path=self.absolute(self.kernel.disk_path),
        )
        return replace(self, kernel=kernel)

    def absolute(self, path: str | None) -> str | None:
        """A path of the file as an absolute one; what is no path stays."""
        return path if not path or path.startswith(BUILT_IN) else str(self.resolve(path).absolute())

    def problem(self, key: str, message: str) -> Finding:
        """An error at a key, with the key's line in the file (or its table's)."""
        line = self.lines.get(key, self.lines.get(key.partition(".")[0], 0))
        return Finding(self.source, key, line, "error", message)

    def to_toml(self) -> str:
        """The effective configuration as a file that reads back to the same values."""
        from axlab.vmm.config_write import to_toml

        return to_toml(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a file. `line` is from 1, 0 where no line is to blame (a missing table)."""

    file: str
    key: str
    line: int
    severity: Severity
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        note = "warning: " if self.severity == "warning" else ""
        return f"{place}: {note}{self.key}: {self.message}" if self.key else f"{place}: {note}{self.message}"

    def as_dict(self) -> dict[str, str | int]:
        """The form of `axlab config check --json`."""
        return {
            "file": self.file,
            "key": self.key,
            "line": self.line,
            "severity": self.severity,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Host:
    """What a configuration is checked against: the board's physical CPUs and RAM."""

    cpus: int = 8
    ram_base: int = 0x4000_0000
    ram_size: int = 8 << 30
    gic_version: int | None = None

    @property
    def ram_end(self) -> int:
        """The first host physical address behind the RAM."""
        return self.ram_base + self.ram_size


@dataclass(frozen=True, slots=True)
class Checked:
    """What reading a file gave: a configuration unless there are errors, and all findings in the file's order."""

    config: VmConfig | None
    findings: list[Finding]

    @property
    def errors(self) -> list[Finding]:
        """The findings that stand in the way."""
        return [finding for finding in self.findings if finding.severity == "error"]

    def require(self) -> VmConfig:
        """The configuration, or `ConfigError` with all findings."""
        if self.config is None:
            raise ConfigError(self.findings)
        return self.config


class ConfigError(AxError):
    """A file that makes no VM; `findings` has everything that is wrong, the message one line for each."""

    def __init__(self, findings: list[Finding], *, text: str = "", column: int = 0) -> None:
        self.findings = findings
        errors = [finding for finding in findings if finding.severity == "error"]
        super().__init__("\n".join(map(str, errors)), text=text, column=column)


def parse_config(
    text: str,
    source: str = "<config>",
    *,
    folder: str | Path = ".",
    purpose: Purpose = "create",
    host: Host | None = None,
) -> Checked:
    """A configuration from TOML text. Errors are findings, nothing is raised; `source` names the text in them."""
    from axlab.vmm.config_check import check_text

    return check_text(text, source, str(folder), purpose, host or Host())


def load_config(path: str | Path, *, host: Host | None = None) -> VmConfig:
    """The configuration in a file, for a VM to be created. Raises `ConfigError` with all that is wrong."""
    return read_config(path, host=host).require()


def default_config(image: str | Path, *, id: int = 0, name: str | None = None) -> VmConfig:
    """The configuration of an image alone, by its kind; "demo" is the built-in guest. Raises `AxError`."""
    from axlab.vmm.config_new import default_config as by_kind

    return by_kind(image, id=id, name=name)


def read_config(path: str | Path, *, purpose: Purpose = "create", host: Host | None = None) -> Checked:
    """A configuration from a file. Raises `AxError` where the file cannot be read at all."""
    from axlab.vmm.config_check import read_text

    return parse_config(read_text(Path(path)), str(path), folder=Path(path).parent, purpose=purpose, host=host)
