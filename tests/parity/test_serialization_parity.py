"""Files of each library in the other, in both directions."""

import collections
import io
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import flambeau  # noqa: E402

DTYPES = [
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
    "complex64",
    "complex128",
    "uint16",
    "uint32",
    "uint64",
]


def make(lib):
    """An object with everything that a checkpoint holds, the same in both libraries."""
    base = lib.arange(24, dtype=lib.float32).view(4, 6)
    net = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.LayerNorm(4))
    for i, param in enumerate(net.parameters()):
        param.data.fill_(i)
    tagged = lib.nn.Parameter(lib.ones(2))
    tagged.note = "kept"
    return {
        "state": net.state_dict(),
        "views": [base, base.t(), base[1], base[1:3, ::2], base[0, 0]],
        "parameter": lib.nn.Parameter(lib.ones(3), requires_grad=False),
        "tagged": tagged,
        "buffer": lib.nn.Buffer(lib.ones(1), persistent=False),
        "dtypes": {name: lib.ones(3).to(getattr(lib, name)) for name in DTYPES},
        "grad": lib.zeros(2, requires_grad=True),
        "empty": lib.empty(0, 3),
        "scalar": lib.tensor(3.5),
        "expanded": lib.ones(1).expand(5),
        "meta": lib.empty(2, 3, device="meta"),
        "size": lib.Size([1, 2]),
        "dtype": lib.float64,
        "device": lib.device("cpu"),
        "layout": lib.strided,
        "conjugate": lib.tensor([1 + 2j]).conj(),
        "plain": [1, -(2**40), 2**70, 2.5, True, None, "text é", b"bytes\xff", (1, (2,)), {3}],
        "more": [1 + 2j, collections.OrderedDict(a=1), collections.Counter("aab"), bytearray(b"x")],
        "nested": {"a": {"b": [{"c": ()}]}},
        7: "an int as a key",
        "long": list(range(3000)),
    }


def saved(lib, obj, **options):
    buffer = io.BytesIO()
    lib.save(obj, buffer, **options)
    buffer.seek(0)
    return buffer


def described(value):
    """What can be compared across libraries."""
    if isinstance(value, (torch.Tensor, flambeau.Tensor)):
        kind = "parameter" if getattr(value, "_is_parameter", False) else "tensor"
        for lib in (torch, flambeau):
            if isinstance(value, lib.nn.Parameter):
                kind = "parameter"
        meta = value.device.type == "meta"
        wide = value.detach()
        if not meta:
            wide = wide.resolve_conj()
        numbers = None if meta else wide.tolist()
        return (
            kind,
            str(value.dtype).split(".")[1],
            tuple(value.shape),
            value.stride(),
            value.storage_offset(),
            value.requires_grad,
            numbers,
            dict(getattr(value, "__dict__", None) or {}),
        )
    if isinstance(value, dict):
        items = {key: described(v) for key, v in value.items()}
        return type(value).__name__, items, dict(getattr(value, "_metadata", {}))
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [described(v) for v in value]
    return str(value).replace("flambeau.", "torch.")


def test_torch_reads_ours():
    loaded = torch.load(saved(flambeau, make(flambeau)), weights_only=True)
    assert described(loaded) == described(make(flambeau)) == described(make(torch))


def test_ours_reads_torch():
    assert described(flambeau.load(saved(torch, make(torch)))) == described(make(torch))


def test_ours_reads_the_format_before_1_6():
    obj = make(torch)
    file = saved(torch, obj, _use_new_zipfile_serialization=False)
    assert described(flambeau.load(file)) == described(obj)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_protocols(protocol):
    obj = make(torch)
    file = saved(torch, obj, pickle_protocol=protocol)
    assert described(flambeau.load(file)) == described(obj)
    back = saved(flambeau, make(flambeau), pickle_protocol=protocol)
    assert described(flambeau.load(back)) == described(obj)


def test_the_pickles_are_the_same_bytes():
    def pickle_of(lib):
        return zipfile.ZipFile(saved(lib, make(lib))).read("archive/data.pkl")

    assert pickle_of(flambeau) == pickle_of(torch)


def test_shared_storages_stay_shared():
    for writer, reader in ((torch, flambeau), (flambeau, torch)):
        views = reader.load(saved(writer, make(writer)))["views"]
        views[0].fill_(5)
        assert all((view == 5).all() for view in views)


def test_entries_are_aligned_as_torch_aligns_them():
    file = saved(flambeau, make(flambeau))
    data = file.getvalue()
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            header = data[info.header_offset : info.header_offset + 30]
            name_length, extra_length = np.frombuffer(header[26:30], dtype="<u2").tolist()
            assert (info.header_offset + 30 + name_length + extra_length) % 64 == 0


def test_mmap_of_each_others_files(tmp_path):
    path = tmp_path / "model.pt"
    for writer, reader in ((torch, flambeau), (flambeau, torch)):
        writer.save(make(writer), path)
        assert described(reader.load(path, mmap=True)) == described(make(torch))


