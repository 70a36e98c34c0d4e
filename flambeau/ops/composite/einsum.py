"""Sums of products over named dimensions."""

from flambeau.ops.language import Error, count, dtype_name, einsum_label, einsum_labels, watched
from flambeau.ops.record import NUMERIC, composite
from flambeau.ops.samples import call, np, values

# Note [Labels of einsum]
# A dimension's label is a number: letters come first, in the order in which an output that is not
# written out has them; behind them the dimensions that an ellipsis stands for, from the left.
LETTERS = 52
ELLIPSIS = -1  # in what is parsed, before its dimensions are counted


def matrix_product(labels, tensors, ops):
    """``"ij,kj->ik"`` and its like: one product of matrices, which needs no plan.

    The result is laid out as the general way lays it out. None where a letter is repeated, a size
    broadcasts, or dimensions are summed that only one operand has.
    """
    if len(tensors) != 2 or len(labels) != 3:
        return None
    if watched(tensors):  # someone sees the ops: they are to be PyTorch's
        return None
    a, b = tensors[0], tensors[1]
    x, y, out = labels[0], labels[1], labels[2]
    if a.dim() != 2 or b.dim() != 2 or not a.is_floating_point():
        return None
    if len(x) != 2 or len(y) != 2 or len(out) != 2 or x[0] == x[1] or y[0] == y[1]:
        return None
    if ELLIPSIS in x or ELLIPSIS in y or ELLIPSIS in out:
        return None
    last = x[1] in y  # of the first operand: the label of both
    inner = x[1] if last else x[0]
    left = x[0] if last else x[1]
    if inner not in y:
        return None
    first = inner == y[0]  # of the second operand
    right = y[1] if first else y[0]
    plain = out[0] == left and out[1] == right
    turned = out[0] == right and out[1] == left
    if left == right or not (plain or turned):
        return None
    if a.size(1 if last else 0) != b.size(0 if first else 1):
        return None
    rows = a if last else ops.t(a)
    columns = b if first else ops.t(b)
    product = ops.mm(rows, columns)
    return product if plain else ops.t(product)


def dims_of_ellipsis(labels, tensors):
    """How many dimensions an ellipsis stands for, at most."""
    wide = 0
    for i, t in enumerate(tensors):
        has = ELLIPSIS in labels[i]
        named = len(labels[i]) - 1 if has else len(labels[i])
        if has and named > t.dim():
            raise Error(
                f"einsum: the number of subscripts in the equation ({named}) is more than the "
                f"number of dimensions ({t.dim()}) for operand {i}"
            )
        if not has and named != t.dim():
            raise Error(
                f"einsum: the number of subscripts in the equation ({named}) does not match the "
                f"number of dimensions ({t.dim()}) for operand {i} and no ellipsis was given"
            )
        wide = max(wide, t.dim() - named)
    return wide


def spelled(labels, ndim, wide):
    """An ellipsis as its dimensions, counted from the right as in broadcasting."""
    covered = ndim - len(labels) + 1
    out = []
    for label in labels:
        if label == ELLIPSIS:
            for k in range(wide - covered, wide):
                out.append(LETTERS + k)
        else:
            out.append(label)
    return out


def count_uses(inputs, tensors, wide):
    """How often each label is used. The sizes of a label have to broadcast."""
    sizes = [0] * (LETTERS + wide)
    uses = [0] * (LETTERS + wide)
    for i, labels in enumerate(inputs):
        t = tensors[i]
        for d, label in enumerate(labels):
            for e, other in enumerate(labels):
                if other == label and e < d and t.shape[e] != t.shape[d]:
                    raise Error(
                        f"einsum: subscript {einsum_label(label)} is repeated for operand {i} but "
                        f"the sizes don't match, {t.shape[d]} != {t.shape[e]}"
                    )
        for d, label in enumerate(labels):
            n = t.shape[d]
            uses[label] += 1
            if uses[label] == 1 or sizes[label] == 1:
                sizes[label] = n
            elif n != 1 and n != sizes[label]:
                raise Error(
                    f"einsum: subscript {einsum_label(label)} has size {n} for operand {i} which "
                    f"does not broadcast with previously seen size {sizes[label]}"
                )
    return uses


def output_labels(labels, uses, wide, operands):
    order = []
    if len(labels) == operands:  # not written out: the ellipsis, and the letters that occur once
        for k in range(wide):
            order.append(LETTERS + k)
        for label in range(LETTERS):
            if uses[label] == 1:
                order.append(label)
        return order
    written = labels[operands]
    ndim = len(written) - 1 + wide  # where there is an ellipsis
    for label in spelled(written, ndim, wide):
        if label in order:
            raise Error(
                f"einsum: output subscript {einsum_label(label)} appears more than once in the "
                "output"
            )
        if uses[label] == 0:
            raise Error(
                f"einsum: output subscript {einsum_label(label)} does not appear in the equation "
                "for any input operand"
            )
        order.append(label)
    return order


def place_of(labels, label):
    for i, other in enumerate(labels):
        if other == label:
            return i
    return -1


