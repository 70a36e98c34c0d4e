"""Files that lie, nest, repeat or are damaged. See flambeau/serialization/limits.py."""

import io
import pickle
import random
import re
import struct
import zipfile

import pytest

import flambeau as torch
from flambeau.serialization.errors import CheckpointError
from tests.faults.child import run

GB = 1 << 30


def archive(data, **entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("a/data.pkl", data)
        for name, content in entries.items():
            z.writestr(f"a/{name}", content)
    file.seek(0)
    return file


def hostile(folder, data, memory=2 * GB):
    """Loads a pickle in a process of little memory and time; what it says."""
    (folder / "file.pt").write_bytes(archive(data).getvalue())
    return run(
        f"""
        import flambeau as torch
        try: loaded = torch.load({str(folder / "file.pt")!r})
        except RuntimeError as e: print(type(e).__name__, e)
        else: print("loaded")
        loaded = None
        """,
        seconds=60,
        memory=memory,
    )


DOUBLED = b")" + b"2\x86" * 60  # a tuple that names a tuple twice, that names ...: 2**60 leaves
RANGE = b"cbuiltins\nrange\nJ\x80\xc3\xc9\x01\x85R"  # of 30 million
STORAGE = b"X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
REFUSED = {
    "slices of slices": lambda: b"cbuiltins\nslice\nq\x000N" + b"q\x010h\x00h\x01\x85R" * 10**6,
    "ranges of ranges": lambda: b"cbuiltins\nrange\ncbuiltins\nrange\nK\x02\x85R\x85R",
    "a key": lambda: b"}" + DOUBLED + b"Ns",
    "an element": lambda: b"\x8f(" + DOUBLED + b"\x90",
    "a frozen element": lambda: b"(" + DOUBLED + b"\x91",
    "a pair": lambda: b"ccollections\nOrderedDict\n]" + DOUBLED + b"N\x86a\x85R",
    "a reference": lambda: DOUBLED + b"Q",
    "a call": lambda: DOUBLED + b")R",
    "a key nested deep": lambda: b"})" + b"\x85" * 10**6 + b"Ns",
    "a set of a range": lambda: b"cbuiltins\nset\n" + RANGE + b"\x85R",
    "a size of a range": lambda: b"ctorch\nSize\n" + RANGE + b"\x85R",
    "counts of a range": lambda: b"ccollections\nCounter\n" + RANGE + b"\x85R",
    "a tensor's range": lambda: (
        b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat32\n" + RANGE + b")\x89tR"
    ),
    "copies of copies": lambda: (
        b"T" + (10**6).to_bytes(4, "little") + b"x" * 10**6 + b"q\x000"
        b"cbuiltins\nbytearray\nq\x010]" + b"h\x01h\x00\x85Ra" * 10**5
    ),
    "colliding keys": lambda: (
        b"}("
        + b"".join(
            b"\x8a\x10%bN" % (k * (2**61 - 1)).to_bytes(16, "little") for k in range(1, 10**5)
        )
        + b"u"
    ),
    "a storage that is not there": lambda: (
        b"(" + STORAGE + b"X\x03\x00\x00\x00cpuJ\xff\xff\xff\x7ftQ"
    ),
    "many defaultdicts": lambda: (
        b"ccollections\ndefaultdict\nq\x000N" + b"q\x010h\x00)R(Nh\x01u" * 20000
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_hostile_pickle_is_refused(case, tmp_path):
    said = hostile(tmp_path, b"\x80\x04" + REFUSED[case]() + b".")
    assert (
        re.match("(CheckpointError|DamagedTensorsError) load: ", said)
        and "is truncated or corrupt" in said
    ), said
    assert len(said) < 2500


HARMLESS = {
    "tuples": lambda: b"N" + b"\x85" * 10**6,
    "lists": lambda: b"N" + b"q\x00]h\x00a" * 10**5,
    "dictionaries": lambda: b"N" + b"q\x00}Nh\x00s" * 10**5,
    "ordered": lambda: b"ccollections\nOrderedDict\nq\x010N" + b"q\x00h\x01)R(Nh\x00u" * 10**5,
    "doubled": lambda: DOUBLED,
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_deep_or_repeated_and_harmless_is_loaded_and_freed(case, tmp_path):
    assert hostile(tmp_path, b"\x80\x02" + HARMLESS[case]() + b".") == "loaded"


def _lie(data, name, size):
    data, at = bytearray(data), 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        (length,) = struct.unpack_from("<H", data, at + 28)
        if name in data[at + 46 : at + 46 + length]:
            struct.pack_into("<III", data, at + 16, 0, size, size)
        at += 4
    return bytes(data)


@pytest.mark.parametrize("name", ["data.pkl", "data/0", "byteorder", "version"])
def test_a_size_that_lies(name):
    buffer = io.BytesIO()
    torch.save(torch.ones(3), buffer)
    data = _lie(buffer.getvalue(), name.encode(), 0xF0000000)
    said = run(
        f"""
        import flambeau as torch, io, resource
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try: torch.load(io.BytesIO({data!r}))
        except torch.serialization.CheckpointError: print("refused")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 << 10
        """
    )
    assert said == "refused"


def test_an_entry_that_deflates_to_more_than_deflate_can():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a/data.pkl", pickle.dumps([1] * 10, 2))
    file.seek(0)
    assert torch.load(file) == [1] * 10
    data = bytearray(file.getvalue())
    at = data.find(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 1 << 31)
    with pytest.raises(CheckpointError, match="cannot have 2147483648 bytes"):
        torch.load(io.BytesIO(data))


def test_entries_that_overlap():
    buffer = io.BytesIO()
    torch.save([torch.ones(1000), torch.zeros(1000)], buffer)
    data, at = bytearray(buffer.getvalue()), 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        struct.pack_into("<II", data, at + 20, 5000, 5000)
        at += 4
    with pytest.raises(CheckpointError, match="larger than the file"):
        torch.load(io.BytesIO(data))


@pytest.mark.parametrize("seed", range(4))
def test_every_damaged_file_is_one_kind_of_error(seed):
    """Bytes that are flipped, cut, put in or left out."""
    r = random.Random(seed)
    buffer = io.BytesIO()
    layer = torch.nn.Linear(3, 2)
    torch.save({"w": layer.state_dict(), "s": {1, 2}, "t": (1.5, "x", torch.Size([2]))}, buffer)
    good = buffer.getvalue()
    legacy = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
    for _ in range(300):
        data = bytearray(r.choice([good, good, good, legacy]))
        for _ in range(r.choice([1, 1, 2, 8])):
            at = r.randrange(len(data))
            kind = r.randrange(4)
            if kind == 0:
                data[at] = r.randrange(256)
            elif kind == 1:
                del data[at : at + r.choice([1, 10, 1000])]
            elif kind == 2:
                data[at:at] = bytes(r.randrange(256) for _ in range(r.choice([1, 4, 100])))
            else:
                data[at : at + 4] = struct.pack("<I", r.choice([0, 1, 0xFFFFFFFF, 0x7FFFFFFF]))
            if not data:
                data = bytearray(b"P")
        try:
            torch.load(io.BytesIO(data))
        except CheckpointError as error:
            assert str(error).startswith("load: ")
        except NotImplementedError:
            pass  # formats of before PyTorch 1.6 that are whole


def test_every_prefix_of_a_file():
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(3)}, buffer)
    data = buffer.getvalue()
    for n in range(1, len(data), 7):
        with pytest.raises(CheckpointError):
            torch.load(io.BytesIO(data[:n]))
    with pytest.raises(EOFError):
        torch.load(io.BytesIO(b""))


def test_one_type_is_both_of_pytorch():
    assert issubclass(CheckpointError, RuntimeError)
    assert issubclass(CheckpointError, pickle.UnpicklingError)
    with pytest.raises(CheckpointError, match="os.system"):
        torch.load(archive(b"\x80\x02cos\nsystem\nX\x01\x00\x00\x00x\x85R."))


def test_an_error_of_the_programs_own_function_comes_through():
    buffer = io.BytesIO()
    torch.save(torch.ones(3), buffer)

    def location(storage, where):
        raise KeyError("mine")

    buffer.seek(0)
    with pytest.raises(KeyError, match="mine"):
        torch.load(buffer, map_location=location)


def test_containers_of_all_kinds_come_back():
    from collections import Counter, OrderedDict, defaultdict

    kept = {
        "set": {1, "a", (2, 3)},
        "frozen": frozenset({1, 2}),
        "slice": slice(1, None, 2),
        "range": range(3, 9, 2),
        "complex": 1 + 2j,
        "bytes": b"\x00\xff",
        "bytearray": bytearray(b"ab"),
        "ordered": OrderedDict([("b", 1), ("a", 2)]),
        "counter": Counter("aab"),
        "lists": defaultdict(list, {"a": [1]}),
        "ints": defaultdict(int, {"a": 1}),
        "sets": defaultdict(set, {"a": {1}}),
        "none": defaultdict(None, {}),
        ("a", 1, (2.5, None)): torch.Size([1, 2]),
    }
    for protocol in (2, 3, 4, 5):
        buffer = io.BytesIO()
        torch.save(kept, buffer, pickle_protocol=protocol)
        buffer.seek(0)
        loaded = torch.load(buffer)
        assert loaded == kept
        assert loaded["ints"].default_factory is int
        assert loaded["none"].default_factory is None


class Full:
    """A disk that is full after so many bytes."""

    def __init__(self, room):
        self.room = room

    def write(self, data):
        n = memoryview(data).nbytes
        self.room -= n
        if self.room < 0:
            raise OSError("the disk is full")
        return n

    def flush(self):
        pass


def test_a_full_disk_leaves_no_temporary_file_and_makes_no_noise(tmp_path):
    noise = run(
        f"""
        import flambeau as torch, gc, os, sys
        sys.stderr = sys.stdout
        from tests.faults.test_checkpoints import Full
        state = {{"w": torch.ones(1000), "v": torch.zeros(10)}}
        for room in range(0, 6000, 50):
            try: torch.save(state, Full(room))
            except OSError as e: pass
            gc.collect()
        path = {str(tmp_path)!r} + "/x.pt"
        open(path, "w").write("before")
        class Broken:
            def __reduce__(self): raise ValueError("no")
        for value in (Broken(), lambda: 0):
            try: torch.save(value, path)
            except Exception: pass
        assert os.listdir({str(tmp_path)!r}) == ["x.pt"] and open(path).read() == "before"
        """,
    )
    assert noise == ""


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: torch.empty(2, dtype=torch.bits8), "torch.bits8 cannot be loaded again"),
        (lambda: torch.empty(2, dtype=torch.qint8), "torch.qint8 cannot be loaded again"),
        (lambda: [torch.bits16], "torch.bits16 cannot be loaded again"),
        (lambda: {"generator": torch.Generator()}, "a Generator cannot be loaded again"),
    ],
)
def test_what_cannot_be_loaded_again_is_not_saved(make, text, tmp_path):
    with pytest.raises(TypeError, match=text):
        torch.save(make(), tmp_path / "file.pt")
    assert list(tmp_path.iterdir()) == []


def test_every_dtype_is_loaded_again_or_not_saved():
    for dtype in {d for d in vars(torch).values() if isinstance(d, torch.dtype)}:
        buffer = io.BytesIO()
        try:
            torch.save(torch.empty(2, dtype=dtype), buffer)
        except TypeError:
            continue
        buffer.seek(0)
        assert torch.load(buffer).dtype == dtype


def test_named_results_come_back():
    x = torch.tensor([[1.0, 3.0], [2.0, 0.0]])
    kept = [x.max(0), x.sort(1), torch.aminmax(x)]
    for protocol in (2, 4):
        buffer = io.BytesIO()
        torch.save(kept, buffer, pickle_protocol=protocol)
        buffer.seek(0)
        loaded = torch.load(buffer)
        assert [type(r) for r in loaded] == [type(r) for r in kept]
        assert loaded[0].indices.tolist() == [1, 0]
    with pytest.raises(CheckpointError):
        torch.load(archive(b"\x80\x02ctorch.return_types\nmax\nK\x01\x85R."))
