"""A small seeded corpus with a known structure."""

from dataclasses import replace
from itertools import islice, product

import numpy as np
from tokenizers import pre_tokenizers

from bitnet import Corpus
from bitnet.tokenizer import Vocabulary

VOCABULARY = 2048
# A plan on this corpus, and else of the brief's sizes.
ON_CORPUS = {"scale": "full", "vocabulary": VOCABULARY}


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
    ids = tokens.astype(np.uint16)
    return Corpus.from_stream("synthetic", ids, "synthetic", made_up_vocabulary(VOCABULARY))


def made_up_vocabulary(size):
    """The first of the 256 bytes, and as many pairs of them as make up the size."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())[:size]
    pairs = list(islice(product(alphabet, alphabet), size - len(alphabet)))
    tokens = [*alphabet, *(left + right for left, right in pairs)]
    return Vocabulary({token: i for i, token in enumerate(tokens)}, pairs)


def named_for(plan, corpus):
    """The corpus under the name of the plan's, for which a test takes it."""
    return replace(corpus, name=plan.corpus)
