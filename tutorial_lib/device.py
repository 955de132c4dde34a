"""The small GPU helper: which device, in which precision, with which seed, for how long.

No other module asks these.
"""

from __future__ import annotations

import os
import platform
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

ENVIRONMENT = "TUTORIAL_DEVICE"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def _available(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_available()
    if kind == "mps":
        return torch.backends.mps.is_available()
    return kind == "cpu"


def pick_device(override: str | torch.device | None = None) -> torch.device:
    """The device to work on: `override`, else the environment's TUTORIAL_DEVICE, else CUDA, MPS or
    the CPU.

    Raises:
        ValueError: when the device asked for is unknown or not there.
    """
    wanted = override if override is not None else os.environ.get(ENVIRONMENT) or None
    if wanted is None:
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if _available(kind)))
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ValueError(f"unknown device {str(wanted)!r}: choose cpu, cuda or mps") from None
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    # torch keeps an index in eight bits: it reads "cuda:999" as -25
    if not _available(device.type) or not 0 <= (device.index or 0) < count:
        raise ValueError(
            f"device {wanted} is not available here: choose cpu, or leave the choice to the library"
        )
    return device


def describe(device: torch.device) -> str:
    """A name for readers, such as "CPU (2 threads)" or "CUDA (NVIDIA H100)"."""
    if device.type == "cuda":
        return f"CUDA ({torch.cuda.get_device_name(device)})"
    if device.type == "mps":
        return "MPS (Apple GPU)"
    threads = torch.get_num_threads()
    return f"CPU ({threads} thread{'s' if threads > 1 else ''})"


def available_threads() -> int:
    """How many CPU threads this process should use: OMP_NUM_THREADS, else one for each core that it
    may run on.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked):
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(count: int | None = None) -> int:
    """Use `count` CPU threads (None: `available_threads`) and return how many that is.

    Raises:
        ValueError: for less than one.
    """
    if count is not None and count < 1:
        raise ValueError(f"the number of threads must be at least 1, got {count}")
    torch.set_num_threads(count or available_threads())
    return torch.get_num_threads()


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, numpy and torch.

    The library itself draws from none of them.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seeded_generator(*numbers: int) -> torch.Generator:
    """A CPU generator whose stream is a function of the numbers, in their order.

    (seed, step), (seed, image, restart).
    """
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def memory_format(device: torch.device) -> torch.memory_format:
    """The layout in which convolutions are fastest: channels last on CPU and CUDA."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def autocast(device: torch.device, precision: str = "float32") -> torch.autocast:
    """A context in which matrix products run in `precision`; "float32" leaves everything as it is.

    Raises:
        ValueError: for an unknown precision, and for float16 on the CPU.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    if precision == "float16" and device.type == "cpu":
        raise ValueError("float16 does not train on the CPU: use bfloat16 or float32")
    return torch.autocast(
        device.type,
        PRECISIONS[precision] if precision != "float32" else torch.bfloat16,
        enabled=precision != "float32",
    )


def widened(values: torch.Tensor) -> torch.Tensor:
    """float32 for what autocast left in half precision; anything else as it is."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def fast_precision(device: torch.device) -> str:
    """ "bfloat16" where the hardware multiplies in it, else "float32".

    Elsewhere it is emulated, and slower.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if (
        device.type != "cpu"
        or not torch.backends.mkldnn.is_available()
        or not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    ):
        return "float32"
    # oneDNN also says yes where it emulates: on a CPU with AVX-512 alone, two to three times slower
    # than float32
    found = torch.cpu.get_capabilities()
    emulated = found.get("architecture") == "x86_64" and not (
        found.get("avx512_bf16") or found.get("amx_bf16")
    )
    return "float32" if emulated else "bfloat16"


def lays_out_weights(weight: torch.Tensor) -> bool:
    """Whether oneDNN takes such weights laid out beforehand (`inpainting.fast`).

    On x86-64, in float32, and in bfloat16 where that is fast.
    """
    numbers = ("float32", fast_precision(weight.device))
    return (
        weight.device.type == "cpu"
        and weight.dtype in (PRECISIONS[name] for name in numbers)
        and torch.backends.mkldnn.is_available()
        and platform.machine().lower() in ("x86_64", "amd64")
        and hasattr(torch.ops.mkldnn, "_convolution_transpose_pointwise")
    )


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given (work on a GPU is queued)."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class Stopwatch:
    """Seconds of wall time, set when the block ends."""

    seconds: float = 0.0


@contextmanager
def stopwatch(device: torch.device) -> Iterator[Stopwatch]:
    """Time a block, the device's queued work included: `with stopwatch(device) as watch: ...;
    watch.seconds`.
    """
    watch = Stopwatch()
    synchronize(device)
    start = time.perf_counter()
    try:
        yield watch
    finally:
        synchronize(device)
        watch.seconds = time.perf_counter() - start
