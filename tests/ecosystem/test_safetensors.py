"""safetensors under the name torch: what it writes is what others read, and back."""

import json
import struct

import numpy as np
from under_the_name import need, shown

need("safetensors")


def read(path):
    """The file by its format: the length of the header, the header, the bytes."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def test_files_are_written(tmp_path):
    program = """
        from safetensors.torch import save_file
        save_file(
            {
                "a": torch.arange(6.0).reshape(2, 3),
                "b": torch.tensor([1.0, -2.0]).bfloat16(),
                "c": torch.tensor([True, False]),
                "d": torch.tensor(7),
                "e": torch.zeros(0, 3).half(),
            },
            "x.safetensors",
            metadata={"format": "pt"},
        )
    """
    shown(program, tmp_path)
    header, data = read(tmp_path / "x.safetensors")
    assert header.pop("__metadata__") == {"format": "pt"}
    kinds = {name: (entry["dtype"], entry["shape"]) for name, entry in header.items()}
    assert kinds == {
        "a": ("F32", [2, 3]),
        "b": ("BF16", [2]),
        "c": ("BOOL", [2]),
        "d": ("I64", []),
        "e": ("F16", [0, 3]),
    }

    def content(name, dtype):
        start, end = header[name]["data_offsets"]
        return np.frombuffer(data[start:end], dtype).tolist()

    assert content("a", "<f4") == [0, 1, 2, 3, 4, 5] and content("d", "<i8") == [7]
    assert content("b", "<u2") == [0x3F80, 0xC000] and content("c", "u1") == [1, 0]


def test_files_are_read(tmp_path):
    from safetensors.numpy import save_file

    values = {
        "f32": np.arange(6, dtype=np.float32).reshape(2, 3),
        "f16": np.array([0.5, -1.5], np.float16),
        "i64": np.array([[1], [-2]]),
        "u8": np.array([255], np.uint8),
        "bool": np.array([True, False]),
        "none": np.zeros((0, 2), np.float64),
    }
    save_file(values, tmp_path / "x.safetensors", metadata={"by": "numpy"})
    program = """
        from safetensors import safe_open
        from safetensors.torch import load, load_file
        read = load_file("x.safetensors")
        for name, tensor in read.items():
            show(name, [str(tensor.dtype), list(tensor.shape), tensor.reshape(-1).tolist()])
        read["f32"].fill_(0)  # a tensor of its own, not the file
        with open("x.safetensors", "rb") as file:
            show("bytes", load(file.read())["f32"])
        with safe_open("x.safetensors", framework="pt", device="cpu") as file:
            show("metadata", file.metadata())
            part = file.get_slice("f32")
            show("part", part[1:, :2])
            show("shape", part.get_shape())
            show("one", file.get_tensor("i64"))
    """
    results = shown(program, tmp_path)
    dtypes = dict(
        f32="float32", f16="float16", i64="int64", u8="uint8", bool="bool", none="float64"
    )
    for name, array in values.items():
        dtype, shape, content = results[name]
        assert (dtype, shape) == (f"torch.{dtypes[name]}", list(array.shape))
        assert content == array.reshape(-1).tolist()
    assert results["bytes"] == values["f32"].tolist() and results["metadata"] == {"by": "numpy"}
    assert results["part"] == [[3, 4]] and results["shape"] == [2, 3]
    assert results["one"] == [[1], [-2]]


def test_models_with_shared_weights(tmp_path):
    program = """
        from safetensors.torch import load_model, save_file, save_model

        class Tied(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.embedding = torch.nn.Embedding(4, 3)
                self.out = torch.nn.Linear(3, 4, bias=False)
                self.out.weight = self.embedding.weight

        one, other = Tied(), Tied()
        save_model(one, "model.safetensors")
        missing, unexpected = load_model(other, "model.safetensors")
        show("left", [sorted(missing), unexpected])
        show("same", torch.equal(one.out.weight, other.embedding.weight))
        show("tied", other.out.weight is other.embedding.weight)
        try:
            save_file(one.state_dict(), "x.safetensors")
        except RuntimeError as error:
            show("shared", "share memory" in str(error))
        try:
            save_file({"t": torch.ones(2, 3).t()}, "x.safetensors")
        except ValueError as error:
            show("turned", "non contiguous" in str(error))
    """
    results = shown(program, tmp_path)
    expected = {"left": [[], []], "same": True, "tied": True, "shared": True, "turned": True}
    assert results == expected
