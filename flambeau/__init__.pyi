# Written by tools/stubs.py from the records and its template; edit those.
from collections.abc import Sequence
from typing import Any, overload

from flambeau import accelerator as accelerator
from flambeau import autograd as autograd
from flambeau import backends as backends
from flambeau import cpu as cpu
from flambeau import cuda as cuda
from flambeau import distributed as distributed
from flambeau import func as func
from flambeau import functional as functional
from flambeau import library as library
from flambeau import linalg as linalg
from flambeau import mps as mps
from flambeau import mtia as mtia
from flambeau import nn as nn
from flambeau import optim as optim
from flambeau import overrides as overrides
from flambeau import return_types as return_types
from flambeau import serialization as serialization
from flambeau import special as special
from flambeau import testing as testing
from flambeau import utils as utils
from flambeau import version as version
from flambeau import xpu as xpu
from flambeau._basics import _register_device_module as _register_device_module
from flambeau._basics import compile as compile
from flambeau._basics import get_device_module as get_device_module
from flambeau._basics import is_complex as is_complex
from flambeau._basics import is_floating_point as is_floating_point
from flambeau._basics import is_nonzero as is_nonzero
from flambeau._basics import is_storage as is_storage
from flambeau._basics import is_tensor as is_tensor
from flambeau._basics import numel as numel
from flambeau._basics import typename as typename
from flambeau._basics import use_deterministic_algorithms as use_deterministic_algorithms
from flambeau._C import *
from flambeau._C import Number as Number
from flambeau._C import Tensor as Tensor
from flambeau._C import _bool, _device, _dtype, _float, _int, _layout, _memory_format
from flambeau._tensor_str import get_printoptions as get_printoptions
from flambeau._tensor_str import printoptions as printoptions
from flambeau._tensor_str import set_printoptions as set_printoptions
from flambeau._version import __version__ as __version__
from flambeau.autograd.grad_mode import enable_grad as enable_grad
from flambeau.autograd.grad_mode import inference_mode as inference_mode
from flambeau.autograd.grad_mode import no_grad as no_grad
from flambeau.autograd.grad_mode import set_grad_enabled as set_grad_enabled
from flambeau.func import vmap as vmap
from flambeau.functional import argwhere as argwhere
from flambeau.functional import broadcast_shapes as broadcast_shapes
from flambeau.functional import broadcast_tensors as broadcast_tensors
from flambeau.functional import einsum as einsum
from flambeau.functional import nonzero as nonzero
from flambeau.functional import norm as norm
from flambeau.functional import split as split
from flambeau.functional import unique as unique
from flambeau.functional import unique_consecutive as unique_consecutive
from flambeau.serialization import load as load
from flambeau.serialization import save as save

