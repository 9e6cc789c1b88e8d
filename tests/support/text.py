"""A text just long enough to be a corpus, so that an evaluation is quick."""

import random

WORDS = [
    "the", "of", "and", "in", "a", "to", "was", "is", "for", "as", "on", "by", "with", "he", "that",
    "at", "from", "his",
]  # fmt: skip


def write_text(path):
    generator = random.Random(0)
    path.write_text(" ".join(generator.choice(WORDS) for _ in range(12_000)))
    return path
