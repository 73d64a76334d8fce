"""A file that is no snapshot, or whose contents lie, is refused with a reason."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from test_snapshots import busy_lab

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.time import on_disk, snapshot_file
from axlab.time.classes import classes
from axlab.time.field_types import types_of
from axlab.time.snapshot_file import Contents, read, write

Volume = Callable[[int], int]
PLACE = Path("x.axsnap")


@pytest.fixture(scope="module")
def lab() -> Lab:
    lab = busy_lab()
    lab.run("500us")
    return lab


@pytest.fixture(scope="module")
def contents(lab: Lab) -> Contents:
    return on_disk.contents_of(lab, "here")


@pytest.fixture
def whole(contents: Contents, tmp_path: Path) -> Path:
    write(tmp_path / "here.axsnap", contents)
    return tmp_path / "here.axsnap"


def complaint(path: Path) -> str:
    with pytest.raises(AxError) as caught:
        read(path)
    return caught.value.message.replace(str(path), "FILE")


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.axsnap"
    path.write_bytes(b"\x7fELF")
    assert complaint(path) == "FILE is no snapshot of AxLab: it does not begin with 'AxLab snapshot'"
    path.write_bytes(b"AxLab snapshot 7\n{}\n")
    assert complaint(path) == "FILE is a snapshot of format '7'; this AxLab reads format 1"
    assert complaint(tmp_path / "none") == "there is no snapshot FILE"
    assert complaint(tmp_path).endswith("cannot be read: is a directory")


def test_a_file_that_was_cut_anywhere_is_refused(whole: Path, volume: Volume) -> None:
    data = whole.read_bytes()
    chance = random.Random(5)
    for size in [0, 5, len(data) - 1, *(chance.randrange(len(data)) for _ in range(volume(300)))]:
        whole.write_bytes(data[:size])
        assert any(words in complaint(whole) for words in ("cut short", "no snapshot", "of format"))


def test_a_file_with_any_other_byte_is_refused(whole: Path, volume: Volume) -> None:
    data = bytearray(whole.read_bytes())
    chance = random.Random(6)
    for _ in range(volume(500)):
        place, bit = chance.randrange(len(data)), 1 << chance.randrange(8)
        data[place] ^= bit
        whole.write_bytes(data)
        assert "FILE" in complaint(whole)
        data[place] ^= bit
    whole.write_bytes(data + b"x")
    assert "damaged" in complaint(whole)


def mutated(value: Any, chance: random.Random) -> Any:
    """A JSON value with one part of it changed."""
    if isinstance(value, list) and value:
        place = chance.randrange(len(value))
        return [*value[:place], mutated(value[place], chance), *value[place + 1 :]]
    if isinstance(value, dict) and value:
        key = chance.choice(sorted(value))
        if chance.random() < 0.2:
            return {
                (chance.choice(["x", "__class__", "reset", "advance"]) if k == key else k): v for k, v in value.items()
            }
        return value | {key: mutated(value[key], chance)}
    return chance.choice(
        [None, -1, 1 << 70, "x", [], {}, {"ref": 3}, {"ref": -1}, {"bytes": 0}, {"enum": ["os", "x"]}, 0.5]
    )


def test_a_forged_state_is_refused_or_read_but_never_anything_else(
    lab: Lab, contents: Contents, volume: Volume
) -> None:
    """The checksum is right here: whoever forges a file can compute it."""
    chance = random.Random(7)
    document = json.loads(contents.sections[b"stat"])
    refused = 0
    for _ in range(volume(200)):
        state = json.dumps(mutated(document, chance)).encode()
        forged = Contents(contents.header, contents.sections | {b"stat": state})
        twin = Lab(code_cache=False)
        try:
            on_disk.put_into(twin, forged, PLACE)
        except AxError as error:
            refused += 1
            assert error.message.startswith("the snapshot x.axsnap is damaged: ")
            assert len(twin.hypervisor.vms) == 0 and twin.now == 0
    assert refused


FORGED = ["x", -1, None, 1.5, True, 255, 1 << 70, {"tuple": []}, {"ref": 0}]


def test_a_field_that_holds_what_it_may_not_is_refused_or_harmless(contents: Contents, volume: Volume) -> None:
    chance = random.Random(11)
    refused = 0
    for _ in range(volume(60)):
        document = json.loads(contents.sections[b"stat"])
        name, fields, *_ = chance.choice([node for node in document["nodes"] if node[0] in classes() and node[1]])
        fields[chance.choice(sorted(fields))] = chance.choice(FORGED)
        twin = Lab(code_cache=False)
        try:
            on_disk.put_into(twin, Contents(contents.header, contents.sections | packed_state(document)), PLACE)
        except AxError:
            refused += 1
            assert len(twin.hypervisor.vms) == 0 and twin.now == 0
        else:
            twin.hypervisor.advance(max_instructions=300)
            assert twin.shell("vm list").ok
    assert refused > volume(60) // 2


def packed_state(document: Any) -> dict[bytes, bytes]:
    return {b"stat": json.dumps(document).encode()}


@pytest.mark.parametrize(
    ("kind", "field", "value", "complaint"),
    [
        ("machine.cpu.Cpu", "pc", "x", r"vm \d \w+ cpu \d\.pc holds what it may not"),
        ("machine.cpu.Cpu", "el", 4, r"vm \d \w+ cpu \d\.el holds what it may not"),
        ("vmm.hypervisor.Hypervisor", "now", -1, r"hypervisor\.now holds what it may not"),
        ("vmm.tasks.Task", "pcpu", 8, r"vm \d \w+ vcpu \d\.task\.pcpu holds what it may not"),
        ("vmm.vm.Vm", "state", {"enum": ["vmm.tasks.Phase", "RUN"]}, r"vm \d \w+\.state holds what it may not"),
        ("vmm.clock.Timeline", "serial", None, r"hypervisor\.timeline\.serial holds what it may not"),
    ],
)
def test_a_wrong_field_is_named_with_the_way_to_it(
    contents: Contents, kind: str, field: str, value: Any, complaint: str
) -> None:
    document = json.loads(contents.sections[b"stat"])
    next(node for node in document["nodes"] if node[0] == kind)[1][field] = value
    twin = Lab(code_cache=False)
    with pytest.raises(AxError, match=f"damaged: its state cannot be read: {complaint}$"):
        on_disk.put_into(twin, Contents(contents.header, contents.sections | packed_state(document)), PLACE)
    assert len(twin.hypervisor.vms) == 0


def test_a_vm_that_would_load_something_outside_of_its_memory_is_refused(contents: Contents) -> None:
    document = json.loads(contents.sections[b"stat"])
    next(node for node in document["nodes"] if node[0] == "vmm.load_plan.Piece")[1]["gpa"] = 1 << 40
    twin = Lab(code_cache=False)
    with pytest.raises(AxError, match=r"it loads the VM \w+ outside of its memory$"):
        on_disk.put_into(twin, Contents(contents.header, contents.sections | packed_state(document)), PLACE)
    assert len(twin.hypervisor.vms) == 0


def test_it_is_known_of_every_class_what_its_fields_may_hold() -> None:
    found = {name: types_of(name) for name in classes()}
    no_fields = {"CpuDown", "Halt", "SystemDown", "SystemReset"}
    assert {name.rpartition(".")[2] for name, types in found.items() if not types} == no_fields


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"vmm.tasks.Task"', '"os.system"'),
        ('"vmm.tasks.Task"', '"builtins.type"'),
        ('"vmm.vcpu.Power"', '"axlab.errors"'),
        ('{"outside":"events"}', '{"outside":"shell"}'),
        ('{"event":"exits"}', '{"event":"subprocess"}'),
        ('"name":"demo"', '"name":"../../../etc"'),
        ('"name":"demo"', '"name":{"ref":0}'),
        ('["array","q"', '["array","u"'),
    ],
)
def test_a_state_that_names_what_it_may_not_is_refused(contents: Contents, old: str, new: str) -> None:
    state = contents.sections[b"stat"].decode()
    assert old in state
    forged = Contents(contents.header, contents.sections | {b"stat": state.replace(old, new).encode()})
    twin = Lab(code_cache=False)
    with pytest.raises(AxError, match="damaged: its state cannot be read"):
        on_disk.put_into(twin, forged, PLACE)
    assert len(twin.hypervisor.vms) == 0


def test_sections_that_lie_about_their_size_are_refused(whole: Path) -> None:
    data = whole.read_bytes()[:-32]
    place = data.index(b"\nstat") + 1
    name, packed, size = snapshot_file.SECTION.unpack(data[place : place + 20])
    for lie in (size - 1, size + 1, 1 << 35):
        changed = data[:place] + snapshot_file.SECTION.pack(name, packed, lie) + data[place + 20 :]
        whole.write_bytes(changed + sha256(changed).digest())
        assert complaint(whole) == "the snapshot FILE is damaged: its section stat is longer or shorter than it says"
