"""GPT-2's ids, offline."""

import pytest

from bitnet.tokenizer import gpt2, package_file


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
