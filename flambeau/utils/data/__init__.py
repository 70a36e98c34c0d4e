"""Datasets, samplers and the loader that makes batches of them."""

from . import _utils as _utils
from .dataloader import (
    DataLoader,
    _DatasetKind,
    default_collate,
    default_convert,
    get_worker_info,
)
from .dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from .distributed import DistributedSampler
from .sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

# Name -> the module that has it, which is loaded when the name is first touched.
_PIPES = {
    name: module
    for module, names in {
        "datapipes._decorator": (
            "argument_validation functional_datapipe guaranteed_datapipes_determinism"
            " non_deterministic runtime_validation runtime_validation_disabled"
        ),
        "datapipes.datapipe": "DFIterDataPipe DataChunk IterDataPipe MapDataPipe",
    }.items()
    for name in names.split()
}
_SUBMODULES = ("datapipes", "graph", "graph_settings")

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DFIterDataPipe",
    "DataChunk",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterDataPipe",
    "IterableDataset",
    "MapDataPipe",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "_DatasetKind",
    "argument_validation",
    "default_collate",
    "default_convert",
    "functional_datapipe",
    "get_worker_info",
    "guaranteed_datapipes_determinism",
    "non_deterministic",
    "random_split",
    "runtime_validation",
    "runtime_validation_disabled",
]


def __getattr__(name: str):
    import importlib

    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _PIPES:
        importlib.import_module(f"{__name__}.datapipes")  # all functional forms
        value = getattr(importlib.import_module(f"{__name__}.{_PIPES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PIPES, *_SUBMODULES})
