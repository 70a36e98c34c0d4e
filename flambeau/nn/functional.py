"""What layers compute, as functions of tensors alone.

Where an operator of the core already has PyTorch's name and arguments it is used as it is; the
functions below it add what PyTorch's add: checks, deprecated arguments, in-place variants.
"""

from __future__ import annotations

import warnings

import flambeau
from flambeau.overrides import handle_torch_function

from . import _reduction

__all__ = [
    "bilinear",
    "conv2d",
    "cross_entropy",
    "dropout",
    "embedding",
    "gelu",
    "layer_norm",
    "linear",
    "log_softmax",
    "max_pool2d",
    "max_pool2d_with_indices",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "pad",
    "relu",
    "relu_",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]

_nn = flambeau._C._nn
# Whether an argument, or a mode, wants the call for itself (`__torch_function__`).
_overridden = flambeau._C._has_torch_function_unary
_overridden_in = flambeau._C._has_torch_function

linear = _nn.linear
gelu = _nn.gelu
one_hot = _nn.one_hot
conv2d = flambeau.conv2d
relu_ = flambeau.relu_

_relu = flambeau.relu
_silu = _nn.silu
_silu_ = _nn.silu_


def bilinear(input1, input2, weight, bias=None):
    """``input1^T W input2 + bias`` for each matrix W of ``weight``.

    Args:
        input1, input2: the two factors, alike in all but their last dimension.
        weight: one matrix for each output feature.
        bias: added to the output.

    Shape:
        - input1: (*, in1), input2: (*, in2), weight: (out, in1, in2), bias: (out).
        - output: (*, out).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.bilinear(flambeau.ones(2, 3), flambeau.ones(2, 4), flambeau.ones(5, 3, 4)).shape
        torch.Size([2, 5])
    """
    if _overridden_in((input1, input2, weight, bias)):
        return handle_torch_function(
            bilinear, (input1, input2, weight, bias), input1, input2, weight, bias
        )
    if weight.dim() != 3:
        raise RuntimeError(f"bilinear: weight must be (out, in1, in2), got {tuple(weight.shape)}")
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            "bilinear: the inputs must agree in all but their last dimension, got "
            f"{tuple(input1.shape)} and {tuple(input2.shape)}"
        )
    if (input1.size(-1), input2.size(-1)) != tuple(weight.shape[1:]):
        raise RuntimeError(
            f"bilinear: weight {tuple(weight.shape)} expects inputs whose last dimensions are "
            f"{weight.size(1)} and {weight.size(2)}, got {input1.size(-1)} and {input2.size(-1)}"
        )
    output = flambeau.einsum("...i,oij,...j->...o", input1, weight, input2)
    return output if bias is None else output + bias


