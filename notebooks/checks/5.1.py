"""Exercise 5.1: masks for jobs, by the virtual time at which real guests are done."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect_that, guest, seed

OK_FORMAT = False
name = "5.1"
points = 2

MS = 1_000_000
HINTS = [
    "The two CPUs work at once. When is everything done, if one of them has 30 ms of work and the other 10 ms?",
    "Sixteen ways to give four jobs to two CPUs are few: add up what each CPU has to do, and look for the way in "
    "which the greater sum is smallest.",
    "`min(itertools.product([1, 2], repeat=4), key=lambda masks: max(work of CPU 0, work of CPU 1))`, and the work of "
    "CPU 0 is the sum over the jobs whose mask is 1.",
]
NAMES = ("backup", "index", "report", "mail")


def given(student):
    mine = seed(student, name)
    big = mine.number("big", 14, 18)
    return {"jobs_5_1": dict(zip(mine.shuffled("names", NAMES), [big // 2, big // 2 + 1, 3, big], strict=True))}


def sums(jobs, masks):
    """Milliseconds of work of each CPU, for masks that name one CPU each."""
    return [sum(ms for job, ms in jobs.items() if masks[job] == mask) for mask in (1, 2)]


def best(jobs):
    from itertools import product

    ways = [dict(zip(jobs, chosen, strict=True)) for chosen in product((1, 2), repeat=len(jobs))]
    return min(max(sums(jobs, masks)) for masks in ways)


@cache
def finished(jobs, masks):
    """The virtual time in ns at which all jobs, pairs of name and ms, are done with these masks."""
    lab = Lab(cpus=2, code_cache=False)
    for (job, ms), mask in zip(jobs, masks, strict=True):
        turns = ms * MS // 200
        source = f"mov x0, #{turns & 0xFFFF}\n movk x0, #{turns >> 16}, lsl #16\nl: subs x0, x0, #1\n b.ne l\n"
        vm = guest(lab, source + "movz x0, #8\n movk x0, #0x8400, lsl #16\n hvc #0\n", job)
        lab.hypervisor.set_affinity(vm.vcpus[0], mask)
    lab.shell("vm start all --detach")
    lab.run()
    return lab.now


def well_formed(masks, jobs):
    return isinstance(masks, dict) and set(masks) == set(jobs) and all(mask in (1, 2, 3) for mask in masks.values())


def time_of(masks, student):
    jobs = given(student)["jobs_5_1"]
    if not well_formed(masks, jobs):
        return 0
    return finished(tuple((job, jobs[job]) for job in masks), tuple(masks.values()))


def single(masks, student):
    return well_formed(masks, given(student)["jobs_5_1"]) and 3 not in masks.values()


MISTAKES = [
    (lambda masks_5_1, student: not isinstance(masks_5_1, dict) or set(masks_5_1) != set(given(student)["jobs_5_1"]),
     "A dict with exactly the jobs of `jobs_5_1` as its keys is wanted."),
    (lambda masks_5_1, student: not well_formed(masks_5_1, given(student)["jobs_5_1"]),
     "A mask is a number whose bit n stands for CPU n: with two CPUs 1, 2 or 3."),
    (lambda masks_5_1, student: single(masks_5_1, student) and len(set(masks_5_1.values())) == 1,
     "All jobs are on the same CPU, and the other one is idle."),
    (lambda masks_5_1, student: set(masks_5_1.values()) == {3},
     "With a free choice, FIFO takes the jobs in their order, and a long one that comes last is alone in the end."),
    (lambda masks_5_1, student: single(masks_5_1, student) and sorted(masks_5_1.values()) == [1, 1, 2, 2],
     "Two jobs for each CPU: equal numbers, and not equal work."),
]  # fmt: skip


@test_case(points=2, success_message="It cannot be done earlier.")
def test_all_are_done_early(masks_5_1, student):
    jobs = given(student)["jobs_5_1"]
    expect_that("masks_5_1", well_formed(masks_5_1, jobs), masks_5_1, f"1, 2 or 3 for each of {', '.join(jobs)}")
    ms, most = time_of(masks_5_1, student) / MS, best(jobs) + 1
    expect_that("the time at which all jobs are done", ms <= most, f"{ms:.2f} ms", f"at most {most} ms")
