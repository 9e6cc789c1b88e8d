"""What this processor computes with, also where a private name of torch is gone."""

import subprocess
import sys

import pytest
import torch

from bitnet.runtime import cpu
from bitnet.runtime.backend import choose
from bitnet.runtime.kernels import through_onednn


@pytest.fixture
def fresh():
    """The decision about oneDNN is not remembered from before, nor afterwards."""
    cpu._amd_with_avx512.cache_clear()
    yield
    cpu._amd_with_avx512.cache_clear()


def test_an_amd_processor_with_avx512_takes_onednn(monkeypatch, fresh):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(cpu, "processor", lambda: "AMD EPYC 9R14")
    assert cpu.onednn_is_faster() == hasattr(torch.ops.mkldnn, "_linear_pointwise")


@pytest.mark.parametrize(
    ("name", "capability", "available"),
    [("Intel Xeon", "AVX512", True), ("AMD EPYC", "AVX2", True), ("AMD EPYC", "AVX512", False)],
)
def test_all_others_take_the_blas(monkeypatch, fresh, name, capability, available):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: available)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(cpu, "processor", lambda: name)
    assert not cpu.onednn_is_faster()


def test_without_torchs_private_operator_products_take_the_blas(monkeypatch, fresh):
    class Gone:
        pass

    monkeypatch.setattr(torch.ops, "mkldnn", Gone())
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(cpu, "processor", lambda: "AMD EPYC")
    assert not cpu.onednn_is_faster()
    assert not through_onednn(torch.zeros(1))


def test_onednn_can_be_switched_off(monkeypatch):
    monkeypatch.setattr(cpu, "_amd_with_avx512", lambda: True)
    assert cpu.onednn_is_faster()
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert not cpu.onednn_is_faster()


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
def test_a_product_through_onednn_is_the_product():
    torch.manual_seed(0)
    a, b = torch.randn(7, 33), torch.randn(5, 33)
    torch.testing.assert_close(cpu.onednn_product(a, b), (a.double() @ b.double().T).float())


@pytest.mark.parametrize("found", [True, False])
def test_matrix_units_are_asked_of_torch(monkeypatch, found):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: found, raising=False)
    assert cpu.has_amx() is found


def test_a_torch_that_cannot_tell_has_no_matrix_units(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert not cpu.has_amx()
    assert choose("cpu").precision == "float32"


def test_the_processor_has_a_name():
    assert cpu.processor().strip()


def test_starting_threads_leaves_the_mode_as_it_was():
    tiny = torch.tensor([1e-40])
    assert (tiny * 1).item() != 0
    cpu.start_threads()
    assert (tiny * 1).item() != 0


def test_worker_threads_take_numbers_below_the_normal_range_as_zero():
    """Also if work with full precision came in between, as the building of a model does.

    In a process of its own, for the mode is inherited as the threads start.
    """
    program = (
        "import torch; torch.set_num_threads(2)\n"
        "from bitnet.runtime import cpu\n"
        "cpu.start_threads()\n"
        "tiny = torch.full((1 << 20,), 1e-39)\n"
        "torch.set_flush_denormal(True)\n"
        "print((tiny * 0.5).count_nonzero().item())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"


def test_memory_is_kept_only_where_it_can_be(monkeypatch):
    cpu.keep_freed_memory.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cpu.keep_freed_memory() is False
    cpu.keep_freed_memory.cache_clear()


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_an_eager_optimizer_is_torchs_own_to_the_last_bit(kind):
    def trained(kind, state=None):
        torch.manual_seed(0)
        weights = [torch.randn(9, 5, requires_grad=True), torch.randn(5, requires_grad=True)]
        options = {"lr": 0.01, "weight_decay": 0.1, "fused": True}
        optimizer = kind([{"params": weights[:1]}, {"params": weights[1:], "lr": 0.1}], **options)
        if state:
            optimizer.load_state_dict(state)
        for _ in range(3):
            optimizer.zero_grad(set_to_none=True)
            (torch.randn(3, 9) @ weights[0] + weights[1]).square().sum().backward()
            optimizer.step()
        return weights, optimizer.state_dict()

    eager = cpu.eager_optimizer(kind)
    assert issubclass(eager, kind)
    (first, own), (other, eagers) = trained(kind), trained(eager)
    assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert own["param_groups"] == eagers["param_groups"]
    (first, own), (other, eagers) = trained(kind, own), trained(eager, eagers)
    assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    for index, moments in own["state"].items():
        assert all(torch.equal(eagers["state"][index][name], of) for name, of in moments.items())
    weight = first[0]
    assert weight.requires_grad and weight.is_leaf
