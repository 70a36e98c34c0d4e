"""Recurrent networks over all steps, as ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` call them."""

from flambeau.ops.language import Error, absent, dtype_name, dtypes, show, watched
from flambeau.ops.record import FLOATING, composite
from flambeau.ops.rnn.unrolled import GRU, LSTM, RELU, TANH, rows
from flambeau.ops.samples import call, ints, values


def steps_of(op, batch_sizes, ops):
    """The rows of each step of packed input."""
    if batch_sizes.dim() != 1 or batch_sizes.numel() == 0 or batch_sizes.dtype != dtypes.int64:
        raise Error(
            f"{op}: batch_sizes is a vector of int64 with an element for each step, got "
            f"{dtype_name(batch_sizes.dtype)} of shape {show(batch_sizes.shape)}"
        )
    sizes = [0 for _ in range(0)]
    for i in range(batch_sizes.shape[0]):
        sizes.append(int(ops.select_int(batch_sizes, 0, i).item()))
    return sizes


def all_layers(
    op,
    input,
    h0,
    c0,
    params,
    sizes,
    has_biases,
    num_layers,
    dropout,
    train,
    bidirectional,
    mode,
    ops,
):
    """The layers one after the other: the last one's output, and the states of all."""
    directions = 2 if bidirectional else 1
    each = 4 if has_biases else 2
    if num_layers <= 0 or num_layers > len(params):
        raise Error(
            f"{op}: expected num_layers above 0 and parameters for each layer, got {num_layers} "
            f"layers and {len(params)} parameters"
        )
    projected = mode == LSTM and len(params) == (each + 1) * directions * num_layers
    if projected:
        each += 1
    if len(params) != each * directions * num_layers:
        raise Error(
            f"{op}: expected {each} parameters for each of {num_layers} layers in {directions} "
            f"directions, got {len(params)}"
        )
    if h0.dim() != 3 or h0.shape[0] != directions * num_layers:
        raise Error(
            f"{op}: expected a hidden state of shape [{directions * num_layers}, batch, state], "
            f"got {show(h0.shape)}"
        )
    if c0 is not None:
        if c0.dim() != 3 or c0.shape[0] != directions * num_layers:
            raise Error(
                f"{op}: expected a cell state of shape [{directions * num_layers}, batch, units], "
                f"got {show(c0.shape)}"
            )
    if dropout < 0 or dropout > 1 or dropout != dropout:
        raise Error(f"{op}: dropout probability has to be between 0 and 1, but got {dropout:g}")
    keeps = watched([input, h0]) or watched(params)
    if c0 is not None:
        keeps = keeps or watched([c0])
    x = input
    hidden = [h0 for _ in range(0)]
    cells = [h0 for _ in range(0)]
    for layer in range(num_layers):
        first = layer * directions
        at = first * each
        behind = at + each
        h = h0 if num_layers == 1 else rows(h0, first, first + directions, ops)
        c = c0
        if c0 is not None and num_layers > 1:
            c = rows(c0, first, first + directions, ops)
        made = ops._rnn_layer(
            x,
            h,
            c,
            params[at],
            params[at + 1],
            params[at + 2] if has_biases else None,
            params[at + 3] if has_biases else None,
            params[behind - 1] if projected else None,
            params[behind] if bidirectional else None,
            params[behind + 1] if bidirectional else None,
            params[behind + 2] if bidirectional and has_biases else None,
            params[behind + 3] if bidirectional and has_biases else None,
            params[behind + each - 1] if bidirectional and projected else None,
            sizes,
            mode,
            keeps,
        )
        x = made[0]
        hidden.append(made[1])
        cells.append(made[2])
        if dropout != 0 and train and layer < num_layers - 1:
            x = ops.dropout(x, dropout, True)
    if num_layers == 1:
        return x, hidden[0], cells[0]
    if c0 is None:
        return x, ops.cat(hidden), cells[0]
    return x, ops.cat(hidden), ops.cat(cells)


def in_steps(op, input, batch_first, ops):
    """Input with the steps first."""
    if input.dim() != 3:
        raise Error(f"{op}: expected input of 3 dimensions, got {show(input.shape)}")
    return ops.transpose_int(input, 0, 1) if batch_first else input


_OPTIONS = "Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool"
_STATED = {"method": False, "tags": frozenset({"random"})}
_PACKED = {"method": False, "tags": frozenset({"random", "data_dependent"})}


@composite(
    f"lstm.input(Tensor input, Tensor[] hx, {_OPTIONS} bidirectional, bool batch_first) -> "
    "(Tensor, Tensor, Tensor)",
    **_STATED,
)
def lstm(
    input,
    hx,
    params,
    has_biases,
    num_layers,
    dropout,
    train,
    bidirectional,
    batch_first,
    ops,
):
    """Layers of LSTM over all steps: output, hidden and cell states. ``nn.LSTM`` calls it.

    >>> one, w = flambeau.ones(1, 1, 1), flambeau.zeros(4, 1)
    >>> flambeau.lstm(one, (one, one), (w, w), False, 1, 0.0, False, False, False)
    (tensor([[[0.2311]]]), tensor([[[0.2311]]]), tensor([[[0.5000]]]))
    """
    if len(hx) != 2:
        raise Error(f"lstm: lstm expects two hidden states, got {len(hx)}")
    x = in_steps("lstm", input, batch_first, ops)
    sizes = [0 for _ in range(0)]
    y, h, c = all_layers(
        "lstm",
        x,
        hx[0],
        hx[1],
        params,
        sizes,
        has_biases,
        num_layers,
        dropout,
        train,
        bidirectional,
        LSTM,
        ops,
    )
    return ops.transpose_int(y, 0, 1) if batch_first else y, h, c


