"""`%%sched`: a class in a cell becomes the lab's scheduler; and the settings of a notebook's lab."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell
from notebook_cells import complete, value

from axlab.errors import AxError

LOTTERY = """%%sched lottery
class Lottery(Scheduler):
    def choose(self, tasks, pcpu, now):
        return tasks[self.draw(len(tasks))]
    def preempts(self, task, waiting, now):
        return {}
"""
CROWD = "%axlab new cpus=1 scheduler={}\n%vm create demo\n%vm clone 0 twin\n%vm start all --detach\n"


def scheduler(ip: InteractiveShell) -> str:
    return str(value(ip, "%axlab").hypervisor.scheduler.name)


def test_a_class_in_a_cell_becomes_the_labs_scheduler(ip: InteractiveShell) -> None:
    made = value(ip, LOTTERY.format(True))
    assert made.text() == "✓ the lab's scheduler is lottery now (class Lottery: choose, preempts)"
    assert scheduler(ip) == "lottery"
    assert "Scheduler:      Lottery" in value(ip, "%machine show").text()
    assert ip.user_ns["Lottery"].name == "lottery"


def test_it_can_be_had_by_its_name_in_a_new_lab(ip: InteractiveShell) -> None:
    value(ip, LOTTERY.format(True))
    value(ip, "%axlab new cpus=1")
    assert scheduler(ip) == "fifo"
    value(ip, "%axlab new scheduler=lottery seed=3")
    assert scheduler(ip) == "lottery"
    value(ip, "%axlab reset")
    assert scheduler(ip) == "lottery"


def test_a_mistake_in_it_is_told_with_the_cells_line_when_the_machine_runs(ip: InteractiveShell) -> None:
    value(ip, "%axlab new cpus=1 tick=100us")
    value(ip, LOTTERY.format("Treu"))
    value(ip, "%%guest a\nb .\n")
    value(ip, "%%guest b\nb .\n")
    value(ip, "%vm start all --detach")
    result = value(ip, "%vm run --for 1ms")
    assert not result.ok
    assert result.text().splitlines() == [
        "        return Treu",
        "               ^^^^ Lottery.preempts:6: NameError: name 'Treu' is not defined",
    ]
    value(ip, LOTTERY.format(True))
    assert value(ip, "%vm run --for 1ms").ok
    assert all(vm.vcpus[0].instructions for vm in value(ip, "%axlab").hypervisor.vms)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%sched rr\nclass A: pass\n", "'rr' comes with AxLab; take another name for your scheduler"),
        ("%%sched a-b\nclass A: pass\n", "'a-b' is no name (letters, digits and _)"),
        ("%%sched my\nclass A\n  pass\n", "%%sched:2: expected ':'"),
        ("%%sched my\nx = 1\n", "there is no class in the cell\nUsage: %%sched NAME, and a class with choose("),
        ("%%sched my\nclass A: pass\n", "'A' is no scheduler; write a class with choose(self, tasks, pcpu, now)"),
        (
            "%%sched my\nclass A:\n  x = 1 / 0\n",
            "  ^^^^^^^^^ %%sched:3: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_a_wrong_cell_is_explained_and_changes_nothing(ip: InteractiveShell, cell: str, message: str) -> None:
    with pytest.raises(AxError) as caught:
        value(ip, cell)
    assert message in str(caught.value)
    assert scheduler(ip) == "fifo"


def test_the_labs_settings_are_shown_as_new_reads_them(ip: InteractiveShell) -> None:
    value(ip, "%axlab new cpus=2 ram=64M scheduler=random seed=7")
    rows = {row["key"]: row["value"] for row in value(ip, "%axlab config")}
    assert (rows["cpus"], rows["ram"], rows["scheduler"], rows["seed"]) == (2, 64 << 20, "random", 7)
    text = value(ip, "%axlab config").text()
    assert "64M" in text and "boot_delay         false" in text


def test_another_seed_is_another_lab_that_is_else_the_same(ip: InteractiveShell) -> None:
    value(ip, "%axlab new cpus=2 scheduler=random")
    before = value(ip, "%axlab")
    value(ip, "%axlab seed 5")
    assert value(ip, "%axlab") is not before
    assert value(ip, "%axlab seed")[0] == {"key": "seed", "value": 5}
    assert value(ip, "%axlab").settings["cpus"] == 2
    with pytest.raises(AxError, match="%axlab seed takes one whole number: %axlab seed 7"):
        value(ip, "%axlab seed x")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("%axlab new sch", ["%axlab new scheduler=", "%axlab new scheduler=fair"]),
        ("%axlab new cpus=2 scheduler=lo", ["%axlab new cpus=2 scheduler=lottery"]),
        ("%axlab use mi", ["%axlab use mine"]),
        ("%axlab map de", ["%axlab map demo"]),
        ("%axlab sta", ["%axlab states"]),
    ],
)
def test_what_stands_behind_axlab_is_completed(ip: InteractiveShell, cell: str, expected: list[str]) -> None:
    value(ip, LOTTERY.format(True))
    value(ip, "%vm create demo")
    ip.user_ns["mine"] = value(ip, "%axlab")
    assert complete(ip, cell)[: len(expected)] == expected
