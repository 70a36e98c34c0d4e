"""How vmap runs one op on all items: the words that the slot ``batching`` may be.

A rule is called with the level off the stack. Its tensors are :class:`Operand`; it gives tensors
whose first dimension is the batch, or :class:`Operand` where that is elsewhere or nowhere.
"""

from __future__ import annotations

import warnings
from typing import Any

import flambeau
from flambeau.func._forms import Form, form_of, is_tensor, map_tensors, parameters_of
from flambeau.ops.samples import BOOLEAN

# Arguments that name dimensions, and that are sizes of results.
_DIMS = frozenset({"dim", "dims", "dim0", "dim1", "dim2", "dimension"})
_SIZES = frozenset({"size", "input_sizes", "repeats"})


class Operand:
    """A tensor and where its batch dimension is; None where it has none."""

    __slots__ = ("batch_dim", "size", "value")

    def __init__(self, value: Any, batch_dim: int | None, size: int = 0) -> None:
        self.value, self.batch_dim, self.size = value, batch_dim, size

    @property
    def batched(self) -> bool:
        return self.batch_dim is not None

    @property
    def rank(self) -> int:
        """How many dimensions the function that is being mapped sees."""
        return self.value.dim() - self.batched

    @property
    def shape(self) -> list[int]:
        """The sizes that the function that is being mapped sees."""
        sizes = list(self.value.shape)
        if self.batched:
            del sizes[self.batch_dim]
        return sizes

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def first(self) -> Any:
        """With the batch dimension first, of size 1 where there is none."""
        if self.batch_dim is None:
            return self.value.unsqueeze(0)
        return self.value if self.batch_dim == 0 else self.value.movedim(self.batch_dim, 0)

    @property
    def full(self) -> Any:
        """With the batch dimension first, repeated where there is none."""
        if self.batch_dim is not None:
            return self.first
        return self.value.unsqueeze(0).expand([self.size, *self.value.shape])


