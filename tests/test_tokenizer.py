"""Vocabularies: GPT-2's ids, offline, and small ones that are trained."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from bitnet import ParameterError
from bitnet.tokenizer import Vocabulary, gpt2, package_file, trained


def test_ids_are_gpt2s():
    assert gpt2().encode(["Hello world", " naïve café — 東京 \U0001f600\n\n\n  x", ""]) == [
        [15496, 995],
        [41492, 40304, 851, 10545, 251, 109, 12859, 105, 30325, 222, 628, 198, 220, 2124],
        [],
    ]


def test_text_survives_a_round_trip():
    text = " Tabs\tand\n\nnewlines, l'été, 東京 \U0001f600 and <|endoftext|> as text"
    assert gpt2().decode(gpt2().encode([text])[0]) == text


def test_a_package_that_is_missing_is_named_with_the_remedy():
    with pytest.raises(FileNotFoundError, match=r"no_such_package is missing.*pip install"):
        package_file("no_such_package", "data.json")


LINE = "the cat sat on the mat, the hat and the bat of another man\n"
TEXTS = [LINE * 20, "été, là-bas \U0001f600\n" * 5]


@pytest.fixture(scope="module")
def small():
    return trained(TEXTS, 280)


def test_a_trained_vocabulary_has_the_size_asked_for(small):
    assert small.size == 280
    assert trained(TEXTS, 256).size == 256
    assert {i for ids in small.encode(TEXTS) for i in ids} <= set(range(280))


def test_the_same_texts_give_the_same_vocabulary(small):
    assert trained(list(TEXTS), 280).to_text() == small.to_text()
    assert (
        trained(["Quite other words stand in this one text.\n"], 280).to_text() != small.to_text()
    )


def test_a_larger_vocabulary_begins_with_the_smaller_one(small):
    assert trained(TEXTS, 290).to_text().startswith(small.to_text())


def test_the_commonest_pair_is_the_first_token_beyond_the_bytes():
    assert trained(["xyxyxy zy"], 257).decode([256]) == "xy"
    assert trained(["xyxyxy", "zyzyzyzy"], 257).decode([256]) == "zy"


def test_what_is_frequent_becomes_shorter(small):
    (ids,) = small.encode([" the"])
    assert len(ids) == 1
    assert len(small.encode([" qqq"])[0]) == 4


@given(st.text())
@example(" Tabs\tand\r\n\nnewlines, l'été, 東京 \U0001f600\U0001f9c0 \u2028 \x00 Ġ Ċ")
def test_any_text_survives_a_small_vocabulary(small, text):
    text = text.encode(errors="ignore").decode()  # lone surrogates are no text
    assert small.decode(small.encode([text])[0]) == text


@given(st.lists(st.text(alphabet="ab \n", max_size=60), max_size=4), st.integers(256, 262))
def test_whatever_is_repeated_training_gives_the_size_or_says_what_it_can_give(texts, size):
    try:
        assert trained(texts, size).size == size
    except ParameterError as error:
        assert str(error).startswith(f"vocabulary = {size}: must be at most ")


def test_a_text_that_cannot_give_the_size_is_refused_in_one_line():
    with pytest.raises(ParameterError) as error:
        trained(["ab"], 300)
    most = "must be at most 257, which is all that this text can give"
    assert str(error.value) == f"vocabulary = 300: {most}"


def test_merges_survive_their_text(small):
    again = Vocabulary.from_text(small.to_text())
    assert again.to_text() == small.to_text()
    assert again.size == small.size
    assert again.encode(TEXTS) == small.encode(TEXTS)
    assert again.decode(range(280)) == small.decode(range(280))
    assert Vocabulary.from_text("").size == 256


def test_tokenizers_itself_reads_a_vocabulary_whole(small):
    again, text = Tokenizer.from_str(small.to_json()), "A text,\n with  spaces and Zürich."
    (ids,) = small.encode([text])
    assert again.encode(text).ids == ids
    assert again.decode(ids) == text
    assert again.get_vocab_size() == small.size


def test_gpt2s_merges_are_written_in_their_order():
    assert gpt2().to_text().splitlines()[:3] == ["Ġ t", "Ġ a", "h e"]
    assert gpt2().size == 50257


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n", 1),
        ("a b c\n", 1),
        ("a b\n\nab c\n", 2),
        ("a b\nab cd\n", 2),  # cd is no token yet
        ("a b\na b\n", 2),
        ("a b\nc a\nca b\nc ab\n", 4),  # cab is there already
        ("# version: 0.2\n", 1),
        ("a\tb\n", 1),
        (" \n", 1),
    ],
    ids=repr,
)
def test_malformed_merges_are_refused_with_their_line(text, line):
    with pytest.raises(ValueError, match=f"^line {line} is no merge") as error:
        Vocabulary.from_text(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [280, 50257])
def test_the_lengths_of_tokens_are_those_of_their_bytes(size):
    vocabulary = gpt2() if size == 50257 else trained(TEXTS, size)
    assert len(vocabulary.lengths) == size
    for text in (*TEXTS, "na\u00efve \u20ac 12\u202f000 \U0001f600\n"):
        (ids,) = vocabulary.encode([text])
        assert sum(vocabulary.lengths[i] for i in ids) == len(text.encode())
