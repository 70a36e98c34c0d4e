"""Layers of recurrent networks: all steps of one layer, in one op."""

import math

from flambeau.ops.language import Error, Spec, dtype_name, dtypes, show, wants_ops
from flambeau.ops.record import FLOATING, structured
from flambeau.ops.rnn.unrolled import GRU, LSTM, RELU, TANH, unrolled_backward
from flambeau.ops.samples import call, values

_WEIGHTS = (
    "Tensor w_ih, Tensor w_hh, Tensor? b_ih, Tensor? b_hh, Tensor? w_hr, Tensor? w_ih_reverse, "
    "Tensor? w_hh_reverse, Tensor? b_ih_reverse, Tensor? b_hh_reverse, Tensor? w_hr_reverse"
)
_OFF = "used where gradients are not differentiated again"


def check_weight(op, name, t, count, size, dtype):
    if t.dim() != 2 or t.shape[0] != count or t.shape[1] != size:
        raise Error(
            f"{op}: expected {name} of shape [{count}, {size}], got {show(t.shape)}: input, state "
            "and weights do not fit each other"
        )
    check_dtype(op, name, t, dtype)


def check_dtype(op, name, t, dtype):
    if t.dtype != dtype:
        raise Error(
            f"{op}: Input and parameter tensors are not the same dtype, found input tensor with "
            f"{dtype_name(dtype)} and {name} with {dtype_name(t.dtype)}: convert one of them"
        )


def check_bias(op, name, t, count, dtype):
    if t.dim() != 1 or t.shape[0] != count:
        raise Error(f"{op}: expected {name} of shape [{count}], got {show(t.shape)}")
    check_dtype(op, name, t, dtype)


def gates_of(mode):
    return 4 if mode == LSTM else 3 if mode == GRU else 1


def check_direction(op, input, hx, w_ih, w_hh, b_ih, b_hh, w_hr, mode):
    """How many units a direction has."""
    state = hx.shape[hx.dim() - 1]
    units = state
    if w_hr is not None:
        if mode != LSTM:
            raise Error(f"{op}: projections are of LSTM alone")
        if w_hr.dim() != 2:
            raise Error(f"{op}: expected w_hr to be a matrix, got {show(w_hr.shape)}")
        units = w_hr.shape[1]
        check_weight(op, "w_hr", w_hr, state, units, input.dtype)
    if units == 0:
        raise Error(f"{op}: a state of no units, got hx of shape {show(hx.shape)}")
    gates = gates_of(mode) * units
    check_weight(op, "w_ih", w_ih, gates, input.shape[input.dim() - 1], input.dtype)
    check_weight(op, "w_hh", w_hh, gates, state, input.dtype)
    if b_ih is not None:
        check_bias(op, "b_ih", b_ih, gates, input.dtype)
        if b_hh is None:
            raise Error(f"{op}: b_ih and b_hh are given both, or neither")
        check_bias(op, "b_hh", b_hh, gates, input.dtype)
    elif b_hh is not None:
        raise Error(f"{op}: b_ih and b_hh are given both, or neither")
    return units


def check_floating(op, input):
    if not input.is_floating_point():
        raise Error(
            f"{op}: expected a floating dtype, got {dtype_name(input.dtype)}: convert with "
            ".to(torch.float32)"
        )


def check_states(op, input, hx, cx, units, mode):
    if mode < 0 or mode > 3:
        raise Error(f"{op}: mode is one of 0 to 3, got {mode}")
    check_dtype(op, "hx", hx, input.dtype)
    if mode == LSTM:
        if cx is None:
            raise Error(f"{op}: an LSTM needs a cell state")
        check_dtype(op, "cx", cx, input.dtype)
        last = cx.dim() - 1
        fits = cx.dim() == hx.dim() and cx.shape[last] == units
        if fits:
            for d in range(last):
                fits = fits and cx.shape[d] == hx.shape[d]
        if not fits:
            raise Error(
                f"{op}: a cell state of shape {show(cx.shape)} does not fit {units} units and a "
                f"hidden state of shape {show(hx.shape)}"
            )