def test_optimizer_states():
    def trained(lib):
        param = lib.nn.Parameter(lib.ones(3))
        optimizer = lib.optim.Adam([param], lr=0.1)
        for _ in range(3):
            param.grad = lib.ones(3)
            optimizer.step()
        return param, optimizer

    for writer, reader in ((torch, flambeau), (flambeau, torch)):
        state = reader.load(saved(writer, trained(writer)[1].state_dict()))
        param, optimizer = trained(reader)
        optimizer.load_state_dict(state)
        param.grad = reader.ones(3)
        optimizer.step()
        expected, other = trained(writer)
        expected.grad = writer.ones(3)
        other.step()
        np.testing.assert_allclose(
            param.detach().numpy() + 0.0, expected.detach().numpy(), rtol=1e-6
        )


def test_torch_reads_a_whole_module():
    net = flambeau.nn.Sequential(flambeau.nn.Linear(2, 3), flambeau.nn.GELU())
    loaded = torch.load(saved(flambeau, net), weights_only=False)
    assert type(loaded) is torch.nn.Sequential
    result = loaded(torch.ones(1, 2)).detach().numpy()
    np.testing.assert_allclose(net(flambeau.ones(1, 2)).detach().numpy(), result, rtol=1e-6)


class Arbitrary:
    pass


REFUSED = [Arbitrary(), print, np.float64(1.0), np.arange(3), torch.nn.Linear(1, 1)]


@pytest.mark.parametrize("obj", REFUSED, ids=range(len(REFUSED)))
def test_what_torch_refuses_is_refused(obj):
    file = saved(torch, {"a": obj})
    with pytest.raises(Exception) as theirs:
        torch.load(file, weights_only=True)
    file.seek(0)
    with pytest.raises(Exception) as ours:
        flambeau.load(file)
    assert isinstance(ours.value, type(theirs.value))


def test_map_location():
    file = saved(torch, {"a": torch.ones(2, 3)})
    for location in ("meta", torch.device("meta"), {"cpu": "meta"}):
        mine = flambeau.device("meta") if isinstance(location, torch.device) else location
        file.seek(0)
        assert flambeau.load(file, map_location=mine)["a"].device.type == "meta"
        file.seek(0)
        assert torch.load(file, map_location=location)["a"].device.type == "meta"
    for lib in (torch, flambeau):
        seen = []
        file.seek(0)
        lib.load(file, map_location=lambda storage, place: seen.append(place))  # noqa: B023
        assert seen == ["cpu"]
        file.seek(0)
        with pytest.raises(RuntimeError):
            lib.load(file, map_location="cuda")


def test_files_without_checksums():
    torch.serialization.set_crc32_options(False)
    try:
        file = saved(torch, make(torch))
    finally:
        torch.serialization.set_crc32_options(True)
    assert described(flambeau.load(file)) == described(make(torch))


def layers(lib):
    nn, F = lib.nn, lib.nn.functional
    weight = nn.Parameter(lib.ones(2))
    sgd = lib.optim.SGD([weight], lr=0.1, momentum=0.9)
    weight.grad = lib.ones(2)
    sgd.step()
    return {
        "mlp": nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.BatchNorm1d(3), nn.LayerNorm(3)),
        "conv": nn.Sequential(nn.Conv2d(2, 3, 3, padding="same"), nn.MaxPool2d(2), nn.Flatten()),
        "lstm": nn.LSTM(4, 5, 2),
        "gru": nn.GRU(4, 5, bidirectional=True),
        "embedding": nn.Embedding(5, 3, padding_idx=0),
        "encoder": nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2),
        "gelu": nn.TransformerEncoderLayer(8, 2, 16, activation="gelu"),
        "attention": nn.MultiheadAttention(8, 2),
        "transformer": nn.Transformer(8, 2, 1, 1, 16),
        "lists": nn.ModuleDict({"a": nn.ModuleList([nn.Linear(1, 1)]), "b": nn.Softmax(-1)}),
        "parameters": nn.ParameterList([nn.Parameter(lib.ones(2))]),
        "loss": nn.CrossEntropyLoss(weight=lib.ones(3)),
        "adam": lib.optim.Adam([weight]),
        "sgd": sgd,
        "muon": lib.optim.Muon([nn.Parameter(lib.ones(2, 2))]),
        "cycle": lib.optim.lr_scheduler.OneCycleLR(sgd, 0.1, total_steps=9),
        "plateau": lib.optim.lr_scheduler.ReduceLROnPlateau(sgd),
        "functions": [F.relu, F.gelu, lib.relu, lib.tanh, F.softmax],
        "classes": [nn.Linear, nn.ReLU],
    }


