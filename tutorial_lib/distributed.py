"""One training step on several processes, as `torchrun` starts them.

Each holds a share of the batch, and the sum is the step of one.

Three things make it the same step. Every random draw is made for the whole batch, by every process
in the same way, and each keeps its rows (`drawn`, `shard`). Batch norm takes mean and variance of
the whole batch (`SynchronizedBatchNorm2d`). Gradients are averaged before the optimizer moves
(`average_gradients`). In a process that stands alone all of this does nothing.

`DistributedDataParallel` is not used: a GAN's step runs D several times before one backward pass,
goes through a frozen D, and takes a gradient of a gradient for R1. Averaging once, before the
optimizer, is the same sum and has no such cases.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tutorial_lib.device import widened

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

    Alone, it does nothing.

    NCCL connects GPUs, gloo CPUs. On a machine with several GPUs each process takes its own.

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
            "several processes cannot share Apple's GPU: start without torchrun, or with --device cpu"
        )
    if device.type == "cuda":
        local, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= count:
            raise ValueError(
                f"{os.environ['LOCAL_WORLD_SIZE']} processes on a machine with {count} GPUs: start one a GPU"
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    dist.init_process_group(
        "nccl" if device.type == "cuda" and dist.is_nccl_available() else "gloo", timeout=_PATIENCE
    )
    yield device
    # Not after an error: they would wait for processes that wait for this one; torchrun ends them
    # all. All leave together, for torchrun ends the others when one goes wrong: gloo now and then
    # aborts a process that left while another was at work.
    dist.barrier()
    dist.destroy_process_group()


@contextmanager
def first_on_each_machine() -> Iterator[None]:
    """A block that one process of each machine goes through before the others do: who comes later
    finds its files made.
    """
    local = int(os.environ["LOCAL_RANK"]) if world_size() > 1 else 0
    if local:
        dist.barrier()
    yield
    if world_size() > 1 and not local:
        dist.barrier()


def threads_each(cores: int) -> int:
    """CPU threads for this process where the processes of a machine share its cores."""
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


def shard(whole: T) -> T:
    """The rows of a whole batch (a tensor, a list) that are this process'.

    Rank, rank + size, rank + 2 size, ...
    """
    return whole[rank() :: world_size()]


def drawn(draw: Callable[[int], Tensor], count: int) -> Tensor:
    """This process' rows of a draw for the whole batch.

    Args:
        draw: number of rows -> that many rows; count: the rows of this process' share.
    """
    return shard(draw(count * world_size()))


class _AllReduce(torch.autograd.Function):
    """The sum over the processes; what flows back is the sum of what each process sends."""

    @staticmethod
    def forward(context, values: Tensor) -> Tensor:
        total = values.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        return _AllReduce.apply(gradient)


def all_reduce_mean(values: Tensor) -> Tensor:
    """The mean over the processes, element by element, differentiable as often as needed.

    Each process takes the gradient of its own loss; averaged by `average_gradients`, that is the
    gradient of the losses' mean.
    """
    return _AllReduce.apply(values) / world_size() if world_size() > 1 else values


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, all in one message."""
    gradients = (
        [parameter.grad for parameter in parameters if parameter.grad is not None]
        if world_size() > 1
        else []
    )
    if gradients:
        flat = all_reduce_mean(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, mean in zip(
            gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True
        ):
            gradient.copy_(mean.view(gradient.shape))


def broadcast(make: Callable[[], T]) -> T:
    """What `make` returns in process 0, in all of them; only process 0 calls it."""
    box = [make() if rank() == 0 else None]
    if world_size() > 1:
        dist.broadcast_object_list(box, src=0)
    return box[0]


def all_reduce_any(flag: bool, device: torch.device) -> bool:
    """Whether the flag is raised in any process."""
    return (
        flag
        if world_size() == 1
        else bool(all_reduce_mean(torch.tensor(float(flag), device=device)) > 0)
    )


class SynchronizedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm with mean and variance of the whole batch, shares of the same size on every
    process.

    As `nn.BatchNorm2d` otherwise, running statistics included; torch's `SyncBatchNorm` is for GPUs
    only.
    """

    def forward(self, images: Tensor) -> Tensor:
        if not self.training or world_size() == 1:
            return super().forward(images)
        wide = widened(images)
        mean = all_reduce_mean(wide.mean((0, 2, 3)))
        centered = wide - mean[:, None, None]
        variance = all_reduce_mean(centered.square().mean((0, 2, 3)))
        with torch.no_grad():
            count = world_size() * images.numel() / images.shape[1]
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centered * scale[:, None, None] + self.bias[:, None, None]).to(images.dtype)


def with_synchronized_batch_norm(network: nn.Module) -> nn.Module:
    """The network, its batch norms changed in place to `SynchronizedBatchNorm2d` where several
    processes train; names and weights stay.
    """
    if world_size() > 1:
        for layer in network.modules():
            if type(layer) is nn.BatchNorm2d:
                layer.__class__ = SynchronizedBatchNorm2d
    return network
