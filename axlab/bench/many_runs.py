"""Many runs: what their files cost, how soon they answer, what workers cost, and what a student's kernel needs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axlab.bench.workloads import ORIGIN, RAM_SIZE, assembled
from axlab.errors import AxError
from axlab.lab import Lab
from axlab.scale.engines import LocalEngine, results
from axlab.scale.folder import SweepFolder, manifest
from axlab.scale.parts import part
from axlab.scale.plans import FunctionPlan
from axlab.scale.sweep import pickled_plan
from axlab.scale.worker import Task, observed
from axlab.vmm.config import VmConfig, parse_config

EVENTS = 100_000_000
QUESTIONS = {
    "all events by kind and VM": "select kind, vm, count(*), max(time) from events group by kind, vm",
    "exits by reason": "select reason, count(*), avg(cost) from exits group by reason",
}
ASK = """
import json, sys, time
from axlab import runs
found, answers = runs(sys.argv[1]), {}
for name, question in json.loads(sys.argv[2]).items():
    wall, cpu = time.perf_counter(), time.process_time()
    rows = len(found.sql(question))
    answers[name] = {"rows": rows, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
status = dict(line.split(":", 1) for line in open("/proc/self/status"))  # ru_maxrss would count the parent's, too
print(json.dumps(answers | {"peak": int(status["VmHWM"].split()[0]) / 1024}))
"""
CONFIG = """
[base]
id = {id}
name = "events-{id}"
vm_type = 1
cpu_num = 1
[kernel]
entry_point = {origin:#x}
kernel_path = "{path}"
kernel_load_addr = {origin:#x}
memory_regions = [[{origin:#x}, {size:#x}, 0x7, 0]]
[devices]
interrupt_mode = "emulated"
emu_devices = [
  ["gicd", 0x800_0000, 0x1_0000, 0, 0x21, []],
  ["gicr", 0x80a_0000, 0x4_0000, 0, 0x20, [1, 131072, 0]],
  ["uart", 0x900_0000, 0x1000, 33, 0x2, []],
]
"""
COMPUTING = 30_000_000  # instructions of a run that takes about a second
KERNEL_WAIT = 120.0  # seconds for a cell


def lab_of_events() -> Lab:
    """A lab in which two guests that leave all the time have shared a CPU."""
    lab = Lab(cpus=1, scheduler="rr")
    with tempfile.TemporaryDirectory(prefix="axlab-bench-") as folder:
        image = Path(folder) / "events.bin"
        image.write_bytes(assembled("events.S", ORIGIN))
        for id in range(2):
            lab.hypervisor.start(lab.create(guest(id, image)))
        lab.run()
    return lab


def guest(id: int, image: Path) -> VmConfig:
    return parse_config(CONFIG.format(id=id, path=image, origin=ORIGIN, size=RAM_SIZE)).require()


def keep(lab: Lab, folder: Path) -> tuple[int, float]:
    """The trace of a lab, kept as so many runs that they have `EVENTS` events; their number, and bytes an event.

    The files are compressed one by one, so that it does not help that they are equal.
    """
    record = {"run": 0, "parameters": {}, "result": {}, "error": "", "traceback": "", "cpu_seconds": 0.0}
    data = part(lab, record | observed(lab))
    copies = -(-EVENTS // len(lab.trace))
    with SweepFolder(folder, manifest("a bench", "", "events", [{}] * copies)) as kept:
        for number in range(copies):
            kept.add(number, data)
    return copies * len(lab.trace), len(data) / len(lab.trace)


def asked(folder: Path) -> dict[str, Any]:
    """The answers of a fresh process: seconds for each question, and its peak of memory in MB."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(folder), json.dumps(QUESTIONS)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise AxError(f"the runs gave no answer: {done.stderr.strip()}")
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, which others on the machine lengthen, and seconds of CPU time."""

    clock: float
    cpu: float


@dataclass(frozen=True)
class Pool:
    """What part of the workers' time was spent on runs: of the time of all CPUs by the clock, and of CPU time."""

    of_clock: float
    of_cpu: float


def empty(lab: Lab, parameters: dict[str, Any]) -> int:
    """A run of nothing."""
    return 0


def computes(lab: Lab, parameters: dict[str, Any]) -> int:
    """A run of about a second."""
    lab.hypervisor.start(lab.create(parameters["config"]))
    lab.hypervisor.advance(max_instructions=COMPUTING)
    return 0


def start_of_a_worker() -> Cost:
    """A pool of one worker, until it has made a run of nothing; the CPU time is the worker's."""
    before, began = os.times(), time.perf_counter()
    engine = LocalEngine(1)
    try:
        engine.submit(Task(0, pickled_plan(FunctionPlan(empty)), {}, "off")).result()
        clock = time.perf_counter() - began
    finally:
        engine.close()
    after = os.times()
    return Cost(clock, after.children_user + after.children_system - before.children_user - before.children_system)


def pool(workers: int, runs: int) -> Pool:
    """Start workers, and let them make runs of about a second."""
    used, began, engine = cpu_time(), time.perf_counter(), LocalEngine(workers)
    try:
        with tempfile.TemporaryDirectory(prefix="axlab-bench-") as folder:
            image, config = Path(folder) / "alu.bin", Path(folder) / "alu.toml"
            image.write_bytes(assembled("alu.S", ORIGIN))
            config.write_text(CONFIG.format(id=0, path=image, origin=ORIGIN, size=RAM_SIZE), encoding="utf-8")
            plan = pickled_plan(FunctionPlan(computes))
            tasks = [Task(number, plan, {"config": str(config)}, "off") for number in range(runs)]
            spent = sum(done.record["cpu_seconds"] for done in results(engine, tasks, print))
    finally:
        engine.close()
    return Pool(spent / (workers * (time.perf_counter() - began)), spent / (cpu_time() - used))


def cpu_time() -> float:
    """CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def kernel_memory(notebook: Path) -> float:
    """MB of a kernel's own memory when all cells of a notebook have run. Raises `AxError` where that is impossible."""
    from jupyter_client.manager import start_new_kernel

    cells = [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    manager, client = start_new_kernel(cwd=str(notebook.parent), env=dict(os.environ))
    try:
        for cell in cells:
            reply = client.execute_interactive("".join(cell["source"]), timeout=KERNEL_WAIT, output_hook=lambda _: None)
            if reply["content"]["status"] != "ok":
                raise AxError(f"{notebook.name}: a cell failed: {reply['content'].get('evalue')}")
        return own_memory(int(getattr(manager.provisioner, "pid", None) or 0))
    finally:
        client.stop_channels()
        manager.shutdown_kernel()  # by asking: a kernel that is killed leaves the folder of its lab behind


def server_memory() -> float:
    """MB of a JupyterLab server's own memory when it has started. Raises `AxError` where that is impossible."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["--no-browser", "--allow-root", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    with tempfile.TemporaryDirectory(prefix="axlab-bench-") as folder:
        quiet = subprocess.DEVNULL
        server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *words], cwd=folder, stdout=quiet, stderr=quiet)
        try:
            ends = time.monotonic() + KERNEL_WAIT
            while not answers(port):
                if server.poll() is not None or time.monotonic() > ends:
                    raise AxError("the server of JupyterLab did not start")
                time.sleep(0.2)
            return own_memory(server.pid)
        finally:
            server.terminate()
            server.wait()


def answers(port: int) -> bool:
    """Whether somebody listens at a port of this machine, and speaks HTTP."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=5) as reply:
            return int(reply.status) == 200
    except OSError:
        return False


def own_memory(pid: int) -> float:
    """MB of a process that no other process has: what one more of its kind costs. Linux only; raises `AxError`."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        raise AxError("the memory of a process is read from /proc, which this system does not have") from None
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024
