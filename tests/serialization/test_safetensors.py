"""The safetensors format: what is kept, what others read, which headers are refused."""

import io
import json
import os
import random
import struct

import numpy as np
import pytest
import safetensors
import safetensors.numpy

import flambeau as torch
from flambeau.serialization import CheckpointError
from flambeau.serialization.safetensors import DTYPES
from tests.faults.child import run

OURS = [name for name, _ in DTYPES.values() if name is not None and hasattr(torch, name)]


def written(tensors, metadata=None) -> bytes:
    buffer = io.BytesIO()
    torch.save_safetensors(tensors, buffer, metadata)
    return buffer.getvalue()


def read(data: bytes, **options) -> dict:
    return torch.load_safetensors(io.BytesIO(data), **options)


def file_of(header, data: bytes = b"", length=None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape, offsets, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


# ---- what is kept


@pytest.mark.parametrize("dtype", OURS)
def test_every_dtype(dtype):
    kind = getattr(torch, dtype)
    raw = torch.arange(48, dtype=torch.uint8)
    tensor = (raw % 2).bool() if dtype == "bool" else raw.view(kind)
    tensors = {
        "t": tensor.reshape(2, -1),
        "empty": tensor[:0],
        "more": tensor[8 // kind.itemsize :],
    }
    back = read(written(tensors))
    for name, kept in tensors.items():
        assert back[name].dtype is kind and back[name].shape == kept.shape
        assert (
            bytes(back[name].untyped_storage())
            == kept.reshape(-1).view(torch.uint8).numpy().tobytes()
            or dtype == "bool"
        )
    if dtype == "bool":
        assert torch.equal(back["t"], tensors["t"])


def test_shapes_views_and_lazy_bits():
    base = torch.arange(24.0).view(4, 6)
    tensors = {
        "scalar": torch.tensor(2.5),
        "row": base[1],
        "transposed": base.t(),
        "strided": base[::2, 1::2],
        "expanded": torch.ones(1).expand(3),
        "conjugate": torch.tensor([1 + 2j]).conj(),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "nothing": torch.empty(0, 3),
        'é/日本"\\': torch.ones(1),
    }
    back = read(written(tensors))
    assert set(back) == set(tensors)
    for name, kept in tensors.items():
        assert back[name].shape == kept.shape and back[name].is_contiguous()
        assert back[name].tolist() == kept.tolist()


def test_others_read_what_is_written(tmp_path):
    path = tmp_path / "x.safetensors"
    tensors = {"a": torch.arange(6).view(2, 3), "b": torch.ones(3).half(), "c": torch.tensor(True)}
    torch.save_safetensors(tensors, path, metadata={"k": "v", "é": "日本"})
    loaded = safetensors.numpy.load_file(path)
    assert {n: a.tolist() for n, a in loaded.items()} == {n: t.tolist() for n, t in tensors.items()}
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata() == {"k": "v", "é": "日本"}


def test_what_others_write_is_read():
    arrays = {
        "a": np.arange(6, dtype="i8").reshape(2, 3),
        "b": np.array(2.5, "f4"),
        "c": np.zeros((0, 4), "f8"),
        "d": np.array([True, False]),
        "e": np.arange(3, dtype="u2"),
    }
    data = safetensors.numpy.save(arrays, {"k": "v"})
    back = read(data)
    assert {n: t.tolist() for n, t in back.items()} == {n: a.tolist() for n, a in arrays.items()}
    header = torch.serialization.safetensors_header(io.BytesIO(data))
    assert header.metadata == {"k": "v"} and header.tensors["a"].nbytes == 48


def test_the_bytes_are_those_of_the_package():
    arrays = {"b": np.arange(3, dtype="f4"), "a": np.arange(2, dtype="f4"), "w": np.zeros(2, "f8")}
    tensors = {n: torch.from_numpy(a) for n, a in arrays.items()}
    assert written(tensors) == safetensors.numpy.save(arrays)


def test_mmap_names_and_places(tmp_path):
    path = tmp_path / "x.safetensors"
    tensors = {"a": torch.arange(6.0), "b": torch.arange(3).to(torch.int8), "c": torch.ones(2)}
    torch.save_safetensors(tensors, path)
    before = path.read_bytes()
    for load in (torch.load_safetensors, torch.load):
        mapped = load(path, mmap=True)
        mapped["a"].fill_(7)
        assert mapped["b"].tolist() == [0, 1, 2] and path.read_bytes() == before
        assert load(path, map_location="meta")["a"].is_meta
        assert load(path, map_location={"cpu": "meta"})["a"].is_meta
    assert list(torch.load_safetensors(path, names=["c"])) == ["c"]
    assert torch.load_safetensors(path, names="c")["c"].tolist() == [1, 1]
    with pytest.raises(KeyError, match="no tensor 'z'"):
        torch.load_safetensors(path, names=["z"])
    assert torch.load(path)["a"].tolist() == list(range(6))


def test_tensors_that_are_not_aligned(tmp_path):
    header = {"a": entry([1], [0, 1], "U8"), "b": entry([2], [1, 17], "F64")}
    path = tmp_path / "x.safetensors"
    path.write_bytes(file_of(header, b"\x05" + np.array([1.5, 2.5]).tobytes()))
    for options in ({}, {"mmap": True}):
        back = torch.load_safetensors(path, **options)
        assert back["a"].tolist() == [5] and back["b"].tolist() == [1.5, 2.5]
        assert back["b"].data_ptr() % 8 == 0


def test_dtypes_without_tensors():
    for dtype, size in (("F6_E2M3", 3), ("F6_E3M2", 3), ("F4", 2), ("F8_E8M0", 4)):
        header = {"a": entry([4], [0, size], dtype), "b": entry([1], [size, size + 4])}
        data = file_of(header, bytes(size + 4))
        assert torch.serialization.safetensors_header(io.BytesIO(data)).tensors["a"].nbytes == size
        assert read(data, names=["b"])["b"].shape == (1,)
        if not hasattr(torch, str(DTYPES[dtype][0])):
            with pytest.raises(NotImplementedError, match=f"'a' has dtype {dtype}"):
                read(data)


def test_arguments():
    with pytest.raises(TypeError, match="cannot be the name"):
        written({1: torch.ones(1)})
    with pytest.raises(TypeError, match="cannot be the name"):
        written({"__metadata__": torch.ones(1)})
    with pytest.raises(TypeError, match="'a' is a int"):
        written({"a": 1})
    with pytest.raises(TypeError, match="dictionary"):
        written([torch.ones(1)])
    with pytest.raises(TypeError, match="complex128"):
        written({"a": torch.ones(1, dtype=torch.complex128)})
    with pytest.raises(TypeError, match="meta"):
        written({"a": torch.ones(1, device="meta")})
    with pytest.raises(TypeError, match="metadata"):
        written({}, {"a": 1})
    with pytest.raises(TypeError, match="path or a file"):
        torch.save_safetensors({}, 3)
    with pytest.raises(TypeError, match="path or a file"):
        torch.load_safetensors(3)
    with pytest.raises(ValueError, match="path"):
        torch.load_safetensors(io.BytesIO(written({})), mmap=True)
    with pytest.raises(FileNotFoundError):
        torch.load_safetensors("/nonexistent/x")
    with pytest.raises(EOFError):
        read(b"")
    assert read(written({})) == {}


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.safetensors"
    torch.save_safetensors({"a": torch.ones(1)}, path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        torch.save_safetensors({"a": torch.ones(1), "b": 2}, path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


# ---- what is refused


HOSTILE = {
    "no header": b"abc",
    "a length beyond the file": file_of({}, length=1 << 63),
    "a length of all ones": b"\xff" * 8 + b"{}",
    "no JSON": file_of(b"{nonsense}"),
    "no text": file_of(b'{"\xff": 1}'),
    "no dictionary": file_of(b"[]"),
    "nested deep": file_of(b"[" * 200_000),
    "dictionaries nested deep": file_of(b'{"a":' * 200_000),
    "a huge number": file_of(b'{"a": ' + b"9" * 100_000 + b"}"),
    "a number of many digits in a shape": file_of(
        b'{"a":{"dtype":"F32","shape":[' + b"9" * 4000 + b'],"data_offsets":[0,0]}}'
    ),
    "infinity": file_of(b'{"a": Infinity}'),
    "a float": file_of(b'{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}', b"1234"),
    "a name twice": file_of(
        b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
        b'"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
    ),
    "a field twice": file_of(b'{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    "metadata twice": file_of(b'{"__metadata__":{},"__metadata__":{}}'),
    "metadata that are numbers": file_of({"__metadata__": {"a": 1}}),
    "metadata that are a text": file_of({"__metadata__": "a"}),
    "an unknown dtype": file_of({"a": entry([1], [0, 4], "F33")}, b"1234"),
    "a dtype that is a list": file_of({"a": entry([1], [0, 4], ["F32"])}, b"1234"),
    "an unknown field": file_of({"a": {**entry([1], [0, 4]), "more": 1}}, b"1234"),
    "a missing field": file_of({"a": {"dtype": "F32", "shape": []}}),
    "a negative size": file_of({"a": entry([-1], [0, 0])}),
    "negative offsets": file_of({"a": entry([1], [-4, 0])}),
    "true as a size": file_of({"a": entry([True], [0, 4])}, b"1234"),
    "offsets that turn around": file_of({"a": entry([1], [4, 0])}, b"1234"),
    "three offsets": file_of({"a": entry([1], [0, 2, 4])}, b"1234"),
    "another size than the shape's": file_of({"a": entry([2], [0, 4])}, b"1234"),
    "sizes that overflow": file_of({"a": entry([1 << 62, 4], [0, 0])}),
    "sizes that overflow to fit": file_of({"a": entry([(1 << 62) + 1, 4], [0, 16])}, b"x" * 16),
    "too many dimensions": file_of({"a": entry([1] * 65, [0, 4])}, b"1234"),
    "an overlap": file_of({"a": entry([1], [0, 4]), "b": entry([1], [2, 6])}, b"123456"),
    "the same place twice": file_of({"a": entry([1], [0, 4]), "b": entry([1], [0, 4])}, b"1234"),
    "a hole": file_of({"a": entry([1], [0, 4]), "b": entry([1], [6, 10])}, b"1234567890"),
    "a hole at the start": file_of({"a": entry([1], [4, 8])}, b"12345678"),
    "more bytes than tensors": file_of({"a": entry([1], [0, 4])}, b"12345"),
    "fewer bytes than tensors": file_of({"a": entry([1], [0, 4])}, b"123"),
    "an offset beyond the file": file_of({"a": entry([1 << 40], [0, 4 << 40])}, b"1234"),
    "more after the header": file_of(b'{} {"a": 1}'),
}


# What the package lets through.
LENIENT = ("a name twice", "an unknown field", "too many dimensions", "a field twice")


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_headers(case):
    for load in (torch.load_safetensors, torch.serialization.safetensors_header, torch.load):
        with pytest.raises(CheckpointError) as caught:
            load(io.BytesIO(HOSTILE[case]))
        assert len(str(caught.value)) < 1500
    if case not in LENIENT:
        with pytest.raises(safetensors.SafetensorError):
            safetensors.deserialize(HOSTILE[case])


def test_a_header_beyond_the_limit_of_the_format(tmp_path):
    with open(tmp_path / "x.safetensors", "wb") as file:
        file.write((100_000_001).to_bytes(8, "little") + b"{")
        file.truncate(200_000_000)
    with pytest.raises(CheckpointError, match="more than 100000000"):
        torch.load_safetensors(tmp_path / "x.safetensors")


def test_a_long_hostile_header_takes_little_memory(tmp_path):
    path = tmp_path / "x.safetensors"
    for text in (b"[{}," * 2_000_000, b'{"a":[' + b"1," * 4_000_000, b'{"":{},' * 1_000_000):
        path.write_bytes(file_of(text))
        said = run(
            f"""
            import flambeau as torch
            try: torch.load_safetensors({str(path)!r})
            except torch.serialization.CheckpointError: print("refused")
            """,
            seconds=60,
            memory=1 << 30,
        )
        assert said == "refused"


@pytest.mark.parametrize("seed", range(4))
def test_damage_is_one_kind_of_error(seed):
    good = written({"a": torch.arange(6.0), "b": torch.ones(2, 2).half()}, {"k": "v"})
    r = random.Random(seed)
    for _ in range(500):
        data = bytearray(good)
        for _ in range(r.choice([1, 1, 2, 8])):
            at = r.randrange(len(data))
            kind = r.randrange(3)
            if kind == 0:
                data[at] = r.randrange(256)
            elif kind == 1:
                del data[at : at + r.choice([1, 10, 100])]
            else:
                data[at:at] = bytes(r.randrange(256) for _ in range(r.choice([1, 4])))
            data = data or bytearray(b"x")
        try:
            loaded = read(bytes(data))
        except (CheckpointError, NotImplementedError):
            continue
        assert all(isinstance(t, torch.Tensor) for t in loaded.values())
