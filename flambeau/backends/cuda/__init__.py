"""CUDA's libraries: this build has none; settings are kept and change nothing."""

import enum
import warnings
from contextlib import contextmanager
from typing import Any, NoReturn

from flambeau.backends._settings import Setting, Settings, precision

__all__ = [
    "SDPAParams",
    "allow_fp16_bf16_reduction_math_sdp",
    "blas_workspace_size",
    "can_use_cudnn_attention",
    "can_use_efficient_attention",
    "can_use_flash_attention",
    "cuBLASModule",
    "cuFFTPlanCache",
    "cuFFTPlanCacheManager",
    "cublas_workspace_size",
    "cublaslt_workspace_size",
    "cudnn_sdp_enabled",
    "cufft_plan_cache",
    "enable_cudnn_sdp",
    "enable_flash_sdp",
    "enable_math_sdp",
    "enable_mem_efficient_sdp",
    "flash_sdp_enabled",
    "fp16_bf16_reduction_math_sdp_allowed",
    "is_built",
    "is_ck_sdpa_available",
    "is_flash_attention_available",
    "math_sdp_enabled",
    "matmul",
    "mem_efficient_sdp_enabled",
    "preferred_blas_library",
    "preferred_linalg_library",
    "preferred_rocm_fa_library",
    "sdp_kernel",
]


def is_built() -> bool:
    """False: this build was made without CUDA."""
    return False


def _refuse(function: str, error: type[Exception]) -> NoReturn:
    raise error(
        f"backends.cuda.{function}: Torch not compiled with CUDA enabled: this build computes on "
        "the CPU. Ask flambeau.cuda.is_available() first."
    )


# ---- products


class cuBLASModule(Settings):
    """Settings of products on the device."""

    allow_tf32 = Setting(False)
    allow_fp16_reduced_precision_reduction = Setting(True)
    allow_bf16_reduced_precision_reduction = Setting(True)
    allow_fp16_accumulation = Setting(False)
    fp32_precision = precision()

    def __init__(self) -> None:
        super().__init__("backends.cuda.matmul")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"backends.cuda.matmul: Unknown attribute {name}")

    def __setattr__(self, name: str, value) -> None:
        if not isinstance(getattr(type(self), name, None), Setting):
            raise AttributeError(f"backends.cuda.matmul: Unknown attribute {name}")
        super().__setattr__(name, value)


matmul = cuBLASModule()


class _BlasBackend(enum.Enum):
    Default = 0
    Cublas = 1


class _LinalgBackend(enum.Enum):
    Default = 0


class _ROCmFABackend(enum.Enum):
    Default = 0
    AOTriton = 1
    Ck = 2


_rocm_fa = _ROCmFABackend.Default


def _chosen(kind: str, backend, known: dict[str, Any], missing: tuple[str, ...]) -> Any:
    if isinstance(backend, enum.Enum):
        return backend
    if backend in missing:
        raise RuntimeError(
            f"backends.cuda: Cannot set preferred {kind} backend to {backend!r}: this build was "
            "made without it."
        )
    if backend not in known:
        choices = ", ".join([*known, *missing])
        raise RuntimeError(f"backends.cuda: Unknown input value. Choose from: {choices}.")
    return known[backend]


def preferred_blas_library(backend=None) -> _BlasBackend:
    """The library for products, which without CUDA is only a name."""
    if backend is None:
        return _BlasBackend.Cublas
    known = {"default": _BlasBackend.Cublas, "cublas": _BlasBackend.Cublas}
    return _chosen("BLAS", backend, known, ("hipblas", "cublaslt", "hipblaslt", "ck"))


def preferred_linalg_library(backend=None) -> _LinalgBackend:
    """The library for linear algebra: ``"default"``, since there is none."""
    if backend is None:
        return _LinalgBackend.Default
    known = {"default": _LinalgBackend.Default}
    return _chosen("linear algebra", backend, known, ("cusolver", "magma"))


def preferred_rocm_fa_library(backend=None) -> _ROCmFABackend:
    """The library for attention on AMD's devices, which is kept and changes nothing."""
    global _rocm_fa
    if backend is not None:
        known = {
            "default": _ROCmFABackend.Default,
            "aotriton": _ROCmFABackend.AOTriton,
            "ck": _ROCmFABackend.Ck,
        }
        _rocm_fa = _chosen("attention", backend, known, ())
    return _rocm_fa


def blas_workspace_size(size: int | None = None, backend=None) -> int:
    """Raises: there is no workspace."""
    _refuse("blas_workspace_size", AttributeError)


