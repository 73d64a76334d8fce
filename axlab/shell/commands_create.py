"""`vm create`: VMs from configuration files, each on its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from axlab.errors import AxError
from axlab.shell.arguments import FilePath
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, command
from axlab.shell.results import Result
from axlab.vmm.config import ConfigError, Finding, VmConfig, default_config, read_config

BUILT_IN = ("demo",)


@dataclass(frozen=True)
class Created:
    """What became of one configuration file; `vm` is the new VM's id, or None."""

    config: str
    vm: int | None
    findings: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class CreateResult(Result):
    """One `Created` for each file that was named."""

    created: list[Created] = field(default_factory=list)


def configuration(name: str, path: Path, ids: Any) -> tuple[VmConfig, list[Finding]]:
    """The configuration that a name stands for, and warnings.

    A name is a TOML file, an image (which gets a default configuration by its kind), or `demo`, the
    built-in guest. `path` is the file of that name, `ids` a list of VMs whose ids and names are in
    use. Raises OSError where the file cannot be read, AxError where it is wrong.
    """
    if name in BUILT_IN and not path.exists():
        return _free(default_config(name), ids), []
    if _is_toml(path):
        checked = read_config(path)
        findings = [replace(found, file=name) if found.file == str(path) else found for found in checked.findings]
        if checked.config is None:
            raise ConfigError(findings)
        return replace(checked.config, source=name), [found for found in findings if found.severity == "warning"]
    return _free(default_config(path), ids), []


def _is_toml(path: Path) -> bool:
    """Whether a file is a configuration: by its name, or by its first table. Raises OSError if it is not readable."""
    with path.open("rb") as file:
        return path.suffix == ".toml" or b"[base]" in file.read(1 << 16)


def _free(config: VmConfig, ids: Any) -> VmConfig:
    """The configuration with an id that no VM has, and a name of its own."""
    used = {vm.name for vm in ids}
    names = chain([config.base.name], (f"{config.base.name}-{count}" for count in range(2, 300)))
    name = next(name for name in names if name not in used)
    return config.renamed(id=next(number for number in range(257) if number not in ids), name=name)


@command(
    "vm create",
    "Create virtual machines from configuration files",
    Argument(
        "configs",
        FilePath("host", "CONFIG_FILE"),
        "TOML files; an image, a source (.S, .c) or 'demo' gets a default configuration",
        maximum=None,
        missing="Error: No VM configuration file specified",
        shown="[CONFIG_FILE...]",
    ),
)
def create(context: Context, configs: list[str]) -> Result:
    """Create VMs.

    Every file stands on its own: one that fails leaves the others. Nothing remains of a VM that
    could not be created.
    """
    created = [_create(context, config) for config in configs]
    count = sum(one.vm is not None for one in created)
    if count:
        context.say(f"Successfully created {count} VM(s)", "Use 'vm start <VM_ID>' to start the created VMs.")
    else:
        context.say("No VMs were created.")
    return CreateResult(ok=count == len(created), created=created, transcript=context.transcript)


def _create(context: Context, config: str) -> Created:
    context.say(f"Creating VM from config: {config}")
    try:
        wanted, warnings = configuration(config, context.shell.host_path(config), context.hypervisor.vms)
        vm = context.hypervisor.create(wanted)
    except ConfigError as error:
        findings = [str(one) for severity in ("error", "warning") for one in error.findings if one.severity == severity]
        context.say(f"✗ Failed to create VM from {config}: {findings[0]}", *(f"  {more}" for more in findings[1:]))
        return Created(config, None, findings)
    except AxError as error:
        context.say(f"✗ Failed to create VM from {config}: {error}")
        return Created(config, None, [error.message])
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        context.say(f"✗ Failed to read config file {config}: {reason}")
        return Created(config, None, [reason])
    context.say(f"✓ Successfully created VM[{vm.id}] from config: {config}", *(f"  ⚠ {found}" for found in warnings))
    return Created(config, vm.id, [str(found) for found in warnings])
