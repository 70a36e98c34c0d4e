"""Usual functions that weights are parametrised by."""

from __future__ import annotations

import flambeau
from flambeau.nn.modules.module import Module

from . import parametrize
from .spectral_norm import as_matrix, output_dim, power_steps
from .weight_norm import norm_except

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def orthogonal(
    module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization=True
):
    """Keep a matrix orthogonal: not supported, it needs matrix factorisations.

    Args:
        module: the layer.
        name: which of its tensors.
        orthogonal_map, use_trivialization: as in PyTorch.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> orthogonal(flambeau.nn.ReLU())
        Traceback (most recent call last):
        ValueError: Module 'ReLU()' has no parameter or buffer with name 'weight'
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, flambeau.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.dim() < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.dim()} dimensions."
        )
    if orthogonal_map not in (None, "matrix_exp", "cayley", "householder"):
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: '
            f"{orthogonal_map}"
        )
    raise NotImplementedError("orthogonal: needs linalg.qr, which is not supported yet")


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g, weight_v):
        return weight_v * (weight_g / norm_except(weight_v, self.dim))

    def right_inverse(self, weight):
        return norm_except(weight, self.dim), weight


def weight_norm(module, name: str = "weight", dim: int | None = 0):
    """Replace a weight by its length ``original0`` and its direction ``original1``.

    Args:
        module: the layer.
        name: which of its parameters.
        dim: the dimension along which there are lengths; None: one for all.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> layer = weight_norm(flambeau.nn.Linear(2, 3))
        >>> layer.parametrizations.weight.original0.shape
        torch.Size([3, 1])
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def take_old_names(state_dict, prefix, *args) -> None:
        keys = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in keys):
            for i, key in enumerate(keys):
                new = f"{prefix}parametrizations.{name}.original{i}"
                state_dict[new] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(take_old_names)
    return module


class _SpectralNorm(Module):
    def __init__(self, weight, n_power_iterations: int = 1, dim: int = 0, eps=1e-12) -> None:
        super().__init__()
        ndim = weight.dim()
        if dim >= ndim or dim < -ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but "
                f"got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight, self.dim)
            for key, size in zip(("_u", "_v"), matrix.shape):
                start = matrix.new_empty(size).normal_(0, 1).detach()
                self.register_buffer(key, flambeau.nn.functional.normalize(start, dim=0, eps=eps))
            power_steps(matrix, self._u, self._v, 15, eps, u_first=True)

    def forward(self, weight):
        if weight.dim() == 1:
            return flambeau.nn.functional.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            power_steps(matrix, self._u, self._v, self.n_power_iterations, self.eps, u_first=True)
        # The next call changes them, and this one's gradient needs them.
        u, v = self._u.clone(), self._v.clone()
        return weight / flambeau.vdot(u, flambeau.mv(matrix, v))

    def right_inverse(self, value):
        return value


def spectral_norm(
    module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
):
    """Divide a weight by its largest singular value, which is estimated.

    Args:
        module: the layer.
        name: which of its tensors.
        n_power_iterations: steps of the estimate each time that the weight is read in training.
        eps: the smallest norm to divide by.
        dim: the dimension of outputs; None: 0, and 1 of a transposed convolution.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> layer = spectral_norm(flambeau.nn.Linear(2, 3))
        >>> type(layer).__name__
        'ParametrizedLinear'
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, flambeau.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if dim is None:
        dim = output_dim(module)
    norm = _SpectralNorm(weight, n_power_iterations, dim, eps)
    parametrize.register_parametrization(module, name, norm)
    return module
