"""Profiles and event files against PyTorch's in the same process."""

import importlib
import inspect
import io
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")

import torch.utils.tensorboard.summary as theirs  # noqa: E402
from PIL import Image  # noqa: E402

import flambeau  # noqa: E402
from flambeau.utils.tensorboard import SummaryWriter, summary, writer  # noqa: E402

MODULES = ["profiler", "autograd.profiler", "autograd.profiler_util", "utils.tensorboard"]


@pytest.mark.parametrize("name", MODULES)
def test_names(name):
    ours = importlib.import_module(f"flambeau.{name}")
    other = importlib.import_module(f"torch.{name}")
    assert set(ours.__all__) == set(other.__all__)


def parameters(function):
    found = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default if not callable(p.default) else ...) for p in found]


def same_arguments(ours, other):
    wanted, found = parameters(other), parameters(ours)
    if (inspect.Parameter.VAR_KEYWORD, "kwargs") in [(p[1], p[0]) for p in wanted]:
        return
    # Arguments for devices and tools that are not there may be missing at the end.
    assert [p[0] for p in found] == [p[0] for p in wanted][: len(found)]
    simple = (int, float, str, bool, type(None))
    for a, b in zip(found, wanted):
        if isinstance(b[2], simple):
            assert a[2] == b[2], a


CLASSES = {
    "profiler": "profile",
    "autograd.profiler": "profile record_function EventList FunctionEvent EnforceUnique",
    "autograd.profiler_util": "FunctionEventAvg Interval",
    "utils.tensorboard": "SummaryWriter FileWriter",
}


@pytest.mark.parametrize(
    "path", [f"{m}.{name}" for m, names in CLASSES.items() for name in names.split()]
)
def test_methods_take_the_same_arguments(path):
    module, _, name = path.rpartition(".")
    ours = getattr(importlib.import_module(f"flambeau.{module}"), name)
    other = getattr(importlib.import_module(f"torch.{module}"), name)
    public = {n for n in dir(other) if not n.startswith("_")}
    missing = public - set(dir(ours)) - set(vars(ours([])) if name == "EventList" else ())
    assert missing <= {"config", "export_memory_timeline", "metadata_json"}, missing
    for method in sorted(public & set(dir(ours))) + ["__init__"]:
        function = inspect.getattr_static(other, method)
        if inspect.isfunction(function) and method not in ("config",):
            if (name, method) == ("FunctionEvent", "__init__"):
                continue  # it has what our events have
            same_arguments(getattr(ours, method), getattr(other, method))


def test_schedules():
    for options in (
        dict(wait=1, warmup=2, active=3),
        dict(wait=0, warmup=1, active=1, repeat=2, skip_first=3),
        dict(wait=2, warmup=1, active=1, skip_first=1, skip_first_wait=1),
    ):
        ours, other = flambeau.profiler.schedule(**options), torch.profiler.schedule(**options)
        assert [ours(i).name for i in range(20)] == [other(i).name for i in range(20)]


def profiled(library):
    torch = library
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU())
    x = torch.ones(2, 8)
    with torch.profiler.profile(record_shapes=True, with_flops=True) as prof:
        with torch.profiler.record_function("mine"):
            net(x).sum().backward()
    return prof


def test_events_have_the_same_names_shapes_and_places():
    ours, other = profiled(flambeau), profiled(torch)

    def about(prof):
        return {e.name: e for e in prof.events()}

    mine, yours = about(ours), about(other)
    common = (
        "mine aten::linear aten::addmm aten::relu aten::sum AddmmBackward0 ReluBackward0"
        " aten::threshold_backward torch::autograd::AccumulateGrad"
    ).split()
    for name in common:
        assert name in mine and name in yours, name
    for name in ("aten::linear", "aten::addmm", "aten::relu"):
        assert mine[name].input_shapes == yours[name].input_shapes
        assert mine[name].cpu_parent.name == yours[name].cpu_parent.name
        assert (mine[name].flops or 0) == (yours[name].flops or 0)
        assert mine[name].concrete_inputs == yours[name].concrete_inputs
    for name in ("AddmmBackward0", "ReluBackward0"):
        visit = f"autograd::engine::evaluate_function: {name}"
        assert mine[name].cpu_parent.name == visit == yours[name].cpu_parent.name
    assert mine["AddmmBackward0"].sequence_nr == mine["aten::addmm"].sequence_nr
    assert yours["AddmmBackward0"].sequence_nr == yours["aten::addmm"].sequence_nr


