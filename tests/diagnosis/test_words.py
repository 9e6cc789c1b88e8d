"""Tokenizers of every make, ids as they are, and what is neither."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from bitnet import ParameterError
from bitnet.diagnosis.words import PADDING, Words, check_size, ids_of
from tests.support.corpus import made_up_vocabulary

VOCABULARY = made_up_vocabulary(300)


def of_tokenizers():
    return Tokenizer.from_str(VOCABULARY.to_json())


def of_transformers():
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=of_tokenizers(), model_max_length=4)


@pytest.mark.parametrize("make", [lambda: VOCABULARY, of_tokenizers, of_transformers])
def test_tokenizers_of_every_make_agree(make):
    words = Words(make())
    assert words.size == 300
    ids = words.encode("abc abc")
    assert ids == VOCABULARY.encode(["abc abc"])[0]
    assert words.decode(ids) == "abc abc"
    assert ids_of("abc abc", words).tolist() == ids


def test_without_a_tokenizer_ids_are_shown_as_numbers():
    words = Words()
    assert words.size is None
    assert words.decode([17, 4]) == "17 4"
    with pytest.raises(ParameterError, match=r"^tokenizer = None: is needed"):
        ids_of("abc", words)


@pytest.mark.parametrize(
    "ids", [[3, 1, 2], torch.tensor([[3, 1, 2]]), np.array([3, 1, 2], np.uint16), range(3, 0, -1)]
)
def test_ids_of_every_make_are_one_row(ids):
    found = ids_of(ids, Words())
    assert found.dtype == torch.int64
    assert sorted(found.tolist()) == [1, 2, 3]


@pytest.mark.parametrize("text", [[1.5, 2.0], [-1, 2], [], [True, False], object(), ["a"], None])
def test_what_is_no_text_is_refused_in_one_line(text):
    with pytest.raises(ParameterError, match=r"^text = .*: must be a text, or token ids"):
        ids_of(text, Words())


def test_a_tokenizer_that_fails_is_named():
    def fail(*_, **__):
        raise RuntimeError("no merges\nat all")

    with pytest.raises(ParameterError, match=r"'function': cannot encode the text \(no merges\)"):
        ids_of("abc", Words(fail))


def test_the_size_of_a_tokenizer_is_the_model_s_or_padded():
    check_size(Words(), 5)
    check_size(Words(VOCABULARY), 300)
    check_size(Words(VOCABULARY), 300 + PADDING - 1)
    for size in (299, 300 + PADDING):
        with pytest.raises(ParameterError, match=f"'300 tokens': must have the {size} tokens"):
            check_size(Words(VOCABULARY), size)
