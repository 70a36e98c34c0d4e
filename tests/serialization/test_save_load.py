"""Checkpoints: what is kept, what is refused, what damage does."""

import collections
import io
import os
import pickle
import random
import stat
import struct
import subprocess
import sys
import threading
import zipfile

import pytest

import flambeau
from flambeau import serialization
from flambeau.serialization import writer
from flambeau.serialization.unpickler import Unpickler


def saved(obj, **options) -> bytes:
    buffer = io.BytesIO()
    flambeau.save(obj, buffer, **options)
    return buffer.getvalue()


def roundtrip(obj):
    return flambeau.load(io.BytesIO(saved(obj)))


def state():
    base = flambeau.arange(12.0).view(3, 4)
    return {"base": base, "row": base[1], "count": flambeau.tensor(3), "name": "x"}


# ---- what is kept


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "bfloat16", "float16", "int64", "uint8", "bool", "complex64"]
)
def test_values_and_dtype(dtype):
    tensor = flambeau.arange(6).to(getattr(flambeau, dtype))
    loaded = roundtrip(tensor)
    assert loaded.dtype == tensor.dtype
    assert loaded.tolist() == tensor.tolist()


def test_strides_offsets_and_sharing():
    base = flambeau.arange(24.0).view(4, 6)
    tensors = [base, base.t(), base[1:3, ::2], base[0, 0], flambeau.ones(1).expand(3)]
    loaded = roundtrip(tensors)
    for tensor, copy in zip(tensors, loaded):
        assert copy.stride() == tensor.stride()
        assert copy.storage_offset() == tensor.storage_offset()
        assert copy.tolist() == tensor.tolist()
    loaded[0].fill_(7)
    assert float(loaded[2].sum()) == 7 * loaded[2].numel()
    assert base[0, 1] == 1


def test_parameters_keep_what_they_are():
    frozen = flambeau.nn.Parameter(flambeau.ones(2), requires_grad=False)
    tagged = flambeau.nn.Parameter(flambeau.ones(2))
    tagged.note = "kept"
    frozen, tagged = roundtrip([frozen, tagged])
    assert isinstance(frozen, flambeau.nn.Parameter) and not frozen.requires_grad
    assert isinstance(tagged, flambeau.nn.Parameter) and tagged.requires_grad
    assert tagged.note == "kept"


def test_plain_containers():
    obj = {
        "numbers": [1, -(2**40), 2**70, 2.5, True, None, 1 + 2j],
        "texts": ("é", b"\xff", bytearray(b"x")),
        "sets": [{1, 2}, frozenset([3])],
        "more": [collections.OrderedDict(b=1, a=2), collections.Counter("aab"), range(3)],
        ("a", 1): slice(1, None, 2),
        "library": [flambeau.Size([2, 3]), flambeau.float64, flambeau.device("cpu")],
    }
    loaded = roundtrip(obj)
    assert loaded == obj
    assert [type(v) for v in loaded["more"]] == [type(v) for v in obj["more"]]
    assert type(loaded["library"][0]) is flambeau.Size


def test_an_object_that_occurs_twice_is_one_object():
    tensor = flambeau.ones(2)
    first, second = roundtrip([tensor, tensor])
    assert first is second
    cycle: list = []
    cycle.append(cycle)
    loaded = roundtrip(cycle)
    assert loaded[0] is loaded


def test_metadata_of_a_state_dict():
    net = flambeau.nn.Sequential(flambeau.nn.Linear(2, 2))
    loaded = roundtrip(net.state_dict())
    assert type(loaded) is collections.OrderedDict
    assert loaded._metadata == net.state_dict()._metadata
    assert str(net.load_state_dict(loaded)) == "<All keys matched successfully>"


def test_conjugate_and_meta_tensors():
    conj, meta = roundtrip([flambeau.tensor([1 + 2j]).conj(), flambeau.empty(2, 3, device="meta")])
    assert conj.tolist() == [1 - 2j]
    assert meta.is_meta and tuple(meta.shape) == (2, 3)


def test_names_in_the_file_are_pytorchs():
    net = flambeau.nn.Linear(2, 2)
    data = zipfile.ZipFile(io.BytesIO(saved([net.state_dict(), net.weight, flambeau.float32])))
    pickled = data.read("archive/data.pkl")
    assert b"flambeau" not in pickled
    assert b"torch._utils\n_rebuild_tensor_v2" in pickled


