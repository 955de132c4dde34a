"""The device helper: choices, names, threads, seeds, precision, time.

On the GPU as well where there is one.
"""

import itertools
import os
import random
import time

import numpy as np
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
    seed_everything,
    seeded_generator,
    set_threads,
    stopwatch,
    synchronize,
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


@pytest.mark.parametrize(
    "there", [c for n in range(3) for c in itertools.combinations(("cuda", "mps"), n)], ids=str
)
def test_the_best_device_there_is_taken(monkeypatch, there):
    monkeypatch.delenv("TUTORIAL_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in there)
    assert pick_device().type == ("cuda" if "cuda" in there else "mps" if there else "cpu")


def test_an_override_beats_the_environment_and_that_beats_the_choice(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
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
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    if there:
        assert pick_device(f"cuda:{index}") == torch.device("cuda", index)
    else:
        with pytest.raises(ValueError, match=f"cuda:{index} is not available"):
            pick_device(f"cuda:{index}")


@pytest.mark.parametrize("kind, module", [("cuda", torch.cuda), ("mps", torch.backends.mps)])
def test_an_accelerator_asked_for_in_vain_is_not_replaced_in_silence(monkeypatch, kind, module):
    monkeypatch.setattr(module, "is_available", lambda: False)
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


def test_neighboring_seeds_are_not_alike():
    values = torch.stack(
        [torch.rand(1000, generator=seeded_generator(7, row)) for row in range(20)]
    )
    between = torch.corrcoef(values) - torch.eye(20)
    assert between.abs().max() < 0.15  # five standard deviations of independent draws


def test_the_global_generators_follow_their_seed():
    def all_three():
        return random.random(), np.random.rand(), torch.rand(1).item()

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        seed_everything(2**33 + 5)
        first = all_three()
        assert all_three() != first
        seed_everything(2**33 + 5)
        assert all_three() == first
        seed_everything(6)
        assert not set(all_three()) & set(first)
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


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
    if name == "cuda":
        with autocast(device, "float16"):
            assert (a @ b).dtype == torch.float16


def test_precisions_that_do_not_work_are_refused():
    with pytest.raises(ValueError, match="float32, bfloat16, float16, got 'float64'"):
        autocast(CPU, "float64")
    with pytest.raises(ValueError, match="use bfloat16 or float32"):
        autocast(CPU, "float16")


@pytest.mark.parametrize("name", DEVICES)
def test_the_memory_format_changes_the_layout_and_not_the_result(name):
    device = pick_device(name)
    pictures = torch.rand(2, 3, 16, 16, device=device)
    layer = torch.nn.Conv2d(3, 8, 3).to(device)
    moved = pictures.to(memory_format=memory_format(device))
    assert moved.stride() == (768, 1, 48, 3)
    torch.testing.assert_close(layer(moved), layer(pictures), rtol=1e-3, atol=3e-3)
    assert memory_format(torch.device("mps")) == torch.contiguous_format


# -- time --


@pytest.mark.parametrize("name", DEVICES)
def test_the_stopwatch_waits_for_queued_work(name):
    device = pick_device(name)
    a = torch.rand(1500, 1500, device=device) / 1500
    synchronize(device)
    start = time.perf_counter()
    with stopwatch(device) as watch:
        assert watch.seconds == 0
        for _ in range(3 if name == "cpu" else 300):
            a = a @ a
    outside = time.perf_counter() - start
    if name == "cuda":
        assert torch.cuda.current_stream().query()  # nothing is left to do
    assert 0.5 * outside < watch.seconds <= outside


def test_the_stopwatch_measures_seconds_and_stops_when_the_block_fails():
    with stopwatch(CPU) as watch:
        time.sleep(0.05)
    assert 0.05 <= watch.seconds < 2
    with pytest.raises(KeyError), stopwatch(CPU) as watch:
        time.sleep(0.01)
        raise KeyError
    assert watch.seconds >= 0.01
    stopped = watch.seconds
    time.sleep(0.01)
    assert watch.seconds == stopped


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
