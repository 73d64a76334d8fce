"""Labs with small guests for the tests of the shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from small_guests import SLEEPS_FOR_EVER, config

from axlab.lab import Lab
from axlab.shell.results import Result

DEAF = "    msr daifset, #15\n    b ."
FAULTS = "    ldr x1, =0x10000000\n    br x1"
ECHOES = """
    ldr x1, =0x09000000
1:  ldr w2, [x1, #0x18]
    tbnz w2, #4, 1b
    ldr w3, [x1]
    str w3, [x1]
    b 1b"""


def prints(text: str, then: str = "    ldr w0, =0x84000008\n    hvc #0\n    b .") -> str:
    """A guest that prints a text on its UART and powers itself off, or goes on with `then`."""
    stores = "".join(f"    mov w2, #{byte}\n    str w2, [x1]\n" for byte in text.encode())
    return f"    ldr x1, =0x09000000\n{stores}{then}"


def lab_with(*sources: str, folder: Path | None = None, settings: dict[str, Any] | None = None, **more: Any) -> Lab:
    """A lab with one VM for each source, ids from 0 on, names guest0, guest1, ...; none is started."""
    lab = Lab(folder=folder, **(settings or {}))
    for number, source in enumerate(sources):
        lab.hypervisor.create(config(source, number, **{"mode": "emulated", **DEVICES, **more}))
    return lab


DEVICES: dict[str, Any] = {"passed": (), "emulated": (("uart", 0x0900_0000, 0x1000, 33, 2),)}


def toml(source: str = SLEEPS_FOR_EVER, number: int = 0, **more: Any) -> str:
    """The text of a configuration file."""
    return config(source, number, **{"mode": "emulated", **DEVICES, **more}).to_toml()


def said(result: Result) -> list[str]:
    """The lines of a result's text."""
    return result.text().split("\n")


def states(lab: Lab) -> list[str]:
    return [str(vm.state) for vm in lab.hypervisor.vms]
