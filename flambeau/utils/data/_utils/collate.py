"""Batches from samples: tensors stacked, containers kept with batches inside."""

from __future__ import annotations

import collections.abc
import copy
import re
import sys

import flambeau

np_str_obj_array_pattern = re.compile(r"[SaUO]")  # of the dtypes that no tensor has


def default_convert(data):
    """NumPy arrays as tensors, at any depth of dictionaries, lists and tuples; the rest as it is.

    Shape:
        - data: any.

    Example::

        >>> import numpy as np
        >>> default_convert([np.array([0, 1])])
        [tensor([0, 1])]
    """
    kind = type(data)
    if isinstance(data, flambeau.Tensor):
        return data
    if kind.__module__ == "numpy" and hasattr(data, "dtype"):
        return data if data.dtype.kind in "SUOV" else flambeau.as_tensor(data)
    if isinstance(data, collections.abc.Mapping):
        converted = {key: default_convert(data[key]) for key in data}
        return _like_mapping(data, converted)
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return kind(*(default_convert(value) for value in data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, collections.abc.Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [default_convert(value) for value in data])
    return data


def _like_mapping(original, converted: dict):
    """``converted`` in the type of ``original``, a plain dictionary where that cannot be made."""
    try:
        if isinstance(original, collections.abc.MutableMapping):
            # A copy keeps what the type holds besides its items.
            result = copy.copy(original)
            result.update(converted)
            return result
        return type(original)(converted)
    except TypeError:
        return converted


def _like_sequence(original, converted: list):
    """``converted`` in the type of ``original``, a list where that cannot be made."""
    try:
        if isinstance(original, collections.abc.MutableSequence):
            result = copy.copy(original)
            for i, value in enumerate(converted):
                result[i] = value
            return result
        return type(original)(converted)
    except TypeError:
        return converted


def collate(batch, *, collate_fn_map=None):
    """A batch of the samples ``batch``, by the functions of ``collate_fn_map`` for their type.

    Shape:
        - batch: samples of one structure.

    Example::

        >>> collate([{"a": 1}, {"a": 2}], collate_fn_map={int: lambda xs, **_: sum(xs)})
        {'a': 3}
    """
    element = batch[0]
    kind = type(element)
    if collate_fn_map is not None:
        function = _function_for(kind, element, collate_fn_map)
        if function is not None:
            return function(batch, collate_fn_map=collate_fn_map)

    def inner(samples):
        return collate(samples, collate_fn_map=collate_fn_map)

    if isinstance(element, collections.abc.Mapping):
        return _like_mapping(element, {key: inner([d[key] for d in batch]) for key in element})
    if isinstance(element, tuple) and hasattr(element, "_fields"):
        return kind(*(inner(samples) for samples in zip(*batch)))
    if isinstance(element, collections.abc.Sequence):
        if any(len(sample) != len(element) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        collated = [inner(samples) for samples in zip(*batch)]
        return collated if isinstance(element, tuple) else _like_sequence(element, collated)
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {kind}"
    )


def _function_for(kind, element, functions):
    """The function for exactly this type, or else for the first that it derives from."""
    if kind in functions:
        return functions[kind]
    for candidate, function in functions.items():
        if isinstance(element, candidate):
            return function
    return None


def collate_tensor_fn(batch, *, collate_fn_map=None):
    worker = sys.modules.get("flambeau.utils.data._utils.worker")
    if worker is not None and worker._worker_info is not None:
        first = batch[0]
        if all(_is_plain(t) and t.dtype == first.dtype for t in batch) and first.numel():
            # A worker process stacks where the loader will read.
            storage = flambeau.UntypedStorage._new_shared(first.nbytes * len(batch))
            out = flambeau.empty(0, dtype=first.dtype).set_(storage, 0, (len(batch), *first.shape))
            return flambeau.stack(batch, 0, out=out)
    return flambeau.stack(batch, 0)


def _is_plain(tensor) -> bool:
    return (
        type(tensor) is flambeau.Tensor
        and not tensor.requires_grad
        and tensor.device.type == "cpu"
        and tensor.layout is flambeau.strided
    )


def collate_numpy_array_fn(batch, *, collate_fn_map=None):
    if np_str_obj_array_pattern.search(batch[0].dtype.str):
        raise TypeError(
            "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
            f"found an array of {batch[0].dtype}"
        )
    return collate([flambeau.as_tensor(b) for b in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch, *, collate_fn_map=None):
    return flambeau.as_tensor(batch)


def collate_float_fn(batch, *, collate_fn_map=None):
    return flambeau.tensor(batch, dtype=flambeau.float64)


def collate_int_fn(batch, *, collate_fn_map=None):
    return flambeau.tensor(batch)


def collate_str_fn(batch, *, collate_fn_map=None):
    return batch


default_collate_fn_map: dict = {
    flambeau.Tensor: collate_tensor_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def _know_numpy() -> None:
    """Add NumPy's types once NumPy is there; ahead of ``float``, which ``numpy.float64`` is."""
    numpy = sys.modules.get("numpy")
    if numpy is None or numpy.ndarray in default_collate_fn_map:
        return
    rest = dict(default_collate_fn_map)
    default_collate_fn_map.clear()
    default_collate_fn_map[numpy.ndarray] = collate_numpy_array_fn
    default_collate_fn_map[numpy.bool_, numpy.number, numpy.object_] = collate_numpy_scalar_fn
    default_collate_fn_map.update(rest)


def default_collate(batch):
    """A batch of the samples ``batch``: tensors are stacked, numbers become a tensor, strings a
    list; dictionaries, lists and tuples are kept, with batches inside.

    Shape:
        - batch: samples of one structure.

    Example::

        >>> default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])
        {'x': tensor([1, 2]), 'name': ['a', 'b']}
    """
    _know_numpy()
    return collate(batch, collate_fn_map=default_collate_fn_map)