@composite(
    f"lstm.data(Tensor data, Tensor batch_sizes, Tensor[] hx, {_OPTIONS} bidirectional) -> "
    "(Tensor, Tensor, Tensor)",
    **_PACKED,
)
def lstm_data(
    data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional, ops
):
    """Layers of LSTM over packed sequences."""
    if len(hx) != 2:
        raise Error(f"lstm: lstm expects two hidden states, got {len(hx)}")
    return all_layers(
        "lstm",
        data,
        hx[0],
        hx[1],
        params,
        steps_of("lstm", batch_sizes, ops),
        has_biases,
        num_layers,
        dropout,
        train,
        bidirectional,
        LSTM,
        ops,
    )


def without_cells(op, input, hx, params, sizes, biases, layers, p, train, both, mode, ops):
    made = all_layers(
        op, input, hx, absent(), params, sizes, biases, layers, p, train, both, mode, ops
    )
    return made[0], made[1]


def whole(op, input, hx, params, biases, layers, p, train, both, batch_first, mode, ops):
    sizes = [0 for _ in range(0)]
    x = in_steps(op, input, batch_first, ops)
    y, h = without_cells(op, x, hx, params, sizes, biases, layers, p, train, both, mode, ops)
    return ops.transpose_int(y, 0, 1) if batch_first else y, h


def _kind(name, mode, words, example):
    """The two overloads of a kind of network whose state is one tensor."""

    def over_steps(
        input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first, ops
    ):
        return whole(
            name,
            input,
            hx,
            params,
            has_biases,
            num_layers,
            dropout,
            train,
            bidirectional,
            batch_first,
            mode,
            ops,
        )

    def over_packed(
        data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional, ops
    ):
        return without_cells(
            name,
            data,
            hx,
            params,
            steps_of(name, batch_sizes, ops),
            has_biases,
            num_layers,
            dropout,
            train,
            bidirectional,
            mode,
            ops,
        )

    over_steps.__doc__ = f"""Layers of {words} over all steps: output and hidden states.

    >>> one, w = flambeau.ones(1, 1, 1), flambeau.zeros({3 if mode == GRU else 1}, 1)
    >>> flambeau.{name}(one, one, (w, w), False, 1, 0.0, False, False, False)[1]
    tensor([[[{example}]]])
    """
    over_packed.__doc__ = f"Layers of {words} over packed sequences."
    text = f"{_OPTIONS} bidirectional"
    return (
        composite(
            f"{name}.input(Tensor input, Tensor hx, {text}, bool batch_first) -> (Tensor, Tensor)",
            **_STATED,
        )(over_steps),
        composite(
            f"{name}.data(Tensor data, Tensor batch_sizes, Tensor hx, {text}) -> (Tensor, Tensor)",
            **_PACKED,
        )(over_packed),
    )


gru, gru_data = _kind("gru", GRU, "GRU", "0.5000")
rnn_tanh, rnn_tanh_data = _kind("rnn_tanh", TANH, "RNN with ``tanh``", "0.")
rnn_relu, rnn_relu_data = _kind("rnn_relu", RELU, "RNN with ``relu``", "0.")


def _parameters(gates, layers, directions):
    found = []
    for layer in range(layers):
        for _ in range(directions):
            features = 2 if layer == 0 else 3 * directions
            found += [values(3 * gates, features), values(3 * gates, 3)]
            found += [values(3 * gates), values(3 * gates)]
    return found


def _states(count, gates):
    state = values(count, 2, 3, low=-0.9, high=0.9)
    return [state, state] if gates == 4 else state


for _record, _gates in ((lstm, 4), (gru, 3), (rnn_tanh, 1), (rnn_relu, 1)):
    _record.samples(
        call(
            values(3, 2, 2),
            _states(1, _gates),
            _parameters(_gates, 1, 1),
            True,
            1,
            0.0,
            True,
            False,
            False,
        ),
        call(
            values(2, 3, 2),
            _states(4, _gates),
            _parameters(_gates, 2, 2),
            True,
            2,
            0.0,
            True,
            True,
            True,
        ),
        dtypes=FLOATING,
    )
for _record, _gates in ((lstm_data, 4), (gru_data, 3), (rnn_tanh_data, 1), (rnn_relu_data, 1)):
    _record.samples(
        call(
            values(5, 2),
            ints([2, 2, 1]),
            _states(2, _gates),
            _parameters(_gates, 2, 1),
            True,
            2,
            0.0,
            True,
            False,
        ),
        dtypes=FLOATING,
    )
for _record in (lstm, gru, rnn_tanh, rnn_relu, lstm_data, gru_data, rnn_tanh_data, rnn_relu_data):
    _record.without("benchmark")
