"""A small seeded corpus with a known structure."""

import numpy as np

from bitnet import Corpus

VOCABULARY = 2048


def synthetic_corpus() -> Corpus:
    """61 440 tokens: each names the next with probability 0.8, else a draw from Zipf's law.

    Most tokens are rare.
    """
    generator = np.random.default_rng(0)
    zipf = 1 / np.arange(1, VOCABULARY + 1) ** 1.1
    draws = generator.choice(VOCABULARY, size=61_440, p=zipf / zipf.sum())
    follow = generator.random(61_440) < 0.8
    tokens = draws.copy()
    for i in range(1, len(tokens)):
        if follow[i]:
            tokens[i] = (tokens[i - 1] * 7 + 3) % 64  # a fixed successor among the 64 commonest
    return Corpus("synthetic", tokens.astype(np.uint16), "synthetic", VOCABULARY)