class Batch:
    """One call under vmap."""

    def __init__(self, level: Any, form: Form, values: list) -> None:
        self.level, self.form, self.op, self.size = level, form, form.op, level.batch_size
        self.randomness = level.randomness
        self.given = values
        self.values = list(values)
        for i in form.tensors:
            value = values[i]
            if is_tensor(value):
                self.values[i] = self.operand(value)
            elif value is not None:
                self.values[i] = map_tensors(self.operand, value)

    def operand(self, t: Any) -> Operand:
        parts = self.level.parts(t)
        if parts is None:
            return Operand(t, None, self.size)
        return Operand(parts[0], parts[1], self.size)

    def operands(self) -> list[Operand]:
        """All tensors, those in lists too."""
        found = []
        for value in self.values:
            if isinstance(value, Operand):
                found.append(value)
            elif isinstance(value, list):
                found += [v for v in value if isinstance(v, Operand)]
        return found

    def at(self, value: Any, batch_dim: int | None) -> Operand:
        """A result whose batch dimension is not the first, or that has none."""
        return Operand(value, batch_dim, self.size)

    # ---- for rules in the records

    ops = property(lambda self: flambeau.ops.aten)

    def op_of(self, overload: str) -> Any:
        """Another overload of the op."""
        return getattr(self.op.overloadpacket, overload)

    @staticmethod
    def aligned(operand: Operand, rank: int) -> Any:
        return aligned(operand, rank)

    def spread(self, operand: Operand, rank: int) -> Any:
        """As ``aligned``, with the batch dimension in any case."""
        return aligned(self.at(operand.full, 0), rank)

    @staticmethod
    def shifted(dim: Any, rank: int) -> Any:
        return _shifted(dim, rank)

    @staticmethod
    def flat(operand: Operand) -> Any:
        """Batch dimension first, and one more that has all of the item."""
        return operand.full.flatten(1) if operand.rank else operand.full.unsqueeze(1)

    def offset(self, places: Operand, count: int) -> Any:
        """Indices into one of ``count`` rows, as indices into the rows of all items."""
        full = places.full
        start = flambeau.arange(self.size, dtype=full.dtype, device=full.device) * count
        return full + start.reshape(-1, *[1] * places.rank)

    def product(self, a: Operand, b: Operand) -> Any:
        """The matrix product of items."""
        if b.rank == 1:
            column = b.full.unsqueeze(-1)
            left = a.full.unsqueeze(1) if a.rank == 1 else a.full
            made = flambeau.matmul(left, column).squeeze(-1)
            return made.squeeze(-1) if a.rank == 1 else made
        if not a.batched:
            return flambeau.matmul(a.value, b.full)
        return flambeau.matmul(a.full, b.value if not b.batched else b.full)

    @staticmethod
    def scaled_sum(a: Any, b: Any, beta: Any, alpha: Any) -> Any:
        b = b if alpha == 1 else b * alpha
        if beta == 0:
            return b
        return (a if beta == 1 else a * beta) + b

    def along(self, x: Operand, dim: Any, keepdim: bool, f: Any) -> Any:
        """A reduction over one dimension, or over all of an item where ``dim`` is None."""
        if dim is not None and x.rank:
            return f(x.full, _shifted(dim, x.rank), keepdim)
        made = f(self.flat(x), 1, False)
        kept = [self.size, *[1] * x.rank] if keepdim else [self.size]
        return map_tensors(lambda t: t.reshape(kept), made if is_tensor(made) else list(made))

    def folded(self, f: Any, rank: int, *operands: Operand) -> Any:
        """``f`` of tensors of this rank, whose first dimension are items, or items of items."""
        if operands[0].rank < rank:
            return f(*(o.full for o in operands))
        made = f(*(o.full.flatten(0, 1) for o in operands))
        split = lambda t: t.unflatten(0, [self.size, -1])  # noqa: E731
        return split(made) if is_tensor(made) else [split(t) for t in made]

    @staticmethod
    def reduced(each: Any, reduction: int) -> Any:
        """A loss of each element, as none (0), mean (1) or sum (2) of an item."""
        if reduction == 0 or each.dim() == 1:
            return each
        return each.flatten(1).mean(1) if reduction == 1 else each.flatten(1).sum(1)

    def _places(self, x: Operand, indices: list) -> tuple[list, list[int], int, bool]:
        """Indices of items as indices of the batch.

        Also which dimensions of an item they pick from, how many dimensions what they pick has,
        and whether the batch is among what they pick.
        """
        masks = [i for i in indices if i is not None and i.dtype in (flambeau.bool, flambeau.uint8)]
        if masks:
            if any(mask.batched for mask in masks):
                raise RuntimeError(
                    "vmap: We do not support batching operators that can support dynamic shape. "
                    "Attempting to batch over indexing with a boolean mask."
                )
            spread: list = []
            for i in indices:
                if i is None or i.dtype not in (flambeau.bool, flambeau.uint8):
                    spread.append(i)
                else:
                    spread += [self.at(p, None) for p in i.value.nonzero().unbind(1)]
            indices = spread
        picked = [d for d, i in enumerate(indices) if i is not None]
        rank = max(indices[d].rank for d in picked)
        batched = any(indices[d].batched for d in picked)
        if not batched:
            return [None if i is None else i.value for i in indices], picked, rank, False
        places = [None if i is None else self.aligned(i, rank) for i in indices]
        return places, picked, rank, True

    def indexed(self, x: Operand, indices: list, f: Any) -> Any:
        places, picked, rank, batched = self._places(x, indices)
        adjacent = picked == list(range(picked[0], picked[-1] + 1))
        start = picked[0] if adjacent else 0
        if not x.batched:
            # The batch comes first in what is picked.
            return self.at(f(x.value, places), start)
        if not batched:
            # An ordinary dimension, in front of what is picked only where that stays in its place.
            return self.at(f(x.first, [None, *places]), 0 if adjacent else rank)
        made = f(x.first, [self._rows(rank), *places])
        # The rows make it more indices: the batch and what is picked are first when they are not
        # side by side.
        if adjacent and start > 0:
            made = made.movedim(list(range(1, rank + 1)), list(range(start + 1, start + 1 + rank)))
        return made

    def _rows(self, rank: int) -> Any:
        return flambeau.arange(self.size).reshape(-1, *[1] * rank)

    def put(self, x: Operand, indices: list, values: Operand, f: Any) -> Any:
        places, picked, rank, batched = self._places(x, indices)
        adjacent = picked == list(range(picked[0], picked[-1] + 1))
        start = picked[0] if adjacent else 0
        target = x.first if self.form.mutated else x.full
        rest = x.rank - len(picked)
        given = self.aligned(values, rank + rest)
        if not values.batched:
            given = given[(None,) * (rank + rest + 1 - given.dim())]
        # What is picked first, then the rest: the order in which the rows and it come.
        if adjacent and start > 0:
            given = given.movedim(
                list(range(start + 1, start + 1 + rank)), list(range(1, rank + 1))
            )
        if not batched:
            places = [None if p is None else p.unsqueeze(0) for p in places]
        return f(target, [self._rows(rank), *places], given)

    def wrap(self, result: Any) -> Any:
        if isinstance(result, (list, tuple)):
            return (
                type(result)(map(self.wrap, result))
                if type(result) in (list, tuple)
                else tuple(map(self.wrap, result))
            )
        if is_tensor(result):
            return self.level.wrap(result, 0)
        if not isinstance(result, Operand):
            return result
        return self.level.wrap(result.value, result.batch_dim) if result.batched else result.value

    def out_of_place(self) -> Batch:
        """The call of the functional form with the arguments of an in-place one."""
        return Batch(self.level, form_of(self.form.functional), self.given)

    def check_writable(self) -> None:
        """What is written to must hold a value for each item where what is read does."""
        written = [self.values[i] for i in self.form.mutated]
        written = [w for some in written for w in (some if isinstance(some, list) else [some])]
        if all(w.batched for w in written) or not any(o.batched for o in self.operands()):
            return
        raise RuntimeError(
            f"vmap: {self.form.name}(self, *extra_args) is not possible because there exists a "
            "Tensor `other` in extra_args that has more elements than `self`. This happened due "
            "to `other` being vmapped over but `self` not being vmapped over in a vmap. Please "
            "try to use out-of-place operators instead of inplace arithmetic. If said operator "
            "is being called inside the PyTorch framework, please file a bug report instead."
        )


