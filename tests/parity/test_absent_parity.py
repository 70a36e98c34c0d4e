"""Devices and libraries that neither build has: same answers, same exceptions, same signatures."""

import importlib
import inspect
import re
import warnings

import pytest

import flambeau

torch = pytest.importorskip("torch")

MODULES = [
    "cuda cuda.amp cuda.amp.autocast_mode cuda.amp.common cuda.amp.grad_scaler cuda.graphs",
    "cuda.memory cuda.nccl cuda.nvtx cuda.profiler cuda.random cuda.streams",
    "xpu xpu.memory xpu.random xpu.streams mtia mps mps.event mps.profiler",
    "accelerator accelerator.graphs accelerator.memory cpu version",
    "backends backends.cpu backends.cuda backends.cudnn backends.cudnn.rnn backends.cusparselt",
    "backends.kleidiai backends.mha backends.miopen backends.mkl backends.mkldnn backends.mps",
    "backends.nnpack backends.openmp backends.opt_einsum backends.quantized",
]
MODULES = " ".join(MODULES).split()

# PyTorch's build here has these libraries, flambeau does not; its versions are its own.
HAS = {
    "backends.mkl.is_available",
    "backends.mkldnn.is_available",
    "backends.nnpack.is_available",
    "backends.openmp.is_available",
    "backends.quantized.engine",
    "backends.quantized.supported_engines",
    "version.__version__",
    "version.git_version",
}
# What is not here yet; the list may only shrink.
MISSING = set(
    """
    cuda.GreenContext cuda.gds cuda.green_contexts cuda.jiterator cuda.sparse cuda.tunable
    cuda.BFloat16Storage cuda.BoolStorage cuda.ByteStorage cuda.CharStorage
    cuda.ComplexDoubleStorage cuda.ComplexFloatStorage cuda.DoubleStorage cuda.FloatStorage
    cuda.HalfStorage cuda.IntStorage cuda.LongStorage cuda.ShortStorage cuda.AcceleratorError
    cpu.get_capabilities backends.python_native mtia.Event
    mtia.Stream mtia.memory mtia.mtia_graph
    """.split()
)


def owned(module, value) -> bool:
    """Whether PyTorch's module offers it as its own, and not as something it uses."""
    where = getattr(value, "__module__", None) or ""
    return where.startswith("torch.") or not callable(value)


def public(name: str) -> list[str]:
    module = importlib.import_module(f"torch.{name}")
    listed = set(getattr(module, "__all__", ()))
    found = set()
    for attribute in {*dir(module), *listed}:
        if attribute.startswith("_") or attribute in ("m", "torch", "TYPE_CHECKING", "Device"):
            continue
        value = getattr(module, attribute)
        if inspect.ismodule(value):
            if value.__name__ == f"torch.{name}.{attribute}":
                found.add(attribute)
        elif attribute in listed or (not listed and owned(module, value)):
            found.add(attribute)
    return sorted(found)


HELPERS = set(
    """
    CudnnModule ContextProp PropModule MkldnnModule OptEinsumModule MiopenModule QuantizedEngine
    DEVICE_REQUIREMENT PYTORCH_RELEASES_CODE_CC classproperty Tensor cuFFTPlanCacheAttrContextProp
    SDPBackend annotations
    """.split()
)
NAMES = [
    (module, attribute)
    for module in MODULES
    for attribute in public(module)
    if f"{module}.{attribute}" not in MISSING and attribute not in HELPERS
]


def answer(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = call()
        except Exception as error:
            return type(error).__name__
    if value is None or isinstance(value, (bool, int, float, str, tuple, list, dict)):
        return value
    return type(value).__name__


@pytest.mark.parametrize("module, name", NAMES, ids=[".".join(n) for n in NAMES])
def test_names_signatures_and_answers(module, name):
    theirs = getattr(importlib.import_module(f"torch.{module}"), name)
    ours = getattr(importlib.import_module(f"flambeau.{module}"), name)
    if f"{module}.{name}" in HAS or inspect.ismodule(theirs):
        return
    if inspect.isclass(theirs):
        assert isinstance(ours, type)
        return
    if not callable(theirs):
        assert answer(lambda: ours) == answer(lambda: theirs)
        return
    assert parameters(ours) == parameters(theirs)
    assert answer(ours) == answer(theirs)


def parameters(function) -> list[tuple]:
    # The old types of a device stand for all; what a default is need not be what it was called.
    given = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default is p.empty) for p in given]


