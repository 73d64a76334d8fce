"""The VM list: ascending ids, and nothing of a VM whose id or name is taken."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_guests import SPINS, config, hypervisor

from axlab.errors import AxError, Refused
from axlab.vmm.vm_list import VmList


@dataclass
class Named:
    id: int
    name: str


@given(st.lists(st.integers(0, 255), unique=True, max_size=30))
def test_vms_are_in_ascending_id_whatever_the_order_of_their_creation(ids: list[int]) -> None:
    vms: VmList[Named] = VmList()
    for vm_id in ids:
        vms.push(Named(vm_id, f"vm{vm_id}x"))
    assert [vm.id for vm in vms] == sorted(ids)
    assert [vm.id for vm in vms.range(10, 99)] == sorted(vm_id for vm_id in ids if 10 <= vm_id <= 99)
    assert len(vms) == len(ids)


def test_a_vm_is_found_by_id_and_by_name() -> None:
    vms: VmList[Named] = VmList()
    vms.push(Named(3, "linux"))
    assert vms.get(3) is vms.find("linux") is vms.find(3)
    assert vms.get(4) is None
    with pytest.raises(AxError, match=r"^VM\[7\] not found; there is VM\[3\] linux$"):
        vms.find(7)
    with pytest.raises(AxError, match=r"^VM\[lunix\] not found; did you mean linux\? There is VM\[3\] linux$"):
        vms.find("lunix")


def test_an_id_that_exists_is_refused_before_anything_is_built() -> None:
    """Fix 1: the original lists the VM first, and panics or leaks an orphan."""
    hv = hypervisor()
    first = hv.create(config(SPINS, vm_id=3))
    used = hv.host_memory.used()
    with pytest.raises(AxError, match="^VM with id 3 already exists$"):
        hv.create(config(SPINS, vm_id=3, name="other"))
    assert hv.host_memory.used() == used
    assert list(hv.vms) == [first]


def test_a_name_that_exists_is_refused() -> None:
    hv = hypervisor()
    hv.create(config(SPINS, vm_id=3, name="linux"))
    with pytest.raises(AxError, match=r"^VM with name 'linux' already exists: VM\[3\]$"):
        hv.create(config(SPINS, vm_id=4, name="linux"))


def test_ids_have_eight_bits() -> None:
    hv = hypervisor()
    with pytest.raises(AxError, match="^VM id 256 is out of range; ids are 0 to 255$"):
        hv.create(config(SPINS, vm_id=256))


def test_removing_takes_a_vm_off_the_list_and_frees_its_memory() -> None:
    hv = hypervisor()
    vm = hv.create(config(SPINS))
    assert hv.host_memory.used() > vm.memory_bytes
    hv.remove(vm)
    assert list(hv.vms) == []
    assert hv.host_memory.used() == 0
    assert hv.board.memory.touched() == 0
    assert hv.holders(vm) == []


def test_a_vm_that_still_has_tasks_is_not_removed() -> None:
    hv = hypervisor()
    vm = hv.create(config(SPINS))
    hv.start(vm)
    with pytest.raises(Refused, match=r"^VM\[0\] still has 1 VCpu task\(s\)$"):
        hv.remove(vm)
    assert hv.holders(vm) == ["the VM list", "task VM[0]-VCpu[0]", "physical CPU 0"]
