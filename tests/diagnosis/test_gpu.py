"""A diagnosis and a watch on a GPU find there what they find on a CPU."""

import pytest
import torch

import bitnet
from benchmarks.models import SIZE, token_text
from bitnet import BitNetConfig, BitNetModel

IDS = token_text(tokens=5000)


def model_on(device):
    torch.manual_seed(0)
    return BitNetModel(BitNetConfig(vocab_size=SIZE, hidden_size=16, num_layers=1)).to(device)


def watched(device):
    return bitnet.Watch(model_on(device), IDS, every=1, positions=64)(1).measures


def diagnosed(device):
    model = model_on(device)
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=0.1)
    return bitnet.diagnose(model, IDS, optimizer, positions=64)


def test_a_watch_sees_there_what_it_sees_here(gpu):
    assert watched("cuda") == pytest.approx(watched("cpu"), rel=1e-4)


def test_a_diagnosis_finds_there_what_it_finds_here(gpu):
    there, here = diagnosed("cuda"), diagnosed("cpu")
    assert there.measures == pytest.approx(here.measures, rel=1e-4)
    assert str(there) == str(here)
    assert [g.name for g in there.facts.groups] == [g.name for g in here.facts.groups]
    assert [g.ratio for g in there.facts.groups] == pytest.approx(
        [g.ratio for g in here.facts.groups], rel=1e-4
    )
