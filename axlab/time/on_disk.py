"""A lab as the contents of a snapshot file, and back.

RAM is written page by page: every content once, and pages of zeros not at all. The rest is the document of
`encoding.py`. Reading puts the state into a lab that exists, whose own objects (the hypervisor, the trace, a VM of the
same id and name, its vCPUs) stay the same objects.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from axlab import __version__
from axlab.errors import AxError
from axlab.machine.memory import PAGE_BITS, PAGE_SIZE, Memory
from axlab.time import moment
from axlab.time.decoding import WRONG, Decoder, Put, put_existing
from axlab.time.encoding import Encoder
from axlab.time.snapshot_file import Contents, damaged
from axlab.vmm.config import VmConfig
from axlab.vmm.config_meaning import name_problem

NO_PAGE = bytes(PAGE_SIZE)


def contents_of(lab: Any, name: str) -> Contents:
    """The present state of a lab. Raises `AxError` where a part of it is nothing that a file can have."""
    lab.trace.recorder.flush()
    labels = {id(value): label for label, value in existing(lab).items()}
    encoder = Encoder(labels, {id(value): label for label, value in outside(lab).items()})
    document = encoder.encode({"board": lab.board, "hypervisor": lab.hypervisor, "recorder": lab.trace.recorder})
    document["blobs"] = [len(blob) for blob in encoder.blobs]
    vms = [{"id": vm.id, "name": vm.name, "state": str(vm.state)} for vm in lab.hypervisor.vms]
    header = {
        "name": name,
        "axlab": __version__,
        "time": lab.hypervisor.now,
        "vms": vms,
        "touched": lab.board.memory.touched(),
        "fingerprint": lab.fingerprint(),
    }
    return Contents(header, packed(document, encoder.blobs, lab.board.memory.pages))


def packed(document: dict[str, Any], blobs: list[bytes], pages: Mapping[int, bytes | bytearray]) -> dict[bytes, bytes]:
    """The sections of a file."""
    numbers, contents = pages_of(pages)
    state = json.dumps(document, separators=(",", ":")).encode("ascii")
    return {b"stat": state, b"blob": b"".join(blobs), b"pmap": numbers, b"page": contents}


def existing(lab: Any) -> dict[str, Any]:
    """The objects of a lab that stay the same when a snapshot is read, by the names that files have for them."""
    found = {
        "board": lab.board,
        "hypervisor": lab.hypervisor,
        "recorder": lab.trace.recorder,
        "memory": lab.board.memory,
    }
    for vm in lab.hypervisor.vms:
        found[f"vm {vm.id} {vm.name}"] = vm
        for vcpu in vm.vcpus:
            found[f"vm {vm.id} {vm.name} vcpu {vcpu.id}"] = vcpu
            found[f"vm {vm.id} {vm.name} cpu {vcpu.id}"] = vcpu.cpu
    return found


def outside(lab: Any) -> dict[str, Any]:
    """What belongs to no snapshot, but is referred to."""
    return {"events": lab.events, "stops": lab.hypervisor.stops}


def pages_of(pages: Mapping[int, bytes | bytearray]) -> tuple[bytes, bytes]:
    """The pages that are not zero: pairs of 64-bit numbers (page, which content), and the contents."""
    places: dict[bytes, int] = {}
    pairs = array("Q")
    for number, page in pages.items():
        content = bytes(page)
        if content != NO_PAGE:
            pairs.extend((number, places.setdefault(content, len(places))))
    if pairs.itemsize != 8:
        raise AxError("this Python has no arrays of 64-bit numbers")
    return pairs.tobytes(), b"".join(places)


def put_into(lab: Any, contents: Contents, path: Path) -> None:
    """Make a lab what a file says. Raises `AxError`, with the lab as it was, for a file that says nothing sensible."""
    try:
        document = json.loads(contents.sections[b"stat"])
        blobs = split(contents.sections[b"blob"], document["blobs"])
        decoder = Decoder(document["nodes"], blobs, existing(lab), outside(lab))
        later = decoder.decode()
        check_roots(lab, decoder, document["roots"])
        pages = read_pages(contents, fields_for(later, lab.board.memory))
        check_vms(later, fields_for(later, lab.hypervisor)["vms"])
    except WRONG as error:
        raise damaged(path, f"its state cannot be read: {error}") from None
    looking = moment.looking_at(lab)
    put_existing(later)
    lab.board.memory.replace(pages)
    lab.hypervisor.folder = lab.folder
    for vm in lab.hypervisor.vms:
        vm.folder.path = lab.folder / "vms" / vm.name
    moment.settle(lab, looking)


def check_roots(lab: Any, decoder: Decoder, roots: dict[str, Any]) -> None:
    """The three roots of the document have to be the lab's own."""
    for name, value in (("board", lab.board), ("hypervisor", lab.hypervisor), ("recorder", lab.trace.recorder)):
        if decoder.value(roots[name]) is not value:
            raise ValueError(f"its root {name} is something else")


def check_vms(later: Put, vms: Any) -> None:
    """Folders are named after VMs, so their names have to be such names; and what a VM loads goes into its memory."""
    new = {id(value): fields for value, fields in later}
    for vm in vms:
        config = new[id(vm)]["config"] if id(vm) in new else vm.config
        if not isinstance(config, VmConfig) or not isinstance(config.base.name, str):
            raise TypeError("a VM has no configuration")
        if problem := name_problem(config.base.name):
            raise ValueError(f"a VM's name {config.base.name!r} {problem}")
        found = new.get(id(vm)) or vars(vm)
        if not found["plan"].fits(found["memory_regions"]):
            raise ValueError(f"it loads the VM {config.base.name} outside of its memory")


def fields_for(later: Put, value: Any) -> dict[str, Any]:
    """What is going to be put into an object."""
    found = next((fields for known, fields in later if known is value), None)
    if found is None:
        raise ValueError(f"it says nothing of the {type(value).__name__.lower()}")
    return found


def split(data: bytes, sizes: list[int]) -> list[bytes]:
    """The blobs: `data` in parts of these sizes."""
    blobs, place = [], 0
    for size in sizes:
        if type(size) is not int or size < 0:
            raise ValueError(f"{size!r} is no size")
        blobs.append(data[place : place + size])
        place += size
    if place != len(data):
        raise ValueError("the sizes of its blobs do not add up")
    return blobs


def read_pages(contents: Contents, fields: dict[str, Any]) -> dict[int, bytes]:
    """The pages by number, all of which are in the memory that the file describes."""
    memory = Memory(fields["base"], fields["size"])
    memory.others = fields["others"]
    pairs = pairs_of(contents)
    for number, _ in pairs:
        if not memory.contains(number << PAGE_BITS, PAGE_SIZE):
            raise ValueError(f"page {number:#x} is none of its memory")
    return pages_by_number(contents, pairs)


def pairs_of(contents: Contents) -> list[tuple[int, int]]:
    """Which page has which content."""
    pairs = array("Q")
    pairs.frombytes(contents.sections[b"pmap"])
    return list(zip(pairs[::2], pairs[1::2], strict=True))


def pages_by_number(contents: Contents, pairs: list[tuple[int, int]]) -> dict[int, bytes]:
    """The contents of the pages."""
    data = contents.sections[b"page"]
    if any((place + 1) * PAGE_SIZE > len(data) for _, place in pairs):
        raise ValueError("a page has no contents")
    return {number: data[place * PAGE_SIZE : (place + 1) * PAGE_SIZE] for number, place in pairs}
