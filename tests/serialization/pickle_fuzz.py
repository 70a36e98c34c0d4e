"""Random pickles that mean something to the machine, and what `load` makes of them.

    python -m tests.serialization.pickle_fuzz --seed 0 --count 100000

Each is a walk over the instructions that the stack allows, with names of all kinds: of the tables,
of the program, of what runs things. Whatever comes, `load` gives an object or raises its one kind
of error; nothing of the program runs.
"""

import argparse
import gc
import io
import pickle
import random
import struct
import zipfile

import flambeau as torch
from flambeau.serialization import CheckpointError, salvage

NAMES = """
collections OrderedDict|collections defaultdict|collections Counter|collections deque
builtins set|builtins frozenset|builtins slice|builtins range|builtins complex|builtins bytearray
builtins int|builtins float|builtins bool|builtins list|builtins dict|builtins tuple|builtins str
builtins getattr|builtins object|builtins bytes|builtins eval|builtins type|builtins print
copyreg _reconstructor|_codecs encode|os system|subprocess Popen|functools partial|sys exit
torch._utils _rebuild_tensor_v2|torch._utils _rebuild_tensor_v3|torch._utils _rebuild_parameter
torch._utils _rebuild_parameter_with_state|torch._utils _rebuild_meta_tensor_no_storage
torch._tensor _rebuild_from_type_v2|torch.nn.parameter Parameter|torch Tensor|torch Size
torch device|torch FloatStorage|torch LongStorage|torch.storage UntypedStorage|torch float32
torch strided|torch.serialization _get_layout|torch.nn.modules.linear Linear
torch.nn.modules.container Sequential|torch.optim.adam Adam|torch.nn.modules.rnn LSTM
torch.nn.functional relu|torch relu|torch load|torch._C _VariableFunctionsClass
torch.return_types max|torch.optim.lr_scheduler StepLR|torch.utils.data.dataloader DataLoader
torch.nn.modules.conv Conv2d|torch.nn.modules.transformer TransformerEncoderLayer
torch.nn.modules.activation MultiheadAttention|torch.amp.grad_scaler GradScaler
datetime datetime|datetime date|datetime timedelta|datetime timezone|decimal Decimal
fractions Fraction|uuid UUID|pathlib PosixPath|pathlib WindowsPath|argparse Namespace
types SimpleNamespace|numpy dtype|numpy ndarray|numpy float32|numpy._core.multiarray scalar
numpy._core.multiarray _reconstruct|numpy._core.numeric _frombuffer|numpy load|numpy void
{me} Plain|{me} Slots|{me} Stateful|{me} Pair|{me} Texts|{me} Words|{me} Named|{me} Kind
{me} Tensorlike|{me} function|{me} Plain.Inner|{me} os.system
"""
TEXTS = "a b weight _parameters _modules storage cpu 0 f4 O8 M8 > | __class__ __dict__ F relu"

ran: list = []


class _Told:
    """Everything that could run tells."""

    def __eq__(self, other):
        ran.append("__eq__")
        return True

    def __hash__(self):
        ran.append("__hash__")
        return 0

    def __repr__(self):
        ran.append("__repr__")
        return ""

    def __init__(self, *args):
        ran.append("__init__")

    def __setattr__(self, name, value):
        ran.append("__setattr__")

    def __call__(self, *args):
        ran.append("__call__")


class Plain(_Told):
    class Inner(_Told):
        pass


class Slots(_Told):
    __slots__ = ("a", "b")


class Stateful(_Told):
    def __setstate__(self, state):
        self.__dict__["state"] = state


class Pair(dict):
    def __setitem__(self, key, value):
        ran.append("__setitem__")

    def __init__(self, *args):
        ran.append("__init__")

    def __iter__(self):
        ran.append("__iter__")


class Texts(list):
    def append(self, value):
        ran.append("append")

    extend = append

    def __len__(self):
        ran.append("__len__")
        return 0


class Words(str):
    def __new__(cls, *args):
        ran.append("__new__")