@pytest.mark.parametrize("name", sorted(MISSING))
def test_what_is_missing_is_missing(name):
    module, _, attribute = name.rpartition(".")
    assert not hasattr(importlib.import_module(f"flambeau.{module}"), attribute)


CALLS = """
cuda.Stream()
cuda.Event()
cuda.Event(enable_timing=True)
cuda.stream(None).__enter__()
cuda.device(0).__enter__()
cuda.device(-1).__enter__()
cuda.device("cuda").idx
cuda.device("cuda:1").idx
cuda.device("cpu")
cuda.device_of(zeros(2)).idx
cuda.device_of(zeros(2)).__enter__()
cuda.set_device(0)
cuda.set_device(-1)
cuda.set_device("cuda")
cuda.set_device("cpu")
cuda.set_device(None)
cuda.manual_seed(0)
cuda.manual_seed_all(0)
cuda.manual_seed("a")
cuda.set_rng_state(get_rng_state())
cuda.set_rng_state_all([get_rng_state()])
cuda.get_rng_state("cpu")
cuda.set_stream(None)
cuda.set_sync_debug_mode("warn")
cuda.can_device_access_peer(0, 1)
cuda.check_error(1)
cuda.cudaStatus.SUCCESS
cuda.CudaError(3)
cuda.get_stream_from_external(0)
cuda.set_per_process_memory_fraction(0.5)
cuda.memory_allocated(0)
cuda.memory_stats(0)
cuda.MemPool()
cuda.use_mem_pool(None).__enter__()
cuda.change_current_allocator(None)
cuda.caching_allocator_alloc(3)
cuda.caching_allocator_delete(3)
cuda.caching_allocator_enable(False)
cuda.CUDAGraph()
cuda.graph(None)
cuda.make_graphed_callables(lambda x: x, (ones(2),))
cuda.FloatTensor(2)
cuda.FloatTensor.__name__
isinstance(ones(2), cuda.FloatTensor)
str(cuda.HalfTensor.dtype)
cuda._is_in_bad_fork()
cuda._is_compiled()
cuda._lazy_init()
cuda._lazy_call(print)
cuda._get_device_index(0)
cuda._initialized
cuda.nonsense
cuda.amp.autocast().device
cuda.amp.GradScaler().is_enabled()
cuda.amp.GradScaler().get_scale()
cuda.amp.GradScaler().state_dict()
cuda.amp.GradScaler().scale(ones(2)).tolist()
cuda.amp.GradScaler().unscale_(None)
cuda.amp.GradScaler().update()
cuda.amp.GradScaler().get_growth_factor()
cuda.amp.GradScaler().load_state_dict({})
cuda.amp.autocast()(lambda x: x + 1)(1)
cuda.amp.custom_fwd(cast_inputs=float32)(lambda c, x: x)(nn.Module(), 3)
cuda.amp.custom_bwd(lambda c, x: x).__name__
cuda.nvtx.range_push("x")
cuda.nvtx.range("x").__enter__()
cuda.profiler.profile().__enter__()
cuda.nccl.is_available([ones(2)])
OutOfMemoryError is cuda.OutOfMemoryError
accelerator.current_accelerator(True)
accelerator.set_device_index(0)
accelerator.device_index(0).__enter__()
accelerator.device_index(None).__enter__()
accelerator.set_stream(None)
xpu.stream(None).__enter__()
xpu.set_device(0)
xpu.set_device(-1)
xpu.manual_seed(0)
xpu.can_device_access_peer(0, 1)
xpu.memory_snapshot()
mtia.set_device(0)
mtia.set_device(-1)
mtia.stream(None).__enter__()
mtia.manual_seed_all(0)
mtia.device(0).__enter__()
mtia.set_rng_state(get_rng_state())
mtia.set_stream(None)
mps.manual_seed(0)
mps.set_rng_state(get_rng_state())
mps.compile_shader("x")
mps.profiler.start()
mps.profiler.profile().__enter__()
mps.set_per_process_memory_fraction(0.5)
mps.set_per_process_memory_fraction(1)
backends.mps.is_macos_or_newer(13, 0)
backends.cudnn.is_acceptable(ones(2))
backends.cudnn.conv.fp32_precision
backends.cudnn.rnn.fp32_precision
backends.cudnn.set_flags()
backends.cudnn.nonsense
setattr(backends.cudnn, "benchmark", 3)
backends.cuda.matmul.allow_tf32
backends.cuda.matmul.fp32_precision
backends.cuda.matmul.allow_fp16_reduced_precision_reduction
backends.cuda.matmul.allow_bf16_reduced_precision_reduction
backends.cuda.matmul.allow_fp16_accumulation
backends.cuda.matmul.nonsense
setattr(backends.cuda.matmul, "nonsense", 3)
setattr(backends.cuda.matmul, "allow_tf32", 3)
backends.cuda.cufft_plan_cache.size
backends.cuda.cufft_plan_cache[0]
backends.cuda.cufft_plan_cache.clear()
backends.cuda.cufft_plan_cache.max_size
backends.cuda.preferred_blas_library("cublaslt")
backends.cuda.preferred_blas_library("x")
backends.cuda.preferred_linalg_library("magma")
backends.cuda.can_use_flash_attention(None)
backends.mkldnn.matmul.fp32_precision
backends.mkldnn.set_flags(True)
backends.opt_einsum.set_flags(True, "greedy")
setattr(backends.quantized, "engine", "none")
setattr(backends.quantized, "supported_engines", "xx")
backends.miopen.set_flags(True)
backends.nnpack.set_flags(False)
backends.flags_frozen()
cpu.stream(cpu.Stream()).__enter__()
cpu.Stream().wait_stream(cpu.Stream())
cpu.Event().query()
cpu.set_device("cpu")
""".strip().splitlines()