def kept_bytes(input, units, projected, mode):
    """What a row keeps for the gradient: see kernels/cpu/rnn/geometry.h."""
    size = 8 if input.dtype == dtypes.float64 else 4
    if mode == LSTM:
        return (6 if projected else 5) * units * size
    return 4 * units * size if mode == GRU else 0


def check_steps(input, batch, batch_sizes):
    """The rows of packed steps: fewer from step to step, and no others in the input."""
    if not batch_sizes:
        if input.dim() != 3 or input.shape[1] != batch:
            raise Error(
                f"_rnn_layer: expected input of shape [steps, {batch}, features], as the state has "
                f"a batch of {batch}, got {show(input.shape)}"
            )
        return
    if input.dim() != 2:
        raise Error(
            f"_rnn_layer: packed input is of shape [rows, features], got {show(input.shape)}"
        )
    total = 0
    before = batch
    for n in batch_sizes:
        if n <= 0 or n > before:
            raise Error(
                "_rnn_layer: batch_sizes must be above 0 and not grow, and begin with the batch "
                f"of the state, {batch}; got {show(batch_sizes)}"
            )
        before = n
        total += n
    if batch_sizes[0] != batch or total != input.shape[0]:
        raise Error(
            f"_rnn_layer: batch_sizes {show(batch_sizes)} do not fit packed input of shape "
            f"{show(input.shape)} and a state with a batch of {batch}"
        )


@structured(
    f"_rnn_layer(Tensor input, Tensor hx, Tensor? cx, {_WEIGHTS}, SymInt[] batch_sizes, int mode, "
    "bool train) -> (Tensor output, Tensor hy, Tensor cy, Tensor reserve)",
    cpu="_rnn_layer",
    differentiable=(0, 1, 2),
    function_variant=False,
    method=False,
    node="MkldnnRnnLayerBackward0",
)
def _rnn_layer():
    """All steps of one layer of a recurrent network, in one or two directions.

    ``mode`` is 0 for RNN with relu, 1 with tanh, 2 for LSTM, 3 for GRU. ``batch_sizes`` has the
    rows of each step of packed input, or nothing. With ``train`` it keeps what a gradient needs.

    >>> one = flambeau.ones(1, 1)
    >>> flambeau.ops.aten._rnn_layer(
    ...     flambeau.ones(2, 1, 1), flambeau.zeros(1, 1, 1), None, one, one, None, None, None,
    ...     None, None, None, None, None, [], 0, False)[0].flatten()
    tensor([1., 2.])
    """


def weights_of(w_ih, w_hh, w_hr):
    """Elements of the weights on the input, and on the state."""
    projected = 0 if w_hr is None else math.prod(w_hr.shape)
    return math.prod(w_ih.shape), math.prod(w_hh.shape), projected


@_rnn_layer.flops
def _(input, hx, w_ih, w_hh, w_hr):
    # Both directions have weights of the same shapes.
    rows = math.prod(input.shape[:-1])
    return 2 * hx.shape[0] * rows * sum(weights_of(w_ih, w_hh, w_hr))