class Named(tuple):
    _fields = ("a", "b")

    def __iter__(self):
        ran.append("__iter__")


class Tensorlike(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        ran.append("__torch_function__")
        return super().__torch_function__(func, types, args, kwargs)


class Kind(__import__("enum").Enum):
    a = 1
    b = "b"

    @classmethod
    def _missing_(cls, value):
        ran.append("_missing_")


def function(*args):
    ran.append("function")


def names() -> list[bytes]:
    listed = NAMES.format(me=__name__ if __name__ != "__main__" else "__main__")
    return [
        b"c" + name.strip().replace(" ", "\n").encode() + b"\n"
        for name in listed.replace("\n", "|").split("|")
        if name.strip()
    ]


def one(r: random.Random, globals_: list[bytes]) -> bytes:
    """A pickle; how much is on the stack is followed roughly, so that many mean something."""
    out, depth, memo = [b"\x80\x04"], 0, 0
    marks: list[int] = []

    def text(value: str) -> bytes:
        raw = value.encode()
        return b"\x8c" + bytes([len(raw)]) + raw

    def atom() -> bytes:
        kind = r.randrange(9)
        if kind < 3:
            return text(r.choice(TEXTS.split()))
        if kind < 5:
            return b"K" + bytes([r.choice([0, 1, 1, 2, 3, 7, 255])])
        if kind == 5:
            return b"J" + struct.pack("<i", r.choice([-1, 1 << 30, -(1 << 31), 100]))
        if kind == 6:
            return r.choice([b"N", b"\x88", b"\x89", b")", b"]", b"}", b"\x8f"])
        if kind == 7:
            return b"C" + bytes([8]) + bytes(8)
        return r.choice([b"\x8a\x09" + b"\xff" * 8 + b"\x00", b"G" + struct.pack(">d", 1e300)])

    def storage() -> bytes:
        key = text(r.choice("00123"))
        count = b"K" + bytes([r.choice([0, 2, 2, 3])])
        return (
            b"(" + text("storage") + b"ctorch\nFloatStorage\n" + key + text("cpu") + count + b"tQ"
        )

    def tensor() -> bytes:
        made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage() + b"K\x00K\x02\x85K\x01\x85"
        return made + r.choice([b"\x88", b"\x89"]) + b"N" + b"tR"

    def made() -> bytes:
        return r.choice(globals_) + b")" + r.choice([b"R", b"\x81"])

    for _ in range(r.choice([5, 15, 40, 120])):
        step = r.randrange(26)
        if step < 5 or depth < 1:
            out.append(atom())
            depth += 1
        elif step < 8:
            out.append(r.choice(globals_))
            depth += 1
        elif step == 8:
            out.append(r.choice([storage, tensor])())
            depth += 1
        elif step == 9:
            out.append(made())
            depth += 1
        elif step == 10 and memo:
            out.append(b"h" + bytes([r.randrange(min(memo, 255))]))
            depth += 1
        elif step == 11 and memo < 250:
            out.append(b"q" + bytes([memo]))
            memo += 1
        elif step == 12:
            out.append(b"(")
            marks.append(depth)
        elif step == 13 and marks:
            depth = marks.pop() + 1
            out.append(r.choice([b"t", b"l", b"d", b"\x91"]))
        elif step == 14 and marks and marks[-1] >= 1:
            depth = marks.pop()
            out.append(r.choice([b"u", b"e", b"\x90"]))
        elif step == 15 and depth >= 3:
            out.append(r.choice([b"\x87", b"s"]))
            depth -= 2
        elif step == 16 and depth >= 2:
            out.append(r.choice([b"\x86", b"a", b"R", b"\x81", b"b", b"R", b"\x93"]))
            depth -= 1
        elif step == 17:
            out.append(r.choice([b"\x85", b"2", b"0", b"Q", b"\x94", b"P1\n", b"\x82\x01"]))
        elif step == 18 and depth >= 2:
            # A call with the last value as its argument.
            out.append(b"\x85" + r.choice([b"R", b"\x81"]))
            depth -= 1
        elif step == 19 and depth >= 2:
            out.append(b"b")
            depth -= 1
        elif step == 20:
            out.append(r.choice(globals_) + b")\x81}" + text("a") + atom() + b"sb")
            depth += 1
        elif step == 21 and depth >= 3:
            out.append(b"\x92")
            depth -= 2
        elif step == 22:
            # State of a module that is not what it should be.
            name = text(r.choice(["_parameters", "_modules", "_buffers", "training", "weight"]))
            out.append(b"ctorch.nn.modules.linear\nLinear\n)\x81}" + name + atom() + b"sb")
            depth += 1
        elif step == 25:
            # A tensor of a class, and a parameter of it.
            kind = f"c{__name__}\nTensorlike\n".encode()
            text_ = b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\n"
            parts = tensor().partition(b"(")[2][:-1]
            state = r.choice([b"N", b"}", b"}" + text("a") + atom() + b"s", atom()])
            whole = text_ + kind + b"(" + parts + state + b"tR"
            if r.random() < 0.5:
                whole = b"ctorch._utils\n_rebuild_parameter\n" + whole + b"\x88N\x87R"
            out.append(whole)
            depth += 1
        elif step == 24:
            # Objects as keys and elements.
            key = made() + r.choice([b"", b"\x85"])
            out.append(
                r.choice([b"}" + key + b"Ns", b"\x8f(" + key + b"\x90", b"(" + key + b"\x91"])
            )
            depth += 1
        elif step == 23:
            out.append(b"}" + text("a") + tensor() + b"s")
            depth += 1
    return b"".join(out) + b"."


def archive(pickled: bytes) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("a/data.pkl", pickled)
        z.writestr("a/data/0", bytes(8))
        z.writestr("a/data/1", bytes(12))
    file.seek(0)
    return file


def damaged(r: random.Random, pickled: bytes) -> bytes:
    data = bytearray(pickled)
    for _ in range(r.randrange(1, 4)):
        data[r.randrange(len(data))] = r.randrange(256)
    return bytes(data)


def corpus() -> list[bytes]:
    """Pickles of real objects."""
    nn = torch.nn
    net = nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 2), nn.TransformerEncoderLayer(4, 2, 4))
    made = []
    for obj in (net, torch.optim.Adam(net.parameters()), {"a": [net.state_dict(), Kind.a]}):
        file = io.BytesIO()
        torch.save(obj, file)
        made.append(zipfile.ZipFile(file).read("archive/data.pkl"))
    made.append(pickle.dumps([__import__("numpy").arange(3.0), Kind.b], 2))
    return made


def use(value) -> None:
    """What a program may do with a module that a file made."""
    for part in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(part, torch.nn.Module):
            for act in (repr, lambda m: m.state_dict(), lambda m: m(torch.ones(1, 2))):
                try:
                    act(part)
                except Exception:
                    pass


def run(seed: int, count: int) -> dict[str, int]:
    r, found, real = random.Random(seed), names(), corpus()
    outcomes = {"loaded": 0, "refused": 0}
    ran.clear()
    for number in range(count):
        pickled = damaged(r, r.choice(real)) if r.random() < 0.3 else one(r, found)
        weights_only = r.random() < 0.2
        try:
            if r.random() < 0.1:
                value = salvage(archive(pickled), weights_only=weights_only)[0]
            else:
                value = torch.load(archive(pickled), weights_only=weights_only)
        except (CheckpointError, NotImplementedError):
            outcomes["refused"] += 1
        else:
            outcomes["loaded"] += 1
            assert not ran, (seed, number, ran, pickled)
            use(value)
            ran.clear()
            del value
        assert not ran, (seed, number, ran, pickled)
    gc.collect()
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=100_000)
    options = parser.parse_args()
    print(run(options.seed, options.count))


if __name__ == "__main__":
    main()