@pytest.mark.parametrize("name", layers(flambeau))
@pytest.mark.parametrize("ours_first", [True, False])
def test_whole_objects(name, ours_first):
    writer, reader = (flambeau, torch) if ours_first else (torch, flambeau)
    kept, like = layers(writer)[name], layers(reader)[name]
    loaded = reader.load(saved(writer, kept), weights_only=False)
    assert type(loaded) is type(like)
    if isinstance(loaded, list):
        assert [getattr(v, "__name__", v) for v in loaded] == [v.__name__ for v in like]
        return
    assert repr(loaded) == repr(like) or "object at" in repr(like)
    if isinstance(loaded, reader.nn.Module):
        ours, theirs = loaded.state_dict(), kept.state_dict()
        assert list(ours) == list(theirs)
        assert all(ours[n].tolist() == theirs[n].tolist() for n in ours)
    else:
        plain = {k: v for k, v in loaded.state_dict().items() if k != "anneal_func"}
        assert plain.keys() == like.state_dict().keys() - {"anneal_func"}


def test_torch_reads_our_old_format():
    kept = {lib: make(lib) for lib in (flambeau, torch)}
    for lib in kept:
        for name in ("uint16", "uint32", "uint64"):  # which it cannot read of its own files either
            del kept[lib]["dtypes"][name]
    file = saved(flambeau, kept[flambeau], _use_new_zipfile_serialization=False)
    assert described(torch.load(file, weights_only=True)) == described(kept[torch])


def test_a_tar_archive_is_read_alike(tmp_path):
    from tests.serialization import test_legacy as old

    parts = (old.tar_storages({1: old.NUMBERS}, [(2, 1, 2, 3)]), old.TENSORS, old.OBJECT)
    path = tmp_path / "x.pt"
    path.write_bytes(old.tar_file(*parts))
    theirs = torch.load(path, weights_only=False)
    assert described(flambeau.load(path)) == described(theirs)


def test_storages_that_view_each_other_are_read_alike():
    from tests.serialization import test_legacy as old

    part = old.storage("FloatStorage", "a", 6, ("b", 2, 3))
    data = old.old_file([old.tensor(part, 1, (2,), (1,))], {"a": old.NUMBERS})
    theirs = torch.load(io.BytesIO(data), weights_only=False)
    assert described(flambeau.load(io.BytesIO(data))) == described(theirs)


def test_damage_in_files_of_torch():
    whole = {f"t{i}": torch.full((50,), float(i)) for i in range(5)}
    data = saved(torch, whole).getvalue()
    at = data.index(whole["t2"].numpy().tobytes())
    bad = data[:at] + b"\x01" + data[at + 1 :]
    with pytest.raises(flambeau.serialization.DamagedTensorsError, match="tensor t2"):
        flambeau.load(io.BytesIO(bad))
    for cut in range(at + 220, len(data), 33):
        state, lost = flambeau.serialization.salvage(io.BytesIO(data[:cut]))
        assert state["t1"].tolist() == [1.0] * 50 and "t2" not in lost
        read = [n for n in whole if state[n] is not None]
        assert sorted([*read, *lost]) == sorted(whole)
        assert all(state[n].tolist() == whole[n].tolist() for n in read)


def test_safetensors_both_ways(tmp_path):
    from safetensors.torch import load_file, save_file

    path = tmp_path / "x.safetensors"
    dtypes = [d for d in DTYPES if d != "complex128"] + ["float8_e4m3fn", "float8_e5m2fnuz"]

    def tensors(lib):
        raw = lib.arange(48, dtype=lib.uint8)
        made = {d: raw.view(getattr(lib, d)).view(2, -1).clone() for d in dtypes if d != "bool"}
        return made | {"bool": (raw % 2).bool()}

    def raw(tensor):
        return tensor.contiguous().view(-1).view(lib_of(tensor).uint8).tolist()

    def lib_of(tensor):
        return torch if isinstance(tensor, torch.Tensor) else flambeau

    expected = {n: raw(t) for n, t in tensors(torch).items()}
    save_file(tensors(torch), path)
    for loaded in (flambeau.load_safetensors(path), flambeau.load_safetensors(path, mmap=True)):
        assert {n: raw(t) for n, t in loaded.items()} == {
            n: raw(t) for n, t in tensors(torch).items()
        }
    flambeau.save_safetensors(tensors(flambeau), path)
    assert {n: raw(t) for n, t in load_file(path).items()} == expected


def test_no_public_name_is_left_out():
    theirs = {n for n in torch.serialization.__all__}
    assert not {n for n in theirs if not hasattr(flambeau.serialization, n)}
    assert flambeau.serialization.DEFAULT_PROTOCOL == torch.serialization.DEFAULT_PROTOCOL


def test_options_and_skipped_data_are_read_alike():
    for writer, reader in ((torch, flambeau), (flambeau, torch)):
        with writer.serialization.skip_data():
            file = saved(writer, {"a": writer.ones(3)})
        assert reader.load(file)["a"].tolist() == [0, 0, 0]
        writer.serialization.set_crc32_options(False)
        try:
            file = saved(writer, {"a": writer.ones(3)})
        finally:
            writer.serialization.set_crc32_options(True)
        assert reader.load(file)["a"].tolist() == [1, 1, 1]