def relu(input, inplace: bool = False):
    """``max(input, 0)``, elementwise; into ``input`` itself when ``inplace``.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.relu(flambeau.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    if _overridden(input):
        return handle_torch_function(relu, (input,), input, inplace=inplace)
    return relu_(input) if inplace else _relu(input)


def silu(input, inplace: bool = False):
    """``input * sigmoid(input)``, elementwise; into ``input`` itself when ``inplace``.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.silu(flambeau.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7311])
    """
    if _overridden(input):
        return handle_torch_function(silu, (input,), input, inplace=inplace)
    return _silu_(input) if inplace else _silu(input)


def sigmoid(input):
    """``1 / (1 + exp(-input))``, elementwise.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.sigmoid(flambeau.zeros(2))
        tensor([0.5000, 0.5000])
    """
    return input.sigmoid()


def tanh(input):
    """The hyperbolic tangent, elementwise.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.tanh(flambeau.zeros(2))
        tensor([0., 0.])
    """
    return input.tanh()


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    """The dimension that softmax took before it had to be told."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input, dim: int | None = None, _stacklevel: int = 3, dtype=None):
    """``exp(x) / sum(exp(x))`` along ``dim``.

    Args:
        dim: the dimension whose values add up to 1.
        dtype: what to cast the input to first.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.softmax(flambeau.zeros(4), dim=0)
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    if _overridden(input):
        return handle_torch_function(
            softmax, (input,), input, dim=dim, _stacklevel=_stacklevel, dtype=dtype
        )
    if dim is None:
        dim = _implicit_dim("softmax", input.dim(), _stacklevel)
    if dtype is None:
        return input.softmax(dim)
    return input.softmax(dim, dtype=dtype)


def log_softmax(input, dim: int | None = None, _stacklevel: int = 3, dtype=None):
    """``log(softmax(input))`` along ``dim``, exact where the softmax itself would underflow.

    Args:
        dim: the dimension whose probabilities add up to 1.
        dtype: what to cast the input to first.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.log_softmax(flambeau.zeros(1, 2), dim=1)
        tensor([[-0.6931, -0.6931]])
    """
    if _overridden(input):
        return handle_torch_function(
            log_softmax, (input,), input, dim=dim, _stacklevel=_stacklevel, dtype=dtype
        )
    if dim is None:
        dim = _implicit_dim("log_softmax", input.dim(), _stacklevel)
    if dtype is None:
        return input.log_softmax(dim)
    return input.log_softmax(dim, dtype=dtype)


def dropout(input, p: float = 0.5, training: bool = True, inplace: bool = False):
    """Zero each element with probability ``p`` and scale the others by ``1 / (1 - p)``; outside
    ``training``, nothing.

    Args:
        p: probability of an element to be zeroed.
        training: whether to drop anything.
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.dropout(flambeau.ones(3), 0.5, training=False)
        tensor([1., 1., 1.])
    """
    if _overridden(input):
        return handle_torch_function(
            dropout, (input,), input, p=p, training=training, inplace=inplace
        )
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if inplace:
        return flambeau.dropout_(input, p, training)
    return flambeau.dropout(input, p, training)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps: float = 1e-5):
    """Centre and scale over the last dimensions, then apply ``weight`` and ``bias``.

    Args:
        normalized_shape: sizes of the dimensions to normalise over, the last ones of ``input``.
        weight, bias: factor and summand for each element of these dimensions.
        eps: added to the variance.

    Shape:
        - input, output: (*, normalized_shape).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.layer_norm(flambeau.tensor([[1.0, 3.0]]), (2,))
        tensor([[-1.0000,  1.0000]])
    """
    if _overridden_in((input, weight, bias)):
        return handle_torch_function(
            layer_norm,
            (input, weight, bias),
            input,
            normalized_shape,
            weight=weight,
            bias=bias,
            eps=eps,
        )
    return flambeau.layer_norm(input, normalized_shape, weight, bias, eps)


def embedding(
    input,
    weight,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
):
    """The rows of ``weight`` that ``input`` names.

    Args:
        input: row numbers.
        weight: the table.
        padding_idx: a row that gets no gradient.
        max_norm: rows that are longer are first shortened to this length, in ``weight`` itself.
        norm_type: which p-norm measures the length.
        scale_grad_by_freq: divide a row's gradient by how often it is named.
        sparse: give the gradient of ``weight`` as a sparse tensor.

    Shape:
        - input: any; weight: (N, D).
        - output: (*input, D).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.embedding(flambeau.tensor([2, 0]), flambeau.eye(3))
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    if _overridden_in((input, weight)):
        return handle_torch_function(
            embedding,
            (input, weight),
            input,
            weight,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
        )
    if padding_idx is None:
        padding_idx = -1
    else:
        rows = weight.size(0)
        if not -rows <= padding_idx < rows:
            raise AssertionError("embedding: padding_idx must be within num_embeddings")
        padding_idx %= rows
    if max_norm is not None:
        _shorten_rows(weight, input, max_norm, norm_type)
    return flambeau.embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)


def _shorten_rows(weight, indices, max_norm: float, norm_type: float) -> None:
    with flambeau.no_grad():
        used = indices.reshape(-1).unique()
        rows = weight[used]
        norms = rows.norm(norm_type, dim=1, keepdim=True)
        weight[used] = flambeau.where(norms > max_norm, rows * (max_norm / (norms + 1e-7)), rows)


