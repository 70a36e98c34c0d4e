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
from flambeau._C import *  # noqa: F403
from flambeau._version import __version__  # noqa: F401

Tensor = _C.TensorBase
globals().update({k: v for k, v in vars(_C._VariableFunctions).items() if not k.startswith("__")})

# The numbers that tensors are compared with, without importing `math`.
e, pi = 2.718281828459045, 3.141592653589793
inf, nan = (0.0).fromhex("inf"), (0.0).fromhex("nan")  # `float` is a dtype here
newaxis = None

# Name -> the module that has it.
_SUBMODULES = (
    "__config__ _recorder accelerator amp autograd backends cli cpu cuda distributed func"
    " functional library linalg mps mtia multiprocessing nn ops optim overrides random return_types"
    " serialization special testing utils version xpu"
).split()
_LAZY = {
    name: module
    for module, names in {
        "amp": "autocast",
        "autograd.grad_mode": "no_grad enable_grad inference_mode set_grad_enabled",
        "func": "vmap",
        "serialization": "save load",
        "_streams": "Stream Event",
        "_symint": "SymInt",
        "_typed_tensors": (
            "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor"
            " IntTensor LongTensor ShortTensor"
        ),
        "_tensor_str": "set_printoptions printoptions get_printoptions",
        "functional": (
            "split unique unique_consecutive einsum norm broadcast_tensors broadcast_shapes"
            " argwhere nonzero meshgrid cartesian_prod block_diag atleast_1d atleast_2d atleast_3d"
        ),
        "_basics": (
            "is_tensor is_storage typename is_floating_point is_complex is_nonzero numel"
            " use_deterministic_algorithms compile _register_device_module get_device_module"
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
