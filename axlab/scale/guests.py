"""A guest whose configuration has holes: keys and `${...}` that parameters fill."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axlab.errors import AxError
from axlab.scale.parameters import Parameters
from axlab.vmm import config_schema as schema
from axlab.vmm.config import Host, VmConfig, default_config
from axlab.vmm.config_check import check_document, read_text

HOLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
KEYS = {f"{table.name}.{key.name}" for table in schema.TABLES for key in table.keys}
FILES = ("kernel_path", "bios_path", "dtb_path", "ramdisk_path", "disk_path")


def holes(text: str) -> set[str]:
    """The names of the holes in a text: of `load=${load}` it is `load`."""
    return set(HOLE.findall(text))


def fill(text: str, parameters: Parameters) -> str:
    """The text with its holes filled; one without a parameter stays."""
    return HOLE.sub(lambda hole: str(parameters.get(hole[1], hole[0])), text)


@dataclass(frozen=True)
class Guest:
    """The text of a TOML file, and where it came from."""

    toml: str
    source: str
    folder: str

    @property
    def name(self) -> str:
        """`base.name`, which is how a parameter names one guest of several; empty where the file has none."""
        try:
            return str(tomllib.loads(self.toml).get("base", {}).get("name", ""))
        except (tomllib.TOMLDecodeError, AttributeError):
            return ""

    def names(self) -> set[str]:
        """The parameters that it has: `kernel.cmdline`, `NAME.kernel.cmdline`, and the names of its holes."""
        return KEYS | {f"{self.name}.{key}" for key in KEYS} | self.holes()

    def holes(self) -> set[str]:
        """The names of its holes."""
        return holes(self.toml)

    def config(self, parameters: Parameters) -> VmConfig:
        """The configuration with these parameters. Raises `ConfigError` with all that is wrong."""
        try:
            document = filled(tomllib.loads(self.toml), parameters)
        except tomllib.TOMLDecodeError as error:
            raise AxError(f"wrong TOML: {error}", source=self.source) from None
        for name, value in parameters.items():
            key = name.removeprefix(f"{self.name}.")
            if key in KEYS:
                table, _, inner = key.partition(".")
                document.setdefault(table, {})[inner] = value
        return check_document(document, self.source, self.folder, "create", Host()).require()

    def images(self) -> dict[str, str]:
        """Key -> a hash of every file that the configuration names and that is there."""
        from axlab.scale.start import image

        kernel = tomllib.loads(self.toml).get("kernel", {})
        paths = {key: Path(self.folder, str(kernel[key])) for key in FILES if key in kernel}
        return {key: image(str(path)) for key, path in paths.items() if path.is_file()}


def filled(value: Any, parameters: Parameters) -> Any:
    """A value of the file with its holes filled; a text that is nothing but a hole becomes the parameter itself."""
    if isinstance(value, dict):
        return {key: filled(inner, parameters) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, parameters) for inner in value]
    if not isinstance(value, str):
        return value
    whole = HOLE.fullmatch(value)
    return parameters[whole[1]] if whole and whole[1] in parameters else fill(value, parameters)


def read_guest(target: VmConfig | str | Path) -> Guest:
    """A configuration, a TOML file, an image, or `demo`, as text. Raises `AxError`."""
    if isinstance(target, str | Path) and Path(target).suffix == ".toml":
        return Guest(read_text(Path(target)), str(target), str(Path(target).absolute().parent))
    if isinstance(target, VmConfig | str | Path):
        config = target if isinstance(target, VmConfig) else default_config(target)
        return Guest(config.anywhere().to_toml(), config.source, str(Path.cwd()))
    raise AxError(f"{target!r} cannot be run: a function, a configuration, or the name of a file or of demo is wanted")
