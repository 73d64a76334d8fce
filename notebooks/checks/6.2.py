"""Exercise 6.2: latencies from the events of interrupts."""

from otter.test_files import test_case

from axlab.course import expect, seed

OK_FORMAT = False
name = "6.2"
points = 2

HINTS = [
    "Several interrupts are on their way at once. What do you have to remember of each intid?",
    "At *raised* remember the time, unless there is one already. At *taken* compare, and forget it.",
    "`since.setdefault(intid, time)` at raised; at taken `found[intid] = max(found.get(intid, 0), time - "
    "since.pop(intid))`.",
]


def story(student, number):
    """Events of three interrupts, as they could be: some raised twice, one never taken."""
    mine = seed(student, f"{name} {number}")
    events, time = [], 1000 * mine.number("begin", 1, 9)
    for turn in range(6):
        for intid in mine.shuffled(f"order {turn}", [27, 33, 3]):
            time += 100 * mine.number(f"{turn} {intid}", 1, 30)
            events.append((time, intid, "raised"))
            if mine.number(f"twice {turn} {intid}", 0, 2) == 0:
                time += 700
                events.append((time, intid, "raised"))
            events.append((time + 100, intid, "injected"))
        for intid in mine.shuffled(f"taken {turn}", [27, 33, 3]):
            time += 100 * mine.number(f"late {turn} {intid}", 2, 20)
            events += [(time, intid, "taken"), (time + 50, intid, "ended")]
    events.append((time + 5000, 30, "raised"))
    return sorted(events, key=lambda event: event[0])


def truth(events):
    since, found = {}, {}
    for time, intid, action in events:
        if action == "raised":
            since.setdefault(intid, time)
        elif action == "taken":
            found[intid] = max(found.get(intid, 0), time - since.pop(intid))
    return found


def of_the_last_raise(events):
    since, found = {}, {}
    for time, intid, action in events:
        if action == "raised":
            since[intid] = time
        elif action == "taken":
            found[intid] = max(found.get(intid, 0), time - since[intid])
    return found


def from_injected(events):
    since, found = {}, {}
    for time, intid, action in events:
        if action == "injected":
            since.setdefault(intid, time)
        elif action == "taken":
            found[intid] = max(found.get(intid, 0), time - since.pop(intid))
    return found


def of_the_last_one(events):
    since, found = {}, {}
    for time, intid, action in events:
        if action == "raised":
            since.setdefault(intid, time)
        elif action == "taken":
            found[intid] = time - since.pop(intid)
    return found


def said(longest, student, number=1):
    got = longest(story(student, number))
    return {int(k): int(v) for k, v in got.items() if v is not None} if isinstance(got, dict) else got


def is_that(longest, student, wrong):
    events = story(student, 1)
    return said(longest, student) == wrong(events) != truth(events)


MISTAKES = [
    (lambda longest, student: not isinstance(said(longest, student), dict), "A dict is wanted: intid -> ns."),
    (lambda longest, student: isinstance(longest(story(student, 1)), dict) and 30 in longest(story(student, 1)),
     "Interrupt 30 was raised and never taken. It has no latency."),
    (lambda longest, student: is_that(longest, student, of_the_last_raise),
     "You count from the *last* time at which the line was raised. The guest has been waited for since the first."),
    (lambda longest, student: is_that(longest, student, from_injected),
     "That is from *injected*. The device waits since its line was raised."),
    (lambda longest, student: is_that(longest, student, of_the_last_one),
     "That is the latency of the last one of each kind, and not the longest."),
]  # fmt: skip


@test_case(points=1)
def test_one_story(longest, student):
    expect("longest(events)", said(longest, student), truth(story(student, 1)))


@test_case(points=1)
def test_other_stories(longest, student):
    for number in range(2, 6):
        expect("longest of other events", said(longest, student, number), truth(story(student, number)))
    expect("longest([])", longest([]), {})
