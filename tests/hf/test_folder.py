"""An exported folder as its users have it: loaded by transformers, it writes what ours writes."""

import json

import pytest
import torch

from bitnet.decode import continue_prompts
from bitnet.hf.layout import needs_wrapper
from tests.support.hf import KINDS, LENGTH, random_model, vocabulary_of, write

pytestmark = pytest.mark.long("transformers")
TEXTS = [" A text,\n\n with spaces  and  Zürich, 東京 🙂.", "<|endoftext|> is no token", "\t ."]


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_continuations_are_ours_over_64_tokens(tmp_path, load, kind):
    model = random_model(kind)
    trust = {"trust_remote_code": True} if needs_wrapper(model.config) else {}
    loaded = load(write(tmp_path / "out", model), **trust)
    prompts = torch.randint(0, model.config.vocab_size, (2, 8))
    ours = continue_prompts(model, prompts, 64)
    theirs = loaded.generate(prompts, max_new_tokens=64, do_sample=False)
    assert torch.equal(theirs[:, 8:], ours)
    assert len(ours.unique()) > 10  # a dead model would agree with anything


def test_a_wrapped_model_is_not_taken_for_a_plain_llama(tmp_path, load):
    folder = write(tmp_path / "out", random_model("full precision"))
    with pytest.raises(ValueError, match="trust_remote_code"):
        load(folder, trust_remote_code=False)


@pytest.mark.parametrize("kind", ["grouped heads, tied", "inside"])
def test_a_packed_model_is_the_same_in_less_space(tmp_path, load, kind):
    model, ids = random_model(kind), torch.arange(2 * LENGTH).view(2, -1)
    folders = [write(tmp_path / f"{packed}", model, packed) for packed in (False, True)]
    whole, packed = (load(folder) for folder in folders)
    assert torch.equal(whole(ids).logits, packed(ids).logits)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in folders]
    ternary = sum(p.numel() for p in model.blocks.parameters() if p.dim() == 2)
    assert sizes[0] - sizes[1] == pytest.approx(ternary * (4 - 1 / 4), rel=0.01)


@pytest.mark.parametrize("kind", ["ternary", "GPT-2's vocabulary"])
def test_the_tokenizer_is_ours(tmp_path, kind):
    from transformers import AutoTokenizer

    model = random_model(kind)
    vocabulary = vocabulary_of(model)
    tokenizer = AutoTokenizer.from_pretrained(write(tmp_path / "out", model))
    assert len(tokenizer) == model.config.vocab_size
    ids = vocabulary.encode(TEXTS)
    assert tokenizer(TEXTS).input_ids == ids
    assert tokenizer.batch_decode(ids) == [vocabulary.decode(row) for row in ids]


def test_no_token_ends_a_text(tmp_path):
    """transformers' own configurations would take 1 and 2 for the ends of a text."""
    facts = json.loads(
        (write(tmp_path / "out", random_model("ternary")) / "config.json").read_text()
    )
    assert [facts[f"{which}_token_id"] for which in ("bos", "eos", "pad")] == [None] * 3
    assert facts["max_position_embeddings"] == LENGTH
