"""A model as a diagnosis sees it: its ends and groups, its modes, and what is no such model."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from benchmarks.models import SIZE, PlainGPT, gpt2
from bitnet import BitNetConfig, BitNetModel, ParameterError
from bitnet.diagnosis.subject import GAINS, MATRICES, TIED, Subject

IDS = torch.arange(SIZE)


class Returning(nn.Module):
    """Embeddings, and whatever a function makes of them."""

    def __init__(self, make, size=SIZE, hidden=8):
        super().__init__()
        self.wte, self.make = nn.Embedding(size, hidden), make

    def forward(self, ids):
        return self.make(self.wte(ids))


def names(subject):
    return {name: sum(p.numel() for p in found) for name, found in subject.groups.items()}


@pytest.mark.parametrize("make", [PlainGPT, lambda: gpt2(tied=False)])
def test_ends_and_groups_of_a_model_with_a_head_of_its_own(make):
    model = make()
    subject = Subject.of(model, IDS)
    assert subject.vocab_size == SIZE
    assert subject.embedding.weight.shape == subject.head.weight.shape == (SIZE, 32)
    assert not subject.tied
    found = names(subject)
    assert list(found) == ["embedding", "head", MATRICES, GAINS]
    assert found["embedding"] == found["head"] == SIZE * 32
    assert sum(found.values()) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("make", [lambda: PlainGPT(tied=True), gpt2])
def test_a_tied_matrix_is_one_group(make):
    subject = Subject.of(make(), IDS)
    assert subject.tied
    assert list(names(subject)) == [TIED, MATRICES, GAINS]


def test_what_a_configuration_declares_is_read():
    assert Subject.of(gpt2(tied=True), IDS).declared_tied is True
    assert Subject.of(gpt2(tied=False), IDS).declared_tied is False
    assert Subject.of(PlainGPT(), IDS).declared_tied is None


def test_a_model_of_ours_is_a_subject():
    model = BitNetModel(BitNetConfig(vocab_size=SIZE, hidden_size=16, num_layers=1))
    subject = Subject.of(model, IDS)
    assert (subject.embedding, subject.head) == (model.token_embeddings, model.lm_head)


def test_a_head_that_is_no_module_is_not_found_and_logits_are():
    weight = torch.randn(SIZE, 8)
    subject = Subject.of(Returning(lambda x: SimpleNamespace(logits=x @ weight.T)), IDS)
    assert subject.head is None
    assert not subject.tied
    assert subject.logits(IDS[None, :4]).shape == (1, 4, SIZE)


def test_modes_are_as_before_whatever_happens():
    model = PlainGPT()
    model.train()
    model.norm.eval()
    subject = Subject.of(model, IDS)
    with pytest.raises(KeyError), subject.at_rest():
        assert not any(module.training for module in model.modules())
        raise KeyError
    assert model.training and model.blocks[0].dropout.training
    assert not model.norm.training


class LooksAhead(PlainGPT):
    """As BERT does: every position sees all others."""

    def forward(self, ids):
        x = self.wte(ids)
        return self.head(x + x.mean(1, keepdim=True))


def fail(_):
    raise IndexError("position 65 of 64\nand more")


@pytest.mark.parametrize(
    ("model", "match"),
    [
        ("gpt2", "^model = 'str': must be a torch.nn.Module with weights"),
        (nn.Identity(), "^model = 'Identity': must be a torch.nn.Module with weights"),
        (Returning(lambda x: x), r"returns a tensor \[1, 8, 8\]: no vocabulary head"),
        (Returning(lambda x: x[:, 0]), r"returns a tensor \[1, 8\]: no vocabulary head"),
        (Returning(lambda x: {"hidden": x}), "returns no tensor: no vocabulary head"),
        (Returning(lambda x: x.long()), "returns no tensor: no vocabulary head"),
        (LooksAhead(), "predicts from the tokens that it is to predict, and is no causal model"),
        (Returning(fail), r"cannot be run on ids \[1, 8\] \(position 65 of 64\)"),
        (Returning(lambda x: x, size=50), "embeddings of 50 tokens, and the text has id 399"),
    ],
)
def test_what_is_no_language_model_is_refused_in_one_line(model, match):
    with pytest.raises(ParameterError, match=match) as found:
        Subject.of(model, IDS)
    assert "\n" not in str(found.value)


def test_a_base_model_of_transformers_has_no_head():
    with pytest.raises(ParameterError, match=r"GPT2Model.*no vocabulary head"):
        Subject.of(gpt2().transformer, IDS)


def test_logits_that_are_not_finite_are_refused_unless_asked_for():
    subject = Subject.of(PlainGPT(), IDS)
    with torch.no_grad():
        subject.model.norm.bias[0] = torch.nan
    with pytest.raises(ParameterError, match=r"^model = 'PlainGPT': returns logits that are not f"):
        subject.logits(IDS[None, :4])
    assert subject.logits(IDS[None, :4], finite=False).isnan().any()