# ---- rules


def apply(level: Any, form: Form, values: list, rule: Any) -> Any:
    """Runs a call of which at least one tensor belongs to the level."""
    b = Batch(level, form, values)
    try:
        return _apply(level, form, values, rule, b)
    except (RuntimeError, IndexError, ValueError) as error:
        of_vmap = str(error).startswith(("vmap:", "Batching rule"))
        if not of_vmap and rule != "random" and (own := _error_of_item(b)):
            raise own from error
        raise


def _error_of_item(b: Batch) -> Exception | None:
    """What the op says of one item, whose sizes and dimensions are those that the program knows."""
    item = lambda o: flambeau.empty(o.shape, dtype=o.dtype, device="meta")  # noqa: E731
    try:
        _call(b, _unpacked(b.values, item))
    except NotImplementedError:
        return None  # it needs values
    except (RuntimeError, IndexError, ValueError) as error:
        return error
    return None


def _apply(level: Any, form: Form, values: list, rule: Any, b: Batch) -> Any:
    if form.out:
        raise RuntimeError(
            f"Batching rule not implemented for {form.name}; the fallback path doesn't work on "
            "out= or view ops."
        )
    if not form.mutated:
        return b.wrap(_run(b, rule))
    b.check_writable()
    if rule == "pointwise":
        pointwise(b)
    elif form.functional is None:
        _run(b, rule)
    else:
        made = b.operand(b.wrap(_run(b.out_of_place(), rule)))
        target = values[form.mutated[0]]
        if form.record.kind == "view":
            level.set_value(target, made.value, made.batch_dim)
        else:
            b.operand(target).first.copy_(made.first)
    return values[form.mutated[0]]


def _run(b: Batch, rule: Any) -> Any:
    if isinstance(rule, str):
        return _WORDS[rule](b)
    known = {"b": b, **dict(zip(b.form.names, b.values))}
    return rule(**{n: known[n] for n in parameters_of(rule)})


def _call(b: Batch, values: list) -> Any:
    return b.form.call(values)


def _unpacked(values: list, how: Any) -> list:
    """Operands as tensors."""
    out = []
    for value in values:
        if isinstance(value, Operand):
            value = how(value)
        elif isinstance(value, list):
            value = [how(v) if isinstance(v, Operand) else v for v in value]
        out.append(value)
    return out