# ---- paths


def test_entries_start_at_multiples_of_64(tmp_path):
    path = tmp_path / "model.pt"
    flambeau.save(state(), path)
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist()[0] == "model/data.pkl"
        for info in archive.infolist():
            lengths = struct.unpack("<HH", data[info.header_offset + 26 : info.header_offset + 30])
            assert (info.header_offset + 30 + sum(lengths)) % 64 == 0


def test_mmap(tmp_path):
    path = tmp_path / "model.pt"
    flambeau.save(state(), path)
    before = path.read_bytes()
    loaded = flambeau.load(path, mmap=True)
    assert loaded["base"].tolist() == state()["base"].tolist()
    loaded["base"].fill_(9)  # changes stay in memory
    assert loaded["row"].tolist() == [9.0] * 4
    assert path.read_bytes() == before


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.pt"
    flambeau.save(state(), path)
    before = path.read_bytes()
    with pytest.raises(Exception, match="pickle"):
        flambeau.save({"a": flambeau.ones(2), "lock": threading.Lock()}, path)
    with pytest.raises(OSError, match="disk"):
        writer.replace_file(path, fail_midway)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.pt"]


def fail_midway(file):
    file.write(b"half")
    raise OSError("disk is full")


def test_save_keeps_mode_and_links(tmp_path):
    path, link = tmp_path / "model.pt", tmp_path / "link.pt"
    flambeau.save(1, path)
    path.chmod(0o640)
    link.symlink_to(path)
    flambeau.save(2, link)
    assert link.is_symlink() and flambeau.load(path) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_arguments_that_cannot_be_honoured():
    with pytest.raises(RuntimeError, match="parent directory"):
        flambeau.save(1, "/nonexistent/model.pt")
    with pytest.raises(AttributeError, match="write"):
        flambeau.save(1, 3)
    with pytest.raises(NotImplementedError, match="pickle_module"):
        flambeau.save(1, io.BytesIO(), pickle_module=os)
    with pytest.raises(ValueError, match="weights_only=False"):
        flambeau.load(io.BytesIO(saved(1)), safe_modules=["collections"])
    file = io.BytesIO(saved(1))
    with pytest.raises(AttributeError, match="seek"):
        flambeau.load(3)
    with pytest.raises(RuntimeError, match="pickle_module"):
        flambeau.load(file, pickle_module=pickle)
    with pytest.raises(TypeError, match="'unknown'"):
        flambeau.load(file, unknown=1)
    with pytest.raises(ValueError, match="mmap"):
        flambeau.load(file, mmap=True)
    with pytest.raises(FileNotFoundError):
        flambeau.load("/nonexistent/model.pt")
    with pytest.raises(RuntimeError, match="different dtypes"):
        base = flambeau.ones(2)
        flambeau.save([base, base.view(flambeau.int32)], io.BytesIO())


def test_map_location():
    data = saved({"a": flambeau.ones(2, 3)})
    for place in ("meta", flambeau.device("meta"), {"cpu": "meta"}):
        assert flambeau.load(io.BytesIO(data), map_location=place)["a"].is_meta
    assert flambeau.load(io.BytesIO(data), map_location="cpu")["a"].sum() == 6
    seen = []
    flambeau.load(io.BytesIO(data), map_location=lambda storage, place: seen.append(place))
    assert seen == ["cpu"]
    with pytest.raises(RuntimeError, match="map_location='cpu'"):
        flambeau.load(io.BytesIO(data), map_location="cuda:0")


# ---- what is refused


executed: list = []


class Bomb:
    def __reduce__(self):
        return executed.append, ("boom",)


def archive_of(pickled: bytes) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    file.seek(0)
    return file