def max_pool2d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """The largest value in each window.

    Args:
        kernel_size: size of the window, a number or ``(height, width)``.
        stride: step of the window, ``kernel_size`` when None.
        padding: border of minus infinity, at most half the window.
        dilation: distance of the window's elements.
        ceil_mode: round the output's size up.
        return_indices: also give the position of each maximum in its plane.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.max_pool2d(flambeau.arange(16.0).view(1, 4, 4), 2)
        tensor([[[ 5.,  7.],
                 [13., 15.]]])
    """
    if _overridden(input):
        return handle_torch_function(
            max_pool2d,
            (input,),
            input,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            ceil_mode=ceil_mode,
            return_indices=return_indices,
        )
    stride = () if stride is None else stride
    if return_indices:
        return _nn.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return flambeau.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_with_indices(
    input,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """`max_pool2d` with the positions of the maxima, whatever ``return_indices`` says.

    Shape:
        - input: (N, C, H, W) or (C, H, W).
        - output: two tensors, the same but for H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.max_pool2d_with_indices(flambeau.arange(16.0).view(1, 4, 4), 2)[1]
        tensor([[[ 5,  7],
                 [13, 15]]])
    """
    return max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index: int = -100,
    reduce=None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
):
    """The negative log-likelihood of ``target`` under ``softmax(input, 1)``.

    Args:
        input: scores, not normalised.
        target: class numbers, or a probability for each class.
        weight: a factor for each class.
        size_average, reduce: what ``reduction`` was before it had one name.
        ignore_index: a class number that counts nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        label_smoothing: how much of the target is spread evenly over the classes.

    Shape:
        - input: (C), (N, C) or (N, C, ...).
        - target: () , (N) or (N, ...) class numbers, or probabilities shaped like the input.
        - output: a scalar, or shaped like the class numbers for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.cross_entropy(flambeau.zeros(1, 4), flambeau.tensor([2]))
        tensor(1.3863)
    """
    if _overridden_in((input, target, weight)):
        return handle_torch_function(
            cross_entropy,
            (input, target, weight),
            input,
            target,
            weight=weight,
            size_average=size_average,
            ignore_index=ignore_index,
            reduce=reduce,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    return _nn.cross_entropy_loss(
        input, target, weight, _reduction.get_enum(reduction), ignore_index, label_smoothing
    )


def nll_loss(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index: int = -100,
    reduce=None,
    reduction: str = "mean",
):
    """The negative log-likelihood of ``target`` under the log-probabilities ``input``.

    Args:
        input: log-probabilities.
        target: class numbers.
        weight: a factor for each class.
        size_average, reduce: what ``reduction`` was before it had one name.
        ignore_index: a class number that counts nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input: (C), (N, C) or (N, C, ...); target: the same without C.
        - output: a scalar, or shaped like ``target`` for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.nll_loss(flambeau.tensor([[-0.5, -2.0]]), flambeau.tensor([1]))
        tensor(2.)
    """
    if _overridden_in((input, target, weight)):
        return handle_torch_function(
            nll_loss,
            (input, target, weight),
            input,
            target,
            weight=weight,
            size_average=size_average,
            ignore_index=ignore_index,
            reduce=reduce,
            reduction=reduction,
        )
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    return _nn.nll_loss_nd(input, target, weight, _reduction.get_enum(reduction), ignore_index)


def mse_loss(
    input,
    target,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
    weight=None,
):
    """The squared difference of ``input`` and ``target``.

    Args:
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: a factor for each element; ``"mean"`` divides by their sum.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like ``input`` for ``"none"``.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.mse_loss(flambeau.tensor([1.0, 2.0]), flambeau.tensor([1.0, 4.0]))
        tensor(2.)
    """
    if _overridden_in((input, target, weight)):
        return handle_torch_function(
            mse_loss,
            (input, target, weight),
            input,
            target,
            size_average=size_average,
            reduce=reduce,
            reduction=reduction,
            weight=weight,
        )
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=2,
        )
        input, target = flambeau.broadcast_tensors(input, target)
    code = _reduction.get_enum(reduction)
    if weight is None:
        return _nn.mse_loss(input, target, code)
    if weight.shape != input.shape:
        raise ValueError(
            f"mse_loss: weight {tuple(weight.shape)} and input {tuple(input.shape)} must have the "
            "same size."
        )
    weighted = weight * (input - target) ** 2
    if reduction == "none":
        return weighted
    return weighted.sum() if reduction == "sum" else weighted.sum() / weight.sum()