def aligned(operand: Operand, rank: int) -> Any:
    """Batch dimension first, then as many ones as bring the rest to ``rank``."""
    if not operand.batched:
        return operand.value
    value = operand.first
    for _ in range(rank - operand.rank):
        value = value.unsqueeze(1)
    return value


def _promoted(b: Batch, operands: list[Operand]) -> list[Operand]:
    """A tensor of no dimensions counts less in promotion; the batch gives it one, so it is cast."""
    if len({o.dtype for o in operands}) < 2 or not any(o.batched and not o.rank for o in operands):
        return operands
    result = _result_type(operands)
    return [
        b.at(o.value.to(result), o.batch_dim) if o.batched and not o.rank else o for o in operands
    ]


def _category(dtype: Any) -> int:
    if dtype.is_complex:
        return 3
    return 2 if dtype.is_floating_point else int(dtype != flambeau.bool)


def _result_type(operands: list[Operand]) -> Any:
    """The dtype that tensors of these ranks promote to."""
    best: dict[bool, Any] = {}
    for o in operands:
        scalar = not o.rank
        best[scalar] = flambeau.promote_types(best[scalar], o.dtype) if scalar in best else o.dtype
    with_rank, without = best.get(False), best.get(True)
    if with_rank is None or without is None:
        return with_rank or without
    if _category(without) > _category(with_rank):
        return flambeau.promote_types(with_rank, without)
    return with_rank


def alike(level: Any, form: Form, values: list) -> Any:
    """A pointwise op where nothing has to be moved: its tensors have one dtype, as many dimensions
    and the batch among them in the same place, or none at all. None where that is not so."""
    unwrapped = list(values)
    first = None
    for i in form.tensors:
        value = values[i]
        if value is None:
            continue
        parts = level.parts(value)
        if parts is None:
            if is_tensor(value) and value.dim():
                return None
            continue
        unwrapped[i] = parts[0]
        if first is None:
            first, place = parts
            rank, dtype = first.dim(), first.dtype
        elif parts[1] != place or parts[0].dim() != rank or parts[0].dtype != dtype:
            return None
    if first is None:
        return None
    if rank == 1:  # an item counts no more than what has no dimensions
        if any(is_tensor(v) and v.dtype != dtype for v in unwrapped):
            return None
    return level.wrap(form.call(unwrapped), place)


def pointwise(b: Batch) -> Any:
    values = list(b.values)
    if len(b.form.tensors) == 1 and not b.form.mutated:
        place = b.form.tensors[0]
        operand = values[place]
        values[place] = operand.value
        return b.at(_call(b, values), operand.batch_dim)
    places = [
        i for i, v in enumerate(values) if isinstance(v, Operand) and b.form.names[i] not in BOOLEAN
    ]
    if not b.form.mutated:
        for i, o in zip(places, _promoted(b, [values[i] for i in places])):
            values[i] = o
    operands = [v for v in values if isinstance(v, Operand)]
    rank = max(o.rank for o in operands)
    return _call(b, _unpacked(values, lambda o: aligned(o, rank)))


def same(b: Batch) -> Any:
    operand = b.operands()[0]
    place = b.form.names.index("memory_format") if "memory_format" in b.form.names else None
    if place is not None and b.values[place] is flambeau.contiguous_format:
        return _call(b, _unpacked(b.values, lambda o: o.first))
    values = _unpacked(b.values, lambda o: o.value)
    if place is not None:
        # The others say where the channels lie, in tensors of as many dimensions as an item has.
        values[place] = b.form.defaults[place]
    return b.at(_call(b, values), operand.batch_dim)


def front(b: Batch) -> Any:
    return _call(b, _unpacked(b.values, lambda o: o.full))


def _shifted(dim: Any, rank: int) -> Any:
    """Dimensions of an item as dimensions of the batch."""
    if isinstance(dim, (list, tuple)):
        return [_shifted(d, rank) for d in dim]
    if not -rank <= dim < rank:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got "
            f"{dim})"
        )
    return dim % rank + 1


