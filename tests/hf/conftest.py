"""transformers as its users have it, but that it compiles nothing, which takes a minute."""

import pytest
import torch


@pytest.fixture(autouse=True)
def eager():
    with torch.compiler.set_stance("force_eager"):
        yield


@pytest.fixture
def load(monkeypatch, tmp_path):
    """A function that loads a folder by transformers, with what it copies in this test's own."""
    from transformers import AutoModelForCausalLM, dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(tmp_path / "modules")
    return AutoModelForCausalLM.from_pretrained