def pad(input, pad, mode: str = "constant", value: float | None = None):
    """Add a border to the last dimensions.

    Args:
        pad: ``(left, right)`` of the last dimension, then of the one before it, and so on; a
            negative number cuts off.
        mode: ``"constant"``, ``"reflect"`` (without repeating the edge), ``"replicate"`` (the edge)
            or ``"circular"``.
        value: what ``"constant"`` fills with, 0 when None.

    Shape:
        - input: any; the other modes pad the last 1, 2 or 3 dimensions of at most 2 more.
        - output: each padded dimension grows by left + right.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.pad(flambeau.tensor([[1, 2, 3]]), (1, 2), mode="circular")
        tensor([[3, 1, 2, 3, 1, 2]])
    """
    if _overridden(input):
        return handle_torch_function(_pad, (input,), input, pad, mode=mode, value=value)
    pad = tuple(pad)
    if len(pad) % 2 != 0:
        raise RuntimeError(f"pad: padding length must be divisible by 2, got {len(pad)}")
    if len(pad) > 2 * input.dim():
        raise RuntimeError(
            f"pad: padding length should be at most twice the input's dimensions, got {len(pad)} "
            f"for an input of dimension {input.dim()}"
        )
    # (dimension, left, right) for each dimension that changes
    borders = [
        (input.dim() - 1 - i // 2, pad[i], pad[i + 1])
        for i in range(0, len(pad), 2)
        if pad[i] or pad[i + 1]
    ]
    for dim, left, right in borders:
        if input.size(dim) + left + right < 0:
            raise RuntimeError(
                f"pad: dimension {dim} of size {input.size(dim)} would get a negative size from "
                f"padding ({left}, {right})"
            )
    if mode == "constant":
        return _pad_constant(input, borders, 0 if value is None else value)
    if mode not in _PAD_POSITIONS:
        raise NotImplementedError(f"pad: unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'pad: mode "{mode}" doesn\'t take in value argument')
    if not 0 < len(pad) <= 6 or input.dim() - len(pad) // 2 not in (1, 2):
        raise NotImplementedError(
            f"pad: padding size {len(pad)} is not supported for a {input.dim()}D input; mode "
            f'"{mode}" pads the last 1, 2 or 3 dimensions of an input that has 1 or 2 more.'
        )
    for dim, left, right in borders:
        _check_border(input, dim, left, right, mode)
        if mode == "circular":
            # It is what is left after cutting off that is repeated.
            start, end = max(-left, 0), input.size(dim) - max(-right, 0)
            input = input.narrow(dim, start, end - start)
            left, right = max(left, 0), max(right, 0)
        size = input.size(dim)
        positions = flambeau.arange(-left, size + right, device=input.device)
        input = input.index_select(dim, _PAD_POSITIONS[mode](positions, size))
    return input


_pad = pad  # inside `pad`, the name means its argument

# Where the element at each position of the padded dimension comes from.
_PAD_POSITIONS = {
    "reflect": lambda position, size: (size - 1) - ((size - 1) - position.abs()).abs(),
    "replicate": lambda position, size: position.clamp(0, size - 1),
    "circular": lambda position, size: position.remainder(size),
}


def _pad_constant(input, borders: list, value):
    shape = list(input.shape)
    for dim, left, right in borders:
        # What is cut off first need not be copied.
        start = max(-left, 0)
        input = input.narrow(dim, start, shape[dim] - start - max(-right, 0))
        shape[dim] += left + right
    output = input.new_full(shape, value)
    middle = output
    for dim, left, _ in borders:
        middle = middle.narrow(dim, max(left, 0), input.size(dim))
    middle.copy_(input)
    return output


def _check_border(input, dim: int, left: int, right: int, mode: str) -> None:
    size = input.size(dim)
    largest = {"reflect": size - 1, "circular": size, "replicate": max(left, right)}[mode]
    if max(left, right) > largest or size == 0:
        raise RuntimeError(
            f'pad: mode "{mode}" can pad dimension {dim} of size {size} by at most {largest} on '
            f"each side, got ({left}, {right})"
        )