@_rnn_layer.rule
def _(
    input,
    hx,
    cx,
    w_ih,
    w_hh,
    b_ih,
    b_hh,
    w_hr,
    w_ih_reverse,
    w_hh_reverse,
    b_ih_reverse,
    b_hh_reverse,
    w_hr_reverse,
    batch_sizes,
    mode,
    train,
):
    op = "_rnn_layer"
    check_floating(op, input)
    if hx.dim() != 3 or input.dim() < 2:
        raise Error(
            f"_rnn_layer: expected input of 2 or 3 and hx of 3 dimensions, got {show(input.shape)} "
            f"and {show(hx.shape)}"
        )
    directions = 1 if w_ih_reverse is None else 2
    if hx.shape[0] != directions:
        raise Error(
            f"_rnn_layer: expected a hidden state for {directions} directions, got {show(hx.shape)}"
        )
    check_steps(input, hx.shape[1], batch_sizes)
    units = check_direction(op, input, hx, w_ih, w_hh, b_ih, b_hh, w_hr, mode)
    if w_ih_reverse is not None:
        if w_hh_reverse is None:
            raise Error("_rnn_layer: w_ih_reverse and w_hh_reverse are given both, or neither")
        same_units = check_direction(
            op,
            input,
            hx,
            w_ih_reverse,
            w_hh_reverse,
            b_ih_reverse,
            b_hh_reverse,
            w_hr_reverse,
            mode,
        )
        if same_units != units:
            raise Error(f"_rnn_layer: {units} units forward and {same_units} backward")
    check_states(op, input, hx, cx, units, mode)
    count = input.shape[0]
    if not batch_sizes:
        count = input.shape[0] * input.shape[1]
    sizes = list(input.shape)
    sizes[len(sizes) - 1] = directions * hx.shape[2]
    kept = kept_bytes(input, units, w_hr is not None, mode) if train else 0
    reserve = [directions, count, kept] if kept > 0 else [0]
    cell = [directions, hx.shape[1], units] if mode == LSTM else [0]
    return (
        Spec(sizes, input.dtype),
        Spec(hx.shape, input.dtype),
        Spec(cell, input.dtype),
        Spec(reserve, dtypes.uint8),
    )


def or_zeros(t, sizes, like, ops):
    return ops.new_zeros(like, sizes) if t is None else t


def at_direction(t, d, ops):
    return ops.select_int(t, 0, d)


def composed(
    grads,
    input,
    hx,
    cx,
    w_ih,
    w_hh,
    b_ih,
    b_hh,
    w_hr,
    d,
    output,
    cy,
    batch_sizes,
    mode,
    ops,
):
    """The gradients of direction d: see unrolled_backward."""
    sizes = list(batch_sizes)
    if not batch_sizes:
        for _ in range(input.shape[0]):
            sizes.append(hx.shape[1])
    state = hx.shape[2]
    features = input.shape[input.dim() - 1]
    grad = or_zeros(grads[0], output.shape, input, ops)
    grad = ops.slice_Tensor(grad, grad.dim() - 1, d * state, (d + 1) * state)
    grad_hy = at_direction(or_zeros(grads[1], hx.shape, input, ops), d, ops)
    h0 = at_direction(hx, d, ops)
    c0, grad_cy = h0, grad_hy
    if cx is not None:
        c0 = at_direction(cx, d, ops)
        grad_cy = at_direction(or_zeros(grads[2], cy.shape, input, ops), d, ops)
    return unrolled_backward(
        ops.reshape(grad, [-1, state]),
        grad_hy,
        grad_cy,
        ops.reshape(input, [-1, features]),
        h0,
        c0,
        w_ih,
        w_hh,
        b_ih,
        b_hh,
        w_hr,
        sizes,
        mode,
        d == 1,
        ops,
    )


def recorded(grads, input):
    """Whether the gradient is recorded itself."""
    for g in grads:
        if g is not None:
            return wants_ops(g, input, False)
    return False


def by_items(b):
    """The op for each item by itself, whose weights differ, or their gradients do."""
    import flambeau

    def item(v, i):
        if not hasattr(v, "batched"):
            return v
        return v.first[i] if v.batched else v.value

    made = [b.op(*(item(v, i) for v in b.values)) for i in range(b.size)]
    return tuple(flambeau.stack(list(parts)) for parts in zip(*made))


