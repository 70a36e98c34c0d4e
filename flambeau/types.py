"""Names for annotations: what functions take for a number, a size, a device."""

from __future__ import annotations

import builtins
import os
from collections.abc import Sequence
from typing import IO, Any, TypeAlias, Union

import flambeau
from flambeau import Tensor, UntypedStorage

__all__ = ["Device", "FileLike", "Number", "Storage", "py_sym_types"]

Number: TypeAlias = Union[int, float, bool]  # noqa: UP007
Device: TypeAlias = Union[flambeau.device, str, int, None]  # noqa: UP007
FileLike: TypeAlias = Union[str, os.PathLike, IO[bytes]]  # noqa: UP007
Storage = UntypedStorage

_int, _float, _bool, _complex = builtins.int, builtins.float, builtins.bool, builtins.complex
_dtype, _device, _layout = flambeau.dtype, flambeau.device, flambeau.layout
_qscheme: TypeAlias = Any
_size: TypeAlias = Union[flambeau.Size, list[int], tuple[int, ...]]  # noqa: UP007
_symsize: TypeAlias = Union[flambeau.Size, Sequence[Union[int, flambeau.SymInt]]]  # noqa: UP007
_dispatchkey: TypeAlias = str
_TensorOrTensors: TypeAlias = Union[Tensor, Sequence[Tensor]]  # noqa: UP007
_TensorOrTensorsOrGradEdge: TypeAlias = Any

IntLikeType: TypeAlias = Union[int, flambeau.SymInt]  # noqa: UP007
FloatLikeType: TypeAlias = float
BoolLikeType: TypeAlias = bool

py_sym_types = (flambeau.SymInt,)
PySymType: TypeAlias = flambeau.SymInt