HOSTILE = [
    b"cos\nsystem\n(X\x02\x00\x00\x00idtR.",
    b"cbuiltins\neval\n(X\x01\x00\x00\x001tR.",
    b"c__builtin__\ngetattr\n(NNtR.",
    b"(X\x02\x00\x00\x00idios\nsystem\n.",  # INST
    b"(cos\nsystem\nX\x02\x00\x00\x00ido.",  # OBJ
    b"\x80\x04X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93X\x02\x00\x00\x00id\x85R.",
    b"ctorch\n_C\n.",
    b"ctorch.hub\nload\n)R.",
    b"\x82\x01.",  # EXT1
    b"Pkey\n.",  # PERSID
    b"\x80\x02X\x01\x00\x00\x00a)R.",  # calls a string
    b"\x80\x02ctorch\nTensor\n)R.",  # calls what is no function
    b"\x80\x02ccollections\nOrderedDict\n)R}X\x01\x00\x00\x00aK\x01sb}b.",
    b"\x80\x02c__builtin__\nlist\n(K\x01tR.",
    b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00rot\x86R.",
    b"\x80\x02ccollections\ndefaultdict\ncbuiltins\nprint\n\x85R.",
]


@pytest.mark.parametrize("pickled", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_pickles_do_nothing(pickled):
    if pickled == HOSTILE[12]:
        flambeau.load(archive_of(pickled))  # attributes of an OrderedDict are harmless
        return
    for weights_only in (True, False, None):
        with pytest.raises((pickle.UnpicklingError, RuntimeError)):
            flambeau.load(archive_of(pickled), weights_only=weights_only)


def test_nothing_is_executed_and_the_name_is_told():
    data = saved({"a": Bomb()})
    executed.clear()
    with pytest.raises(pickle.UnpicklingError, match="getattr"):
        flambeau.load(io.BytesIO(data), weights_only=False)
    assert executed == []
    assert serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data)) == [
        "__builtin__.getattr"
    ]


class Config:
    def __init__(self, width=1):
        self.width = width

    def __eq__(self, other):
        return isinstance(other, Config) and self.width == other.width


class Slotted:
    __slots__ = ("width",)


def test_classes_that_the_user_allows():
    slotted = Slotted()
    slotted.width = 4
    data = saved([Config(3), slotted])
    with pytest.raises(pickle.UnpicklingError, match="Config"):
        flambeau.load(io.BytesIO(data))
    with serialization.safe_globals([Config, Slotted]):
        config, loaded = flambeau.load(io.BytesIO(data))
    assert config == Config(3) and loaded.width == 4
    assert serialization.get_safe_globals() == []
    with pytest.raises(pickle.UnpicklingError):
        flambeau.load(io.BytesIO(data))
    serialization.add_safe_globals([(Config, "somewhere.Else")])
    assert serialization.get_safe_globals() == [Config]
    serialization.clear_safe_globals()
    assert serialization.get_safe_globals() == []


def test_a_whole_module_once_its_classes_are_allowed():
    nn = flambeau.nn
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    data = saved(net)
    with pytest.raises(pickle.UnpicklingError, match="torch.nn.modules.container.Sequential"):
        flambeau.load(io.BytesIO(data))
    with serialization.safe_globals([nn.Sequential, nn.Linear, nn.ReLU]):
        loaded = flambeau.load(io.BytesIO(data))
    x = flambeau.ones(1, 2)
    assert flambeau.equal(loaded(x), net(x))


# ---- damage


def test_truncated_files():
    data = saved(state())
    for length in range(1, len(data), 41):
        with pytest.raises(RuntimeError, match="truncated or corrupt"):
            flambeau.load(io.BytesIO(data[:length]))
    with pytest.raises(EOFError):
        flambeau.load(io.BytesIO(b""))
    with pytest.raises(RuntimeError, match="neither a zip file nor a pickle"):
        flambeau.load(io.BytesIO(b"hello, this is no checkpoint"))


def test_flipped_bits_never_give_wrong_numbers():
    expected = saved(state())
    rng = random.Random(0)
    for _ in range(400):
        data = bytearray(expected)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            loaded = flambeau.load(io.BytesIO(bytes(data)))
        except (RuntimeError, pickle.UnpicklingError, NotImplementedError):
            continue
        # Whatever was hit, an entry's padding say, the tensors are right.
        assert loaded["base"].tolist() == state()["base"].tolist()


def test_random_pickles_only_raise_what_they_may():
    data = zipfile.ZipFile(io.BytesIO(saved(state()))).read("archive/data.pkl")
    rng = random.Random(1)
    refused = 0
    for _ in range(3000):
        damaged = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            flambeau.load(archive_of(bytes(damaged)))
        except (RuntimeError, pickle.UnpicklingError):
            refused += 1
    assert refused > 2500