@pytest.mark.parametrize("program", CALLS)
def test_calls(program):
    assert answer(lambda: eval(program, vars_of(flambeau, program))) == answer(
        lambda: eval(program, vars_of(torch, program))
    )


TENSORS = [
    "zeros(2, device={0})",
    "tensor([1.0], device={0})",
    "ones(2).to({0})",
    "ones(2).new_zeros(2, device={0})",
    "rand_like(ones(2), device={0})",
    "nn.Linear(2, 2, device={0})",
    "nn.Linear(2, 2).to({0})",
    "ones(2, device='meta').to({0})",
]
TENSORS = [p.format(repr(d)) for p in TENSORS for d in ("cuda", "cuda:1", "xpu", "mtia")]
TENSORS += [f"ones(2).{d}()" for d in ("cuda", "xpu", "mtia")]
TENSORS += [f"nn.Linear(2, 2).{d}()" for d in ("cuda", "xpu", "mtia", "ipu")]
TENSORS += [f"ones(2).{d}(0)" for d in ("cuda", "xpu", "mtia")]
TENSORS += [f"{kind}({d!r})" for kind in ("Generator", "Stream", "Event") for d in ("cuda", "xpu")]
TENSORS += ["ones(2).to('mps')", "zeros(2, device='mps')", "ones(2).ipu()", "ones(2)['a']"]
TENSORS += ["ones(2)[0.5]", "ones(2)[{}]", "ones(2)[1j]", "ones(2)[b'a']"]


@pytest.mark.parametrize("program", TENSORS)
def test_tensors_on_devices_that_are_not_there_raise_alike(program):
    with pytest.raises(Exception) as theirs:
        eval(program, vars_of(torch, program))
    with pytest.raises(theirs.type) as ours:
        eval(program, vars_of(flambeau, program))
    if theirs.type is AssertionError:
        assert str(ours.value).startswith(str(theirs.value).partition(". ")[0])


def vars_of(library, program: str) -> dict:
    names = set(re.findall(r"\b[A-Za-z_]\w*", program))
    return {name: getattr(library, name) for name in names if hasattr(library, name)}


@pytest.mark.parametrize("library", [torch, flambeau], ids=["torch", "flambeau"])
def test_flags_hold_inside_their_block(library):
    cudnn = library.backends.cudnn
    cudnn.benchmark = True
    try:
        with cudnn.flags(enabled=False, deterministic=True):
            assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (False, False, True)
        assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (True, True, False)
    finally:
        cudnn.benchmark = False
