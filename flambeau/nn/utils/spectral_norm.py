"""Weights divided by their largest singular value, recomputed before each forward call."""

from __future__ import annotations

import flambeau
from flambeau.nn.parameter import Parameter, is_lazy

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]


def as_matrix(weight, dim: int):
    """``weight`` with outputs as rows."""
    if dim != 0:
        weight = weight.permute(dim, *(d for d in range(weight.dim()) if d != dim))
    return weight.flatten(1)


def output_dim(module) -> int:
    nn = flambeau.nn
    kinds = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    return 1 if isinstance(module, kinds) else 0


@flambeau.no_grad()
def power_steps(matrix, u, v, steps: int, eps: float, *, u_first: bool) -> None:
    """Bring ``u`` and ``v``, in place, nearer to the singular vectors of the largest value."""
    normalize = flambeau.nn.functional.normalize
    adjoint = matrix.mH
    for _ in range(steps):
        if u_first:
            u.copy_(normalize(flambeau.mv(matrix, v), dim=0, eps=eps))
        v.copy_(normalize(flambeau.mv(adjoint, u), dim=0, eps=eps))
        if not u_first:
            u.copy_(normalize(flambeau.mv(matrix, v), dim=0, eps=eps))


class SpectralNorm:
    """The hook that recomputes a weight."""

    # What files of it hold; version 1 has both vectors.
    _version = 1

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def reshape_weight_to_matrix(self, weight):
        return as_matrix(weight, self.dim)

    def compute_weight(self, module, do_power_iteration: bool):
        weight, u, v = (getattr(module, self.name + end) for end in ("_orig", "_u", "_v"))
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            power_steps(matrix, u, v, self.n_power_iterations, self.eps, u_first=False)
            # The next call changes them, and this one's gradient needs them.
            u, v = u.clone(), v.clone()
        return weight / flambeau.dot(u, flambeau.mv(matrix, v))

    def remove(self, module) -> None:
        with flambeau.no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for end in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + end)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module, inputs) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))

    @staticmethod
    def apply(module, name: str, n_power_iterations: int, dim: int, eps: float) -> SpectralNorm:
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == name:
                raise RuntimeError(
                    f"Cannot register two spectral_norm hooks on the same parameter {name}"
                )
        hook = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        if is_lazy(weight):
            raise ValueError(
                "The module passed to `SpectralNorm` can't have uninitialized parameters. Make "
                "sure to run the dummy forward before applying spectral normalization"
            )
        normalize = flambeau.nn.functional.normalize
        with flambeau.no_grad():
            starts = [
                normalize(weight.new_empty(size).normal_(0, 1), dim=0, eps=eps)
                for size in as_matrix(weight, dim).shape
            ]
        delattr(module, name)
        module.register_parameter(name + "_orig", weight)
        # Programs look for the name before the first call.
        setattr(module, name, weight.data)
        module.register_buffer(name + "_u", starts[0])
        module.register_buffer(name + "_v", starts[1])
        module.register_forward_pre_hook(hook)

        def note_version(module, state_dict, prefix, local_metadata) -> None:
            local_metadata.setdefault("spectral_norm", {})[f"{name}.version"] = hook._version

        module._register_state_dict_hook(note_version)
        return hook


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
        name: which of its parameters.
        n_power_iterations: steps of the estimate in each call in training.
        eps: the smallest norm to divide by.
        dim: the dimension of outputs; None: 0, and 1 of a transposed convolution.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> layer = spectral_norm(flambeau.nn.Linear(2, 3))
        >>> layer.weight_u.shape, layer.weight_v.shape
        (torch.Size([3]), torch.Size([2]))
    """
    if dim is None:
        dim = output_dim(module)
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def remove_spectral_norm(module, name: str = "weight"):
    """Make a weight a parameter again.

    Args:
        module: the layer.
        name: which of its parameters.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> layer = remove_spectral_norm(spectral_norm(flambeau.nn.Linear(2, 3)))
        >>> [name for name, _ in layer.named_parameters()]
        ['bias', 'weight']
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            break
    else:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    for key, hook in module._state_dict_hooks.items():
        if getattr(hook, "__qualname__", "").startswith("SpectralNorm.apply"):
            del module._state_dict_hooks[key]
            break
    return module
