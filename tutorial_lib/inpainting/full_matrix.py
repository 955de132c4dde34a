"""Adam with a whole matrix in place of the diagonal.

What makes the default search need a seventh of the paper's steps.

Adam (Kingma & Ba 2015) divides each coordinate by the root of its mean squared gradient. It cannot
see that two coordinates always move together, and in a code space they do: one direction of z
changes the whole picture, another hardly anything. Full-matrix AdaGrad (Duchi et al. 2011) divides
by the root of the matrix of all mean products. For a network's millions of weights that matrix is
out of reach; a code has 100 numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

# steps on the diagonal alone: a matrix of a few gradients says nothing about most directions
WARM_UP = 10
RENEWED_EVERY = 5  # steps between two roots of the matrix
LARGEST = 1024  # numbers in a code: the work grows with the cube
DAMPING = 1e-3  # fraction of the mean square that is added to every direction


class FullMatrixAdam(torch.optim.Optimizer):
    """Adam whose second moment is a (n, n) matrix for each row of a (B, n) parameter.

    Rows do not know of each other.

    Args:
        params: parameters of shape (B, n), n at most `LARGEST`.
        lr: length of a step in the scaled space, as Adam's.
        betas: decay of the mean gradient and of the mean products.

    Raises:
        ValueError: for a parameter of another shape, or longer codes.
    """

    def __init__(self, params, lr: float = 0.15, betas: tuple[float, float] = (0.9, 0.98)):
        super().__init__(params, {"lr": lr, "betas": betas})
        for group in self.param_groups:
            for p in group["params"]:
                if p.dim() != 2:
                    raise ValueError(
                        f"rows of codes are wanted, shape (B, n), got {tuple(p.shape)}"
                    )
                if p.shape[1] > LARGEST:
                    raise ValueError(
                        f"full-matrix Adam keeps n x n numbers for a code of n, and takes up to "
                        f"{LARGEST}, not {p.shape[1]}: search with optimizer='adam' "
                        "(settings=DIFFUSION for a diffusion model)"
                    )

    @torch.no_grad()
    def step(self, closure=None):
        """One update from the gradients that are there.

        Args:
            closure: not used; `torch.optim.Optimizer` has it.
        """
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state |= {
                        "step": 0,
                        "mean": torch.zeros_like(p),
                        "products": p.new_zeros(*p.shape, p.shape[1]),
                    }
                state["step"] += 1
                state["mean"].lerp_(p.grad, 1 - beta1)
                state["products"].lerp_(p.grad[:, :, None] * p.grad[:, None, :], 1 - beta2)
                mean = state["mean"] / (1 - beta1 ** state["step"])
                if state["step"] <= WARM_UP:
                    squares = state["products"].diagonal(dim1=1, dim2=2) / (
                        1 - beta2 ** state["step"]
                    )
                    direction = mean / (squares.sqrt() + 1e-8)
                else:
                    if (state["step"] - WARM_UP) % RENEWED_EVERY == 1:
                        state["root"] = inverse_root(
                            state["products"] / (1 - beta2 ** state["step"])
                        )
                    direction = (state["root"] @ mean[:, :, None])[:, :, 0]
                p.sub_(group["lr"] * direction)


def inverse_root(products: Tensor) -> Tensor:
    """(P + damping)^(-1/2) of each symmetric positive semidefinite (B, n, n) matrix P."""
    square = products.diagonal(dim1=1, dim2=2).mean(1)  # (B,)
    # on the CPU: small matrices are slow on a GPU, and MPS has no eigh
    wide = products.cpu().to(torch.promote_types(products.dtype, torch.float32))
    values, vectors = torch.linalg.eigh(wide)  # (B, n), (B, n, n)
    values = (
        values.clamp(min=0)
        + DAMPING * square[:, None].cpu()
        + torch.finfo(values.dtype).tiny ** 0.5
    )
    return ((vectors * values.rsqrt()[:, None, :]) @ vectors.transpose(1, 2)).to(products)
