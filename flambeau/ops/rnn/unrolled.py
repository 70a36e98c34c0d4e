"""The gradient of a recurrent layer as a composition of other ops, step by step, for when it is
recorded itself.
"""

RELU, TANH, LSTM, GRU = 0, 1, 2, 3


def rows(t, first, last, ops):
    return ops.slice_Tensor(t, 0, first, last)


def gate(t, k, units, ops):
    return ops.slice_Tensor(t, 1, k * units, (k + 1) * units)


def with_rows(state, initial, n, ops):
    """A state of the next step's rows: the last ones end, or begin from ``initial``."""
    have = state.shape[0]
    if n <= have:
        return rows(state, 0, n, ops)
    return ops.cat([state, rows(initial, have, n, ops)])


def no_tensors(like):
    """An empty list of tensors."""
    return [like for _ in range(0)]


def starts_of(sizes):
    """The first row of each step, and the end."""
    starts = [0]
    for n in sizes:
        starts.append(starts[len(starts) - 1] + n)
    return starts


def in_time(parts, reverse):
    """Parts that were made from the last step of a direction to the first, in the order of time."""
    return list(parts) if reverse else [parts[len(parts) - 1 - i] for i in range(len(parts))]


def one_minus(t, ops):
    return ops.rsub_Scalar(t, 1, 1)


def unrolled_backward(
    grad, grad_hy, grad_cy, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, sizes, mode, reverse, ops
):
    """The gradients of one direction: of x, h0, c0, both weights, both biases, the projection.

    ``x`` has the rows of all steps, of which ``sizes`` tells how many there are in each. What has
    no meaning in the mode is given as some tensor, and some tensor is given back for it.
    """
    steps = len(sizes)
    units = w_hh.shape[1]
    if w_hr is not None:
        units = w_hr.shape[1]
    starts = starts_of(sizes)
    # Forward.
    given = ops.linear(x, w_ih, b_ih)
    first = sizes[steps - 1] if reverse else sizes[0]
    h = rows(h0, 0, first, ops)
    c = rows(c0, 0, first, ops)
    before = no_tensors(x)
    cells_before = no_tensors(x)
    made = no_tensors(x)
    bent = no_tensors(x)
    raws = no_tensors(x)
    for i in range(steps):
        t = steps - 1 - i if reverse else i
        n = sizes[t]
        h = with_rows(h, h0, n, ops)
        before.append(h)
        of_input = rows(given, starts[t], starts[t] + n, ops)
        of_state = ops.linear(h, w_hh, b_hh)
        if mode == LSTM:
            a = of_input + of_state
            c = with_rows(c, c0, n, ops)
            cells_before.append(c)
            into = ops.sigmoid(gate(a, 0, units, ops))
            forget = ops.sigmoid(gate(a, 1, units, ops))
            cell = ops.tanh(gate(a, 2, units, ops))
            out = ops.sigmoid(gate(a, 3, units, ops))
            c = forget * c + into * cell
            curved = ops.tanh(c)
            raw = out * curved
            made.append(ops.cat([into, forget, cell, out], 1))
            bent.append(curved)
            raws.append(raw)
            h = raw
            if w_hr is not None:
                h = ops.linear(raw, w_hr)
        elif mode == GRU:
            reset = ops.sigmoid(gate(of_input, 0, units, ops) + gate(of_state, 0, units, ops))
            update = ops.sigmoid(gate(of_input, 1, units, ops) + gate(of_state, 1, units, ops))
            state = gate(of_state, 2, units, ops)
            new = ops.tanh(gate(of_input, 2, units, ops) + reset * state)
            made.append(ops.cat([reset, update, state, new], 1))
            h = new + update * (h - new)
        else:
            a = of_input + of_state
            h = ops.tanh(a) if mode == TANH else ops.relu(a)
            made.append(h)
    # Backward.
    last = sizes[0] if reverse else sizes[steps - 1]
    dh = rows(grad_hy, 0, last, ops)
    dc = rows(grad_cy, 0, last, ops)
    to_input = no_tensors(x)
    to_state = no_tensors(x)
    wholes = no_tensors(x)
    ended_h = no_tensors(x)
    ended_c = no_tensors(x)
    for i in reversed(range(steps)):
        t = steps - 1 - i if reverse else i
        n = sizes[t]
        have = dh.shape[0]
        if n < have:  # the other rows began here
            ended_h.append(rows(dh, n, have, ops))
            ended_c.append(rows(dc, n, have, ops))
        dh = with_rows(dh, grad_hy, n, ops)
        dc = with_rows(dc, grad_cy, n, ops)
        g = dh + rows(grad, starts[t], starts[t] + n, ops)
        gates = made[i]
        if mode == LSTM:
            wholes.append(g)
            if w_hr is not None:
                g = ops.mm(g, w_hr)
            into, forget = gate(gates, 0, units, ops), gate(gates, 1, units, ops)
            cell, out = gate(gates, 2, units, ops), gate(gates, 3, units, ops)
            curved = bent[i]
            d = dc + g * out * one_minus(curved * curved, ops)
            da = ops.cat(
                [
                    d * cell * into * one_minus(into, ops),
                    d * cells_before[i] * forget * one_minus(forget, ops),
                    d * into * one_minus(cell * cell, ops),
                    g * curved * out * one_minus(out, ops),
                ],
                1,
            )
            dc = d * forget
            to_input.append(da)
            to_state.append(da)
            dh = ops.mm(da, w_hh)
        elif mode == GRU:
            reset, update = gate(gates, 0, units, ops), gate(gates, 1, units, ops)
            state, new = gate(gates, 2, units, ops), gate(gates, 3, units, ops)
            d = g * one_minus(update, ops) * one_minus(new * new, ops)
            d_reset = d * state * reset * one_minus(reset, ops)
            d_update = g * (before[i] - new) * update * one_minus(update, ops)
            da = ops.cat([d_reset, d_update, d * reset], 1)
            to_input.append(ops.cat([d_reset, d_update, d], 1))
            to_state.append(da)
            dh = ops.mm(da, w_hh) + g * update
        else:
            da = g * one_minus(gates * gates, ops)
            if mode == RELU:
                da = ops.threshold_backward(g, gates, 0)
            to_input.append(da)
            to_state.append(da)
            dh = ops.mm(da, w_hh)
    all_h, all_c = [dh], [dc]
    for i in reversed(range(len(ended_h))):
        all_h.append(ended_h[i])
        all_c.append(ended_c[i])
    d_h0, d_c0 = ops.cat(all_h), ops.cat(all_c)
    a_input = ops.cat(in_time(to_input, reverse))
    a_state = ops.cat(in_time(to_state, reverse))
    # What was made from first to last is in time where the direction is not reversed.
    states = ops.cat(in_time(before, not reverse))
    d_w_hr = dh
    if w_hr is not None:
        d_w_hr = ops.mm(
            ops.t(ops.cat(in_time(wholes, reverse))), ops.cat(in_time(raws, not reverse))
        )
    return (
        ops.mm(a_input, w_ih),
        d_h0,
        d_c0,
        ops.mm(ops.t(a_input), x),
        ops.mm(ops.t(a_state), states),
        ops.sum_dim_IntList(a_input, [0]),
        ops.sum_dim_IntList(a_state, [0]),
        d_w_hr,
    )
