"""The device helper: choices, names, threads, seeds, precision.

On the GPU as well where there is one.
"""

import itertools
import os

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tutorial_lib.device import (
    autocast,
    describe,
    fast_precision,
    memory_format,
    pick_device,
    seeded_generator,
    set_threads,
)

CPU = torch.device("cpu")
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


@pytest.fixture
def threads():
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


# -- which device --


def pretend(monkeypatch, kind, count=1):
    """Let torch say that this machine has `count` accelerators of a kind, None for none."""
    accelerator = torch.device(kind) if kind else None
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: accelerator)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: count if kind else 0)


@pytest.mark.parametrize("there", ["cuda", "mps", "xpu", None])
def test_the_best_device_there_is_taken(monkeypatch, there):
    monkeypatch.delenv("TUTORIAL_DEVICE", raising=False)
    pretend(monkeypatch, there)
    assert pick_device().type == (there or "cpu")


def test_an_override_beats_the_environment_and_that_beats_the_choice(monkeypatch):
    pretend(monkeypatch, "mps")
    monkeypatch.setenv("TUTORIAL_DEVICE", "cpu")
    assert (
        pick_device() == CPU
        and pick_device("mps").type == "mps"
        and pick_device(torch.device("mps")).type == "mps"
    )
    monkeypatch.setenv("TUTORIAL_DEVICE", "")
    assert pick_device().type == "mps" and pick_device("cpu") == CPU


@pytest.mark.parametrize(
    "name, message",
    [
        ("gpu", "unknown device 'gpu'"),
        ("cpu:x", "unknown device"),
        ("meta", "not available"),
        ("cuda:999", "cuda:999 is not available"),
        ("cpu:1", "not available"),
    ],
)
def test_a_device_that_is_not_there_is_refused_with_a_way_out(monkeypatch, name, message):
    with pytest.raises(ValueError, match=f"{message}.*choose cpu"):
        pick_device(name)
    monkeypatch.setenv("TUTORIAL_DEVICE", name)
    with pytest.raises(ValueError, match=message):
        pick_device()


@pytest.mark.parametrize(
    "index, there", [(0, True), (1, True), (2, False), (99, False), (999, False)]
)
def test_of_several_gpus_only_those_that_exist_are_given(monkeypatch, index, there):
    pretend(monkeypatch, "cuda", 2)
    if there:
        assert pick_device(f"cuda:{index}") == torch.device("cuda", index)
    else:
        with pytest.raises(ValueError, match=f"cuda:{index} is not available"):
            pick_device(f"cuda:{index}")


@pytest.mark.parametrize(
    "kind, there", [("cuda", None), ("mps", None), ("mps", "cuda"), ("cuda", "mps")]
)
def test_an_accelerator_asked_for_in_vain_is_not_replaced_in_silence(monkeypatch, kind, there):
    pretend(monkeypatch, there)
    with pytest.raises(ValueError, match=f"{kind} is not available"):
        pick_device(kind)


@pytest.mark.parametrize("name", DEVICES)
def test_a_device_is_named_for_the_reader(name):
    device = pick_device(name)
    expected = (
        f"CUDA ({torch.cuda.get_device_name()})"
        if name == "cuda"
        else f"CPU ({torch.get_num_threads()} thread"
    )
    assert describe(device).startswith(expected)


# -- threads --


def test_threads_are_set_and_told(threads, monkeypatch):
    assert set_threads(2) == torch.get_num_threads() == 2
    assert describe(CPU) == "CPU (2 threads)"
    assert set_threads(1) == torch.get_num_threads() == 1
    assert describe(CPU) == "CPU (1 thread)"
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert set_threads() == torch.get_num_threads() == cores
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert set_threads() == torch.get_num_threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "many")  # not ours to judge
    assert set_threads() == cores
    for count in (0, -1):
        with pytest.raises(ValueError, match=f"at least 1, got {count}"):
            set_threads(count)


# -- seeds --


def draw(*numbers):
    return tuple(torch.rand(4, generator=seeded_generator(*numbers)).tolist())


numbers = st.integers(0, 2**32 - 1)


@given(st.lists(numbers, min_size=1, max_size=4))
@settings(deadline=None)
def test_a_stream_is_a_function_of_its_numbers(seed):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = draw(*seed)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert draw(*seed) == first


@given(
    st.lists(
        st.tuples(numbers, st.integers(0, 2), st.integers(0, 2)),
        min_size=2,
        max_size=6,
        unique=True,
    )
)
@settings(deadline=None)
@example([(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)])
def test_other_numbers_are_other_streams(seeds):
    assert len({draw(*seed) for seed in seeds}) == len(seeds)


@given(st.lists(st.integers(0, 99), min_size=3, max_size=3, unique=True))
@settings(deadline=None)
def test_the_order_of_the_numbers_counts(seed):
    assert len({draw(*order) for order in itertools.permutations(seed)}) == 6


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3))
@settings(deadline=None)
def test_a_zero_at_the_end_changes_nothing(seed):
    """Process 0 of several draws what a process alone would."""
    assert draw(*seed) == draw(*seed, 0)


def test_neighboring_seeds_are_not_alike():
    values = torch.stack(
        [torch.rand(1000, generator=seeded_generator(7, row)) for row in range(20)]
    )
    between = torch.corrcoef(values) - torch.eye(20)
    assert between.abs().max() < 0.15  # five standard deviations of independent draws


# -- precision and layout --


@pytest.mark.parametrize("name", DEVICES)
def test_bfloat16_products_are_bfloat16_and_float32_leaves_all_as_it_is(name):
    device = pick_device(name)
    a, b = torch.rand(2, 32, 32, generator=torch.Generator().manual_seed(0)).to(device)
    plain = a @ b
    with autocast(device):
        assert torch.equal(a @ b, plain)
    with autocast(device, "bfloat16"):
        product = a @ b
    assert product.dtype == torch.bfloat16 and a.dtype == torch.float32
    assert torch.equal(product, a.bfloat16() @ b.bfloat16())
    assert (a @ b).dtype == torch.float32
    with autocast(device, "bfloat16"), autocast(device, "float32"):
        assert torch.equal(a @ b, plain)


def test_precisions_that_do_not_work_are_refused():
    for name in ("float64", "float16"):
        with pytest.raises(ValueError, match=f"float32, bfloat16, got '{name}'"):
            autocast(CPU, name)


@pytest.mark.parametrize("name", DEVICES)
def test_the_memory_format_changes_the_layout_and_not_the_result(name):
    device = pick_device(name)
    pictures = torch.rand(2, 3, 16, 16, device=device)
    layer = torch.nn.Conv2d(3, 8, 3).to(device)
    moved = pictures.to(memory_format=memory_format(device))
    assert moved.stride() == (768, 1, 48, 3)
    torch.testing.assert_close(layer(moved), layer(pictures), rtol=1e-3, atol=3e-3)
    assert memory_format(torch.device("mps")) == torch.contiguous_format


def test_bfloat16_only_where_the_hardware_has_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "arm64"})
    for has, wanted in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda has=has: has)
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, has=has: has
        )
        assert fast_precision(torch.device("cpu")) == fast_precision(torch.device("cuda")) == wanted
        assert fast_precision(torch.device("mps")) == "float32"


@pytest.mark.parametrize(
    "found, wanted",
    [
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
        ({"avx512_f": True}, "float32"),
        ({"avx512_bf16": False}, "float32"),
    ],
)
def test_bfloat16_is_not_taken_where_onednn_emulates_it(monkeypatch, found, wanted):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "x86_64", **found})
    assert fast_precision(CPU) == wanted
