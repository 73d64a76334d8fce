"""A file of one VM whose contents lie is refused with a reason, and the lab that it was to go into is as it was."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from small_guests import COUNTS, config
from test_forged_snapshots import FORGED, PLACE, mutated, packed_state
from test_snapshots import busy_lab, state_of

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.time import one_vm_file
from axlab.time.classes import classes
from axlab.time.snapshot_file import Contents, read

Volume = Callable[[int], int]


@pytest.fixture(scope="module")
def contents() -> Contents:
    """A file of the VM 7, which has two vCPUs."""
    lab = busy_lab()
    lab.run("500us")
    lab.shell("vm snapshot save here --vm 7 --disk")
    return read(lab.folder / "vms" / lab.vm(7).name / "snapshots" / "here.axsnap")


def neighbour() -> Lab:
    """A lab in which another VM runs."""
    lab = Lab(code_cache=False)
    lab.hypervisor.start(lab.create(config(COUNTS, vm_id=1)))
    lab.run("100us")
    return lab


def put(lab: Lab, contents: Contents, document: Any) -> str:
    """Put a forged VM into a lab: the complaint, or nothing where it is there. Either way the other VM goes on."""
    before, free = state_of(lab), lab.board.memory.touched()
    complaint = ""
    try:
        one_vm_file.put(lab, Contents(contents.header, contents.sections | packed_state(document)), PLACE)
    except AxError as error:
        complaint = error.message
        assert state_of(lab) == before and lab.board.memory.touched() == free
    executed = lab.vm(1).vcpus[0].instructions
    lab.hypervisor.advance(lab.now + 50_000)
    assert lab.vm(1).vcpus[0].instructions > executed and lab.shell("vm list").ok
    return complaint


def test_the_file_itself_is_taken(contents: Contents) -> None:
    lab = neighbour()
    assert put(lab, contents, json.loads(contents.sections[b"stat"])) == ""
    assert len(lab.hypervisor.vms) == 2


def test_a_vm_that_would_load_something_outside_of_its_memory_is_refused(contents: Contents) -> None:
    document = json.loads(contents.sections[b"stat"])
    next(node for node in document["nodes"] if node[0] == "vmm.load_plan.Piece")[1]["gpa"] = 1 << 40
    assert put(neighbour(), contents, document).endswith("it loads the VM outside of its memory")


def test_a_forged_vm_is_refused_or_read_but_never_anything_else(contents: Contents, volume: Volume) -> None:
    chance = random.Random(21)
    document = json.loads(contents.sections[b"stat"])
    complaints = [put(neighbour(), contents, mutated(document, chance)) for _ in range(volume(200))]
    assert any(complaints)


def test_a_field_of_a_vm_that_holds_what_it_may_not_is_refused_or_harmless(contents: Contents, volume: Volume) -> None:
    chance = random.Random(23)
    complaints = []
    for _ in range(volume(100)):
        document = json.loads(contents.sections[b"stat"])
        _, fields, *_ = chance.choice([node for node in document["nodes"] if node[0] in classes() and node[1]])
        fields[chance.choice(sorted(fields))] = chance.choice(FORGED)
        complaints.append(put(neighbour(), contents, document))
    assert len([complaint for complaint in complaints if complaint]) > len(complaints) // 2
