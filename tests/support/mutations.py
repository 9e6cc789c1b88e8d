"""Seeded damage: to the bytes of a file, and to what its JSON, CSV or text means."""

import hashlib
import json
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from random import Random

from bitnet.checks import OneLineError, printable

# How many cases there are of each kind; docs/safety.md says so.
CASES = {
    "a run's files": 400,
    "its tables, resealed": 300,
    "its manifest, resealed": 300,
    "its weights, resealed": 100,
    "a checkpoint": 300,
    "a checkpoint, resealed": 300,
    "a checkpoint, then trained to the end": 12,
    "a table of runs": 100,
    "a table of runs, resealed": 250,
    "a table of passages": 100,
    "a text": 60,
    "a token cache": 150,
    "a grid": 175,
    "a grid's values": 175,
    "a report": 300,
    "a file of `bitnet verify-gpu`": 60,
    "its members, resealed": 100,
}
PATIENCE = 60  # seconds of one case, of which most take a hundredth: more is a hang

HUGE = 10**400
ODD = [
    None, True, False, 0, -1, 1, 3, 0.5, 2**53, 2**63, HUGE, -HUGE, 1e308, 1e-320, float("nan"),
    float("inf"), "", "x", "1", "nan", "\x1b[31m\n", "../../x", "\ud800", "[/red]", "y" * 5000,
    [], {}, [None], [[1]], {"a": 1}, ["x"] * 3,
]  # fmt: skip
CELLS = ["", "x", "nan", "inf", "-inf", "-1", "0", "0.5", "1e309", "9" * 400, "True", '"', "2,2"]
MAGIC = [b"PK\x03\x04", b"BZh9", b"\x1f\x8b", b"\x93NUMPY", b"\xef\xbb\xbf", b"\xff\xfe", b"\0" * 9]


def _flip(content, other, draw):
    found = bytearray(content)
    for _ in range(draw.choice([1, 1, 8])):
        found[draw.randrange(len(found))] ^= 1 << draw.randrange(8)
    return bytes(found)


def _lines(change):
    def changed(content, other, draw):
        lines = content.splitlines(keepends=True)
        a, b = draw.randrange(len(lines)), draw.randrange(len(lines))
        change(lines, a, b)
        return b"".join(lines)

    return changed


def _swap(lines, a, b):
    lines[a], lines[b] = lines[b], lines[a]


def _insert(content, other, draw):
    at = draw.randrange(len(content) + 1)
    return content[:at] + draw.choice([draw.randbytes(9), *MAGIC]) + content[at:]


def _cell(content, other, draw):
    lines = [line.split(b",") for line in content.split(b"\n")]
    row = draw.choice(lines)
    row[draw.randrange(len(row))] = draw.choice(CELLS).encode()
    return b"\n".join(b",".join(row) for row in lines)


BYTES = {
    "bits flipped": _flip,
    "cut short": lambda content, other, draw: content[: draw.randrange(len(content))],
    "bytes inserted": _insert,
    "another beginning": lambda content, other, draw: draw.choice(MAGIC) + content[4:],
    "line twice": _lines(lambda lines, a, b: lines.insert(b, lines[a])),
    "line lost": _lines(lambda lines, a, b: lines.pop(a)),
    "lines swapped": _lines(_swap),
    "another file's content": lambda content, other, draw: other,
    "empty": lambda content, other, draw: b"",
}
MEANING = {"cell": _cell, **BYTES}


def mutated(content, other, draw, kinds=None):
    """A kind of damage, and the content with it; `other` is that of another file."""
    kinds = kinds or BYTES
    kind = draw.choice(list(kinds))
    return kind, kinds[kind](content, other, draw)


def changed(value, draw):
    """A copy of a JSON value with one entry, anywhere in it, replaced, doubled or left out."""
    if not value or not isinstance(value, dict | list) or draw.random() < 0.1:
        number = isinstance(value, int | float) and draw.random() < 0.3
        return draw.choice([-value, value + 1, value * 1e9, str(value)] if number else ODD)
    value = value.copy()
    key = draw.choice(list(value)) if isinstance(value, dict) else draw.randrange(len(value))
    what = draw.random()
    if what < 0.1:
        del value[key]
    elif what < 0.2 and isinstance(value, list):
        value.append(value[key])
    elif what < 0.2:
        value[draw.choice(["x", "../x", key + "\x1b"])] = value[key]
    else:
        value[key] = changed(value[key], draw)
    return value


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def as_json(value):
    """As a stranger may write it, halves of characters and numbers that are none included."""
    return json.dumps(value).encode()


@contextmanager
def _in_time():
    def hang(*_):
        raise AssertionError(f"took more than {PATIENCE} seconds")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def one_line(text):
    """Whether a text is one line."""
    return bool(text) and len(printable(text).splitlines()) == 1


def fuzz(kind: str, case: Callable[[Random], tuple[str, Callable[[], str]]]) -> dict[str, float]:
    """Try the cases of that kind, and give the share of each end: what the case says, or "refused".

    A case of a generator damages something, and gives a name and what is then done. It fails by
    any error that is not one line, and by an `AssertionError` where the result is wrong.
    """
    cases, outcomes, failures = CASES[kind], Counter(), []
    for seed in range(cases):
        name, act = case(Random(seed))
        try:
            with _in_time():
                outcomes[act()] += 1
        except OneLineError as error:
            outcomes["refused"] += 1
            if not one_line(str(error)) or printable(error) != str(error):
                failures.append(f"case {seed}, {name}: not one line: {error}")
        except Exception as error:
            failures.append(f"case {seed}, {name}: {type(error).__name__}: {str(error)[:200]}")
    assert not failures, f"{len(failures)} of {cases}:\n" + "\n".join(failures[:20])
    return {end: times / cases for end, times in outcomes.items()}
