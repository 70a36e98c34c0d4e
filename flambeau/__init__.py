"""flambeau: deep learning with PyTorch's programming model.

``import flambeau as torch`` is the whole port of a program. Importing loads the core alone;
submodules, and functions that are written in Python, are loaded when they are first touched.
"""

try:
    from flambeau import _C
except ImportError:
    import importlib.util

    if importlib.util.find_spec("flambeau._C") is not None:
        raise  # it is there and does not load, which its own message explains
    raise ImportError(
        "flambeau is not built: there is no flambeau._C beside its Python files. In a checkout, "
        "`make build` builds it in place (`make demo` does too); `pip install .` makes a wheel."
    ) from None

# Before `float` is a dtype.
e, pi, inf, nan, newaxis = 2.718281828459045, 3.141592653589793, float("inf"), float("nan"), None

from flambeau._C import *  # noqa: E402, F403
from flambeau._version import __version__  # noqa: E402, F401

Tensor = _C.TensorBase
legacy_contiguous_format = _C.contiguous_format
globals().update({k: v for k, v in vars(_C._VariableFunctions).items() if not k.startswith("__")})

# Name -> the module that has it.
_SUBMODULES = (
    "__config__ _dynamo _recorder accelerator amp autograd backends cli compat compiler cpu"
    " cuda distributed fft func functional futures hub jit library linalg mps mtia"
    " multiprocessing nn ops optim overrides profiler random return_types serialization"
    " signal special storage testing torch_version types utils version xpu"
).split()
_LAZY = {
    name: module
    for module, names in {
        "amp": "GradScaler autocast",
        "autograd.grad_mode": "no_grad enable_grad inference_mode set_grad_enabled",
        "func": "vmap",
        "futures": "Future",
        "jit": "ScriptFunction ScriptModule",
        "_settings": (
            "are_deterministic_algorithms_enabled get_autocast_cpu_dtype get_autocast_gpu_dtype"
            " get_default_device get_deterministic_debug_mode get_float32_matmul_precision"
            " is_autocast_cpu_enabled is_deterministic_algorithms_warn_only_enabled"
            " set_autocast_cpu_dtype set_autocast_cpu_enabled set_autocast_gpu_dtype"
            " set_default_device set_default_tensor_type set_deterministic_debug_mode"
            " set_float32_matmul_precision use_deterministic_algorithms"
        ),
        "serialization": "save load save_safetensors load_safetensors",
        "_streams": "Stream Event",
        "_symint": "SymBool SymFloat SymInt",
        "_typed_tensors": (
            "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor"
            " IntTensor LongTensor ShortTensor"
        ),
        "_tags": "Tag",
        "_tensor_str": "set_printoptions printoptions get_printoptions",
        "functional": (
            "split unique unique_consecutive einsum norm broadcast_tensors broadcast_shapes"
            " argwhere nonzero meshgrid cartesian_prod block_diag atleast_1d atleast_2d atleast_3d"
            " unravel_index"
        ),
        "_basics": (
            "is_tensor is_storage typename is_floating_point is_complex is_nonzero numel"
            " compile _register_device_module get_device_module _assert _check _check_index"
            " _check_not_implemented _check_tensor_all _check_type _check_value _check_with"
            " _shape_as_tensor sym_float sym_int sym_ite sym_max sym_min sym_not sym_sum"
        ),
    }.items()
    for name in names.split()
}


def __getattr__(name):
    import importlib

    if name in _SUBMODULES:
        value = importlib.import_module(f"flambeau.{name}")
    elif name in _LAZY:
        value = getattr(importlib.import_module(f"flambeau.{_LAZY[name]}"), name)
    else:
        raise AttributeError(f"module 'flambeau' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_SUBMODULES, *_LAZY})


if _C._deferred:
    from flambeau import _deferral  # noqa: F401
