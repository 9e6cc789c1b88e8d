"""Texts just long enough to be a corpus, so that an evaluation is quick."""

import random

WORDS = [
    "the", "of", "and", "in", "a", "to", "was", "is", "for", "as", "on", "by", "with", "he", "that",
    "at", "from", "his",
]  # fmt: skip


def write_text(path):
    generator = random.Random(0)
    path.write_text(" ".join(generator.choice(WORDS) for _ in range(12_000)))
    return path


def write_lines(path):
    """A text in lines, long enough for a vocabulary of its own."""
    generator = random.Random(0)
    said = (" ".join(generator.choice(WORDS) for _ in range(12)) for _ in range(1500))
    path.write_text("\n".join(said))
    return path
