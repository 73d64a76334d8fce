"""Exercise 8.1: a text as one word of the shell's language."""

from otter.test_files import test_case

from axlab.course import expect, expect_that, seed
from axlab.errors import AxError
from axlab.shell.syntax import parse

OK_FORMAT = False
name = "8.1"
points = 2

HINTS = [
    "Which characters does the shell not take as they are? Look for them in `PLAIN`. Then look at what stands "
    "between two `'`.",
    "Between two `'` every character is itself, but for `'`. How can a word have a piece of another kind in its "
    "middle?",
    "Put the text between two `'`. Where a `'` is in it: end the quote, write the `'` between two `\"`, and "
    "begin another quote.",
]

PIECES = ["my guest", "it's", '19" rack', "back\\new", "a;b", "web#1", "#1", "x > y", "two\nlines", "tab\there", "-f"]
PIECES += ["\\", "'", '"']


def given(student):
    mine = seed(student, name)
    chosen = mine.shuffled("pieces", PIECES)
    return {"texts_8_1": [*chosen[:4], f"{chosen[4]} {chosen[5]}"]}


def read(quote, text):
    """The words that the shell reads behind `vm show`; the complaint where it reads none."""
    try:
        (command,) = parse(f"vm show {quote(text)}")
    except (AxError, ValueError) as error:
        return str(error)
    return [word.text for word in command.words[2:]]


MISTAKES = [
    (lambda quote: quote("plain") is None, "`quote` returns nothing. Is there a `return`?"),
    (lambda quote: read(quote, "a b") == ["a", "b"], "A text with a blank becomes two words."),
    (lambda quote: read(quote, "plain") == ["plain"] and read(quote, "") == [],
     "An empty text becomes no word at all. The shell writes it as `''`."),
    (lambda quote: quote("it's") == "'it's'" or quote("it's") == "'it\\'s'",
     "Between two `'` nothing is special, a backslash neither: the quote ends at the next `'`."),
    (lambda quote: read(quote, "a\\nb") == ["a\nb"], "Between two `\"` a backslash begins an escape: `\\n` "
    "becomes a newline there."),
    (lambda quote: quote('19" rack') == '"19" rack"', "A `\"` inside the text ends the quote too early."),
    (lambda quote: read(quote, "a b") == ["a b"] and isinstance(read(quote, "a\nb"), str),
     "A backslash cannot quote a newline."),
]  # fmt: skip


@test_case(points=1, success_message="Every text of yours comes back.")
def test_the_texts_given(quote, student):
    for text in given(student)["texts_8_1"]:
        expect(f"the words behind 'vm show', for the text {text!r}", read(quote, text), [text])


@test_case(points=1, success_message="So does every other.")
def test_other_texts(quote):
    for text in ["", *PIECES, *(one + other for one in PIECES for other in PIECES)]:
        expect(f"the words behind 'vm show', for the text {text!r}", read(quote, text), [text])
    expect_that("the type of quote('a')", isinstance(quote("a"), str), type(quote("a")).__name__, "a text")
