"""The demo: the built-in guest under the hypervisor, as a session of the shell."""

from __future__ import annotations

import sys

from axlab.lab import Lab
from axlab.shell.repl import PROMPT

SESSION = ("vm list", "vm start 0", "vm list", "vm show 0", "vm exits 0")


def main() -> int:
    """Run the session in the terminal. Returns 0 when the guest powered itself off, else 1."""
    lab = Lab()
    vm = lab.create("demo")
    for line in SESSION:
        print(f"{PROMPT}{line}")
        print(lab.shell(line).text(), end="\n\n")
    if vm.state != "Stopped":
        print(f"The demo guest did not power itself off: it is {vm.state} ({vm.reason}).", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
