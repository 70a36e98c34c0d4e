"""Cells: one step of a recurrent network."""

import math

from flambeau.ops.language import Error, Spec, absent, dtypes, show, watched
from flambeau.ops.record import FLOATING, composite, structured
from flambeau.ops.rnn.layers import (
    _OFF,
    by_items,
    check_direction,
    check_floating,
    check_gradient,
    check_states,
    gates_of,
    kept_bytes,
    recorded,
    spec_if,
)
from flambeau.ops.rnn.unrolled import GRU, LSTM, RELU, TANH, unrolled_backward
from flambeau.ops.samples import call, np, special, values

_CELL = "Tensor input, Tensor hx, Tensor? cx, Tensor w_ih, Tensor w_hh, Tensor? b_ih, Tensor? b_hh"


def check_cell(op, input, hx, cx, w_ih, w_hh, b_ih, b_hh, mode):
    """How many units there are."""
    check_floating(op, input)
    if input.dim() != 2 or hx.dim() != 2 or input.shape[0] != hx.shape[0]:
        raise Error(
            f"{op}: expected input of shape [batch, features] and a state of as many rows, got "
            f"{show(input.shape)} and {show(hx.shape)}"
        )
    units = check_direction(op, input, hx, w_ih, w_hh, b_ih, b_hh, absent(), mode)
    check_states(op, input, hx, cx, units, mode)
    return units


@structured(
    f"_rnn_cell({_CELL}, int mode, bool train) -> (Tensor hy, Tensor cy, Tensor reserve)",
    cpu="_rnn_cell",
    differentiable=(0, 1),
    function_variant=False,
    method=False,
    node="ThnnFusedLstmCellBackward0",
)
def _rnn_cell():
    """One step of one layer; the arguments are those of ``_rnn_layer``."""


@_rnn_cell.flops
def _(input, w_ih, w_hh):
    return 2 * input.shape[0] * (math.prod(w_ih.shape) + math.prod(w_hh.shape))


@_rnn_cell.rule
def _(input, hx, cx, w_ih, w_hh, b_ih, b_hh, mode, train):
    units = check_cell("_rnn_cell", input, hx, cx, w_ih, w_hh, b_ih, b_hh, mode)
    kept = kept_bytes(input, units, False, mode) if train else 0
    return (
        Spec(hx.shape, input.dtype),
        Spec(hx.shape if mode == LSTM else [0], input.dtype),
        Spec([input.shape[0], kept] if kept > 0 else [0], dtypes.uint8),
    )


def or_zeros_like(t, like, ops):
    return ops.zeros_like(like) if t is None else t


@_rnn_cell.gradient
def _(grads, input, hx, cx, w_ih, w_hh, b_ih, b_hh, hy, reserve, mode, ops, needs):
    if recorded(grads, input):
        grad = or_zeros_like(grads[0], hx, ops)
        c0, grad_cy = hx, grad
        if cx is not None:
            c0, grad_cy = cx, or_zeros_like(grads[1], cx, ops)
        a = unrolled_backward(
            grad,
            ops.zeros_like(grad),
            grad_cy,
            input,
            hx,
            c0,
            w_ih,
            w_hh,
            b_ih,
            b_hh,
            absent(),
            [hx.shape[0]],
            mode,
            False,
            ops,
        )
        return a[0], a[1], a[2], a[3], a[4], a[5], a[6]
    made = ops._rnn_cell_backward(
        grads[0],
        grads[1],
        input,
        hx,
        cx,
        w_ih,
        w_hh,
        b_ih,
        b_hh,
        hy,
        reserve,
        mode,
        [needs[0], needs[1], needs[2], needs[3], needs[4], needs[5] or needs[6]],
    )
    return (
        made[0],
        made[1],
        made[2],
        made[3],
        made[4],
        ops.select_int(made[5], 0, 0),
        ops.select_int(made[5], 0, 1),
    )


@structured(
    f"_rnn_cell_backward(Tensor? grad_hy, Tensor? grad_cy, {_CELL}, Tensor hy, Tensor reserve, "
    "int mode, bool[6] output_mask) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    cpu="_rnn_cell_backward",
    function_variant=False,
    method=False,
    no_gradient=_OFF,
)
def _rnn_cell_backward():
    """The gradients of ``_rnn_cell``: of input, states, weights, and both biases as rows of one.

    One whose mask is false has no elements.
    """


@_rnn_cell_backward.flops
def _(input, w_ih, w_hh, output_mask):
    on_input = math.prod(w_ih.shape) * (output_mask[0] + output_mask[3])
    on_state = math.prod(w_hh.shape) * (output_mask[1] + output_mask[4])
    return 2 * input.shape[0] * (on_input + on_state)


