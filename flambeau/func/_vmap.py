"""vmap: a function of one item as a function of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau
from flambeau.func._forms import like
from flambeau.func._levels import VmapLevel
from flambeau.utils._pytree import (
    _broadcast_to_and_flatten,
    tree_flatten,
    tree_map_,
    tree_unflatten,
)


def vmap(
    func: Callable,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable:
    """A function that applies ``func`` to all items of a batch at once.

    ``func`` is written for one item and runs once: each of its ops runs on the whole batch.

    Args:
        func: a function of tensors that gives tensors, in any nesting.
        in_dims: which dimension of each argument is the batch; None: the argument is the same for
            all. One int for all, or nested as the arguments are.
        out_dims: where the batch goes in each result; None: the result is the same for all.
        randomness: what random functions do: ``"error"``, draw ``"different"`` numbers for each
            item, or the ``"same"``.
        chunk_size: how many items run at a time; all by default. Fewer take less memory.

    Shape:
        - all batch dimensions have the same size.

    Example::

        >>> import flambeau as torch
        >>> torch.vmap(torch.dot)(torch.ones(2, 3), torch.ones(2, 3))
        tensor([3., 3.])
        >>> torch.vmap(lambda x, y: x + y, in_dims=(0, None))(torch.zeros(2, 1), torch.ones(1))
        tensor([[1.],
                [1.]])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}"
        )
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @like(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        size, flat, dims, spec = _checked_inputs(in_dims, args, func)
        if chunk_size is None or chunk_size >= size:
            return _run(func, size, flat, dims, spec, out_dims, randomness, kwargs)
        return _in_chunks(func, size, flat, dims, spec, out_dims, randomness, chunk_size, kwargs)

    return wrapper


def _name(func: Callable) -> str:
    return getattr(func, "__name__", None) or repr(func)


def _checked_inputs(in_dims: Any, args: tuple, func: Callable) -> tuple:
    name = _name(func)
    if not isinstance(in_dims, (int, tuple)) or isinstance(in_dims, bool):
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a "
            f"(potentially nested) tuple matching the structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are "
            "trying to vmap over a function with no inputs. The latter is unsupported."
        )
    flat, spec = tree_flatten(args)
    if isinstance(in_dims, int):
        dims: Any = [in_dims] * len(flat)
    else:
        dims = _broadcast_to_and_flatten(in_dims, spec)
    call = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
    if dims is None:
        raise ValueError(
            f"{call}: in_dims is not compatible with the structure of `inputs`. in_dims has "
            f"structure {tree_flatten(in_dims)[1]} but inputs has structure {spec}."
        )
    sizes = []
    for i, (value, dim) in enumerate(zip(flat, dims)):
        if dim is None:
            continue
        if not isinstance(dim, int) or isinstance(dim, bool):
            raise ValueError(
                f"{call}: Got in_dim={dim} for an input but in_dim must be either an integer "
                "dimension or None."
            )
        if not isinstance(value, flambeau.Tensor):
            raise ValueError(
                f"{call}: Got in_dim={dim} for an input but the input is of type {type(value)}. "
                "We cannot vmap over non-Tensor arguments, please use None as the respective "
                "in_dim"
            )
        if not -value.dim() <= dim < value.dim():
            raise ValueError(
                f"{call}: Got in_dim={dim} for some input, but that input is a Tensor of "
                f"dimensionality {value.dim()} so expected in_dim to satisfy -{value.dim()} <= "
                f"in_dim < {value.dim()}."
            )
        dims[i] = dim % value.dim()
        sizes.append(value.size(dim))
    if not sizes:
        raise ValueError(f"{call}: at least one argument must be mapped over; all in_dims are None")
    if len(set(sizes)) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return sizes[0], flat, dims, spec


def _run(
    func: Callable,
    size: int,
    flat: list,
    dims: list,
    spec: Any,
    out_dims: Any,
    randomness: str,
    kwargs: dict,
) -> Any:
    level = VmapLevel(size, randomness)
    with level:
        items = [v if d is None else level.wrap(v, d) for v, d in zip(flat, dims)]
        outputs = func(*tree_unflatten(items, spec), **kwargs)
        made, out_spec = _unwrapped(level, outputs, out_dims, func)
    return tree_unflatten([_placed(v, b, d, size) for v, b, d in made], out_spec)


def _flat_out_dims(out_dims: Any, outputs: Any, spec: Any, func: Callable) -> list:
    if isinstance(out_dims, int):
        return [out_dims] * spec.num_leaves
    name = _name(func)

    def check(dim: Any) -> None:
        if not (dim is None or isinstance(dim, int)):
            raise ValueError(
                f"vmap({name}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a "
                "python collection of ints representing where in the outputs the vmapped "
                "dimension should appear."
            )

    tree_map_(check, out_dims)
    if isinstance(outputs, flambeau.Tensor) and isinstance(out_dims, tuple):
        dims = list(out_dims) if len(out_dims) == 1 else None
    else:
        dims = _broadcast_to_and_flatten(out_dims, spec)
    if dims is None:
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with "
            f"the structure of `outputs`. out_dims has structure {tree_flatten(out_dims)[1]} but "
            f"outputs has structure {spec}."
        )
    return dims


def _unwrapped(level: VmapLevel, outputs: Any, out_dims: Any, func: Callable) -> tuple:
    """For each result the value, its batch dimension, and the one it is to have."""
    flat, spec = tree_flatten(outputs)
    made = []
    for value, dim in zip(flat, _flat_out_dims(out_dims, outputs, spec, func)):
        if not isinstance(value, flambeau.Tensor):
            if dim is not None:
                raise ValueError(
                    f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got "
                    f"type {type(value)}. Did you mean to set out_dims= to None for output?"
                )
            made.append((value, None, None))
            continue
        parts = level.parts(value)
        if dim is None and parts is not None:
            raise ValueError(
                f"vmap({_name(func)}, ...): `{_name(func)}` can not return a BatchedTensor when "
                "out_dim is None"
            )
        made.append((value, None, dim) if parts is None else (*parts, dim))
    return made, spec


def _placed(value: Any, batch_dim: int | None, dim: int | None, size: int) -> Any:
    if dim is None:
        return value
    if batch_dim is None:
        value, batch_dim = value.unsqueeze(0).expand([size, *value.shape]), 0
    return value if batch_dim == dim else value.movedim(batch_dim, dim)


def _in_chunks(
    func: Callable,
    size: int,
    flat: list,
    dims: list,
    spec: Any,
    out_dims: Any,
    randomness: str,
    chunk_size: int,
    kwargs: dict,
) -> Any:
    made, out_spec = [], None
    state = flambeau.get_rng_state() if randomness == "same" else None
    for start in range(0, size, chunk_size):
        n = min(chunk_size, size - start)
        if state is not None:
            flambeau.set_rng_state(state)
        part = [v if d is None else v.narrow(d, start, n) for v, d in zip(flat, dims)]
        result = _run(func, n, part, dims, spec, out_dims, randomness, kwargs)
        leaves, out_spec = tree_flatten(result)
        made.append(leaves)
    where = _flat_out_dims(out_dims, tree_unflatten(made[0], out_spec), out_spec, func)
    joined = [
        parts[0] if d is None else flambeau.cat(list(parts), d)
        for parts, d in zip(zip(*made), where)
    ]
    return tree_unflatten(joined, out_spec)
