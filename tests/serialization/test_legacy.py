"""Files of the times before zip archives, built here from the description of each format."""

import collections
import io
import pickle
import struct
import tarfile

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.serialization import CheckpointError

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001


class Named:
    """Pickled as a global of this name."""

    def __init__(self, name):
        self.name = name


class Reference:
    """Pickled as a reference to what is outside of the pickle."""

    def __init__(self, value):
        self.value = value


class Call:
    def __init__(self, function, *args):
        self.function, self.args = function, args


class Pickler(pickle._Pickler):
    def persistent_id(self, obj):
        return obj.value if isinstance(obj, Reference) else None

    def reducer_override(self, obj):
        if isinstance(obj, Call):
            return obj.function, obj.args
        return obj.name if isinstance(obj, Named) else NotImplemented

    def save_global(self, obj, name=None):
        if isinstance(obj, Named):
            module, _, name = obj.name.rpartition(".")
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
            self.memoize(obj)
        else:
            super().save_global(obj, name)

    def save_reduce(self, func, args, *more, **named):
        if isinstance(func, Named):
            self.save(func)
            self.save(args)
            self.write(pickle.REDUCE)
        else:
            super().save_reduce(func, args, *more, **named)


def pickled(obj) -> bytes:
    file = io.BytesIO()
    Pickler(file, 2).dump(obj)
    return file.getvalue()


def tensor(storage, offset, size, stride):
    function = Named("torch._utils._rebuild_tensor_v2")
    return Call(function, storage, offset, size, stride, False, collections.OrderedDict())


def storage(kind, key, count, view=None, location="cpu"):
    return Reference(("storage", Named(f"torch.{kind}"), key, location, count, view))


def old_file(obj, storages: dict[str, np.ndarray], little=True) -> bytes:
    parts = [pickle.dumps(MAGIC, 2), pickle.dumps(VERSION, 2)]
    parts += [pickle.dumps({"little_endian": little}, 2), pickled(obj)]
    parts.append(pickle.dumps(list(storages), 2))
    for array in storages.values():
        data = (array if little else array.byteswap()).tobytes()
        parts.append(struct.pack("<q", array.size) + data)
    return b"".join(parts)


def load(data: bytes, **options):
    return torch.load(io.BytesIO(data), **options)


NUMBERS = np.arange(6, dtype="f4")


def test_several_pickles():
    whole = storage("FloatStorage", "a", 6)
    data = old_file(
        [tensor(whole, 0, (2, 3), (3, 1)), tensor(whole, 2, (2,), (1,))], {"a": NUMBERS}
    )
    first, second = load(data)
    assert first.tolist() == [[0, 1, 2], [3, 4, 5]] and second.tolist() == [2, 3]
    first.fill_(9)
    assert second.tolist() == [9, 9]


def test_storages_that_view_each_other():
    """As before PyTorch 0.4."""
    whole = storage("FloatStorage", "a", 6)
    part = storage("FloatStorage", "a", 6, ("b", 2, 3))
    obj = [tensor(whole, 0, (6,), (1,)), tensor(part, 1, (2,), (1,)), tensor(part, 0, (3,), (1,))]
    whole, part, again = load(old_file(obj, {"a": NUMBERS}))
    assert part.tolist() == [3, 4] and again.tolist() == [2, 3, 4]
    whole.fill_(9)
    assert part.tolist() == [9, 9] and again.tolist() == [9, 9, 9]
    assert load(old_file(obj, {"a": NUMBERS}), map_location="meta")[1].is_meta
    for view in (("b", 4, 3), ("b", -1, 3), ("b", 0, -1), ("b", 1 << 62, 1 << 62), ("b", 0), 3):
        bad = tensor(storage("FloatStorage", "a", 6, view), 0, (1,), (1,))
        with pytest.raises(CheckpointError):
            load(old_file([bad], {"a": NUMBERS}))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "c8", "u1"])
def test_the_other_order_of_bytes(dtype):
    kind = {"f4": "Float", "f8": "Double", "i2": "Short", "c8": "ComplexFloat", "u1": "Byte"}[dtype]
    array = np.arange(5).astype(dtype)
    obj = tensor(storage(f"{kind}Storage", "a", 5), 0, (5,), (1,))
    assert load(old_file(obj, {"a": array}, little=False)).tolist() == array.tolist()


def test_modules_with_their_source():
    """A class may come with its file and source, which are for people."""
    kind = Reference(("module", nn.Linear, "linear.py", "class Linear: ..."))
    layer = nn.Linear(1, 1)
    data = old_file([kind, 3], {})
    with pytest.raises(CheckpointError):
        load(data)  # a name of a class, which weights_only refuses
    loaded = load(data.replace(b"flambeau.nn", b"torch.nn"), weights_only=False)
    assert loaded == [type(layer), 3]