def test_times_and_sizes_as_texts():
    from torch.autograd import profiler_util as other

    from flambeau.autograd import profiler_util as ours

    for time in (0.0, 0.5, 999.0, 1000.0, 12345.6, 1e6, 3.2e8):
        assert ours._format_time(time) == other._format_time(time)
    for size in (0, 1, 1023, 1024, -4096, 5 << 20, 3 << 30, -(7 << 20)):
        assert ours._format_memory(size) == other._format_memory(size)
    for part, whole in ((1.0, 3.0), (0, 0), (2.0, 2.0)):
        assert ours._format_time_share(part, whole) == other._format_time_share(part, whole)


def both(kind, *args, **kwargs):
    """What each library makes of the same arguments; tensors are its own."""

    def of(library):
        return [
            library.tensor(a) if isinstance(a, np.ndarray) and kind != "pr_curve" else a
            for a in args
        ]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yours = getattr(theirs, kind)(*of(torch), **kwargs)
    return getattr(summary, kind)(*of(flambeau), **kwargs), yours


VALUES = np.random.default_rng(0).standard_normal(500).astype(np.float32)
BINARY = np.random.default_rng(1).integers(0, 2, 300)
SCORES = np.random.default_rng(2).random(300).astype(np.float32)


@pytest.mark.parametrize(
    "call",
    [
        ("scalar", "a", np.array(2.5, np.float32)),
        ("text", "t", "**x**"),
        ("tensor_proto", "t", VALUES[:6].reshape(2, 3)),
        ("pr_curve", "p", BINARY, SCORES),
        ("pr_curve", "p", BINARY, SCORES, 31),
        ("custom_scalars", {"A": {"x": ["Multiline", ["a", "b"]], "y": ["Margin", list("abc")]}}),
        ("mesh", "m", VALUES[:12].reshape(1, 4, 3), None, np.array([[[0, 1, 2]]]), {"a": 1}),
    ],
    ids=lambda c: c[0],
)
def test_buffers_are_equal(call):
    ours, yours = both(*call)
    for a, b in zip(ours.value, yours.value, strict=True):
        assert a.tag == b.tag
        assert a.metadata.plugin_data.plugin_name == b.metadata.plugin_data.plugin_name
        if a.HasField("tensor"):
            from tensorboard.util.tensor_util import make_ndarray

            x, y = make_ndarray(a.tensor), make_ndarray(b.tensor)
            assert x.shape == y.shape and (
                (x == y).all() if x.dtype == object else np.allclose(x, y, atol=1e-6)
            )
        else:
            assert a == b


@pytest.mark.parametrize("bins", ["tensorflow", "auto", 10])
def test_histograms(bins):
    edges = writer._default_bins() if bins == "tensorflow" else bins
    ours, yours = summary.histogram("h", VALUES, edges), theirs.histogram("h", VALUES, edges)
    a, b = ours.value[0].histo, yours.value[0].histo
    for name in ("min", "max", "num", "sum", "sum_squares"):
        assert getattr(a, name) == pytest.approx(getattr(b, name))
    # How many values lie below each limit.
    assert np.interp(0, a.bucket_limit, np.cumsum(a.bucket)) == pytest.approx(
        np.interp(0, b.bucket_limit, np.cumsum(b.bucket)), rel=0.02
    )
    assert sum(a.bucket) == sum(b.bucket)


def test_images():
    def shown(made):
        return np.asarray(Image.open(io.BytesIO(made.value[0].image.encoded_image_string)))

    rng = np.random.default_rng(3)
    for order, shape in (("CHW", (3, 4, 5)), ("HW", (4, 5)), ("NCHW", (9, 3, 4, 5)),
                         ("NHWC", (3, 4, 5, 1))):  # fmt: skip
        array = rng.random(shape).astype(np.float32)
        ours, yours = both("image", "i", array, dataformats=order)
        assert (shown(ours) == shown(yours)).all()


def test_hparams():
    args = ({"lr": 0.1, "n": 3, "name": "x"}, {"loss": 1.0}, {"name": ["x", "y"]})
    for a, b in zip(summary.hparams(*args), theirs.hparams(*args), strict=True):
        assert a.value[0].tag == b.value[0].tag
        assert a.value[0].metadata == b.value[0].metadata


def test_the_default_bins(tmp_path):
    made = torch.utils.tensorboard.SummaryWriter(tmp_path / "a")
    ours = SummaryWriter(tmp_path / "b")
    assert ours.default_bins == made.default_bins
    made.close()
    ours.close()