@_rnn_cell_backward.rule
def _(
    grad_hy,
    grad_cy,
    input,
    hx,
    cx,
    w_ih,
    w_hh,
    b_ih,
    b_hh,
    hy,
    reserve,
    mode,
    output_mask,
):
    op = "_rnn_cell_backward"
    units = check_cell(op, input, hx, cx, w_ih, w_hh, b_ih, b_hh, mode)
    check_gradient(op, "hy", hy, hx.shape, input.dtype)
    kept = kept_bytes(input, units, False, mode)
    held = [input.shape[0], kept] if kept > 0 else [0]
    check_gradient(op, "reserve", reserve, held, dtypes.uint8)
    if grad_hy is not None:
        check_gradient(op, "grad_hy", grad_hy, hx.shape, input.dtype)
    if grad_cy is not None and cx is not None:
        check_gradient(op, "grad_cy", grad_cy, hx.shape, input.dtype)
    return (
        spec_if(output_mask[0], input.shape, input),
        spec_if(output_mask[1], hx.shape, input),
        spec_if(output_mask[2], hx.shape, input),
        spec_if(output_mask[3], w_ih.shape, input),
        spec_if(output_mask[4], w_hh.shape, input),
        spec_if(output_mask[5], [2, gates_of(mode) * units], input),
    )


# ---- what programs call


def check_cell_input(op, input, hx, w_ih, w_hh):
    if input.dim() != 2 or w_ih.dim() != 2 or w_hh.dim() != 2:
        raise Error(
            f"{op}: expected matrices, got input {show(input.shape)}, w_ih {show(w_ih.shape)} and "
            f"w_hh {show(w_hh.shape)}"
        )
    if input.shape[1] != w_ih.shape[1]:
        raise Error(
            f"{op}: input has inconsistent input_size: got {input.shape[1]} expected "
            f"{w_ih.shape[1]}, as w_ih has the shape {show(w_ih.shape)}"
        )
    check_cell_state(op, input, hx, w_hh)


def check_cell_state(op, input, hx, w_hh):
    if hx.dim() != 2 or hx.shape[0] != input.shape[0]:
        raise Error(
            f"{op}: Input batch size {input.shape[0]} doesn't match a hidden state of shape "
            f"{show(hx.shape)}"
        )
    if hx.shape[1] != w_hh.shape[1]:
        raise Error(
            f"{op}: hidden has inconsistent hidden_size: got {hx.shape[1]}, expected "
            f"{w_hh.shape[1]}, as w_hh has the shape {show(w_hh.shape)}"
        )


def one_step(op, input, hx, w_ih, w_hh, b_ih, b_hh, mode, ops):
    check_cell_input(op, input, hx, w_ih, w_hh)
    train = watched([input, hx, w_ih, w_hh])
    return ops._rnn_cell(input, hx, absent(), w_ih, w_hh, b_ih, b_hh, mode, train)[0]


_WEIGHTS = "Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None"


@composite(
    f"lstm_cell(Tensor input, Tensor[] hx, {_WEIGHTS}) -> (Tensor, Tensor)",
    method=False,
)
def lstm_cell(input, hx, w_ih, w_hh, b_ih, b_hh, ops):
    """One step of an LSTM: the new hidden and cell state from ``hx``, the pair of the old ones.

    >>> one, w = flambeau.ones(1, 1), flambeau.zeros(4, 1)
    >>> flambeau.lstm_cell(one, (one, one), w, w)
    (tensor([[0.2311]]), tensor([[0.5000]]))
    """
    if len(hx) != 2:
        raise Error(f"lstm_cell: lstm_cell expects two hidden states, got {len(hx)}")
    check_cell_input("lstm_cell", input, hx[0], w_ih, w_hh)
    check_cell_state("lstm_cell", input, hx[1], w_hh)
    train = watched([input, hx[0], hx[1], w_ih, w_hh])
    made = ops._rnn_cell(input, hx[0], hx[1], w_ih, w_hh, b_ih, b_hh, LSTM, train)
    return made[0], made[1]


@composite(f"gru_cell(Tensor input, Tensor hx, {_WEIGHTS}) -> Tensor", method=False)
def gru_cell(input, hx, w_ih, w_hh, b_ih, b_hh, ops):
    """One step of a GRU: the new hidden state.

    >>> one, w = flambeau.ones(1, 1), flambeau.zeros(3, 1)
    >>> flambeau.gru_cell(one, one, w, w)
    tensor([[0.5000]])
    """
    return one_step("gru_cell", input, hx, w_ih, w_hh, b_ih, b_hh, GRU, ops)