@_rnn_layer.batching
def _(b, input, hx, cx, batch_sizes, mode, train):
    weights = b.values[3:13]
    if batch_sizes or any(w is not None and w.batched for w in weights):
        return by_items(b)

    def folded(t):  # the items side by side in the batch
        return None if t is None else t.full.movedim(0, 1).flatten(1, 2)

    def unfolded(t, dim=1):
        if t.dim() == 1:
            return t.new_zeros(b.size, 0)
        return t.unflatten(dim, [b.size, -1]).movedim(dim, 0)

    plain = [None if w is None else w.value for w in weights]
    output, hy, cy, reserve = b.op(
        folded(input), folded(hx), folded(cx), *plain, batch_sizes, mode, train
    )
    if reserve.dim() == 1:
        reserve = unfolded(reserve)
    else:
        steps = reserve.unflatten(1, [output.shape[0], b.size, -1])
        reserve = steps.movedim(2, 0).flatten(2, 3)
    return unfolded(output), unfolded(hy), unfolded(cy), reserve


@_rnn_layer.gradient
def _(
    grads,
    input,
    hx,
    cx,
    w_ih,
    w_hh,
    b_ih,
    b_hh,
    w_hr,
    w_ih_reverse,
    w_hh_reverse,
    b_ih_reverse,
    b_hh_reverse,
    w_hr_reverse,
    output,
    cy,
    reserve,
    batch_sizes,
    mode,
    ops,
    needs,
):
    if recorded(grads, input):
        a = composed(
            grads,
            input,
            hx,
            cx,
            w_ih,
            w_hh,
            b_ih,
            b_hh,
            w_hr,
            0,
            output,
            cy,
            batch_sizes,
            mode,
            ops,
        )
        dx, d_hx, d_cx = a[0], a[1], a[2]
        b = a
        if w_ih_reverse is None or w_hh_reverse is None:
            d_hx, d_cx = ops.unsqueeze(d_hx, 0), ops.unsqueeze(d_cx, 0)
        else:
            b = composed(
                grads,
                input,
                hx,
                cx,
                w_ih_reverse,
                w_hh_reverse,
                b_ih_reverse,
                b_hh_reverse,
                w_hr_reverse,
                1,
                output,
                cy,
                batch_sizes,
                mode,
                ops,
            )
            dx = dx + b[0]
            d_hx, d_cx = ops.stack([d_hx, b[1]]), ops.stack([d_cx, b[2]])
        return (
            ops.reshape(dx, input.shape),
            d_hx,
            d_cx,
            a[3],
            a[4],
            a[5],
            a[6],
            a[7],
            b[3],
            b[4],
            b[5],
            b[6],
            b[7],
        )
    made = ops._rnn_layer_backward(
        grads[0],
        grads[1],
        grads[2],
        input,
        hx,
        cx,
        w_ih,
        w_hh,
        b_ih,
        b_hh,
        w_hr,
        w_ih_reverse,
        w_hh_reverse,
        b_ih_reverse,
        b_hh_reverse,
        w_hr_reverse,
        output,
        reserve,
        batch_sizes,
        mode,
        [
            needs[0],
            needs[1],
            needs[2],
            needs[3] or needs[4] or needs[5] or needs[6] or needs[7],
            needs[8] or needs[9] or needs[10] or needs[11] or needs[12],
        ],
    )
    return (
        made[0],
        made[1],
        made[2],
        weight_part(made[3], w_ih, w_hh, b_ih, 0, ops),
        weight_part(made[3], w_ih, w_hh, b_ih, 1, ops),
        weight_part(made[3], w_ih, w_hh, b_ih, 2, ops),
        weight_part(made[3], w_ih, w_hh, b_ih, 3, ops),
        weight_part(made[3], w_ih, w_hh, b_ih, 4, ops),
        weight_part(made[4], w_ih, w_hh, b_ih, 0, ops),
        weight_part(made[4], w_ih, w_hh, b_ih, 1, ops),
        weight_part(made[4], w_ih, w_hh, b_ih, 2, ops),
        weight_part(made[4], w_ih, w_hh, b_ih, 3, ops),
        weight_part(made[4], w_ih, w_hh, b_ih, 4, ops),
    )


