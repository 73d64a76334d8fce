"""`vm gdb`: a VM for gdb's remote protocol."""

from __future__ import annotations

from axlab.errors import AxError
from axlab.shell.arguments import Number, VmReference
from axlab.shell.context import Context
from axlab.shell.declaration import Option, command
from axlab.shell.inspecting import the_vm
from axlab.shell.parts import one_vm
from axlab.shell.results import Result
from axlab.shell.running import Interruptible
from axlab.time.gdb_server import LOOPBACK, listen, serve

PORT = 1234


@command(
    "vm gdb",
    "Let gdb debug a virtual machine",
    one_vm(),
    Option("port", Number(0, 65535, "PORT"), "Port on this computer (0: any that is free)", short="p", default=PORT),
)
def gdb(context: Context, vm: VmReference, port: int) -> Result:
    """Serve gdb's remote protocol.

    On this computer only, to one gdb, until that detaches or Ctrl-C is pressed. A VM that is Loaded is started, and
    stands before its first instruction. Threads are vCPUs; 'monitor COMMAND' in gdb runs a command of this shell.
    """
    found = the_vm(context, vm)
    if found.state == "Loaded":
        context.hypervisor.start(found)
        context.say(f"✓ VM[{found.id}] started; it stands before its first instruction")
    if found.state in ("Stopped", "Failed", "Suspended"):
        raise AxError(f"VM[{found.id}] is {found.state}; gdb debugs one that is Running or Loaded")
    with listen(port) as server, Interruptible() as interrupt:
        port = server.getsockname()[1]
        context.say(f"VM[{found.id}] waits for gdb: gdb-multiarch -ex 'target remote {LOOPBACK}:{port}'")
        served = serve(server, context.lab, found.id, lambda: interrupt.requested)
    context.say("✓ gdb has left" if served and not interrupt.requested else "⚠ interrupted")
    return Result(ok=served, transcript=context.transcript)
