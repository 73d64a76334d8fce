"""Exercise 8.3: a grammar for timetables, by what is done to VMs when it is obeyed."""

from functools import cache

from lark import Lark
from lark.exceptions import LarkError
from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest, seed

OK_FORMAT = False
name = "8.3"
points = 3

HINTS = [
    "Begin with one entry: its word in quotes, `TIME VERB NAME`, and the three terminals. `%ignore` takes "
    "blanks and comments out.",
    "Newlines mean something here, so only blanks and tabs may be ignored. Between entries there is at least "
    "one separator: `SEPARATOR: /[\\n;]+/`, if yours is `;`.",
    "`start: SEPARATOR? (entry (SEPARATOR entry)*)? SEPARATOR?` is nearly it; a comment between two newlines "
    "makes two separators.",
]

VMS = ("web", "mail-2", "db_1")
SLEEPS = "loop: wfi\n b loop"
WORDS, SEPARATORS, COMMENTS = ("at", "on", "from", "after"), (";", ",", "|"), ("#", "//", "--")


def dialect(student):
    mine = seed(student, name)
    return {"word": mine.choice("word", WORDS), "separator": mine.choice("separator", SEPARATORS),
            "comment": mine.choice("comment", COMMENTS)}  # fmt: skip


def spoken(student, text):
    """A text in a student's dialect; `at`, `;` and `#` stand for what differs."""
    mine = dialect(student)
    return text.replace("#", mine["comment"]).replace(";", mine["separator"]).replace("at ", f"{mine['word']} ")


def given(student):
    mine = seed(student, name)
    one, other = mine.shuffled("vms", VMS)[:2]
    first, second, third = sorted({mine.number(f"time {n}", 1, 40) * 3 + n for n in range(3)})
    text = (f"at 1us start {one}; at 2us start {other}  # both\n\nat {first}ms suspend {one}\n"
            f"at {second}ms suspend {other};\nat {third}ms resume {one} # only this one\n")  # fmt: skip
    return {"timetable_8_3": spoken(student, text), "dialect_8_3": dialect(student)}


def right_entries(student):
    """What stands in the student's timetable."""
    mine = dialect(student)
    lines = given(student)["timetable_8_3"].replace(mine["separator"], "\n").splitlines()
    parts = [line.partition(mine["comment"])[0].split() for line in lines]
    return [tuple(words[1:]) for words in parts if words]


@cache
def entries(grammar, text):
    """(time, verb, name) of every entry that the grammar finds; the complaint where it refuses the text."""
    try:
        tree = Lark(grammar, parser="lalr").parse(text)
    except LarkError as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    found = []
    for entry in tree.find_data("entry"):
        tokens = {token.type: str(token) for token in entry.children if hasattr(token, "type")}
        found.append(tuple(tokens.get(kind, "") for kind in ("TIME", "VERB", "NAME")))
    return sorted(found, key=lambda one: text.find(" ".join(one)))


def obeyed(read):
    """The states of VMs after the entries of a timetable were carried out in a lab."""
    units = {"us": 1_000, "ms": 1_000_000}
    lab = Lab(code_cache=False)
    for vm in VMS:
        guest(lab, SLEEPS, vm)
    for time, verb, vm in read:
        at = int(time[:-2]) * units[time[-2:]] if time[-2:] in units else int(time[:-1]) * 10**9
        if at > lab.now:
            lab.hypervisor.sleep(at - lab.now)
        lab.shell(f"vm {verb} {vm}" + " --detach" * (verb == "start"))
    return {vm.name: str(vm.state) for vm in lab.hypervisor.vms}


def refuses(grammar, student, text):
    return isinstance(entries(grammar, spoken(student, text)), str)


ONE = "at 10ms suspend web"
MISTAKES = [
    (lambda timetable_grammar, student: "GrammarError" in entries(timetable_grammar, spoken(student, ONE)),
     "Lark cannot read your grammar. `Lark(timetable_grammar, parser=\"lalr\")` says where."),
    (lambda timetable_grammar, student: entries(timetable_grammar, spoken(student, ONE)) == [],
     "An entry is read, and the tree has no `entry` in it: which rule of yours matches one?"),
    (lambda timetable_grammar, student: refuses(timetable_grammar, student, ONE), "A single entry in your "
    "dialect is refused: "
     "which word begins it?"),
    (lambda timetable_grammar, student: any(refuses(timetable_grammar, student, text) for text in ("", "\n")),
     "An empty timetable is one, too."),
    (lambda timetable_grammar, student: refuses(timetable_grammar, student, f"{ONE};at 20ms stop web"),
     "The separator of your dialect does between entries what a newline does."),
    (lambda timetable_grammar, student: refuses(timetable_grammar, student, f"{ONE} # now\n# more\nat 20ms stop web"),
     "A comment reaches to the end of its line, and may be all that stands in a line."),
    (lambda timetable_grammar, student: not refuses(timetable_grammar, student, f"{ONE} at 20ms stop web"),
     "Two entries stand in one line with nothing between them, and your grammar takes it. Are newlines ignored?"),
    (lambda timetable_grammar, student: not refuses(timetable_grammar, student, "at 10ms explode web"),
     "`explode` is none of the four verbs, and your grammar takes it."),
    (lambda timetable_grammar, student: not refuses(timetable_grammar, student, "at ms suspend web"),
     "A time without a number is taken."),
]  # fmt: skip


@test_case(points=1, success_message="Your timetable is carried out.")
def test_the_timetable_given(timetable_grammar, student):
    read = entries(timetable_grammar, given(student)["timetable_8_3"])
    expect_that("the timetable", not isinstance(read, str), read, "a tree")
    expect("its entries", read, right_entries(student))
    expect("the states afterwards", obeyed(read), obeyed(right_entries(student)))


@test_case(points=1, success_message="So are others.")
def test_other_timetables(timetable_grammar, student):
    for text, right in [
        ("", []),
        ("\n;\n# nothing\n", []),
        (f";;{ONE}", [("10ms", "suspend", "web")]),
        ("\tat   5us\tstart   db_1 #x", [("5us", "start", "db_1")]),
        ("at 1s stop mail-2;at 2s start mail-2\n", [("1s", "stop", "mail-2"), ("2s", "start", "mail-2")]),
        ("at 1s start start", [("1s", "start", "start")]),
    ]:
        said = spoken(student, text)
        expect(f"the entries of {said!r}", entries(timetable_grammar, said), right)


@test_case(points=1, success_message="What is none is refused.")
def test_what_is_no_timetable(timetable_grammar, student):
    for text in ("at 10ms explode web", "at ms suspend web", "at 10 suspend web", "10ms suspend web", "at 10ms "
    "suspend",
                 f"{ONE} {ONE}", "at 10ms suspend web!", "at -1ms start web"):  # fmt: skip
        said = spoken(student, text)
        got = entries(timetable_grammar, said)
        expect_that(f"the timetable {said!r}", isinstance(got, str), got, "an error")