def weight_part(flat, w_ih, w_hh, b_ih, which, ops):
    """One of the gradients of a direction's weights, which lie one after the other."""
    if flat.numel() == 0:  # which is not wanted
        return flat
    gates = w_ih.shape[0]
    first = gates * w_ih.shape[1]
    second = first + gates * w_hh.shape[1]
    if which == 0:
        return ops.view(ops.slice_Tensor(flat, 0, 0, first), w_ih.shape)
    if which == 1:
        return ops.view(ops.slice_Tensor(flat, 0, first, second), w_hh.shape)
    if which < 4:
        return ops.slice_Tensor(flat, 0, second + (which - 2) * gates, second + (which - 1) * gates)
    if b_ih is not None:
        second += 2 * gates
    rest = ops.slice_Tensor(flat, 0, second, flat.shape[0])
    return rest if rest.numel() == 0 else ops.view(rest, [w_hh.shape[1], -1])


@structured(
    "_rnn_layer_backward(Tensor? grad_output, Tensor? grad_hy, Tensor? grad_cy, Tensor input, "
    f"Tensor hx, Tensor? cx, {_WEIGHTS}, Tensor output, Tensor reserve, SymInt[] batch_sizes, "
    "int mode, bool[5] output_mask) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    cpu="_rnn_layer_backward",
    function_variant=False,
    method=False,
    no_gradient=_OFF,
)
def _rnn_layer_backward():
    """The gradients of ``_rnn_layer``; one whose mask is false has no elements.

    Those of input and states, then of a direction's weights, which lie one after the other.
    """


def spec_if(wanted, sizes, input):
    return Spec(sizes if wanted else [0], input.dtype)


def check_gradient(op, name, grad, sizes, dtype):
    fits = grad.dim() == len(sizes)
    if fits:
        for d, n in enumerate(sizes):
            fits = fits and grad.shape[d] == n
    if not fits or grad.dtype != dtype:
        raise Error(
            f"{op}: expected {name} of shape {show(sizes)} and {dtype_name(dtype)}, got "
            f"{show(grad.shape)} and {dtype_name(grad.dtype)}"
        )


@_rnn_layer_backward.flops
def _(input, hx, w_ih, w_hh, w_hr, output_mask):
    rows = math.prod(input.shape[:-1])
    on_input, on_state, projected = weights_of(w_ih, w_hh, w_hr)
    # The gradient of the state passes every step but the first, which it leaves where it is wanted.
    through = rows - (0 if output_mask[1] else hx.shape[1])
    one = rows * on_input * (output_mask[0] + output_mask[3]) + through * on_state
    one += rows * (on_state * output_mask[3] + projected * (1 + output_mask[3]))
    return 2 * hx.shape[0] * one