@overload
def clamp(
    input: Tensor,
    min: Tensor | None = ...,
    max: Tensor | None = ...,
    *,
    out: Tensor | None = ...,
) -> Tensor: ...
@overload
def clamp(
    input: Tensor,
    min: Number | None = ...,
    max: Number | None = ...,
    *,
    out: Tensor | None = ...,
) -> Tensor: ...
@overload
def clip(
    input: Tensor,
    min: Tensor | None = ...,
    max: Tensor | None = ...,
    *,
    out: Tensor | None = ...,
) -> Tensor: ...
@overload
def clip(
    input: Tensor,
    min: Number | None = ...,
    max: Number | None = ...,
    *,
    out: Tensor | None = ...,
) -> Tensor: ...
def equal(input: Tensor, other: Tensor) -> _bool: ...
def _local_scalar_dense(input: Tensor) -> Number: ...
def isclose(
    input: Tensor,
    other: Tensor,
    rtol: _float = ...,
    atol: _float = ...,
    equal_nan: _bool = ...,
) -> Tensor: ...
def allclose(
    input: Tensor,
    other: Tensor,
    rtol: _float = ...,
    atol: _float = ...,
    equal_nan: _bool = ...,
) -> _bool: ...
@overload
def var(input: Tensor, unbiased: _bool = ...) -> Tensor: ...
@overload
def var(
    input: Tensor,
    dim: _int | Sequence[_int] | None,
    unbiased: _bool = ...,
    keepdim: _bool = ...,
) -> Tensor: ...
@overload
def var(
    input: Tensor,
    dim: _int | Sequence[_int] | None = ...,
    *,
    correction: Number | None = ...,
    keepdim: _bool = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
@overload
def std(input: Tensor, unbiased: _bool = ...) -> Tensor: ...
@overload
def std(
    input: Tensor,
    dim: _int | Sequence[_int] | None,
    unbiased: _bool = ...,
    keepdim: _bool = ...,
) -> Tensor: ...
@overload
def std(
    input: Tensor,
    dim: _int | Sequence[_int] | None = ...,
    *,
    correction: Number | None = ...,
    keepdim: _bool = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
@overload
def var_mean(input: Tensor, unbiased: _bool = ...) -> tuple[Tensor, Tensor]: ...
@overload
def var_mean(
    input: Tensor,
    dim: _int | Sequence[_int] | None,
    unbiased: _bool = ...,
    keepdim: _bool = ...,
) -> tuple[Tensor, Tensor]: ...
@overload
def var_mean(
    input: Tensor,
    dim: _int | Sequence[_int] | None = ...,
    *,
    correction: Number | None = ...,
    keepdim: _bool = ...,
) -> tuple[Tensor, Tensor]: ...
def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[_int],
    padding: Sequence[_int],
    dilation: Sequence[_int],
    transposed: _bool,
    output_padding: Sequence[_int],
    groups: _int,
) -> Tensor: ...
@overload
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = ...,
    stride: Sequence[_int] | _int = ...,
    padding: Sequence[_int] | _int = ...,
    dilation: Sequence[_int] | _int = ...,
    groups: _int = ...,
) -> Tensor: ...
@overload
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = ...,
    stride: Sequence[_int] | _int = ...,
    padding: str = ...,
    dilation: Sequence[_int] | _int = ...,
    groups: _int = ...,
) -> Tensor: ...
@overload
def empty(
    size: Sequence[_int],
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    memory_format: _memory_format | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def empty(
    *size: _int,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    memory_format: _memory_format | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
def empty_strided(
    size: Sequence[_int],
    stride: Sequence[_int],
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def zeros(
    size: Sequence[_int],
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def zeros(
    *size: _int,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def ones(
    size: Sequence[_int],
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def ones(
    *size: _int,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
def full(
    size: Sequence[_int],
    fill_value: Number,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
def scalar_tensor(
    s: Number,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
def empty_like(
    input: Tensor,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    memory_format: _memory_format | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
def zeros_like(
    input: Tensor,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    memory_format: _memory_format | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
def ones_like(
    input: Tensor,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    memory_format: _memory_format | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
def full_like(
    input: Tensor,
    fill_value: Number,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    memory_format: _memory_format | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def arange(
    end: Number,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def arange(
    start: Number,
    end: Number,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def arange(
    start: Number,
    end: Number,
    step: Number = ...,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
def linspace(
    start: Number,
    end: Number,
    steps: _int,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def eye(
    n: _int,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def eye(
    n: _int,
    m: _int,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
def fill_(input: Tensor, value: Tensor | Number) -> Tensor: ...
def fill(input: Tensor, value: Tensor | Number) -> Tensor: ...
def zero_(input: Tensor) -> Tensor: ...
def index_put_(
    input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: _bool = ...
) -> Tensor: ...
def index_put(
    input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: _bool = ...
) -> Tensor: ...
def gather(
    input: Tensor,
    dim: _int,
    index: Tensor,
    *,
    sparse_grad: _bool = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
@overload
def scatter(
    input: Tensor, dim: _int, index: Tensor, src: Tensor, *, out: Tensor | None = ...
) -> Tensor: ...
@overload
def scatter(
    input: Tensor, dim: _int, index: Tensor, value: Number, *, out: Tensor | None = ...
) -> Tensor: ...
@overload
def scatter(
    input: Tensor,
    dim: _int,
    index: Tensor,
    src: Tensor,
    *,
    reduce: str,
    out: Tensor | None = ...,
) -> Tensor: ...
@overload
def scatter(
    input: Tensor,
    dim: _int,
    index: Tensor,
    value: Number,
    *,
    reduce: str,
    out: Tensor | None = ...,
) -> Tensor: ...
def scatter_add(
    input: Tensor, dim: _int, index: Tensor, src: Tensor, *, out: Tensor | None = ...
) -> Tensor: ...
def index_select(
    input: Tensor, dim: _int, index: Tensor, *, out: Tensor | None = ...
) -> Tensor: ...
def index_add(
    input: Tensor,
    dim: _int,
    index: Tensor,
    source: Tensor,
    *,
    alpha: Number = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
def masked_fill(input: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor: ...
def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
@overload
def where(condition: Tensor) -> tuple[Tensor, ...]: ...
@overload
def where(
    condition: Tensor,
    input: Tensor | Number,
    other: Tensor | Number,
    *,
    out: Tensor | None = ...,
) -> Tensor: ...
def embedding(
    weight: Tensor,
    indices: Tensor,
    padding_idx: _int = ...,
    scale_grad_by_freq: _bool = ...,
    sparse: _bool = ...,
) -> Tensor: ...
def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def addmm(
    input: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: Number = ...,
    alpha: Number = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
def addmv(
    input: Tensor,
    mat: Tensor,
    vec: Tensor,
    *,
    beta: Number = ...,
    alpha: Number = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
def baddbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: Number = ...,
    alpha: Number = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def ger(input: Tensor, vec2: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def softmax(
    input: Tensor, dim: _int, dtype: _dtype | None = ..., *, out: Tensor | None = ...
) -> Tensor: ...
def log_softmax(
    input: Tensor, dim: _int, dtype: _dtype | None = ..., *, out: Tensor | None = ...
) -> Tensor: ...
def _softmax(
    input: Tensor, dim: _int, half_to_float: _bool, *, out: Tensor | None = ...
) -> Tensor: ...
def _softmax_backward_data(
    grad_output: Tensor, output: Tensor, dim: _int, input_dtype: _dtype
) -> Tensor: ...
def _log_softmax(
    input: Tensor, dim: _int, half_to_float: _bool, *, out: Tensor | None = ...
) -> Tensor: ...
def _log_softmax_backward_data(
    grad_output: Tensor, output: Tensor, dim: _int, input_dtype: _dtype
) -> Tensor: ...
def native_layer_norm(
    input: Tensor,
    normalized_shape: Sequence[_int],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: _float,
) -> tuple[Tensor, Tensor, Tensor]: ...
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[_int],
    weight: Tensor | None = ...,
    bias: Tensor | None = ...,
    eps: _float = ...,
    cudnn_enable: _bool = ...,
) -> Tensor: ...
def native_dropout(
    input: Tensor, p: _float, train: _bool | None
) -> tuple[Tensor, Tensor]: ...
def dropout(input: Tensor, p: _float, train: _bool) -> Tensor: ...
def dropout_(input: Tensor, p: _float, train: _bool) -> Tensor: ...
@overload
def sort(
    input: Tensor,
    dim: _int = ...,
    descending: _bool = ...,
    *,
    out: tuple[Tensor, ...] | None = ...,
) -> return_types.sort: ...
@overload
def sort(
    input: Tensor,
    *,
    stable: _bool | None,
    dim: _int = ...,
    descending: _bool = ...,
    out: tuple[Tensor, ...] | None = ...,
) -> return_types.sort: ...
def msort(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
@overload
def argsort(input: Tensor, dim: _int = ..., descending: _bool = ...) -> Tensor: ...
@overload
def argsort(
    input: Tensor, *, stable: _bool, dim: _int = ..., descending: _bool = ...
) -> Tensor: ...
def topk(
    input: Tensor,
    k: _int,
    dim: _int = ...,
    largest: _bool = ...,
    sorted: _bool = ...,
    *,
    out: tuple[Tensor, ...] | None = ...,
) -> return_types.topk: ...
def _unique2(
    input: Tensor,
    sorted: _bool = ...,
    return_inverse: _bool = ...,
    return_counts: _bool = ...,
) -> tuple[Tensor, Tensor, Tensor]: ...
def relu(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def relu_(input: Tensor) -> Tensor: ...
def add(
    input: Tensor | Number,
    other: Tensor | Number,
    *,
    alpha: Number = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
def sub(
    input: Tensor | Number,
    other: Tensor | Number,
    *,
    alpha: Number = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
def subtract(
    input: Tensor | Number,
    other: Tensor | Number,
    *,
    alpha: Number = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
def mul(
    input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def multiply(
    input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
@overload
def div(
    input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
@overload
def div(
    input: Tensor | Number,
    other: Tensor | Number,
    *,
    rounding_mode: str | None,
    out: Tensor | None = ...,
) -> Tensor: ...
@overload
def divide(
    input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
@overload
def divide(
    input: Tensor | Number,
    other: Tensor | Number,
    *,
    rounding_mode: str | None,
    out: Tensor | None = ...,
) -> Tensor: ...
def true_divide(
    input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def floor_divide(
    input: Tensor | Number, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def remainder(
    input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def fmod(input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...) -> Tensor: ...
def rsub(
    input: Tensor, other: Tensor | Number, *, alpha: Number = ..., out: Tensor | None = ...
) -> Tensor: ...
def neg(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def negative(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def neg_(input: Tensor) -> Tensor: ...
def negative_(input: Tensor) -> Tensor: ...
def abs(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def absolute(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def abs_(input: Tensor) -> Tensor: ...
def absolute_(input: Tensor) -> Tensor: ...
def sign(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def sign_(input: Tensor) -> Tensor: ...
def sgn(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def sgn_(input: Tensor) -> Tensor: ...
def reciprocal(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def reciprocal_(input: Tensor) -> Tensor: ...
def square(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def square_(input: Tensor) -> Tensor: ...
@overload
def pow(
    input: Tensor, exponent: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
@overload
def pow(input: Number, exponent: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def lerp(
    input: Tensor, end: Tensor, weight: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def addcmul(
    input: Tensor,
    tensor1: Tensor,
    tensor2: Tensor,
    *,
    value: Number = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
def addcdiv(
    input: Tensor,
    tensor1: Tensor,
    tensor2: Tensor,
    *,
    value: Number = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
def maximum(input: Tensor, other: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def minimum(input: Tensor, other: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def clamp_min(
    input: Tensor, min: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def clamp_max(
    input: Tensor, max: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def eq(input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...) -> Tensor: ...
def ne(input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...) -> Tensor: ...
def not_equal(
    input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def lt(input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...) -> Tensor: ...
def less(input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...) -> Tensor: ...
def le(input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...) -> Tensor: ...
def less_equal(
    input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def gt(input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...) -> Tensor: ...
def greater(
    input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def ge(input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...) -> Tensor: ...
def greater_equal(
    input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def isnan(input: Tensor) -> Tensor: ...
def isinf(input: Tensor) -> Tensor: ...
def isfinite(input: Tensor) -> Tensor: ...
def logical_not(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def logical_not_(input: Tensor) -> Tensor: ...
def logical_and(input: Tensor, other: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def logical_or(input: Tensor, other: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def logical_xor(input: Tensor, other: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def bitwise_and(
    input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def bitwise_or(
    input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def bitwise_xor(
    input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def bitwise_not(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def bitwise_not_(input: Tensor) -> Tensor: ...
def bitwise_left_shift(
    input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def bitwise_right_shift(
    input: Tensor, other: Tensor | Number, *, out: Tensor | None = ...
) -> Tensor: ...
def floor(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def floor_(input: Tensor) -> Tensor: ...
def ceil(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def ceil_(input: Tensor) -> Tensor: ...
def trunc(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def fix(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def trunc_(input: Tensor) -> Tensor: ...
def fix_(input: Tensor) -> Tensor: ...
def round(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def round_(input: Tensor) -> Tensor: ...
def angle(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def exp(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def exp_(input: Tensor) -> Tensor: ...
def expm1(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def expm1_(input: Tensor) -> Tensor: ...
def log(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def log_(input: Tensor) -> Tensor: ...
def log1p(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def log1p_(input: Tensor) -> Tensor: ...
def log2(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def log2_(input: Tensor) -> Tensor: ...
def log10(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def log10_(input: Tensor) -> Tensor: ...
def sqrt(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def sqrt_(input: Tensor) -> Tensor: ...
def rsqrt(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def rsqrt_(input: Tensor) -> Tensor: ...
def sin(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def sin_(input: Tensor) -> Tensor: ...
def cos(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def cos_(input: Tensor) -> Tensor: ...
def tanh(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def tanh_(input: Tensor) -> Tensor: ...
def sigmoid(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def sigmoid_(input: Tensor) -> Tensor: ...
def erf(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def erf_(input: Tensor) -> Tensor: ...
def erfc(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def erfc_(input: Tensor) -> Tensor: ...
def lgamma(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def lgamma_(input: Tensor) -> Tensor: ...
def digamma(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
def digamma_(input: Tensor) -> Tensor: ...
def max_pool2d(
    input: Tensor,
    kernel_size: Sequence[_int] | _int,
    stride: Sequence[_int] | _int = ...,
    padding: Sequence[_int] | _int = ...,
    dilation: Sequence[_int] | _int = ...,
    ceil_mode: _bool = ...,
) -> Tensor: ...
@overload
def bernoulli(
    input: Tensor, *, generator: Generator | None = ..., out: Tensor | None = ...
) -> Tensor: ...
@overload
def bernoulli(input: Tensor, p: _float, *, generator: Generator | None = ...) -> Tensor: ...
def multinomial(
    input: Tensor,
    num_samples: _int,
    replacement: _bool = ...,
    *,
    generator: Generator | None = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
@overload
def rand(
    size: Sequence[_int],
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def rand(
    *size: _int,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def rand(
    size: Sequence[_int],
    *,
    generator: Generator | None,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def rand(
    *size: _int,
    generator: Generator | None,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def randn(
    size: Sequence[_int],
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def randn(
    *size: _int,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    out: Tensor | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def randn(
    size: Sequence[_int],
    *,
    generator: Generator | None,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def randn(
    *size: _int,
    generator: Generator | None,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def randperm(
    n: _int,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def randperm(
    n: _int,
    *,
    generator: Generator | None,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
def rand_like(
    input: Tensor,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    memory_format: _memory_format | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
def randn_like(
    input: Tensor,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    memory_format: _memory_format | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def randint(
    high: _int,
    size: Sequence[_int],
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def randint(
    high: _int,
    size: Sequence[_int],
    *,
    generator: Generator | None,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def randint(
    low: _int,
    high: _int,
    size: Sequence[_int],
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def randint(
    low: _int,
    high: _int,
    size: Sequence[_int],
    *,
    generator: Generator | None,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def randint_like(
    input: Tensor,
    high: _int,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    memory_format: _memory_format | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def randint_like(
    input: Tensor,
    low: _int,
    high: _int,
    *,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    memory_format: _memory_format | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
@overload
def normal(mean: Tensor, std: Tensor, *, generator: Generator | None = ...) -> Tensor: ...
@overload
def normal(
    mean: Tensor, std: _float = ..., *, generator: Generator | None = ...
) -> Tensor: ...
@overload
def normal(
    mean: _float,
    std: _float,
    size: Sequence[_int],
    *,
    generator: Generator | None = ...,
    dtype: _dtype | None = ...,
    layout: _layout | None = ...,
    device: _device | str | _int | None = ...,
    pin_memory: _bool | None = ...,
    requires_grad: _bool = ...,
) -> Tensor: ...
def cat(
    tensors: Sequence[Tensor], dim: _int = ..., *, out: Tensor | None = ...
) -> Tensor: ...
def concat(
    tensors: Sequence[Tensor], dim: _int = ..., *, out: Tensor | None = ...
) -> Tensor: ...
def concatenate(
    tensors: Sequence[Tensor], dim: _int = ..., *, out: Tensor | None = ...
) -> Tensor: ...
def stack(
    tensors: Sequence[Tensor], dim: _int = ..., *, out: Tensor | None = ...
) -> Tensor: ...
def flip(input: Tensor, dims: Sequence[_int]) -> Tensor: ...
def roll(
    input: Tensor, shifts: _int | Sequence[_int], dims: _int | Sequence[_int] = ...
) -> Tensor: ...
def tril(input: Tensor, diagonal: _int = ..., *, out: Tensor | None = ...) -> Tensor: ...
def triu(input: Tensor, diagonal: _int = ..., *, out: Tensor | None = ...) -> Tensor: ...
def reshape(input: Tensor, shape: Sequence[_int]) -> Tensor: ...
def broadcast_to(input: Tensor, size: Sequence[_int]) -> Tensor: ...
def flatten(input: Tensor, start_dim: _int = ..., end_dim: _int = ...) -> Tensor: ...
def unflatten(input: Tensor, dim: _int, sizes: Sequence[_int]) -> Tensor: ...
def ravel(input: Tensor) -> Tensor: ...
@overload
def movedim(
    input: Tensor, source: Sequence[_int], destination: Sequence[_int]
) -> Tensor: ...
@overload
def movedim(input: Tensor, source: _int, destination: _int) -> Tensor: ...
@overload
def moveaxis(
    input: Tensor, source: Sequence[_int], destination: Sequence[_int]
) -> Tensor: ...
@overload
def moveaxis(input: Tensor, source: _int, destination: _int) -> Tensor: ...
def narrow(input: Tensor, dim: _int, start: _int, length: _int) -> Tensor: ...
def chunk(input: Tensor, chunks: _int, dim: _int = ...) -> tuple[Tensor, ...]: ...
def adjoint(input: Tensor) -> Tensor: ...
def clone(input: Tensor, *, memory_format: _memory_format | None = ...) -> Tensor: ...
def amax(
    input: Tensor,
    dim: _int | Sequence[_int] = ...,
    keepdim: _bool = ...,
    *,
    out: Tensor | None = ...,
) -> Tensor: ...
def amin(
    input: Tensor,
    dim: _int | Sequence[_int] = ...,
    keepdim: _bool = ...,
    *,
    out: Tensor | None = ...,
) -> Tensor: ...
@overload
def max(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
@overload
def max(input: Tensor, other: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
@overload
def max(
    input: Tensor, dim: _int, keepdim: _bool = ..., *, out: tuple[Tensor, ...] | None = ...
) -> return_types.max: ...
@overload
def min(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
@overload
def min(input: Tensor, other: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
@overload
def min(
    input: Tensor, dim: _int, keepdim: _bool = ..., *, out: tuple[Tensor, ...] | None = ...
) -> return_types.min: ...
def aminmax(
    input: Tensor,
    *,
    dim: _int | None = ...,
    keepdim: _bool = ...,
    out: tuple[Tensor, ...] | None = ...,
) -> return_types.aminmax: ...
def argmax(
    input: Tensor, dim: _int | None = ..., keepdim: _bool = ..., *, out: Tensor | None = ...
) -> Tensor: ...
def argmin(
    input: Tensor, dim: _int | None = ..., keepdim: _bool = ..., *, out: Tensor | None = ...
) -> Tensor: ...
@overload
def any(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
@overload
def any(
    input: Tensor, dim: _int, keepdim: _bool = ..., *, out: Tensor | None = ...
) -> Tensor: ...
@overload
def any(
    input: Tensor,
    dim: Sequence[_int] | None = ...,
    keepdim: _bool = ...,
    *,
    out: Tensor | None = ...,
) -> Tensor: ...
@overload
def all(input: Tensor, *, out: Tensor | None = ...) -> Tensor: ...
@overload
def all(
    input: Tensor, dim: _int, keepdim: _bool = ..., *, out: Tensor | None = ...
) -> Tensor: ...
@overload
def all(
    input: Tensor,
    dim: Sequence[_int] | None = ...,
    keepdim: _bool = ...,
    *,
    out: Tensor | None = ...,
) -> Tensor: ...
@overload
def sum(input: Tensor, *, dtype: _dtype | None = ...) -> Tensor: ...
@overload
def sum(
    input: Tensor,
    dim: _int | Sequence[_int] | None,
    keepdim: _bool = ...,
    *,
    dtype: _dtype | None = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
@overload
def mean(
    input: Tensor, *, dtype: _dtype | None = ..., out: Tensor | None = ...
) -> Tensor: ...
@overload
def mean(
    input: Tensor,
    dim: _int | Sequence[_int] | None,
    keepdim: _bool = ...,
    *,
    dtype: _dtype | None = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
@overload
def prod(input: Tensor, *, dtype: _dtype | None = ...) -> Tensor: ...
@overload
def prod(
    input: Tensor,
    dim: _int,
    keepdim: _bool = ...,
    *,
    dtype: _dtype | None = ...,
    out: Tensor | None = ...,
) -> Tensor: ...
def logsumexp(
    input: Tensor,
    dim: _int | Sequence[_int],
    keepdim: _bool = ...,
    *,
    out: Tensor | None = ...,
) -> Tensor: ...
def cumsum(
    input: Tensor, dim: _int, *, dtype: _dtype | None = ..., out: Tensor | None = ...
) -> Tensor: ...
def cumprod(
    input: Tensor, dim: _int, *, dtype: _dtype | None = ..., out: Tensor | None = ...
) -> Tensor: ...
def as_strided(
    input: Tensor,
    size: Sequence[_int],
    stride: Sequence[_int],
    storage_offset: _int | None = ...,
) -> Tensor: ...
def transpose(input: Tensor, dim0: _int, dim1: _int) -> Tensor: ...
def swapaxes(input: Tensor, dim0: _int, dim1: _int) -> Tensor: ...
def swapdims(input: Tensor, dim0: _int, dim1: _int) -> Tensor: ...
def t(input: Tensor) -> Tensor: ...
def t_(input: Tensor) -> Tensor: ...
def permute(input: Tensor, dims: Sequence[_int]) -> Tensor: ...
@overload
def squeeze(input: Tensor) -> Tensor: ...
@overload
def squeeze(input: Tensor, dim: _int | Sequence[_int]) -> Tensor: ...
def squeeze_(input: Tensor) -> Tensor: ...
def unsqueeze(input: Tensor, dim: _int) -> Tensor: ...
def select(input: Tensor, dim: _int, index: _int) -> Tensor: ...
def diagonal(
    input: Tensor, offset: _int = ..., dim1: _int = ..., dim2: _int = ...
) -> Tensor: ...
def split_with_sizes(
    input: Tensor, split_sizes: Sequence[_int], dim: _int = ...
) -> tuple[Tensor, ...]: ...
def unbind(input: Tensor, dim: _int = ...) -> tuple[Tensor, ...]: ...
def view_as_real(input: Tensor) -> Tensor: ...
def view_as_complex(input: Tensor) -> Tensor: ...
def _conj(input: Tensor) -> Tensor: ...
def _neg_view(input: Tensor) -> Tensor: ...
def conj(input: Tensor) -> Tensor: ...
def real(input: Tensor) -> Tensor: ...
def imag(input: Tensor) -> Tensor: ...
def resolve_conj(input: Tensor) -> Tensor: ...
def resolve_neg(input: Tensor) -> Tensor: ...
def detach(input: Tensor) -> Tensor: ...
def detach_(input: Tensor) -> Tensor: ...
