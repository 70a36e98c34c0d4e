"""Ways to fill a parameter before training. All work in place and record no gradient.

The random ones draw the same numbers as PyTorch from a generator with the same seed.
"""

from __future__ import annotations

import math
import warnings

import flambeau

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]

_UNIT_GAIN = frozenset(
    [
        "linear",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "sigmoid",
    ]
)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights must grow so that ``nonlinearity`` keeps the variance.

    Args:
        nonlinearity: ``"linear"``, ``"conv2d"``, ``"sigmoid"``, ``"tanh"``, ``"relu"``,
            ``"leaky_relu"`` or ``"selu"``.
        param: the negative slope of ``"leaky_relu"``, 0.01 when None.

    Example::

        >>> round(calculate_gain("relu"), 4)
        1.4142
    """
    if nonlinearity in _UNIT_GAIN:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        elif isinstance(param, bool) or not isinstance(param, (int, float)):
            raise ValueError(f"calculate_gain: negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + param**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"calculate_gain: unsupported nonlinearity {nonlinearity}")


def uniform_(tensor, a: float = 0.0, b: float = 1.0, generator=None):
    """Fill with values drawn evenly between ``a`` and ``b``.

    Shape:
        - tensor: any.

    Example::

        >>> import flambeau
        >>> w = uniform_(flambeau.empty(3, 5), -1, 1)
        >>> bool((w.abs() <= 1).all())
        True
    """
    with flambeau.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor, mean: float = 0.0, std: float = 1.0, generator=None):
    """Fill with normally distributed values.

    Shape:
        - tensor: any.

    Example::

        >>> import flambeau
        >>> normal_(flambeau.empty(3, 5), std=0.1).shape
        torch.Size([3, 5])
    """
    with flambeau.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator=None
):
    """Fill with normally distributed values, redrawn until they lie between ``a`` and ``b``.

    Shape:
        - tensor: any.

    Example::

        >>> import flambeau
        >>> w = trunc_normal_(flambeau.empty(100), std=3.0)
        >>> float(w.abs().max()) <= 2.0
        True
    """

    def cdf(x: float) -> float:
        return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0

    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    if tensor.is_meta:
        return tensor
    with flambeau.no_grad():
        if cdf((b - mean) / std) - cdf((a - mean) / std) > 0.3:
            return _redraw_normal_(tensor, mean, std, a, b, generator)
        return _accept_uniform_(tensor, mean, std, a, b, generator)


def _redraw_normal_(tensor, mean: float, std: float, a: float, b: float, generator):
    """Draw from the normal distribution until every value lies between ``a`` and ``b``."""
    # As the tensor's dtype holds them, or a bound that it cannot hold would be redrawn for ever.
    low, high = tensor.new_tensor(a), tensor.new_tensor(b)
    values = tensor.normal_(mean, std, generator=generator)
    while (outside := (values < low) | (values > high)).any():
        drawn = flambeau.empty_like(values).normal_(mean, std, generator=generator)
        values = flambeau.where(outside, drawn, values)
    return tensor if values is tensor else tensor.copy_(values)


def _accept_uniform_(tensor, mean: float, std: float, a: float, b: float, generator):
    """Draw evenly from [a, b] and accept each value with a probability that is proportional to its
    density: for intervals so far out that normal values would hardly ever fall into them."""
    nearest = max(a, min(mean, b))
    log_peak = -0.5 * ((nearest - mean) / std) ** 2
    pending = None
    values = tensor
    while pending is None or pending.any():
        drawn = flambeau.empty_like(tensor).uniform_(a, b, generator=generator)
        values = drawn if pending is None else flambeau.where(pending, drawn, values)
        log_density = ((drawn - mean) / std).pow_(2).mul_(-0.5).sub_(log_peak)
        threshold = flambeau.empty_like(tensor).uniform_(generator=generator).log_()
        rejected = threshold.gt(log_density)
        pending = rejected if pending is None else pending & rejected
    return tensor.copy_(values)


def constant_(tensor, val: float):
    """Fill with ``val``.

    Shape:
        - tensor: any.

    Example::

        >>> import flambeau
        >>> constant_(flambeau.empty(2), 0.3)
        tensor([0.3000, 0.3000])
    """
    with flambeau.no_grad():
        return tensor.fill_(val)


def ones_(tensor: flambeau.Tensor) -> flambeau.Tensor:
    """Fill with 1.

    Shape:
        - tensor: any.

    Example::

        >>> import flambeau
        >>> ones_(flambeau.empty(2))
        tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: flambeau.Tensor) -> flambeau.Tensor:
    """Fill with 0.

    Shape:
        - tensor: any.

    Example::

        >>> import flambeau
        >>> zeros_(flambeau.empty(2))
        tensor([0., 0.])
    """
    with flambeau.no_grad():
        return tensor.zero_()


