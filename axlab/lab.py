"""Lab: one object that owns a machine, its hypervisor, its shell and its trace."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axlab.code_cache import open_cache
from axlab.errors import AxError, nearest
from axlab.events import Observers
from axlab.machine.board import Board
from axlab.machine.memory_map import RAM_MAX
from axlab.machine.stops import Watch
from axlab.time.history import History
from axlab.time.snapshots import Snapshots
from axlab.trace import Trace
from axlab.units import TIME_UNITS, Nanoseconds, format_duration, parse_duration, parse_size
from axlab.vmm import register_values
from axlab.vmm.config import VmConfig, default_config, load_config
from axlab.vmm.hypervisor import Hypervisor
from axlab.vmm.stops import Stopped, StopPoint
from axlab.vmm.vm import Vm

if TYPE_CHECKING:
    from collections.abc import Callable

    from axlab.shell.progress import Progress
    from axlab.shell.running import Watcher
    from axlab.shell.shell import Shell
    from axlab.time.recording import Recording
    from axlab.trace.filter import Filter
    from axlab.trace.filter_names import Scope

RAM_GRANULE = 1 << 20
SHORTEST_TICK = TIME_UNITS["us"]
SETTINGS = {
    "cpus", "ram", "gic_version", "ns_per_instruction", "scheduler", "seed", "boot_delay", "tick", "code_cache",
    "history",
}  # fmt: skip


class Lab:
    """A board with a hypervisor on it, in virtual time.

    `cpus` physical CPUs (1 to 8), `ram` bytes or text such as "8G", `gic_version` 3 or 2,
    `ns_per_instruction` of virtual time, `scheduler` "fifo", "rr", "fair" or "random" (or a class or object of your
    own), `seed` for what a scheduler leaves to chance (the same seed gives the same run), `boot_delay` as
    AxVisor's between VMs, `tick` of the host as a duration, `folder` where VMs keep their data (a private temporary
    one by default, removed with the lab), `code_cache` whether code that was translated is kept on disk for the next
    lab, where that is safe. Raises `AxError`.

    >>> lab = Lab()
    >>> lab.create("demo")
    >>> lab.shell("vm start 0")

    `snapshots` keeps the lab's state under names (`axlab.time.snapshots`). With `history`, `lab.history` goes back to
    any moment (`axlab.time.history`); it costs a few hundredths of the time and at most 256 MB. `schedulers` are your
    own classes, by the names that `vm sweep` may call them.
    """

    def __init__(
        self,
        *,
        cpus: int = 4,
        ram: int | str = "8G",
        gic_version: int = 3,
        ns_per_instruction: int = 100,
        scheduler: Any = "fifo",
        seed: int = 0,
        boot_delay: bool = False,
        tick: str = "10ms",
        folder: str | Path | None = None,
        code_cache: bool = True,
        history: bool = True,
    ) -> None:
        self.folder = self._private_folder() if folder is None else Path(folder).resolve()
        self.events = Observers()
        self.trace = Trace()
        self.events.add(self.trace.recorder)
        self.board = Board(
            cpus=_number("cpus", cpus, range(1, 9)),
            ram=_ram(ram),
            gic_version=_number("gic_version", gic_version, range(2, 4)),
        )
        self.code_cache = open_cache() if _switch("code_cache", code_cache) else None
        self.board.memory.code_store = self.code_cache
        self.hypervisor = Hypervisor(
            self.board,
            self.events,
            scheduler=scheduler,
            seed=_number("seed", seed, range(0, 1 << 63)),
            ns_per_instruction=_number("ns_per_instruction", ns_per_instruction, range(1, 1_000_001)),
            tick=_tick(tick),
            boot_delay=_switch("boot_delay", boot_delay),
            folder=self.folder,
        )
        self.schedulers: dict[str, Any] = {}
        self.trace.follow(self.hypervisor, self.events)
        self.snapshots = Snapshots(self)
        self.progress: Callable[[Hypervisor], Progress] | None = None  # set by who shows how long runs go
        self.watchers: list[Watcher] = []  # live views, which look at the machine between slices
        self.history = self._history(_switch("history", history))

    @classmethod
    def open(cls, folder: str | Path) -> Lab:
        """The lab of a folder, with the settings of its `lab.toml` where there is one. Raises `AxError`."""
        import tomllib

        path = Path(folder) / "lab.toml"
        if not path.exists():
            return cls(folder=folder)
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise AxError(f"wrong TOML: {error}", source=str(path)) from None
        for key in settings:
            if key not in SETTINGS:
                known = ", ".join(sorted(SETTINGS))
                raise AxError(f"unknown key {key}{nearest(key, sorted(SETTINGS))} (known: {known})", source=str(path))
        try:
            return cls(folder=folder, **settings)
        except AxError as error:
            raise AxError(error.message, source=str(path)) from None

    @classmethod
    def restore(cls, path: str | Path, folder: str | Path | None = None, **settings: Any) -> Lab:
        """A lab as a snapshot on disk has kept it, in a folder of its own. Raises `AxError`.

        `settings`: code_cache and history; the others are those of the snapshot.

        >>> lab = Lab.restore("booted.axsnap")
        """
        lab = cls(folder=folder, **settings)
        lab.snapshots.load(path)
        return lab

    def record(self, path: str | Path | None = None, since: str | None = None) -> Recording:
        """All that has come into the lab until now, written into a file if `path` says so. Raises `AxError`.

        It begins when the lab was made, or from a snapshot of a moment: `since` a virtual time such as "1.5s", or the
        first that the lab's history knows, where the lab itself began as a copy or from a snapshot.
        """
        from axlab.time.recording import record

        recording = record(self, None if since is None else parse_duration(since))
        if path is not None:
            recording.save(path)
        return recording

    @classmethod
    def replay(cls, path: str | Path, folder: str | Path | None = None) -> Lab:
        """The lab that a recording makes, in a folder of its own. Raises `Diverged` where it comes out differently.

        >>> lab.record("bug.axrec")
        >>> lab = Lab.replay("bug.axrec")
        """
        from axlab.time.replay import replay

        lab: Lab = replay(path, cls, folder)
        return lab

    def __getstate__(self) -> dict[str, Any]:
        """A copy shows no progress, is not watched (who does that belongs to one terminal or notebook), and keeps no
        snapshots."""
        kept = self.history is not None
        return self.__dict__ | {"progress": None, "watchers": [], "snapshots": None, "history": kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_shell" in state:
            self._shell.live = False  # nobody advances the copy
        self.snapshots = Snapshots(self)
        self.trace.follow(self.hypervisor, self.events)
        self.history = self._history(state["history"])

    def _history(self, wanted: bool) -> History | None:
        self.hypervisor.history = history = History(self) if wanted else None
        return history

    def _private_folder(self) -> Path:
        path = tempfile.mkdtemp(prefix="axlab-")
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        return Path(path)

    def create(self, config: VmConfig | str | Path) -> Vm:
        """Make a VM from a configuration, a TOML file, an image, or the name of a built-in guest."""
        if isinstance(config, VmConfig):
            return self.hypervisor.create(config)
        path = Path(config)
        if path.suffix == ".toml":
            return self.hypervisor.create(load_config(path))
        free = next(number for number in range(257) if number not in self.hypervisor.vms)
        return self.hypervisor.create(default_config(config, id=free))

    def vm(self, which: int | str) -> Vm:
        """A VM by id or by name. Raises `AxError`."""
        return self.hypervisor.vms.find(which)

    @property
    def settings(self) -> dict[str, int | bool | str]:
        """What the lab was made with, by the keywords of `Lab`; a scheduler by its name."""
        hypervisor = self.hypervisor
        return {
            "cpus": self.board.cpus,
            "ram": self.board.memory.size,
            "gic_version": self.board.gic_version,
            "ns_per_instruction": hypervisor.ns_per_instruction,
            "scheduler": hypervisor.scheduler.name,
            "seed": hypervisor.scheduler.seed,
            "boot_delay": hypervisor.boot_delay,
            "tick": format_duration(hypervisor.tick).replace(" ", ""),
            "code_cache": self.code_cache is not None,
        }

    @property
    def shell(self) -> Shell:
        """The lab's shell; `lab.shell("vm list")` runs a line and returns its result."""
        from axlab import trace_commands
        from axlab.scale.commands_sweep import register as register_sweeps
        from axlab.shell.declaration import declared
        from axlab.shell.shell import Shell
        from axlab.time.commands import register

        if "_shell" not in self.__dict__:
            self._shell = Shell(self)
            register(self._shell.tree)
            register_sweeps(self._shell.tree)
            self._shell.tree.add_all(declared(vars(trace_commands)))
        return self._shell

    def run(self, for_: str | None = None) -> str:
        """Run the machine for a duration of virtual time, or until nothing can happen any more.

        Returns why it ended: "time", "idle", or "break" at a stop point (`hypervisor.stops.stopped`).
        Ctrl-C raises KeyboardInterrupt once the machine stands between two
        instructions: everything is usable then, and `run` goes on.
        """
        from axlab.shell.running import advance, progress_of

        with progress_of(self) as progress:
            why = advance(self.hypervisor, None if for_ is None else parse_duration(for_), progress=progress)
        if why == "interrupted":
            raise KeyboardInterrupt
        return why

    @property
    def now(self) -> Nanoseconds:
        """Virtual time since the lab was made."""
        return Nanoseconds(self.hypervisor.now)

    def __repr__(self) -> str:
        vms = len(self.hypervisor.vms)
        return f"<Lab: {self.board.cpus} CPUs, {vms} VM{'s' * (vms != 1)}, at {format_duration(self.now)}>"

    def filter(self, text: str, vm: Vm | None = None) -> Filter:
        """A text of the filter language, in which registers, symbols (of `vm`, or of all) and names of VMs are known.

        Raises `AxError` with a caret.
        """
        from axlab.trace.filter import Filter

        return Filter(text, self._scope(vm))

    def filter_address(self, text: str, vm: Vm | None = None) -> int | None:
        """The address that a text is, such as `main + 8`; None where it is a condition. Raises `AxError`."""
        from axlab.trace.filter_check import address as fixed_address

        return fixed_address(text, self._scope(vm))

    def filter_words(self) -> dict[str, str]:
        """The names that a filter may use here, and what they mean: columns, registers, symbols."""
        from axlab.trace.filter_names import known_names

        columns = {name.name: name.meaning for name in known_names().values()}
        symbols = {name: f"symbol of VM[{vm.id}]" for vm in self.hypervisor.vms for name in vm.symbols.names}
        return symbols | register_values.names() | columns

    def _scope(self, vm: Vm | None) -> Scope:
        from axlab.trace.filter_names import Scope

        vms = list(self.hypervisor.vms)
        symbols = tuple(one.symbols for one in ([vm] if vm is not None else vms))
        return Scope(register_values.names(), symbols, {one.name: one.id for one in vms})

    def last_write(self, vm: Vm, address: int, size: int, stopped: Callable[[], bool]) -> Stopped | None:
        """Which vCPU of a VM wrote to memory last, when and where, found by replaying history; the lab stays here.

        None where nobody did, or no history is kept, or `stopped`, which is asked on the way, was true.
        """
        point = StopPoint(0, "", vm.id, watches=(Watch(address, address + size),), owner="why")
        try:
            hit = None if self.history is None else self.history.look_back([point], stopped)
        except KeyboardInterrupt:
            return None
        return None if hit is None else hit.stopped

    def fingerprint(self, vm: int | str | None = None) -> str:
        """A hash of all that has happened, or of what has happened to one VM: equal runs have equal fingerprints."""
        return self.trace.fingerprint(None if vm is None else self.vm(vm).id)


def _number(key: str, value: Any, allowed: range) -> int:
    if type(value) is not int or value not in allowed:
        raise AxError(f"{key} = {value!r} is wrong: a whole number from {allowed[0]} to {allowed[-1]} is wanted")
    return value


def _switch(key: str, value: Any) -> bool:
    if type(value) is not bool:
        raise AxError(f"{key} = {value!r} is wrong: true or false is wanted")
    return value


def _ram(value: Any) -> int:
    size = parse_size(value) if isinstance(value, str) else value
    if type(size) is not int or not 0 < size <= RAM_MAX or size % RAM_GRANULE:
        raise AxError(f'ram = {value!r} is wrong: whole MiB, at most 8G, are wanted, such as "512M"')
    return size


def _tick(value: Any) -> Nanoseconds:
    tick = parse_duration(value) if isinstance(value, str) else 0
    if tick < SHORTEST_TICK:
        raise AxError(f'tick = {value!r} is wrong: a duration of 1us or more is wanted, such as "10ms"')
    return Nanoseconds(tick)
