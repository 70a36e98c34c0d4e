"""What a loader tells the pipes of a pipeline: their part, whether to shuffle, and seeds."""

from __future__ import annotations

import inspect
import warnings

from .datapipes.iter.sharding import SHARDING_PRIORITIES, _ShardingIterDataPipe
from .graph import DataPipeGraph, traverse_dps
from .sampler import draw_seed

__all__ = [
    "apply_random_seed",
    "apply_sharding",
    "apply_shuffle_seed",
    "apply_shuffle_settings",
    "get_all_graph_pipes",
]


def get_all_graph_pipes(graph: DataPipeGraph) -> list:
    """All pipes of a graph, each once.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> pipe = IterableWrapper(range(3)).batch(2)
        >>> [type(p).__name__ for p in get_all_graph_pipes(traverse_dps(pipe))]
        ['BatcherIterDataPipe', 'IterableWrapperIterDataPipe']
    """
    found: dict = {}

    def collect(graph) -> None:
        for key, (pipe, below) in graph.items():
            if key not in found:
                found[key] = pipe
                collect(below)

    collect(graph)
    return list(found.values())


def _has(pipe, *names: str) -> bool:
    """Whether a pipe's own class defines the methods: names of functional forms do not count."""
    return all(inspect.ismethod(getattr(pipe, name, None)) for name in names)


def apply_sharding(
    datapipe, num_of_instances: int, instance_id: int, sharding_group=SHARDING_PRIORITIES.DEFAULT
):
    """Tell each pipe that divides samples which part this worker has. Two of them on one path are
    an error.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> list(apply_sharding(IterableWrapper(range(5)).sharding_filter(), 2, 0))
        [0, 2, 4]
    """

    def tell(graph, above) -> None:
        for pipe, below in graph.values():
            applied = above
            if isinstance(pipe, _ShardingIterDataPipe) or _has(pipe, "apply_sharding"):
                if above is not None:
                    raise RuntimeError(
                        "Sharding twice on a single pipeline is likely unintended and will cause "
                        f"data loss. Sharding already applied to {above} while trying to apply to "
                        f"{pipe}"
                    )
                if len(inspect.signature(pipe.apply_sharding).parameters) < 3:
                    pipe.apply_sharding(num_of_instances, instance_id)
                else:
                    pipe.apply_sharding(
                        num_of_instances, instance_id, sharding_group=sharding_group
                    )
                applied = pipe
            tell(below, applied)

    tell(traverse_dps(datapipe), None)
    return datapipe


def apply_shuffle_settings(datapipe, shuffle: bool | None = None):
    """Tell each pipe that shuffles whether to; where there is none and one is wanted, it is put at
    the end.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> list(apply_shuffle_settings(IterableWrapper(range(3)).shuffle(), shuffle=False))
        [0, 1, 2]
    """
    if shuffle is None:
        return datapipe
    pipes = get_all_graph_pipes(traverse_dps(datapipe))
    shufflers = [pipe for pipe in pipes if _has(pipe, "set_shuffle", "set_seed")]
    if not shufflers and shuffle:
        warnings.warn(
            "`shuffle=True` was set, but the datapipe does not contain a `Shuffler`. Adding one at "
            "the end. Be aware that the default buffer size might not be sufficient for your task.",
            stacklevel=2,
        )
        datapipe = datapipe.shuffle()
        shufflers = [datapipe]
    for shuffler in shufflers:
        shuffler.set_shuffle(shuffle)
    return datapipe


def apply_shuffle_seed(datapipe, rng):
    """Deprecated: `apply_random_seed`."""
    warnings.warn(
        "`apply_shuffle_seed` is deprecated since 1.12 and will be removed in the future releases. "
        "Please use `apply_random_seed` instead.",
        FutureWarning,
        stacklevel=2,
    )
    return apply_random_seed(datapipe, rng)


def apply_random_seed(datapipe, rng):
    """Seed each pipe that draws random numbers from a generator.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> pipe = IterableWrapper(range(9)).shuffle()
        >>> a = list(apply_random_seed(pipe, flambeau.Generator().manual_seed(1)))
        >>> a == list(apply_random_seed(pipe, flambeau.Generator().manual_seed(1)))
        True
    """
    for pipe in get_all_graph_pipes(traverse_dps(datapipe)):
        if _has(pipe, "set_seed"):
            pipe.set_seed(draw_seed(rng))
    return datapipe
