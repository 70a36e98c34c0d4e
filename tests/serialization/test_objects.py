"""Whole objects: what ``weights_only=False`` makes, and that nothing of a file runs."""

import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import io
import pathlib
import pickle
import subprocess
import sys
import textwrap
import types
import uuid
import zipfile

import numpy as np
import pytest

import flambeau
from flambeau import nn, serialization
from flambeau.serialization import CheckpointError


def saved(obj, **options) -> io.BytesIO:
    buffer = io.BytesIO()
    flambeau.save(obj, buffer, **options)
    buffer.seek(0)
    return buffer


def roundtrip(obj, protocol=2, **options):
    return flambeau.load(saved(obj, pickle_protocol=protocol), weights_only=False, **options)


def archive_of(pickled: bytes) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    file.seek(0)
    return file


def load_pickle(pickled: bytes, **options):
    return flambeau.load(archive_of(pickled), weights_only=False, **options)


# What a hostile file would have to run leaves a trace here.
ran: list = []


class Kind(enum.Enum):
    small = 1
    large = "l"


class Level(enum.IntEnum):
    low = 1


class Bits(enum.Flag):
    a = 1
    b = 2


class Config:
    def __init__(self, width=1):
        ran.append("__init__")
        self.width = width

    def __new__(cls, *args, **kwargs):
        ran.append("__new__")
        return super().__new__(cls)

    def __setattr__(self, name, value):
        ran.append("__setattr__")
        super().__setattr__(name, value)

    def __repr__(self):
        ran.append("__repr__")
        return "Config"

    class Inner:
        pass


class Slotted:
    __slots__ = ("width", "__dict__")


@dataclasses.dataclass
class Options:
    name: str = "x"
    rates: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Frozen:
    value: int = 1


class Point(collections.namedtuple("Point", "x y")):
    pass


class Settings(dict):
    def __setitem__(self, key, value):
        ran.append("__setitem__")
        super().__setitem__(key, value)


class Names(list):
    pass


class Ordered(collections.OrderedDict):
    pass


class Text(str):
    pass


class Stateful:
    def __init__(self):
        self.value = 3

    def __getstate__(self):
        return {"stored": self.value}

    def __setstate__(self, state):
        self.value = state["stored"] + 1


class Finalised:
    def __del__(self):
        ran.append("__del__")


class Called:
    """Pickled as a call of itself."""

    def __init__(self, value=0):
        ran.append("called")

    def __reduce__(self):
        return Called, (1,)


class Tagged(flambeau.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        ran.append("__torch_function__")
        return super().__torch_function__(func, types, args, kwargs)


class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.layer = nn.Linear(2, config.width)
        self.activation = nn.functional.relu
        self.register_buffer("seen", flambeau.zeros(1), persistent=False)
        self.counts = collections.defaultdict(int, a=np.float32(2))

    def forward(self, x):
        return self.activation(self.layer(x))


@pytest.fixture(autouse=True)
def clean():
    ran.clear()
    yield
    serialization.clear_safe_globals()


# ---- what is made


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_whole_module_of_the_program(protocol):
    net = Net(Config(3))
    back = roundtrip(net, protocol)
    x = flambeau.ones(4, 2)
    assert type(back) is Net and flambeau.equal(back(x), net(x))
    assert back.config.width == 3 and back.counts["zz"] == 0 and back.counts["a"] == 2
    assert back.activation is nn.functional.relu and list(back.state_dict()) == list(
        net.state_dict()
    )
    assert all(p.requires_grad for p in back.parameters())


def test_library_modules_optimisers_and_schedules():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.LSTM(3, 2))
    optimizer = flambeau.optim.AdamW(net[0].parameters(), lr=0.5)
    net[0](flambeau.ones(1, 2)).sum().backward()
    optimizer.step()
    schedule = flambeau.optim.lr_scheduler.StepLR(optimizer, 1)
    back, again, plan = roundtrip([net, optimizer, schedule])
    assert repr(back) == repr(net)
    assert again.param_groups[0]["params"][0] is back[0].weight
    assert plan.optimizer is again
    assert float(again.state[back[0].weight]["step"]) == 1


def test_shared_and_tied_weights_stay_tied():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    back = roundtrip(net)
    assert back[1].weight is back[0].weight