def dims(b: Batch, reduces: bool = False) -> Any:
    operands = b.operands()
    # A view's result may have more dimensions than its argument (unsqueeze).
    rank = max(operands[0].rank, 1)
    flat = not operands[0].rank and not _SIZES & set(b.form.names)
    values = _unpacked(b.values, lambda o: o.full.unsqueeze(1) if flat and not o.rank else o.full)
    if "input_sizes" in b.form.names:
        rank = len(values[b.form.names.index("input_sizes")])
    for i, name in enumerate(b.form.names):
        value = values[i]
        if name in _DIMS:
            if reduces and (value is None or value == []):
                value = list(range(rank))
            if value is not None:
                values[i] = _shifted(value, rank)
        elif name in _SIZES and isinstance(value, (list, tuple)):
            values[i] = [b.size if name != "repeats" else 1, *value]
    result = _call(b, values)
    if not flat:
        return result
    return map_flat(result)


def map_flat(result: Any) -> Any:
    """Results of items of no dimensions, which were given one for the call."""
    if isinstance(result, (list, tuple)):
        return [map_flat(r) for r in result]
    return result.squeeze(1) if result.dim() > 1 else result


def reduce(b: Batch) -> Any:
    return dims(b, reduces=True)


def folded(o: Operand) -> Any:
    return o.full.flatten(0, 1)


def fold(b: Batch) -> Any:
    size = b.size
    result = _call(b, _unpacked(b.values, folded))
    unfold = lambda t: t.unflatten(0, [size, t.size(0) // size])  # noqa: E731
    return map_tensors(unfold, result) if is_tensor(result) else [unfold(t) for t in result]


def dynamic(b: Batch) -> Any:
    raise RuntimeError(
        "vmap: We do not support batching operators that can output dynamic shape. Attempted to "
        f"vmap over {b.form.name}. Please file an issue at "
        "https://github.com/pytorch/pytorch/issues if you need this feature."
    )


def none(b: Batch) -> Any:
    raise RuntimeError(
        f"Batching rule not implemented for {b.form.name}. We could not generate a fallback."
    )


def loop(b: Batch) -> Any:
    """Calls the op for each item, and says so."""
    form = b.form
    if not form.gives_tensors:
        return none(b)
    warnings.warn(
        "There is a performance drop because we have not yet implemented the batching rule for "
        f"{form.name}. Please file us an issue on GitHub so that we could prioritize its "
        "implementation.",
        UserWarning,
        stacklevel=2,
    )
    made = [form.call(_unpacked(b.values, lambda o, i=i: _item(o, i))) for i in range(b.size)]
    if form.mutated:
        return None
    if is_tensor(made[0]):
        return flambeau.stack(made)
    return [flambeau.stack(list(parts)) for parts in zip(*made)]


def _item(o: Operand, i: int) -> Any:
    return o.value.select(o.batch_dim, i) if o.batched else o.value


def random(b: Batch) -> Any:
    """Draws for each item, or the same for all; the results do not depend on what is drawn for."""
    check_randomness(b.randomness)
    form = b.form
    written = [b.values[i] for i in form.mutated]
    if written and not written[0].batched:
        if b.randomness == "different":
            raise RuntimeError(
                "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This "
                "will appear like same randomness. If this is necessary for your usage, please "
                "file an issue with functorch."
            )
        return form.call(_unpacked(b.values, lambda o: o.value))
    if b.randomness == "same":
        if written:
            drawn = [o.full[0].clone() if isinstance(o, Operand) else o for o in b.values]
            form.call(drawn)
            written[0].first.copy_(drawn[form.mutated[0]])
            return None
        if any(o.batched for o in b.operands()) and "_like" not in form.name:
            raise RuntimeError(
                f"vmap: {form.name} cannot draw the same for all items of a batch, because the "
                "items differ: use randomness='different'"
            )
        return b.at(form.call(_unpacked(b.values, lambda o: o.full[0])), None)
    values = _unpacked(b.values, lambda o: o.full)
    if "size" in form.names:
        i = form.names.index("size")
        values[i] = [b.size, *values[i]]
    elif form.op._opname == "randperm":
        return flambeau.stack([form.call(values) for _ in range(b.size)])
    return form.call(values)


def check_randomness(randomness: str) -> None:
    if randomness == "error":
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the "
            "'same' or 'different' randomness flags on vmap or perform the randomness operation "
            "out of vmap"
        )


_WORDS = {
    "pointwise": pointwise,
    "same": same,
    "front": front,
    "dims": dims,
    "reduce": reduce,
    "fold": fold,
    "dynamic": dynamic,
    "none": none,
    "loop": loop,
    "random": random,
}
