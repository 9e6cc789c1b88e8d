"""The backend: what is chosen, refused and recorded."""

import pytest
import torch

from bitnet import ParameterError
from bitnet.runtime.backend import choose


def test_a_cpu_without_matrix_units_computes_in_float32(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert choose("cpu").precision == "float32"
    assert choose("cpu", "bfloat16").precision == "bfloat16"


def test_a_cpu_with_matrix_units_computes_in_bfloat16_unless_strict(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert choose("cpu").precision == "bfloat16"
    assert choose("cpu", strict=True).precision == "float32"
    assert choose("cpu", "float32").precision == "float32"


def test_a_gpu_takes_float32_and_graphs(gpu):
    backend = choose("auto")
    assert (backend.device.type, backend.precision, backend.graphs) == ("cuda", "float32", True)
    assert not choose("auto", strict=True).graphs
    assert not choose("cpu").graphs
    assert backend.facts()["name"] == torch.cuda.get_device_name()


@pytest.mark.parametrize(
    "arguments",
    [
        {"device": "tpu"},
        {"device": "cpu:1"},
        {"device": "cuda:"},
        {"device": "cuda:01"},
        {"precision": "float16"},
        {"strict": 1},
    ],
    ids=str,
)
def test_refusals(arguments):
    with pytest.raises(ParameterError, match=next(iter(arguments))):
        choose(**arguments)


def test_facts_name_device_threads_and_precision():
    facts = choose("cpu", "float32").facts()
    assert facts["kind"] == "cpu"
    assert facts["name"]
    assert facts["threads"] == torch.get_num_threads()
    assert facts["precision"] == "float32"


def test_facts_name_the_kernel_of_float32_products(kernel):
    assert choose("cpu").facts()["products"] == kernel


def test_strictness_holds_while_in_force_and_not_after():
    assert not torch.are_deterministic_algorithms_enabled()
    with choose("cpu", strict=True).in_force():
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


def test_only_while_in_force_are_numbers_below_the_normal_range_zero():
    tiny = torch.tensor([1e-40])
    assert (tiny * 1).item() != 0
    with choose("cpu").in_force():
        assert (tiny * 1).item() == 0
    assert (tiny * 1).item() != 0


def test_choosing_starts_and_sets_nothing(monkeypatch):
    for name in ("set_flush_denormal", "use_deterministic_algorithms", "set_num_threads"):
        monkeypatch.setattr(torch, name, lambda *_: pytest.fail("something was set"))
    choose("cpu", strict=True)
    choose()
