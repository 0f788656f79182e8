r"""Markov chains on finitely many states, as matrices: row i holds the chances of the next state after i.

Any number of chains in front: ``(..., n, n)``.
"""

from __future__ import annotations

import torch
from torch import Tensor


def stationary(P: Tensor) -> Tensor:
    r"""The law :math:`\pi` with :math:`\pi P=\pi`, shape ``(..., n)``.

    Raises:
        ValueError: if the rows of P are not laws, or more than one law is stationary.

    >>> stationary(torch.tensor([[0.5, 0.5], [0.25, 0.75]], dtype=torch.float64))
    tensor([0.3333, 0.6667], dtype=torch.float64)
    """
    n = _states(P)
    eye = torch.eye(n, dtype=P.dtype, device=P.device)
    equations = torch.cat([P.mT - eye, torch.ones_like(P[..., :1, :])], -2)  # (..., n + 1, n)
    if (lost := int((torch.linalg.matrix_rank(equations, rtol=1e-12) < n).sum())) > 0:
        raise ValueError(f"expected chains with one stationary law, got {lost} with more")
    right = torch.zeros_like(equations[..., :1])
    right[..., -1, :] = 1
    return torch.linalg.lstsq(equations, right).solution[..., 0]


def second_modulus(P: Tensor) -> Tensor:
    r"""Modulus of the second eigenvalue, shape ``(...)``: what is left of the start falls as its power.

    >>> second_modulus(torch.tensor([[0.5, 0.5], [0.25, 0.75]], dtype=torch.float64))
    tensor(0.2500, dtype=torch.float64)
    """
    _states(P)
    return torch.linalg.eigvals(P).abs().sort(-1).values[..., -2]


def metropolis(log_p: Tensor, proposal: Tensor) -> Tensor:
    r"""The chain of Metropolis: propose j by a symmetric chain, accept with chance :math:`\min(1,p_j/p_i)`, or stay.

    Args:
        log_p: logarithms of the law, but for a constant, shape ``(..., n)``.
        proposal: a symmetric chain, shape ``(..., n, n)``.

    >>> metropolis(torch.tensor([0.0, -torch.inf]), torch.full((2, 2), 0.5))
    tensor([[1.0000, 0.0000],
            [0.5000, 0.5000]])
    """
    n = _states(proposal)
    if log_p.shape[-1:] != (n,) or log_p.isnan().any():
        raise ValueError(f"expected the logarithms of {n} chances, got shape {tuple(log_p.shape)}")
    if (off := float((proposal - proposal.mT).abs().max())) > 1e-6:
        raise ValueError(f"expected a symmetric proposal, got one that is off by {off:.3g}")
    ratio = log_p.unsqueeze(-2) - log_p.unsqueeze(-1)  # log p_j / p_i
    moves = proposal * ratio.nan_to_num(0.0).clamp(max=0).exp()  # between two impossible states: as it likes
    moves = moves - torch.diag_embed(moves.diagonal(dim1=-2, dim2=-1))
    return moves + torch.diag_embed(1 - moves.sum(-1))


def _states(P):
    """How many, if the rows are laws."""
    if P.dim() < 2 or P.shape[-1] != P.shape[-2] or P.shape[-1] < 2:
        raise ValueError(f"expected chains (..., n, n) of at least two states, got {tuple(P.shape)}")
    if not (P >= 0).all() or (P.sum(-1) - 1).abs().max() > 1e-5:
        worst = float((P.sum(-1) - 1).abs().max())
        raise ValueError(f"expected rows of chances that sum to 1, got a least entry of {P.min()}, sums off by {worst}")
    return P.shape[-1]