def cublas_workspace_size(size: int | None = None) -> int:
    """Raises: there is no workspace."""
    _refuse("cublas_workspace_size", AttributeError)


def cublaslt_workspace_size(size: int | None = None) -> int:
    """Raises: there is no workspace."""
    _refuse("cublaslt_workspace_size", AttributeError)


# ---- plans of Fourier transforms


class cuFFTPlanCache:
    """Plans of one device."""

    def __init__(self, device_index: int) -> None:
        self.device_index = device_index

    @property
    def size(self) -> int:
        """Raises: there is no device."""
        _refuse("cufft_plan_cache.size", AssertionError)

    @property
    def max_size(self) -> int:
        """Raises: there is no device."""
        _refuse("cufft_plan_cache.max_size", AssertionError)

    def clear(self) -> None:
        """Raises: there is no device."""
        _refuse("cufft_plan_cache.clear", AssertionError)


class cuFFTPlanCacheManager(cuFFTPlanCache):
    """Plans by device, of which there is none."""

    def __init__(self) -> None:
        super().__init__(-1)

    def __getitem__(self, device) -> cuFFTPlanCache:
        raise RuntimeError(
            f"cufft_plan_cache: expected 0 <= device index < 0, but got device with index {device}"
        )


cufft_plan_cache = cuFFTPlanCacheManager()

# ---- attention: which ways may be chosen

_sdp = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True, "reduced": False}


class SDPAParams:
    """The arguments of one call of scaled dot-product attention."""

    def __init__(self, query, key, value, attn_mask, dropout, is_causal, enable_gqa) -> None:
        self.query = query
        self.key = key
        self.value = value
        self.attn_mask = attn_mask
        self.dropout = dropout
        self.is_causal = is_causal
        self.enable_gqa = enable_gqa


def is_flash_attention_available() -> bool:
    """False: there is no device for it."""
    return False


def is_ck_sdpa_available() -> bool:
    """False: there is no device for it."""
    return False


def flash_sdp_enabled() -> bool:
    """Whether flash attention may be chosen."""
    return _sdp["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """Sets whether flash attention may be chosen."""
    _sdp["flash"] = bool(enabled)


def mem_efficient_sdp_enabled() -> bool:
    """Whether memory-efficient attention may be chosen."""
    return _sdp["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Sets whether memory-efficient attention may be chosen."""
    _sdp["mem_efficient"] = bool(enabled)


def math_sdp_enabled() -> bool:
    """Whether attention over plain ops may be chosen."""
    return _sdp["math"]


def enable_math_sdp(enabled: bool) -> None:
    """Sets whether attention over plain ops may be chosen."""
    _sdp["math"] = bool(enabled)


def cudnn_sdp_enabled() -> bool:
    """Whether cuDNN's attention may be chosen."""
    return _sdp["cudnn"]


def enable_cudnn_sdp(enabled: bool) -> None:
    """Sets whether cuDNN's attention may be chosen."""
    _sdp["cudnn"] = bool(enabled)


def fp16_bf16_reduction_math_sdp_allowed() -> bool:
    """Whether attention over plain ops may add up in half precision."""
    return _sdp["reduced"]


def allow_fp16_bf16_reduction_math_sdp(enabled: bool) -> None:
    """Sets whether attention over plain ops may add up in half precision."""
    _sdp["reduced"] = bool(enabled)


def _unusable(params, way: str) -> bool:
    if not isinstance(params, SDPAParams):
        raise TypeError(
            f"can_use_{way}_attention: expected SDPAParams, got {type(params).__name__}"
        )
    return False


def can_use_flash_attention(params: SDPAParams, debug: bool = False) -> bool:
    """False: there is no device for it."""
    return _unusable(params, "flash")


def can_use_efficient_attention(params: SDPAParams, debug: bool = False) -> bool:
    """False: there is no device for it."""
    return _unusable(params, "efficient")


def can_use_cudnn_attention(params: SDPAParams, debug: bool = False) -> bool:
    """False: there is no device for it."""
    return _unusable(params, "cudnn")


@contextmanager
def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
):
    """Which ways of attention may be chosen inside a ``with`` block (deprecated)."""
    warnings.warn(
        "`flambeau.backends.cuda.sdp_kernel()` is deprecated: use `nn.attention.sdpa_kernel()`.",
        FutureWarning,
        stacklevel=3,
    )
    before = dict(_sdp)
    _sdp.update(
        flash=enable_flash,
        math=enable_math,
        mem_efficient=enable_mem_efficient,
        cudnn=enable_cudnn,
    )
    try:
        yield {}
    finally:
        _sdp.update(before)
