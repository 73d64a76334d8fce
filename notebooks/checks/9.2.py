"""Exercise 9.2: the steps of a start and of the last vCPU, in an order that counts right."""

from types import SimpleNamespace

from otter.test_files import test_case

from axlab.course import expect, expect_that, explore, seed, until

OK_FORMAT = False
name = "9.2"
points = 2

HINTS = [
    "When may the guest run at the earliest, and what must have been done before? Who can undo a count?",
    "The counter goes up before the vCPU is let go, since the guest can be gone at once. The vCPU waits, runs, and "
    "then takes the VM off.",
    "`start`: power up, count up, let go. The vCPU: wait, run, leave memory, count down. \"Leave memory\" stands "
    "before the count, because at zero the host goes to sleep.",
]

STEPS = {
    "power up": "start",
    "count up": "start",
    "let the vCPU go": "start",
    "wait to be let go": "vcpu",
    "run the guest": "vcpu",
    "leave the guest's memory": "vcpu",
    "count down": "vcpu",
}
NAMES = {  # each student meets other words for the same steps
    "power up": ("reset the registers", "power the vCPU up"),
    "count up": ("count the VM", "running += 1"),
    "let the vCPU go": ("wake the vCPU", "let the vCPU go"),
    "wait to be let go": ("sleep until woken", "wait to be let go"),
    "run the guest": ("run the guest", "enter the guest until it powers off"),
    "leave the guest's memory": ("give the memory back", "leave the guest's memory"),
    "count down": ("count the VM off", "running -= 1"),
}


def named(student):
    mine = seed(student, name)
    return {mine.choice(step, words): step for step, words in NAMES.items()}


def given(student):
    return {"steps_9_2": seed(student, name).shuffled("order", list(named(student)))}


def played(student, start, vcpu):
    """What goes wrong in some order of the two lists, in words; or nothing."""
    meaning = named(student)

    def make():
        host = SimpleNamespace(running=0, up=False, free=False, gone=False, wrong="")

        def thread(steps):
            for word in steps:
                step = meaning[word]
                if step == "wait to be let go":
                    yield until(lambda: host.free, word)
                    continue
                host.wrong = host.wrong or wrong_of(host, step)
                yield word

        return host, {"vm start": thread(start), "vCPU": thread(vcpu)}

    def check(host, ended):
        return host.wrong or ("the count is not zero at the end" if ended and host.running else "")

    return explore(make, check)


def wrong_of(host, step):
    """Do a step of the model; what is wrong with doing it now."""
    if step == "power up":
        host.up = True
    elif step == "count up":
        host.running += 1
    elif step == "let the vCPU go":
        host.free = True
    elif step == "run the guest":
        if not host.up:
            return "a vCPU runs that was not powered up"
        if host.running < 1:
            return "a guest runs, and the host counts no running VM"
    elif step == "leave the guest's memory":
        host.gone = True
        if host.running < 1:
            return "the memory is still in use, and the host counts no running VM"
    elif step == "count down":
        host.running -= 1
        if host.running < 0:
            return "the count of running VMs is below zero"
    return ""


def in_lists(student, start, vcpu):
    """Whether the two lists hold each word once, where it belongs."""
    meaning = named(student)
    if not isinstance(start, list) or not isinstance(vcpu, list):
        return "two lists are wanted"
    unknown = [word for word in start + vcpu if word not in meaning]
    if unknown:
        return f"{unknown[0]!r} is none of the steps"
    if sorted(start + vcpu) != sorted(meaning):
        return "each step has to be there once"
    misplaced = [word for steps, where in ((start, "start"), (vcpu, "vcpu")) for word in steps
                 if STEPS[meaning[word]] != where]  # fmt: skip
    return f"{misplaced[0]!r} is in the list of the other" if misplaced else ""


def says(student, start, vcpu, words):
    if in_lists(student, start, vcpu):
        return False
    return words in played(student, start, vcpu).wrong


MISTAKES = [
    (lambda start_9_2, last_vcpu_9_2, student: "none of the steps" in in_lists(student, start_9_2, last_vcpu_9_2),
     "There is a step in your lists that is not among yours: copy the words of `steps_9_2` exactly."),
    (lambda start_9_2, last_vcpu_9_2, student: "the other" in in_lists(student, start_9_2, last_vcpu_9_2),
     "A step is in the wrong list. Which of the two does it: the command, or the vCPU's task?"),
    (lambda start_9_2, last_vcpu_9_2, student: says(student, start_9_2, last_vcpu_9_2, "a guest runs")
     or says(student, start_9_2, last_vcpu_9_2, "below zero"),
     "The guest can run, and be gone, before the command has counted it."),
    (lambda start_9_2, last_vcpu_9_2, student: says(student, start_9_2, last_vcpu_9_2, "not powered up"),
     "The vCPU is let go before it is ready. A task that was woken runs at once, on another CPU."),
    (lambda start_9_2, last_vcpu_9_2, student: says(student, start_9_2, last_vcpu_9_2, "still in use"),
     "At zero the host may forget everything, and the vCPU still uses the guest's memory."),
]  # fmt: skip


@test_case(points=1, success_message="Every step is where it belongs.")
def test_steps(start_9_2, last_vcpu_9_2, student):
    expect("the two lists", in_lists(student, start_9_2, last_vcpu_9_2) or "good", "good")


@test_case(points=1, success_message="Right in every order.")
def test_orders(start_9_2, last_vcpu_9_2, student):
    expect("the two lists", in_lists(student, start_9_2, last_vcpu_9_2) or "good", "good")
    outcome = played(student, start_9_2, last_vcpu_9_2)
    expect_that("all orders of the steps", outcome.ok, repr(outcome), "none goes wrong")