@composite(f"rnn_tanh_cell(Tensor input, Tensor hx, {_WEIGHTS}) -> Tensor", method=False)
def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih, b_hh, ops):
    """One step of a recurrent network with ``tanh``.

    >>> one = flambeau.ones(1, 1)
    >>> flambeau.rnn_tanh_cell(one, one, one, one)
    tensor([[0.9640]])
    """
    return one_step("rnn_tanh_cell", input, hx, w_ih, w_hh, b_ih, b_hh, TANH, ops)


@composite(f"rnn_relu_cell(Tensor input, Tensor hx, {_WEIGHTS}) -> Tensor", method=False)
def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih, b_hh, ops):
    """One step of a recurrent network with ``relu``.

    >>> one = flambeau.ones(1, 1)
    >>> flambeau.rnn_relu_cell(one, one, one, one)
    tensor([[2.]])
    """
    return one_step("rnn_relu_cell", input, hx, w_ih, w_hh, b_ih, b_hh, RELU, ops)


def _state(*sizes):
    return values(*sizes, low=-0.9, high=0.9)


def _arguments(gates):
    return values(3, 2), _state(3, 4), values(gates * 4, 2), values(gates * 4, 4)


def _with_bias(gates):
    return (*_arguments(gates), values(gates * 4), values(gates * 4))


def _numpy_gates(input, hx, w_ih, w_hh, b_ih=0, b_hh=0):
    return input @ w_ih.T + b_ih, hx @ w_hh.T + b_hh


def _numpy_lstm(input, hx, w_ih, w_hh, b_ih=0, b_hh=0):
    a, b = _numpy_gates(input, hx[0], w_ih, w_hh, b_ih, b_hh)
    i, f, g, o = np.split(a + b, 4, 1)
    c = special.expit(f) * hx[1] + special.expit(i) * np.tanh(g)
    return special.expit(o) * np.tanh(c), c


def _numpy_gru(input, hx, w_ih, w_hh, b_ih=0, b_hh=0):
    a, b = _numpy_gates(input, hx, w_ih, w_hh, b_ih, b_hh)
    (ar, az, an), (br, bz, bn) = np.split(a, 3, 1), np.split(b, 3, 1)
    n = np.tanh(an + special.expit(ar + br) * bn)
    z = special.expit(az + bz)
    return (1 - z) * n + z * hx


x, h, *rest = _with_bias(4)
lstm_cell.samples(
    call(x, [h, _state(3, 4)], *rest[:2]), call(x, [h, _state(3, 4)], *rest), dtypes=FLOATING
)
lstm_cell.reference(_numpy_lstm, tolerance=16)
gru_cell.samples(call(*_arguments(3)), call(*_with_bias(3)), dtypes=FLOATING)
gru_cell.reference(_numpy_gru, tolerance=16)
for cell, bent in ((rnn_tanh_cell, lambda x: np.tanh(x)), (rnn_relu_cell, lambda x: x * (x > 0))):
    cell.samples(call(*_arguments(1)), call(*_with_bias(1)), dtypes=FLOATING)
    cell.reference(lambda *args, f=bent: f(sum(_numpy_gates(*args))), tolerance=16)

_rnn_cell.samples(
    *(
        call(x, h, _state(3, 4) if mode == LSTM else None, *rest, mode, True)
        for mode in (TANH, LSTM, GRU)
        for x, h, *rest in [_with_bias(gates_of(mode))]
    ),
    dtypes=FLOATING,
)
_rnn_cell_backward.samples(
    call(
        _state(3, 4),
        None,
        *_with_bias(1)[:2],
        None,
        *_with_bias(1)[2:],
        _state(3, 4),
        values(0, dtype="uint8"),
        TANH,
        [True, True, False, True, True, True],
    ),
    dtypes=FLOATING,
)


@_rnn_cell.batching
def _(b, input, hx, cx, mode, train):
    weights = b.values[3:7]
    if any(w is not None and w.batched for w in weights):
        return by_items(b)
    states = [None if t is None else t.full.flatten(0, 1) for t in (input, hx, cx)]
    made = b.op(*states, *(None if w is None else w.value for w in weights), mode, train)
    return tuple(
        t.new_zeros(b.size, 0) if t.dim() == 1 else t.unflatten(0, [b.size, -1]) for t in made
    )


_rnn_cell_backward.batching(lambda b: by_items(b))
for record in (_rnn_cell, _rnn_cell_backward):
    record.without("jvp", "decomposition", "sharding", "autocast", "benchmark")
for record in (lstm_cell, gru_cell, rnn_tanh_cell, rnn_relu_cell):
    record.without("benchmark")