def eye_(tensor: flambeau.Tensor) -> flambeau.Tensor:
    """Make the identity matrix: a linear layer passes as many of its inputs on as it can.

    Shape:
        - tensor: (N, M).

    Example::

        >>> import flambeau
        >>> eye_(flambeau.empty(2, 3))
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """
    if tensor.dim() != 2:
        raise ValueError(f"eye_: only tensors with 2 dimensions are supported, got {tensor.dim()}")
    with flambeau.no_grad():
        tensor.zero_()
        tensor.diagonal().fill_(1)
    return tensor


def dirac_(tensor, groups: int = 1):
    """Make a convolution's weight the identity: as many channels as possible pass unchanged.

    Args:
        groups: number of groups of the convolution.

    Shape:
        - tensor: (out, in / groups, ...) with 1 to 3 spatial dimensions.

    Example::

        >>> import flambeau
        >>> dirac_(flambeau.empty(1, 1, 3))
        tensor([[[0., 1., 0.]]])
    """
    if tensor.dim() not in (3, 4, 5):
        raise ValueError(
            f"dirac_: only tensors with 3, 4, or 5 dimensions are supported, got {tensor.dim()}"
        )
    out_channels, in_channels, *kernel = tensor.size()
    if out_channels % groups != 0:
        raise ValueError(f"dirac_: dim 0 ({out_channels}) must be divisible by groups ({groups})")
    per_group = out_channels // groups
    centre = tuple(size // 2 for size in kernel)
    with flambeau.no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(per_group, in_channels)):
                tensor[(group * per_group + channel, channel, *centre)] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor) -> tuple[int, int]:
    """How many inputs reach one output of a weight, and how many outputs one input reaches."""
    if tensor.dim() < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.size(1) * field, tensor.size(0) * field


