"""Devices and libraries that this build does not have answer when they are asked.

`tests/parity/test_absent_parity.py` holds them beside PyTorch's build for the CPU.
"""

import subprocess
import sys

import pytest

import flambeau

ABSENT = ["cuda", "xpu", "mtia", "mps"]


def test_importing_loads_none_of_it():
    code = (
        "import sys, flambeau\n"
        "names = 'cuda xpu mtia mps accelerator distributed backends version _absent'.split()\n"
        "assert not [n for n in names if f'flambeau.{n}' in sys.modules]\n"
        "assert flambeau.cuda.is_available() is False\n"
        "assert 'flambeau.cuda' in sys.modules and 'flambeau.xpu' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ABSENT)
def test_an_absent_device_counts_none(name):
    module = getattr(flambeau, name)
    assert module.is_available() is False
    assert module.device_count() == 0
    module.manual_seed(0) if name != "mps" else None


@pytest.mark.parametrize("name, error", [("cuda", AssertionError), ("xpu", AssertionError)])
def test_what_needs_the_device_says_what_to_ask(name, error):
    module = getattr(flambeau, name)
    message = rf"^{name}\.synchronize: Torch not compiled with {name.upper()} enabled.*is_available"
    with pytest.raises(error, match=message):
        module.synchronize()
    assert module.memory_allocated() == module.max_memory_reserved() == 0
    assert module.memory_stats() == {} and module.empty_cache() is None
    assert module.get_rng_state_all() == [] and module.get_arch_list() == []


@pytest.mark.parametrize("name", ["cuda", "xpu", "mtia"])
def test_a_tensor_on_an_absent_device_says_what_to_ask(name):
    x, layer = flambeau.ones(2), flambeau.nn.Linear(2, 2)
    message = rf"^Torch not compiled with {name.upper()} enabled.*flambeau\.{name}\.is_available"
    for make in (
        lambda: x.to(name),
        lambda: x.to(f"{name}:1"),
        lambda: getattr(x, name)(),
        lambda: flambeau.zeros(2, device=name),
        lambda: flambeau.tensor([1.0], device=name),
        lambda: flambeau.randn_like(x, device=name),
        lambda: x.new_empty(3, device=name),
        lambda: layer.to(name),
        lambda: getattr(layer, name)(),
        lambda: flambeau.nn.Linear(2, 2, device=name),
    ):
        with pytest.raises(AssertionError, match=message):
            make()
    with pytest.raises(RuntimeError, match="none is available"):
        getattr(x, name)(0)
    with pytest.raises(RuntimeError, match=f"{name}: Invalid device"):
        getattr(x, name)("cpu")
    assert layer.weight.is_cpu


def test_a_program_that_asks_first_runs():
    device = "cuda" if flambeau.cuda.is_available() else "cpu"
    model = flambeau.nn.Linear(2, 1).to(device)
    optimizer = flambeau.optim.SGD(model.parameters(), lr=0.1)
    with pytest.warns(UserWarning, match="CUDA is not available"):
        scaler = flambeau.cuda.amp.GradScaler()
    with pytest.warns(UserWarning, match="CUDA is not available"):
        autocast = flambeau.cuda.amp.autocast()
    with autocast, flambeau.cuda.stream(None), flambeau.cuda.device(-1):
        loss = model(flambeau.ones(3, 2)).sum()
    before = model.weight.detach().clone()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert (model.weight == before - 0.1 * 3).all()
    assert scaler.get_scale() == 1.0 and scaler.state_dict() == {}


def test_old_types_of_tensors_have_no_instances():
    assert not isinstance(flambeau.ones(2), flambeau.cuda.FloatTensor)
    assert flambeau.cuda.LongTensor.dtype is flambeau.int64
    with pytest.raises(TypeError, match="FloatTensor not available"):
        flambeau.cuda.FloatTensor(2)
    with pytest.raises(AttributeError, match="no attribute 'OtherTensor'"):
        flambeau.cuda.OtherTensor  # noqa: B018


def test_streams_and_graphs_cannot_be_made():
    for kind in (flambeau.cuda.Stream, flambeau.cuda.Event, flambeau.cuda.CUDAGraph):
        with pytest.raises(RuntimeError, match=kind.__name__):
            kind()
    with pytest.raises(RuntimeError, match="stream"), flambeau.cuda.stream("other"):
        pass


def test_settings_are_kept_checked_and_restored():
    cudnn = flambeau.backends.cudnn
    assert cudnn.is_available() is False and cudnn.version() is None
    with pytest.raises(RuntimeError, match="benchmark expects a bool, but got int"):
        cudnn.benchmark = 1
    cudnn.benchmark = True
    try:
        with pytest.raises(ZeroDivisionError), cudnn.flags(deterministic=True):
            assert cudnn.deterministic and not cudnn.benchmark
            raise ZeroDivisionError
        assert cudnn.benchmark and not cudnn.deterministic
    finally:
        cudnn.benchmark = False


def test_frozen_settings_change_inside_flags_alone():
    code = (
        "import flambeau.backends as b\n"
        "b.disable_global_flags()\n"
        "assert b.flags_frozen()\n"
        "try: b.cudnn.benchmark = True\n"
        "except RuntimeError as e: assert 'flags() context manager' in str(e)\n"
        "else: raise SystemExit('it was set')\n"
        "with b.cudnn.flags(benchmark=True): assert b.cudnn.benchmark\n"
        "assert not b.cudnn.benchmark\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", "mkl mkldnn openmp nnpack kleidiai cusparselt cudnn mps".split())
def test_libraries_that_are_not_here_say_so(name):
    assert getattr(flambeau.backends, name).is_available() is False


def test_a_setting_that_would_be_ignored_is_refused():
    with pytest.raises(ValueError, match="left to right"):
        flambeau.backends.opt_einsum.strategy = "greedy"
    with pytest.raises(RuntimeError, match="fbgemm"):
        flambeau.backends.quantized.engine = "fbgemm"
    with pytest.raises(AttributeError, match="tf32"):
        flambeau.backends.cuda.matmul.tf32 = True
    with pytest.raises(RuntimeError, match="one of 'none', 'ieee', 'tf32', 'bf16'"):
        flambeau.backends.fp32_precision = "best"


def test_the_accelerator_is_none():
    assert flambeau.accelerator.current_accelerator() is None
    assert flambeau.accelerator.is_available() is False
    with pytest.raises(RuntimeError, match="Cannot access accelerator device when none"):
        flambeau.accelerator.synchronize()


def test_distribution_is_not_available(monkeypatch):
    distributed = flambeau.distributed
    assert distributed.is_available() is False and distributed.is_initialized() is False
    assert not distributed.is_torchelastic_launched()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    assert distributed.is_torchelastic_launched()
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        distributed.get_rank()
    assert issubclass(distributed.DistNetworkError, RuntimeError)


def test_the_version_names_no_device():
    version = flambeau.version
    assert (version.cuda, version.hip, version.rocm, version.xpu) == (None,) * 4
    assert version.__version__ == flambeau.__version__


def test_streams_of_the_cpu_are_the_order_of_the_program():
    stream = flambeau.cpu.Stream()
    before = flambeau.cpu.current_stream()
    with flambeau.cpu.stream(stream):
        assert flambeau.cpu.current_stream() is stream
    assert flambeau.cpu.current_stream() is before
    assert flambeau.cpu.Event().query()