def test_a_tensor_past_its_storage():
    data = zipfile.ZipFile(io.BytesIO(saved(flambeau.arange(4.0)))).read("archive/data.pkl")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        # a size of 9 in place of 4, and as many bytes as before
        archive.writestr("archive/data.pkl", data.replace(b"K\x04\x85", b"K\x09\x85"))
        archive.writestr("archive/data/0", b"\0" * 16)
    file.seek(0)
    with pytest.raises(RuntimeError, match="past its storage"):
        flambeau.load(file)


def test_a_long_chain_needs_no_recursion():
    pickled = b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."
    result = Unpickler(pickled, None, None).load()
    depth = 0
    while result:
        (result,) = result
        depth += 1
    assert depth == 199_999


def test_a_conjugated_leaf_stays_a_leaf():
    tensor = flambeau.tensor([1 + 2j]).conj().requires_grad_()
    assert tensor.is_conj() and tensor.is_leaf
    for copy in (roundtrip(tensor), pickle.loads(pickle.dumps(tensor))):
        assert copy.is_leaf and copy.requires_grad and copy.is_conj()
        assert copy.tolist() == [1 - 2j]


def test_layers_do_not_need_checkpoints():
    code = "import sys, flambeau.nn; assert not any('serialization' in m for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_several_saves_in_one_file(tmp_path):
    buffer = io.BytesIO()
    buffer.write(b"head")
    for i in range(3):
        flambeau.save({"value": flambeau.full((2,), float(i))}, buffer)
    buffer.seek(4)
    for i in range(3):
        assert flambeau.load(buffer)["value"].tolist() == [i, i]
    with pytest.raises(EOFError):
        flambeau.load(buffer)
    path = tmp_path / "two.pt"
    path.write_bytes(saved(flambeau.ones(2)) + saved(flambeau.zeros(2)))
    assert flambeau.load(path, mmap=True).tolist() == [1, 1]


def test_the_first_of_several_saves_is_not_mistaken_for_the_last():
    first, last = saved(flambeau.ones(20)), saved(flambeau.zeros(20))
    with pytest.raises(serialization.errors.CheckpointError, match="truncated or corrupt"):
        flambeau.load(io.BytesIO(first[:-30] + last))


@pytest.mark.parametrize("location", ["cuda:0", {"cpu": "cuda:0"}, flambeau.device("cuda")])
def test_a_device_that_is_not_there_is_not_the_fault_of_the_file(location):
    with pytest.raises(RuntimeError, match="load: map_location asks for device 'cuda") as caught:
        flambeau.load(io.BytesIO(saved(flambeau.ones(2))), map_location=location)
    assert "corrupt" not in str(caught.value)


def test_archives_with_fields_of_64_bits(monkeypatch):
    from flambeau.serialization import archive

    monkeypatch.setattr(archive, "_LIMIT", 40)
    monkeypatch.setattr(archive, "_MANY", 2)
    file = io.BytesIO(b"before")
    file.seek(6)
    data = {"small": b"1", "exact": bytes(range(40)), "large": bytes(100), "ünicode": b"2"}
    with archive.Archive(file, "name") as made:
        for name, entry in data.items():
            made.write(name, entry)
    raw = file.getvalue()
    with zipfile.ZipFile(file) as read:
        assert read.testzip() is None
        assert {name: read.read(f"name/{name}") for name in data} == data
        for info in read.infolist():
            lengths = struct.unpack_from("<HH", raw, info.header_offset + 26)
            assert (info.header_offset + 30 + sum(lengths)) % 64 == 0


def test_checksums_of_any_length():
    import zlib

    data = random.Random(0).randbytes(70_000)
    for n in (*range(300), 511, 512, 513, 1023, 1025, 4099, 65_537, 70_000):
        for start in (0, 1, 7):
            part = data[start : start + n]
            assert flambeau._C._crc32(part) == zlib.crc32(part)
    assert flambeau._C._crc32(data[600:], zlib.crc32(data[:600])) == zlib.crc32(data)
    assert flambeau._C._crc32(memoryview(bytearray(data))[5:]) == zlib.crc32(data[5:])
    with pytest.raises(BufferError):
        flambeau._C._crc32(memoryview(data)[::2])
    with pytest.raises(TypeError, match="buffer"):
        flambeau._C._crc32()
