"""Several processes that train one model, as `torchrun` starts them.

Each takes its part of every batch, with random draws of its own. Gradients are averaged before an
optimizer moves, so all processes hold the same weights. In a process that stands alone nothing here
does anything.

`DistributedDataParallel` is not used: a GAN's step runs D several times before one backward pass,
goes through a frozen D, and takes a gradient of a gradient for R1. Averaging once, before the
optimizer, has no such cases.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tutorial_lib.training.task import Task

T = TypeVar("T")
_PATIENCE = timedelta(hours=6)  # a data set may have to be prepared while the others wait


def rank() -> int:
    """The number of this process, from 0; the process 0 writes and shows."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes share the work."""
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def joined(device: torch.device) -> Iterator[torch.device]:
    """Join the processes that `torchrun` started, and leave them at the end.

    NCCL connects NVIDIA's GPUs, gloo everything else. On a machine with several GPUs each process
    takes its own.

    Args:
        device: where this process would work alone.

    Yields:
        where it works.

    Raises:
        ValueError: for Apple's GPU, or more processes than GPUs.
    """
    if not dist.is_torchelastic_launched() or dist.is_initialized():
        yield device
        return
    if device.type == "mps":
        raise ValueError(
            "several processes cannot share Apple's GPU: start without torchrun, "
            "or with --device cpu"
        )
    if device.type != "cpu":
        local, count = int(os.environ["LOCAL_RANK"]), torch.accelerator.device_count()
        if local >= count:
            raise ValueError(
                f"{os.environ['LOCAL_WORLD_SIZE']} processes on a machine with {count} GPUs: "
                "start one a GPU"
            )
        device = torch.device(device.type, local)
        torch.accelerator.set_device_index(local)
    nccl = device.type == "cuda" and dist.is_nccl_available()
    dist.init_process_group("nccl" if nccl else "gloo", timeout=_PATIENCE)
    yield device
    # Not after an error: they would wait for processes that wait for this one; torchrun ends them
    # all. All leave together, for torchrun ends the others when one goes wrong: gloo now and then
    # aborts a process that left while another was at work.
    dist.barrier()
    dist.destroy_process_group()


def threads_each(cores: int) -> int:
    """CPU threads for this process where the processes of a machine share its cores."""
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


@contextmanager
def together(task: Task) -> Iterator[None]:
    """A block in which the task's optimizers move by gradients averaged over the processes.

    On NVIDIA's GPUs batch norm, too, takes mean and variance over all processes; on CPUs each
    process normalizes its own part (torch's `SyncBatchNorm` is for GPUs only). D is left out, as R1
    differentiates it twice and `SyncBatchNorm` has no second derivative.
    """
    if world_size() == 1:
        yield
        return
    if task.device.type == "cuda":
        for name in task.optimizers.keys() - {"discriminator"}:
            nn.SyncBatchNorm.convert_sync_batchnorm(task.modules[name])
    hooks = [
        optimizer.register_step_pre_hook(_average_gradients)
        for optimizer in task.optimizers.values()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def _average_gradients(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Replace each gradient by its mean over the processes, all in one message."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = mean(torch.cat([gradient.flatten() for gradient in gradients]))
    parts = flat.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view(gradient.shape))


def mean(values: Tensor) -> Tensor:
    """The mean of a tensor over the processes, element by element."""
    if world_size() > 1:
        values = values.detach().clone()
        dist.all_reduce(values)
        values /= world_size()
    return values


def largest(values: list[int], device: torch.device) -> list[int]:
    """The largest over the processes of each of some whole numbers."""
    if world_size() == 1:
        return values
    tensor = torch.tensor(values, dtype=torch.int64, device=device)
    dist.all_reduce(tensor, dist.ReduceOp.MAX)
    return tensor.tolist()


def from_first(make: Callable[[], T]) -> T:
    """What `make` returns in process 0, in all of them; only process 0 calls it."""
    box = [make() if rank() == 0 else None]
    if world_size() > 1:
        dist.broadcast_object_list(box, src=0)
    return box[0]  # type: ignore[return-value]
