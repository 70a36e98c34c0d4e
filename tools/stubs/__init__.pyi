from collections.abc import Sequence
from typing import Any, overload

from flambeau import accelerator as accelerator
from flambeau import amp as amp
from flambeau import autograd as autograd
from flambeau import backends as backends
from flambeau import compat as compat
from flambeau import compiler as compiler
from flambeau import cpu as cpu
from flambeau import cuda as cuda
from flambeau import distributed as distributed
from flambeau import func as func
from flambeau import functional as functional
from flambeau import futures as futures
from flambeau import hub as hub
from flambeau import jit as jit
from flambeau import library as library
from flambeau import fft as fft
from flambeau import linalg as linalg
from flambeau import mps as mps
from flambeau import mtia as mtia
from flambeau import multiprocessing as multiprocessing
from flambeau import nn as nn
from flambeau import optim as optim
from flambeau import overrides as overrides
from flambeau import profiler as profiler
from flambeau import random as random
from flambeau import return_types as return_types
from flambeau import serialization as serialization
from flambeau import sparse as sparse
from flambeau import signal as signal
from flambeau import signal as signal
from flambeau import sparse as sparse
from flambeau import special as special
from flambeau import storage as storage
from flambeau import testing as testing
from flambeau import torch_version as torch_version
from flambeau import types as types
from flambeau import utils as utils
from flambeau import version as version
from flambeau import xpu as xpu
from flambeau._basics import _assert as _assert
from flambeau._basics import _check as _check
from flambeau._basics import _check_index as _check_index
from flambeau._basics import _check_not_implemented as _check_not_implemented
from flambeau._basics import _check_tensor_all as _check_tensor_all
from flambeau._basics import _check_type as _check_type
from flambeau._basics import _check_value as _check_value
from flambeau._basics import _check_with as _check_with
from flambeau._basics import _register_device_module as _register_device_module
from flambeau._basics import _shape_as_tensor as _shape_as_tensor
from flambeau._streams import Event as Event
from flambeau._streams import Stream as Stream
from flambeau._symint import SymBool as SymBool
from flambeau._symint import SymFloat as SymFloat
from flambeau._symint import SymInt as SymInt
from flambeau._tags import Tag as Tag
from flambeau._typed_tensors import BFloat16Tensor as BFloat16Tensor
from flambeau._typed_tensors import BoolTensor as BoolTensor
from flambeau._typed_tensors import ByteTensor as ByteTensor
from flambeau._typed_tensors import CharTensor as CharTensor
from flambeau._typed_tensors import DoubleTensor as DoubleTensor
from flambeau._typed_tensors import FloatTensor as FloatTensor
from flambeau._typed_tensors import HalfTensor as HalfTensor
from flambeau._typed_tensors import IntTensor as IntTensor
from flambeau._typed_tensors import LongTensor as LongTensor
from flambeau._typed_tensors import ShortTensor as ShortTensor
from flambeau._basics import compile as compile
from flambeau._basics import get_device_module as get_device_module
from flambeau._basics import is_complex as is_complex
from flambeau._basics import is_floating_point as is_floating_point
from flambeau._basics import is_nonzero as is_nonzero
from flambeau._basics import is_storage as is_storage
from flambeau._basics import is_tensor as is_tensor
from flambeau._basics import numel as numel
from flambeau._basics import sym_float as sym_float
from flambeau._basics import sym_int as sym_int
from flambeau._basics import sym_ite as sym_ite
from flambeau._basics import sym_max as sym_max
from flambeau._basics import sym_min as sym_min
from flambeau._basics import sym_not as sym_not
from flambeau._basics import sym_sum as sym_sum
from flambeau._basics import typename as typename
from flambeau._settings import get_autocast_cpu_dtype as get_autocast_cpu_dtype
from flambeau._settings import get_autocast_gpu_dtype as get_autocast_gpu_dtype
from flambeau._settings import is_autocast_cpu_enabled as is_autocast_cpu_enabled
from flambeau._settings import set_autocast_cpu_dtype as set_autocast_cpu_dtype
from flambeau._settings import set_autocast_cpu_enabled as set_autocast_cpu_enabled
from flambeau._settings import set_autocast_gpu_dtype as set_autocast_gpu_dtype
from flambeau._settings import (
    are_deterministic_algorithms_enabled as are_deterministic_algorithms_enabled,
)
from flambeau._settings import get_default_device as get_default_device
from flambeau._settings import get_deterministic_debug_mode as get_deterministic_debug_mode
from flambeau._settings import get_float32_matmul_precision as get_float32_matmul_precision
from flambeau._settings import (
    is_deterministic_algorithms_warn_only_enabled as is_deterministic_algorithms_warn_only_enabled,
)
from flambeau._settings import set_default_device as set_default_device
from flambeau._settings import set_default_tensor_type as set_default_tensor_type
from flambeau._settings import set_deterministic_debug_mode as set_deterministic_debug_mode
from flambeau._settings import set_float32_matmul_precision as set_float32_matmul_precision
from flambeau._settings import use_deterministic_algorithms as use_deterministic_algorithms
from flambeau._C import *
from flambeau._C import Number as Number
from flambeau._C import Tensor as Tensor
from flambeau._C import _bool, _device, _dtype, _float, _int, _layout, _memory_format
from flambeau._tensor_str import get_printoptions as get_printoptions
from flambeau._tensor_str import printoptions as printoptions
from flambeau._tensor_str import set_printoptions as set_printoptions
from flambeau._version import __version__ as __version__
from flambeau.amp.autocast_mode import autocast as autocast
from flambeau.amp.grad_scaler import GradScaler as GradScaler
from flambeau.autograd.grad_mode import enable_grad as enable_grad
from flambeau.autograd.grad_mode import inference_mode as inference_mode
from flambeau.autograd.grad_mode import no_grad as no_grad
from flambeau.autograd.grad_mode import set_grad_enabled as set_grad_enabled
from flambeau.func import vmap as vmap
from flambeau.futures import Future as Future
from flambeau.jit import ScriptFunction as ScriptFunction
from flambeau.jit import ScriptModule as ScriptModule
from flambeau.functional import argwhere as argwhere
from flambeau.functional import atleast_1d as atleast_1d
from flambeau.functional import atleast_2d as atleast_2d
from flambeau.functional import atleast_3d as atleast_3d
from flambeau.functional import block_diag as block_diag
from flambeau.functional import broadcast_shapes as broadcast_shapes
from flambeau.functional import broadcast_tensors as broadcast_tensors
from flambeau.functional import cartesian_prod as cartesian_prod
from flambeau.functional import einsum as einsum
from flambeau.functional import meshgrid as meshgrid
from flambeau.functional import nonzero as nonzero
from flambeau.functional import norm as norm
from flambeau.functional import split as split
from flambeau.functional import unique as unique
from flambeau.functional import unique_consecutive as unique_consecutive
from flambeau.functional import unravel_index as unravel_index
from flambeau.serialization import load as load
from flambeau.serialization import load_safetensors as load_safetensors
from flambeau.serialization import save as save
from flambeau.serialization import save_safetensors as save_safetensors
from flambeau.sparse._construction import sparse_compressed_tensor as sparse_compressed_tensor
from flambeau.sparse._construction import sparse_coo_tensor as sparse_coo_tensor
from flambeau.sparse._construction import sparse_csc_tensor as sparse_csc_tensor
from flambeau.sparse._construction import sparse_csr_tensor as sparse_csr_tensor

e: _float
inf: _float
legacy_contiguous_format: _memory_format
nan: _float
newaxis: None
pi: _float

# ops: functions
