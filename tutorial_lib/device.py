"""The small GPU helper: which device, in which precision, with how many threads, with which seed.

No other module asks these.
"""

from __future__ import annotations

import os
import platform

import numpy as np
import torch

ENVIRONMENT = "TUTORIAL_DEVICE"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pick_device(override: str | torch.device | None = None) -> torch.device:
    """The device to work on: `override`, else $TUTORIAL_DEVICE, else the accelerator, else the CPU.

    Args:
        override: such as "cpu", "cuda:1", "mps".

    Raises:
        ValueError: when the device asked for is unknown or not there.
    """
    wanted = override if override is not None else os.environ.get(ENVIRONMENT) or None
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if wanted is None:
        return accelerator or torch.device("cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ValueError(f"unknown device {str(wanted)!r}: choose cpu, cuda or mps") from None
    count = 0
    if device.type == "cpu":
        count = 1
    elif accelerator is not None and device.type == accelerator.type:
        count = torch.accelerator.device_count()
    # torch keeps an index in eight bits: it reads "cuda:999" as -25
    if not 0 <= (device.index or 0) < count:
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
    if device.type != "cpu":
        return device.type.upper()
    threads = torch.get_num_threads()
    return f"CPU ({threads} thread{'s' if threads > 1 else ''})"


def available_threads() -> int:
    """How many CPU threads to use: OMP_NUM_THREADS, else one a core that the process may use."""
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


def seeded_generator(*numbers: int) -> torch.Generator:
    """A CPU generator whose stream is a function of the numbers, in their order.

    A zero at the end changes nothing: (seed, step, 0) is (seed, step).

    Args:
        numbers: not negative, such as (seed, step) or (seed, image, restart).
    """
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def memory_format(device: torch.device) -> torch.memory_format:
    """The layout in which convolutions are fastest: channels last, but for Apple's GPU."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def autocast(device: torch.device, precision: str = "float32") -> torch.autocast:
    """A context in which matrix products run in `precision`; "float32" leaves everything as it is.

    Args:
        device: where the block computes.
        precision: one of `PRECISIONS`.

    Raises:
        ValueError: for an unknown precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def upcast(values: torch.Tensor) -> torch.Tensor:
    """float32 for what autocast left in half precision; anything else as it is."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def fast_precision(device: torch.device) -> str:
    """The quickest precision: bfloat16 where the hardware multiplies in it, else float32.

    Emulated bfloat16 is slower.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return "float32"
    # private: where PyTorch no longer has it, float32 is right as well, only slower
    if not getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)():
        return "float32"
    # oneDNN also says yes where it emulates: on a CPU with AVX-512 alone, two to three times slower
    # than float32
    found = torch.cpu.get_capabilities()
    emulated = found.get("architecture") == "x86_64" and not (
        found.get("avx512_bf16") or found.get("amx_bf16")
    )
    return "float32" if emulated else "bfloat16"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, NumPy or PyTorch raised this for want of memory."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


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