@_rnn_layer_backward.rule
def _(
    grad_output,
    grad_hy,
    grad_cy,
    input,
    hx,
    cx,
    w_ih,
    w_hh,
    b_ih,
    b_hh,
    w_hr,
    w_ih_reverse,
    w_hh_reverse,
    b_ih_reverse,
    b_hh_reverse,
    w_hr_reverse,
    output,
    reserve,
    batch_sizes,
    mode,
    output_mask,
):
    op = "_rnn_layer_backward"
    check_floating(op, input)
    if hx.dim() != 3 or input.dim() < 2 or output.dim() != input.dim():
        raise Error(
            f"{op}: input {show(input.shape)}, hx {show(hx.shape)} and output "
            f"{show(output.shape)} do not fit each other"
        )
    check_steps(input, hx.shape[1], batch_sizes)
    units = check_direction(op, input, hx, w_ih, w_hh, b_ih, b_hh, w_hr, mode)
    if w_ih_reverse is not None:
        if w_hh_reverse is None:
            raise Error(f"{op}: w_ih_reverse and w_hh_reverse are given both, or neither")
        check_direction(
            op,
            input,
            hx,
            w_ih_reverse,
            w_hh_reverse,
            b_ih_reverse,
            b_hh_reverse,
            w_hr_reverse,
            mode,
        )
    directions = 1 if w_ih_reverse is None else 2
    if hx.shape[0] != directions:
        raise Error(f"{op}: expected a state for {directions} directions, got {show(hx.shape)}")
    check_states(op, input, hx, cx, units, mode)
    count = input.shape[0]
    if not batch_sizes:
        count = input.shape[0] * input.shape[1]
    sizes = list(input.shape)
    sizes[len(sizes) - 1] = directions * hx.shape[2]
    check_gradient(op, "output", output, sizes, input.dtype)
    kept = kept_bytes(input, units, w_hr is not None, mode)
    held = [directions, count, kept] if kept > 0 else [0]
    check_gradient(op, "reserve", reserve, held, dtypes.uint8)
    if grad_output is not None:
        check_gradient(op, "grad_output", grad_output, sizes, input.dtype)
    if grad_hy is not None:
        check_gradient(op, "grad_hy", grad_hy, hx.shape, input.dtype)
    if grad_cy is not None:
        if cx is not None:
            check_gradient(op, "grad_cy", grad_cy, cx.shape, input.dtype)
    to_cell = [0] if cx is None else list(cx.shape)
    gates = gates_of(mode) * units
    features, state = input.shape[input.dim() - 1], hx.shape[2]
    flat = gates * (features + state)
    if b_ih is not None:
        flat += 2 * gates
    if w_hr is not None:
        flat += state * units
    return (
        spec_if(output_mask[0], input.shape, input),
        spec_if(output_mask[1], hx.shape, input),
        spec_if(output_mask[2], to_cell, input),
        spec_if(output_mask[3], [flat], input),
        spec_if(output_mask[4], [flat], input),
    )


def _state(*sizes):
    return values(*sizes, low=-0.9, high=0.9)


def _weights(mode, units=4, features=2, state=None):
    n = gates_of(mode) * units
    return [values(n, features), values(n, state or units), values(n), values(n)]


_NONE = [None] * 5
_SAMPLES = {
    "relu": (values(3, 2, 2), _state(1, 2, 4), None, *_weights(RELU), *_NONE, None, [], RELU),
    "tanh, both": (
        values(3, 2, 2),
        _state(2, 2, 4),
        None,
        *_weights(TANH),
        None,
        *_weights(TANH),
        None,
        [],
        TANH,
    ),
    "LSTM, both, packed": (
        values(5, 2),
        _state(2, 2, 4),
        _state(2, 2, 4),
        *_weights(LSTM),
        None,
        *_weights(LSTM),
        None,
        [2, 2, 1],
        LSTM,
    ),
    "LSTM, projected": (
        values(3, 2, 2),
        _state(1, 2, 3),
        _state(1, 2, 4),
        *_weights(LSTM, state=3),
        values(3, 4),
        *_NONE,
        [],
        LSTM,
    ),
    "GRU, both, packed": (
        values(5, 2),
        _state(2, 2, 4),
        None,
        *_weights(GRU),
        None,
        *_weights(GRU),
        None,
        [2, 2, 1],
        GRU,
    ),
}
_rnn_layer.samples(*(call(*args, True) for args in _SAMPLES.values()), dtypes=FLOATING)
_rnn_layer_backward.samples(
    call(
        values(3, 2, 4),
        _state(1, 2, 4),
        None,
        values(3, 2, 2),
        _state(1, 2, 4),
        None,
        *_weights(TANH),
        *_NONE,
        None,
        _state(3, 2, 4),
        values(0, dtype="uint8"),
        [],
        TANH,
        [True, True, False, True, False],
    ),
    dtypes=FLOATING,
)
_rnn_layer_backward.batching(lambda b: by_items(b))
for record in (_rnn_layer, _rnn_layer_backward):
    record.without("jvp", "decomposition", "sharding", "autocast", "benchmark")