def test_saves_in_the_old_format():
    base = torch.arange(6.0)
    kept = {
        "a": base,
        "b": base[2:],
        "c": torch.ones(2).bfloat16(),
        "d": nn.Parameter(base.clone()),
    }
    file = io.BytesIO()
    torch.save(kept, file, _use_new_zipfile_serialization=False)
    torch.save([1], file, _use_new_zipfile_serialization=False)
    file.seek(0)
    back = torch.load(file)
    assert torch.load(file) == [1]  # the next one begins where the first ends
    assert back["b"].data_ptr() == back["a"].data_ptr() + 8
    assert all(back[n].tolist() == kept[n].tolist() for n in kept)
    with pytest.raises(RuntimeError, match="zip file"):
        torch.load(__file__, mmap=True)


# ---- tar archives


def tar_file(storages=b"", tensors=b"", obj=b"", names=("storages", "tensors", "pickle")) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in zip(names, (storages, tensors, obj)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def tar_storages(arrays: dict[int, np.ndarray], views=()) -> bytes:
    data = pickled(len(arrays))
    for key, array in arrays.items():
        data += pickled((key, "cpu", Named("torch.FloatStorage")))
        data += struct.pack("<q", array.size) + array.tobytes()
    return data + pickled(list(views))


def tar_tensor(key, storage, size, stride, offset) -> bytes:
    data = pickled((key, storage, Named("torch.FloatTensor")))
    data += struct.pack("<iI", len(size), 0)
    return data + struct.pack(f"<{2 * len(size) + 1}q", *size, *stride, offset)


TENSORS = pickled(2) + tar_tensor(10, 1, (2, 3), (3, 1), 0) + tar_tensor(11, 2, (2,), (1,), 1)
OBJECT = pickled({"x": Reference(10), "y": [Reference(11), Reference(10)], "z": 3})


def test_a_tar_archive():
    data = tar_file(tar_storages({1: NUMBERS}, [(2, 1, 2, 3)]), TENSORS, OBJECT)
    back = load(data)
    assert back["x"].tolist() == [[0, 1, 2], [3, 4, 5]] and back["y"][0].tolist() == [3, 4]
    assert back["y"][1] is back["x"] and back["z"] == 3
    back["x"].fill_(9)
    assert back["y"][0].tolist() == [9, 9]


BROKEN = {
    "no pickle": lambda: tar_file(tar_storages({}), pickled(0), names=("storages", "tensors")),
    "a storage that is cut off": lambda: tar_file(
        tar_storages({1: NUMBERS})[:-30], TENSORS, OBJECT
    ),
    "a count": lambda: tar_file(pickled(1 << 60), TENSORS, OBJECT),
    "a size": lambda: tar_file(
        tar_storages({1: NUMBERS}), pickled(1) + tar_tensor(10, 1, (7,), (1,), 0), OBJECT
    ),
    "a huge size": lambda: tar_file(
        tar_storages({1: NUMBERS}), pickled(1) + tar_tensor(10, 1, (1 << 62,), (4,), 0), OBJECT
    ),
    "an offset": lambda: tar_file(
        tar_storages({1: NUMBERS}), pickled(1) + tar_tensor(10, 1, (1,), (1,), -1), OBJECT
    ),
    "dimensions": lambda: tar_file(
        tar_storages({1: NUMBERS}), pickled(1) + tar_tensor(10, 1, (1,) * 65, (1,) * 65, 0), OBJECT
    ),
    "a view past the end": lambda: tar_file(
        tar_storages({1: NUMBERS}, [(2, 1, 4, 3)]), TENSORS, OBJECT
    ),
    "a view of nothing": lambda: tar_file(tar_storages({}, [(2, 1, 4, 3)]), TENSORS, OBJECT),
    "a tensor of nothing": lambda: tar_file(tar_storages({}), TENSORS, OBJECT),
    "a reference to nothing": lambda: tar_file(
        tar_storages({1: NUMBERS}, [(2, 1, 2, 3)]), TENSORS, pickled([Reference(12)])
    ),
    "a negative storage": lambda: tar_file(
        pickled(1) + pickled((1, "cpu", Named("torch.FloatStorage"))) + struct.pack("<q", -1),
        TENSORS,
        OBJECT,
    ),
    "a call": lambda: tar_file(
        tar_storages({}), pickled(0), pickled(Call(Named("os.system"), "id"))
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_tar_archives(case):
    for options in ({}, {"weights_only": False}):
        with pytest.raises(CheckpointError):
            load(BROKEN[case](), **options)


def test_a_tar_archive_that_is_cut_off():
    data = tar_file(tar_storages({1: NUMBERS}, [(2, 1, 2, 3)]), TENSORS, OBJECT)
    end = data.index(OBJECT) + len(OBJECT)
    for cut in range(263, end, 37):
        with pytest.raises(CheckpointError):
            load(data[:cut])
