"""Exercise 8.2: a command that suspends all that runs."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest
from axlab.errors import AxError

OK_FORMAT = False
name = "8.2"
points = 3

HINTS = [
    "Experiment 4 has all that you need: a function of the context and of what is declared, and "
    "`lab.shell.tree.register(...)`.",
    "Go through `context.hypervisor.vms` and look at `vm.state` and `vm.name`. `Option(\"but\", Text(\"NAME\"), "
    "\"Not this one\")` declares the option; its value is None where it is not given.",
    "`for vm in context.hypervisor.vms: if vm.state == \"Running\" and vm.name != but: ...`; gather the names, "
    "and return `TextResult(lines=names)`.",
]

SLEEPS = "loop: wfi\n b loop"


@cache
def frozen(install, line):
    """(lab, result or complaint) after a line in a lab with VMs in several states and the student's command."""
    lab = Lab(code_cache=False)
    for vm in ("web", "db", "mail", "spare", "old"):
        guest(lab, SLEEPS, vm)
    install(lab)
    lab.shell("vm start web db mail old --detach; vm run --for 1ms; vm suspend old; vm run --for 1ms")
    try:
        return lab, lab.shell(line)
    except AxError as error:
        return lab, str(error)


def states(install, line):
    lab, _ = frozen(install, line)
    return {vm.name: str(vm.state) for vm in lab.hypervisor.vms}


ALL = {"web": "Suspended", "db": "Suspended", "mail": "Suspended", "spare": "Loaded", "old": "Suspended"}


def said(install, line):
    _, result = frozen(install, line)
    return result if isinstance(result, str) else result.text()


MISTAKES = [
    (lambda install: "unknown command 'freeze'" in said(install, "vm freeze"),
     "The shell has no command `vm freeze` afterwards. Which words does your declaration name?"),
    (lambda install: "unknown option --but" in said(install, "vm freeze --but db"),
     "`vm freeze` knows no `--but`. An option has to be declared."),
    (lambda install: "VM is not running, cannot suspend" in said(install, "vm freeze")
     or "VM is already suspended" in said(install, "vm freeze"),
     "A VM that is not Running refuses to be suspended, and with it your whole command failed. Look at "
     "`vm.state` first."),
    (lambda install: states(install, "vm freeze") == ALL and states(install, "vm freeze --but db")["db"] == "Suspended",
     "`--but` is understood, and nobody looks at it: the VM that it names was suspended."),
    (lambda install: frozen(install, "vm freeze")[1] is None,
     "The command returns nothing. A command returns its result, and prints nothing: three displays are made of it."),
]  # fmt: skip


@test_case(points=1, success_message="All that ran stands still.")
def test_it_suspends_what_runs(install):
    lab, result = frozen(install, "vm freeze")
    expect_that("vm freeze", not isinstance(result, str), said(install, "vm freeze"), "a result")
    expect("the states after 'vm freeze'", states(install, "vm freeze"), ALL)
    expect("its lines", sorted(result.lines), ["db", "mail", "web"])
    expect("result.ok", result.ok, True)


@test_case(points=1, success_message="But the one that was named.")
def test_it_leaves_one_alone(install):
    expect("the states after 'vm freeze --but db'", states(install, "vm freeze --but db"), ALL | {"db": "Running"})


@test_case(points=1, success_message="Help and completion know it.")
def test_it_is_declared(install):
    lab, _ = frozen(install, "vm freeze")
    expect("completions of 'vm fre'", [found.text for found in lab.shell.complete("vm fre")], ["freeze"])
    expect("completions of 'vm freeze --b'", [found.text for found in lab.shell.complete("vm freeze --b")], ["--but"])