VALUES = {
    "enum": [Kind.small, Kind.large, Level.low, Bits.a | Bits.b],
    "paths": [pathlib.Path("a/b"), pathlib.PurePosixPath("/x"), pathlib.PureWindowsPath("c:/y")],
    "numpy": [np.float32(2), np.int64(-1), np.bool_(True), np.complex128(1 + 2j), np.str_("é")],
    "dates": [
        datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
        datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
        datetime.date(2020, 1, 2),
        datetime.time(1, 2),
        datetime.timedelta(1, 2, 3),
        datetime.timezone(datetime.timedelta(hours=1), "there"),
    ],
    "numbers": [decimal.Decimal("1.50"), fractions.Fraction(1, 3), uuid.UUID(int=7)],
    "spaces": [argparse.Namespace(lr=0.1), types.SimpleNamespace(a=[1])],
    "containers": [
        collections.deque([1, 2], maxlen=3),
        collections.defaultdict(list, a=[1]),
        collections.OrderedDict(b=1),
        collections.Counter("aab"),
    ],
    "classes": [Config, Kind, Config.Inner, nn.Linear, collections.OrderedDict, np.float32, int],
    "functions": [nn.functional.relu, nn.functional.gelu, flambeau.tanh],
    "objects": [Options("y", [1.5]), Frozen(4), Point(1, 2)],
    "own containers": [Settings(a=1), Names([1]), Ordered(a=1), Text("t")],
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_values_come_back(kind, protocol):
    kept = VALUES[kind]
    back = roundtrip({"values": kept}, protocol)["values"]
    assert back == kept
    assert [type(b) for b in back] == [type(k) for k in kept]


@pytest.mark.parametrize(
    "dtype", ["f4", ">f8", "i2", "u8", "?", "c8", "U3", "S2", "M8[ns]", "m8[25s]", "f2"]
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_numpy_arrays(dtype, protocol):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    for value in (array, array.T, array[:, ::2], array[:0], array[0, 0]):
        back, expected = roundtrip(value, protocol), pickle.loads(pickle.dumps(value, protocol))
        assert back.dtype == expected.dtype and back.shape == value.shape
        assert np.array_equal(back, value)
    back = roundtrip([array, array], protocol)
    assert back[0] is back[1] and back[0].flags.writeable


def test_state_is_written_past_all_code_of_the_class():
    config = Config(5)
    config.inner = Config.Inner()
    slotted = Slotted()
    slotted.width, slotted.other = 3, 4
    file = saved([config, slotted, Settings(a=1)])
    ran.clear()
    back, other, settings = flambeau.load(file, weights_only=False)
    assert back.width == 5 and type(back.inner) is Config.Inner
    assert (other.width, other.other) == (3, 4) and settings["a"] == 1
    assert ran == []


def test_tensors_of_a_class_of_the_program():
    tensor = flambeau.arange(3.0).as_subclass(Tagged)
    tensor.note = "kept"
    file = saved([tensor, nn.Parameter(flambeau.ones(2))])
    ran.clear()
    back, parameter = flambeau.load(file, weights_only=False)
    assert ran == []
    assert type(back) is Tagged and back.note == "kept" and back.tolist() == [0, 1, 2]
    assert type(parameter) is nn.Parameter and parameter.is_leaf


def test_setstate_of_allowed_classes_is_called():
    assert roundtrip(Stateful()).value == 4


def test_a_rebuilt_configuration_keeps_identity_and_cycles():
    config = Config(1)
    config.itself = config
    back = roundtrip({"a": config, "b": config})
    assert back["a"] is back["b"] is back["a"].itself


def test_weights_only_is_the_default_and_makes_none_of_it():
    for value in (Config(1), nn.Linear(1, 1), np.float32(1), Kind.small, pathlib.Path("a")):
        for options in ({}, {"weights_only": True}, {"weights_only": None}):
            with pytest.raises(CheckpointError, match="weights_only=False"):
                flambeau.load(saved(value), **options)


def test_numpy_values_that_weights_only_allows():
    array = np.arange(3.0)
    core = np.core if int(np.__version__.split(".")[0]) < 2 else np._core
    allowed = [core.multiarray._reconstruct, np.ndarray, np.dtype]
    with serialization.safe_globals(allowed):
        assert np.array_equal(flambeau.load(saved(array)), array)
    with pytest.raises(CheckpointError):
        flambeau.load(saved(array))


def test_the_environment_decides(monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    assert flambeau.load(saved(Config(2))).width == 2
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(RuntimeError, match="only one of"):
        flambeau.load(saved(1))
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    with pytest.raises(CheckpointError, match="Config"):
        flambeau.load(saved(Config(2)), weights_only=False)


# ---- which classes


PROGRAM = """
import sys, flambeau as torch
{code}
"""


def program(folder, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(code=textwrap.dedent(code))],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{folder}:{pathlib.Path(flambeau.__file__).parents[1]}"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_classes_of_installed_packages_need_their_modules_named(tmp_path):
    package = tmp_path / "site-packages" / "zoo"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text("class Animal:\n    pass\n")
    said = program(
        tmp_path,
        """
        sys.path.append("site-packages")
        from zoo.nets import Animal
        import zoo
        torch.save(Animal(), "a.pt")
        try: torch.load("a.pt", weights_only=False)
        except RuntimeError as e: print(e)
        for safe in (["zoo.nets"], ["zoo"], [zoo]):
            assert type(torch.load("a.pt", weights_only=False, safe_modules=safe)) is Animal
        try: torch.load("a.pt", weights_only=False, safe_modules=["zo"])
        except RuntimeError as e: print("refused")
        """,
    )
    assert "safe_modules=['zoo.nets']" in said and "refused" in said


def test_nothing_is_imported_because_a_file_says_so(tmp_path):
    (tmp_path / "trap.py").write_text("open('sprung', 'w')\nclass Trap:\n    pass\n")
    said = program(
        tmp_path,
        """
        import io, zipfile
        def file():
            made = io.BytesIO()
            with zipfile.ZipFile(made, "w") as z:
                z.writestr("a/data.pkl", b"\\x80\\x02ctrap\\nTrap\\n)\\x81.")
            made.seek(0)
            return made
        import os
        try: torch.load(file(), weights_only=False)
        except RuntimeError as e: print(e)
        assert not os.path.exists("sprung")
        torch.load(file(), weights_only=False, safe_modules=["trap"])  # named by the caller
        assert os.path.exists("sprung")
        """,
    )
    assert "import it before you load" in said


def test_a_class_that_moved_to_main(tmp_path):
    (tmp_path / "nets.py").write_text("class Net:\n    pass\n")
    program(tmp_path, "class Net: pass\ntorch.save(Net(), 'n.pt')")
    program(tmp_path, "from nets import Net\nprint(torch.load('n.pt', weights_only=False))")


Popen = subprocess.Popen  # a name of this module that is not this module's


@pytest.mark.parametrize("name", ["Popen", "subprocess.Popen", "subprocess\nPopen", "io.BytesIO"])
def test_what_the_program_imported_is_not_the_programs(name):
    pickled = b"\x80\x04" + b"".join(
        b"\x8c" + bytes([len(part)]) + part.encode() for part in (__name__, name)
    )
    with pytest.raises(CheckpointError):
        load_pickle(pickled + b"\x93)\x81.")


def test_classes_with_del_are_refused():
    with pytest.raises(CheckpointError, match="__del__"):
        flambeau.load(saved(Finalised()), weights_only=False)
    ran.clear()


def test_classes_are_not_called_unless_allowed():
    file = saved(Called())
    ran.clear()
    with pytest.raises(CheckpointError, match=r"add_safe_globals\(\[Called\]\)"):
        flambeau.load(file, weights_only=False)
    assert ran == []
    with serialization.safe_globals([Called]):
        file.seek(0)
        assert type(flambeau.load(file, weights_only=False)) is Called
    assert ran == ["called"]


def activation(x):
    return x * 2


def test_functions_of_the_program_have_to_be_allowed():
    net = Net(Config(1))
    net.activation = activation
    file = saved(net)
    with pytest.raises(CheckpointError, match=r"add_safe_globals\(\[activation\]\)"):
        flambeau.load(file, weights_only=False)
    with serialization.safe_globals([activation]):
        file.seek(0)
        assert flambeau.load(file, weights_only=False).activation is activation


# ---- what is refused


def run_me(*args):
    ran.append(args)


def name_of(function) -> bytes:
    return f"c{function.__module__}\n{function.__qualname__}\n".encode()


class Hooked:
    """A class that a file may name, with everything that could run."""

    def __setstate__(self, state):
        self.state = state

    def __eq__(self, other):
        ran.append("__eq__")
        return True

    def __hash__(self):
        ran.append("__hash__")
        return 1

    def __len__(self):
        ran.append("__len__")
        return 1

    def __iter__(self):
        ran.append("__iter__")
        return iter([])

    def __repr__(self):
        ran.append("__repr__")
        return ""

    @property
    def width(self):
        return 0

    @width.setter
    def width(self, value):
        ran.append("width")

    @staticmethod
    def static():
        ran.append("static")


HOOKED = f"c{__name__}\nHooked\n)\x81".encode("latin1")
HOSTILE = {
    "a function of the program": lambda: name_of(run_me) + b"K\x01\x85R.",
    "a function as a value": lambda: b"]" + name_of(run_me) + b"a.",
    "os.system": lambda: b"cos\nsystem\nX\x02\x00\x00\x00id\x85R.",
    "a static method": lambda: (
        f"cbuiltins\ngetattr\nc{__name__}\nHooked\nX".encode() + b"\x06\0\0\0static\x86R)R."
    ),
    "getattr of a module's function": lambda: b"cbuiltins\ngetattr\ncos\nsystem\nN\x86R.",
    "eval": lambda: b"cbuiltins\neval\nX\x03\x00\x00\x001+1\x85R.",
    "a constructor": lambda: f"c{__name__}\nHooked\nK\x01\x85R.".encode("latin1"),
    "arguments of new": lambda: f"c{__name__}\nHooked\nK\x01\x85\x81.".encode("latin1"),
    "a key": lambda: b"}" + HOOKED + b"K\x01s.",
    "an element": lambda: b"\x8f(" + HOOKED + b"\x90.",
    "a key in a tuple": lambda: b"}" + HOOKED + b"\x85K\x01s.",
    "elements taken from it": lambda: b"cbuiltins\nset\n" + HOOKED + b"\x85R.",
    "a size": lambda: b"ctorch\nSize\n" + HOOKED + b"\x85R.",
    "a factory": lambda: f"ccollections\ndefaultdict\nc{__name__}\nHooked\n\x85R.".encode("latin1"),
    "a text of it": lambda: b"cbuiltins\nint\n" + HOOKED + b"\x85R.",
    "a state of it": lambda: f"c{__name__}\nConfig\n)\x81".encode("latin1") + HOOKED + b"b.",
    "state of a class": lambda: f"c{__name__}\nConfig\n".encode() + b"}X\1\0\0\0aK\1sb.",
    "a dtype of objects": lambda: b"cnumpy\ndtype\nX\x02\x00\x00\x00O8K\x00K\x01\x87R.",
    "an array of objects": lambda: pickle.dumps(np.array([run_me], object), 2),
    "a NumPy function": lambda: b"cnumpy\nload\nX\x01\x00\x00\x00a\x85R.",
    "partial": lambda: b"cfunctools\npartial\n" + name_of(run_me) + b"\x85R.",
    "operator": lambda: b"coperator\nmethodcaller\nX\x01\x00\x00\x00a\x85R.",
    "a function of ours": lambda: b"ctorch\nload\nX\x01\x00\x00\x00a\x85R.",
    "ops of ours": lambda: b"ctorch.nn.functional\nrelu\nK\x01\x85R.",
    "our internals": lambda: b"ctorch._C\nDisableTorchFunction\n)\x81.",
    "our command line": lambda: b"ctorch.cli\nmain\n)R.",
    "extension": lambda: b"\x82\x01.",
    "an enum's new": lambda: f"c{__name__}\nKind\nK\x09\x85\x81.".encode("latin1"),
    "a member that is none": lambda: f"c{__name__}\nKind\nK\x09\x85R.".encode("latin1"),
    "a thread": lambda: b"cthreading\nThread\n)\x81.",
    "an exception": lambda: b"cbuiltins\nValueError\nX\x01\x00\x00\x00a\x85R.",
    "type": lambda: b"cbuiltins\ntype\nX\x01\x00\x00\x00a)}\x87R.",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_nothing_runs(case):
    pickled = HOSTILE[case]()
    pickled = pickled if pickled[:1] == b"\x80" else b"\x80\x04" + pickled
    for options in ({}, {"safe_modules": [__name__]}):
        with pytest.raises(CheckpointError) as caught:
            load_pickle(pickled, **options)
        assert ran == [], caught.value


def test_a_property_is_not_set_by_state():
    config = b"\x80\x04" + HOOKED + b"}X\x05\x00\x00\x00widthK\x07sb."
    assert load_pickle(config).state == {"width": 7}
    assert ran == []


def test_an_exception_of_setstate_is_told():
    with pytest.raises(CheckpointError, match="Stateful.__setstate__ raised KeyError: 'stored'"):
        load_pickle(b"\x80\x04" + f"c{__name__}\nStateful\n".encode() + b")\x81}b.")


ARRAYS = {
    "too few bytes": (1, (4,), "f4", False, b"abc"),
    "a huge shape": (1, (1 << 62, 1 << 62), "f4", False, b""),
    "negative": (1, (-1,), "f4", False, b""),
    "no bytes": (1, (1,), "f4", False, [1]),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_lie(case):
    version, shape, dtype, fortran, data = ARRAYS[case]

    class Liar:
        def __reduce__(self):
            empty, args, _ = np.zeros(1).__reduce__()
            return empty, args, (version, shape, np.dtype(dtype), fortran, data)

    with pytest.raises(CheckpointError):
        load_pickle(pickle.dumps(Liar(), 2))


def test_states_that_lie_do_not_crash_a_module():
    layer = nn.Linear(2, 2)
    for name in list(layer.__dict__):
        for lie in (None, 3, [1], {"a": 1}, {"weight": "text"}, {1: layer.weight}):
            broken = nn.Linear(2, 2)
            state = {**broken.__dict__, name: lie}
            broken.__dict__.clear()
            broken.__dict__.update(state)
            file = saved({"state": state, "kind": nn.Linear})
            loaded = flambeau.load(file, weights_only=False)["state"]
            made = object.__new__(nn.Linear)
            try:
                made.__setstate__(loaded)
                made(flambeau.ones(1, 2))
                made.state_dict()
                repr(made)
            except Exception:
                pass
