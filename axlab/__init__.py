"""AxLab: a hypervisor laboratory. Real AArch64 guests under a hypervisor in readable Python.

`Lab` is the whole of it in one object. Names are imported when they are first used, so that
`import axlab` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

EXPORTS = {
    "Lab": "axlab.lab",
    "AxError": "axlab.errors",
    "Refused": "axlab.errors",
    "VmConfig": "axlab.vmm.config",
    "sweep": "axlab.scale.sweep",
    "runs": "axlab.scale.runs",
    "assemble": "axlab.machine.isa.assembler",
    "disassemble": "axlab.machine.isa.disassembler",
    "load_ipython_extension": "axlab.extension",
    "unload_ipython_extension": "axlab.extension",
}

__all__ = ["__version__", *EXPORTS]


def __getattr__(name: str) -> Any:
    if name not in EXPORTS:
        raise AttributeError(f"module 'axlab' has no attribute {name!r}")
    return getattr(import_module(EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