def aligned(t, labels, order, ops):
    """An operand with all dimensions, in their order: diagonals for repeated labels, dimensions of
    size 1 for those that it lacks.
    """
    out, left = t, list(labels)
    for a in range(len(labels)):
        for b in reversed(range(a + 1, len(left))):
            if left[b] == left[a]:
                out = ops.movedim_int(ops.diagonal(out, 0, a, b), -1, a)
                del left[b]
    places = []
    for label in order:
        at = place_of(left, label)
        if at < 0:
            at = len(left)
            out = ops.unsqueeze(out, -1)
            left.append(label)
        places.append(at)
    return ops.permute(out, places)


def as_matrices(t, batch, rows, columns, rest, ops):
    order = list(batch) + list(rows) + list(columns) + list(rest)
    shape = [
        count([t.shape[d] for d in batch]),
        count([t.shape[d] for d in rows]),
        count([t.shape[d] for d in columns]),
    ]
    return ops.reshape(ops.permute(t, order), shape)


def summed_product(a, b, inner, ops):
    """One matrix product in place of ``a * b`` summed over dimensions that both have."""
    batch, left, right, ones = [], [], [], []
    for d in range(a.dim()):
        in_a, in_b = a.shape[d] != 1, b.shape[d] != 1
        if in_a and in_b:
            if d not in inner:
                batch.append(d)
        elif in_a:
            left.append(d)
        elif in_b:
            right.append(d)
        else:
            ones.append(d)
    first = as_matrices(a, batch, left, inner, right + ones, ops)
    second = as_matrices(b, batch, inner, right, left + ones, ops)
    product = ops.bmm(first, second)
    place, sizes = [0] * a.dim(), []
    for d in batch + left:
        place[d] = len(sizes)
        sizes.append(a.shape[d])
    for d in right:
        place[d] = len(sizes)
        sizes.append(b.shape[d])
    for d in list(inner) + ones:
        place[d] = len(sizes)
        sizes.append(1)
    return ops.permute(ops.reshape(product, sizes), place)


def contracted(a, b, summed, ops):
    """``a * b``, with the dimensions in ``summed`` brought to size 1."""
    only_a = [d for d in summed if a.shape[d] != 1 and b.shape[d] == 1]
    only_b = [d for d in summed if a.shape[d] == 1 and b.shape[d] != 1]
    inner = [d for d in summed if a.shape[d] != 1 and b.shape[d] != 1]
    x = ops.sum_dim_IntList(a, only_a, True) if only_a else a
    y = ops.sum_dim_IntList(b, only_b, True) if only_b else b
    return summed_product(x, y, inner, ops) if inner else x * y


@composite(
    "einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor",
    method=False,
    module="_functional",
)
def einsum(equation, tensors, path, ops):
    """Sums of products over named dimensions; ``flambeau.einsum`` is the Python face.

    >>> flambeau._C._functional.einsum("i,i->", [flambeau.ones(3), flambeau.ones(3)])
    tensor(3.)
    """
    if not tensors:
        raise Error("einsum: must provide at least one operand")
    dtype = tensors[0].dtype
    for t in tensors:
        if t.dtype != dtype:
            raise Error(
                f"einsum: expected scalar type {dtype_name(dtype)} but found {dtype_name(t.dtype)}"
            )
    steps = len(tensors) - 1
    if path is not None and len(path) != 2 * steps:
        raise Error(
            f"einsum: path must name two operands for each of the {steps} contractions, got "
            f"{len(path)} numbers"
        )
    labels = einsum_labels(equation, len(tensors))
    if path is None:
        product = matrix_product(labels, tensors, ops)
        if product is not None:
            return product
    wide = dims_of_ellipsis(labels, tensors)
    inputs = [spelled(labels[i], t.dim(), wide) for i, t in enumerate(tensors)]
    uses = count_uses(inputs, tensors, wide)
    order = output_labels(labels, uses, wide, len(tensors))
    outputs = len(order)  # dimensions of the output; the others are summed
    for label, times in enumerate(uses):
        if times > 0 and label not in order:
            order.append(label)
    operands = [aligned(t, inputs[i], order, ops) for i, t in enumerate(tensors)]
    for step in range(steps):
        # Without a path from left to right, the result coming first; with one it comes last.
        i = 0 if path is None else path[2 * step]
        j = 1 if path is None else path[2 * step + 1]
        n = len(operands)
        if i < 0 or i >= n or j < 0 or j >= n or i == j:
            raise Error(f"einsum: path names the operands {i} and {j} of {n}")
        a = operands[min(i, j)]
        b = operands[max(i, j)]
        del operands[max(i, j)]
        del operands[min(i, j)]
        summed = [d for d in range(outputs, len(order)) if all(t.shape[d] == 1 for t in operands)]
        made = contracted(a, b, summed, ops)
        operands.insert(0 if path is None else len(operands), made)
    result = operands[0]
    if outputs == len(order):
        return result
    if steps == 0:
        return ops.sum_dim_IntList(result, list(range(outputs, len(order))))
    return ops.reshape(result, result.shape[:outputs])


einsum.samples(
    call("ij,jk->ik", [values(2, 3), values(3, 2)]),
    call("ii", [values(3, 3)]),
    call("bi,bj->b", [values(2, 3), values(2, 2)]),
    dtypes=NUMERIC,
)
einsum.reference(lambda equation, arrays: np.einsum(equation, *arrays))
