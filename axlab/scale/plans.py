"""What one run of a sweep does: a function of the user's, guests from configurations, or a script of commands.

A plan is plain data that goes to the workers. It makes a lab for a set of parameters and runs it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from axlab.errors import AxError, nearest
from axlab.lab import Lab
from axlab.scale.guests import Guest, read_guest
from axlab.scale.parameters import Parameters
from axlab.scale.source import source_of
from axlab.scale.start import LAB_SETTINGS, Start


class Plan(Protocol):
    """A run: `lab` makes it a lab, `run` runs that and returns the result. Both raise `AxError`.

    `check` refuses names of parameters, `check_values` what is wrong with every set: with one it is its run's error.
    """

    @property
    def start(self) -> Start: ...
    def lab(self, parameters: Parameters) -> Lab: ...
    def run(self, lab: Lab, parameters: Parameters) -> Any: ...
    def check(self, parameters: Parameters) -> None: ...
    def check_values(self, sets: Sequence[Parameters]) -> None: ...
    def text(self) -> str: ...


@dataclass(frozen=True)
class FunctionPlan:
    """`function(lab, parameters)`; the lab has those parameters that are settings of a `Lab`."""

    function: Callable[[Lab, Parameters], Any]
    start: Start = Start()

    def lab(self, parameters: Parameters) -> Lab:
        """A lab of its own for every run."""
        return self.start.lab(parameters, {})

    def run(self, lab: Lab, parameters: Parameters) -> Any:
        """What the function returns."""
        return self.function(lab, parameters)

    def check(self, parameters: Parameters) -> None:
        """A function may have any parameters but the reserved ones."""
        self.start.check(parameters)

    def check_values(self, sets: Sequence[Parameters]) -> None:
        """Any value will do."""

    def text(self) -> str:
        """Its source, and that of what it uses."""
        return source_of(self.function) + self.start.text()


@dataclass(frozen=True)
class GuestsPlan:
    """Guests from configurations, started one after the other; it ends when all have ended or sleep for ever.

    `limit` is in virtual ns. Parameters are settings of the lab, keys and holes of the configurations, `seed` (which
    shifts the moment at which every guest starts) and `input` (typed at the first VM).
    """

    guests: tuple[Guest, ...]
    limit: int
    start: Start = Start()

    def lab(self, parameters: Parameters) -> Lab:
        """A lab that suits the guests, as `axlab run` makes it."""
        configs = [guest.config(parameters) for guest in self.guests]
        versions = {config.axlab.gic_version for config in configs}
        defaults = {
            "cpus": min(8, max(4, sum(config.base.cpu_num for config in configs))),
            "gic_version": versions.pop() if len(versions) == 1 else 3,
        }
        return self.start.lab(parameters, defaults)

    def run(self, lab: Lab, parameters: Parameters) -> dict[str, Any]:
        """Boot the guests and say how that ended."""
        from axlab.scale.measures import measures
        from axlab.shell.running import advance, at_rest

        hypervisor = lab.hypervisor
        began = hypervisor.now
        vms = [hypervisor.create(guest.config(parameters)) for guest in self.guests]
        for number, vm in enumerate(vms):
            if "seed" in parameters:
                hypervisor.sleep(delay(parameters["seed"], number, hypervisor.tick))
            hypervisor.start(vm)
        everyone = list(hypervisor.vms)
        if "input" in parameters:
            hypervisor.console_input(everyone[0], str(parameters["input"]).encode())
        why = advance(hypervisor, self.limit, lambda: at_rest(hypervisor, everyone))
        return {"ended": ENDS.get(why, why)} | measures(lab, began)

    def check(self, parameters: Parameters) -> None:
        """Raises `AxError` for a name that nothing here has, with the nearest that there is."""
        self.start.check(parameters)
        if not self.guests and not self.start.snapshot:
            raise AxError("there is nothing to run: name a configuration, an image, demo, or a snapshot")
        known = {*LAB_SETTINGS, "seed", "input"}.union(*(guest.names() for guest in self.guests))
        for name in parameters:
            if name not in known:
                near = nearest(name, sorted(known))
                raise AxError(f"the configuration has no parameter {name}{near}{'' if near else listed(known)}")
        for hole in sorted(set().union(*(guest.holes() for guest in self.guests)) - set(parameters)):
            raise AxError(unfilled("configuration", hole))

    def check_values(self, sets: Sequence[Parameters]) -> None:
        """Raises `AxError` for a guest that has no configuration with any set of parameters."""
        for guest in self.guests:
            problems = []
            for parameters in sets:
                try:
                    guest.config(parameters)
                    break
                except AxError as error:
                    problems.append(error)
            else:
                raise problems[0]

    def text(self) -> str:
        """The configurations and the contents of all files that they name."""
        whole = [asdict(guest) | {"images": guest.images()} for guest in self.guests]
        return json.dumps([whole, self.limit]) + self.start.text()


ENDS = {"stop": "rest", "idle": "rest", "time": "limit"}
"""What `advance` says -> why a run ended: its guests have stopped or sleep, or the limit of virtual time."""


@dataclass(frozen=True)
class ScriptPlan:
    """A script of the shell's commands, in which `${name}` stands for a parameter. It ends at the first that fails."""

    script: str
    start: Start = Start()

    def lab(self, parameters: Parameters) -> Lab:
        """A lab of its own for every run."""
        return self.start.lab(parameters, {})

    def run(self, lab: Lab, parameters: Parameters) -> dict[str, Any]:
        """Run the commands."""
        from axlab.scale.guests import fill
        from axlab.scale.measures import measures

        began = lab.hypervisor.now
        text = fill(self.script, parameters)
        for invocation in lab.shell.parse(text):
            result = lab.shell.run(invocation)
            if not result.ok:
                raise AxError(f"{invocation.line.text!r} failed: {result.text()}")
        return measures(lab, began)

    def check(self, parameters: Parameters) -> None:
        """Every hole has a parameter, and every parameter is a setting or has a hole; the commands exist."""
        from axlab.scale.guests import fill, holes

        self.start.check(parameters)
        found = holes(self.script)
        known = LAB_SETTINGS | found
        for name in parameters:
            if name not in known:
                near = nearest(name, sorted(known))
                raise AxError(f"the script has no hole ${{{name}}}, and a lab no setting {name}{near}")
        for hole in sorted(found - set(parameters)):
            raise AxError(unfilled("script", hole))
        Lab().shell.parse(fill(self.script, parameters))

    def check_values(self, sets: Sequence[Parameters]) -> None:
        """The commands that a script has with each set are read when they are run."""

    def text(self) -> str:
        """The script."""
        return self.script + self.start.text()


def plan_of(run: Any, limit: int, start: Start) -> Plan:
    """The plan of what a user gave: a function, a configuration, a file, or several of those. Raises `AxError`."""
    if isinstance(run, FunctionPlan | GuestsPlan | ScriptPlan):
        return run
    if callable(run):
        return FunctionPlan(run, start)
    several = run if isinstance(run, list | tuple) else [run]
    return GuestsPlan(tuple(read_guest(one) for one in several), limit, start)


def delay(seed: Any, number: int, tick: int) -> int:
    """Virtual ns, less than a tick, that a seed puts before the start of guest `number`: the same everywhere."""
    digest = hashlib.sha256(f"{seed} {number}".encode()).digest()
    return int.from_bytes(digest[:8], "little") % tick


def unfilled(what: str, hole: str) -> str:
    return f"the {what} has a hole ${{{hole}}} that no parameter fills; give it values: {hole}=..."


def listed(known: Iterable[str]) -> str:
    return f" (there are {', '.join(sorted(known))})"