def _calculate_correct_fan(tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


def xavier_uniform_(tensor, gain: float = 1.0, generator=None):
    """Fill evenly between -a and a, with ``a = gain * sqrt(6 / (fan_in + fan_out))``
    (Glorot and Bengio, 2010).

    Shape:
        - tensor: (out, in, ...).

    Example::

        >>> import flambeau
        >>> w = xavier_uniform_(flambeau.empty(3, 3))
        >>> bool((w.abs() <= 1).all())
        True
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain: float = 1.0, generator=None):
    """Fill normally with ``std = gain * sqrt(2 / (fan_in + fan_out))`` (Glorot and Bengio, 2010).

    Shape:
        - tensor: (out, in, ...).

    Example::

        >>> import flambeau
        >>> xavier_normal_(flambeau.empty(3, 5)).shape
        torch.Size([3, 5])
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    return normal_(tensor, 0.0, std, generator)


def _is_empty(tensor) -> bool:
    if 0 not in tensor.shape:
        return False
    warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
    return True


def kaiming_uniform_(
    tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator=None,
):
    """Fill evenly between -b and b, with ``b = gain * sqrt(3 / fan)`` (He et al., 2015).

    Args:
        a: the negative slope when ``nonlinearity`` is ``"leaky_relu"``.
        mode: ``"fan_in"`` keeps the variance forward, ``"fan_out"`` backward.
        nonlinearity: what follows the layer; see `calculate_gain`.

    Shape:
        - tensor: (out, in, ...).

    Example::

        >>> import flambeau
        >>> w = kaiming_uniform_(flambeau.empty(3, 6), nonlinearity="relu")
        >>> bool((w.abs() <= 1).all())
        True
    """
    if _is_empty(tensor):
        return tensor
    fan = _calculate_correct_fan(tensor, mode)
    std = calculate_gain(nonlinearity, a) / math.sqrt(fan)
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator=None,
):
    """Fill normally with ``std = gain / sqrt(fan)`` (He et al., 2015). Arguments as for
    `kaiming_uniform_`.

    Shape:
        - tensor: (out, in, ...).

    Example::

        >>> import flambeau
        >>> kaiming_normal_(flambeau.empty(3, 5), mode="fan_out").shape
        torch.Size([3, 5])
    """
    if _is_empty(tensor):
        return tensor
    fan = _calculate_correct_fan(tensor, mode)
    std = calculate_gain(nonlinearity, a) / math.sqrt(fan)
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor, gain: float = 1, generator=None):
    """Fill with a (semi-)orthogonal matrix (Saxe et al., 2013), seen as ``(size(0), rest)``.

    Shape:
        - tensor: (N, ...), at least 2 dimensions.

    Example::

        >>> import flambeau
        >>> w = orthogonal_(flambeau.empty(3, 5))
        >>> flambeau.allclose(w @ w.t(), flambeau.eye(3), atol=1e-5)
        True
    """
    if tensor.dim() < 2:
        raise ValueError(
            f"orthogonal_: only tensors with 2 or more dimensions are supported, got {tensor.dim()}"
        )
    if tensor.numel() == 0:
        return tensor
    rows = tensor.size(0)
    cols = tensor.numel() // rows
    with flambeau.no_grad():
        drawn = tensor.new_empty((rows, cols)).normal_(0, 1, generator=generator)
        q = _orthonormal_rows(drawn) if rows < cols else _orthonormal_rows(drawn.t()).t()
        tensor.copy_(q.reshape(tensor.shape)).mul_(gain)
    return tensor


def _orthonormal_rows(matrix):
    """Gram-Schmidt: each row less its projection on those before, scaled to length 1.

    That is the Q of the one QR decomposition (of the transpose) whose R has a positive diagonal.
    Projecting twice makes up for what the first pass leaves through rounding.
    """
    rows = matrix.to(flambeau.float64, copy=True)
    for i, row in enumerate(rows.unbind()):
        before = rows[:i]
        for _ in range(2):
            row = row - (before @ row) @ before
        rows[i] = row / (row @ row).sqrt()
    return rows.to(matrix.dtype)


def sparse_(tensor, sparsity: float, std: float = 0.01, generator=None):
    """Fill normally, then set the fraction ``sparsity`` of each column to 0 (Martens, 2010).

    Shape:
        - tensor: (N, M).

    Example::

        >>> import flambeau
        >>> w = sparse_(flambeau.empty(10, 3), sparsity=0.5)
        >>> (w == 0).sum(0)
        tensor([5, 5, 5])
    """
    if tensor.dim() != 2:
        raise ValueError(
            f"sparse_: only tensors with 2 dimensions are supported, got {tensor.dim()}"
        )
    rows, cols = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with flambeau.no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(cols):
            tensor[flambeau.randperm(rows)[:zeros], column] = 0
    return tensor


def _deprecated(function):
    """``function`` under its older name, without the underscore."""
    name = function.__name__
    old = name[:-1]

    def alias(*args, **kwargs):
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{name}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    alias.__name__ = alias.__qualname__ = old
    alias.__doc__ = f"Older name of `{name}`."
    return alias


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
