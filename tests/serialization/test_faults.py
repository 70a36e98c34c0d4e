"""Saves that are killed or run out of room lose nothing; damage is named, and the rest is read."""

import io
import multiprocessing
import os
import pickle
import random
import resource
import struct
import zipfile

import pytest

import flambeau as torch
from flambeau.serialization import CheckpointError, DamagedTensorsError, salvage
from tests.serialization import failing_disk as disk


def saved(obj, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(obj, buffer, **options)
    return buffer.getvalue()


# ---- kills and full disks


@pytest.mark.parametrize(
    "mode, outcome",
    [
        (disk.KILL_BEFORE, "killed"),
        (disk.KILL_HALFWAY, "killed"),
        (disk.FULL, "refused"),
        (disk.FAILING, "refused"),
    ],
)
def test_a_save_that_ends_at_any_call_leaves_a_whole_file(mode, outcome, tmp_path):
    lines = disk.run(tmp_path, str(mode)).splitlines()
    assert [line.split()[0] for line in lines] == ["zip", "legacy", "safetensors"]
    for line in lines:
        assert outcome in line.split(), line


def test_a_file_that_may_not_grow(tmp_path):
    path = tmp_path / "state"
    disk.save_in("zip", 1, path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        for form in ("zip", "legacy", "safetensors"):
            with pytest.raises(OSError, match="too large"):
                disk.save_in(form, 2, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert disk.value_of(path) == 1 and os.listdir(tmp_path) == ["state"]


@pytest.mark.parametrize("nameless", [True, False])
@pytest.mark.parametrize("form", ["zip", "safetensors"])
def test_the_file_reaches_the_disk_before_its_name_does(nameless, form, tmp_path, monkeypatch):
    steps = []

    def noted(name, real):
        def call(*args, **kwargs):
            steps.append(name)
            return real(*args, **kwargs)

        return call

    for name in ("fsync", "link", "replace"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE")
    disk.save_in(form, 1, tmp_path / "state")
    assert steps == ["fsync", *["link"] * nameless, "replace", "fsync"]
    assert disk.value_of(tmp_path / "state") == 1


def test_file_systems_that_cannot_link_a_nameless_file(tmp_path, monkeypatch):
    def link(*args, **kwargs):
        raise PermissionError("not here")

    monkeypatch.setattr(os, "link", link)
    disk.save_in("zip", 1, tmp_path / "state")
    assert disk.value_of(tmp_path / "state") == 1 and os.listdir(tmp_path) == ["state"]


def test_an_interrupt_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "state"
    disk.save_in("zip", 1, path)
    for name in ("fsync", "link", "replace"):

        def interrupted(*args, **kwargs):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(os, name, interrupted)
            disk.save_in("zip", 2, path)
        assert disk.value_of(path) == 1 and os.listdir(tmp_path) == ["state"]


def test_a_mapped_file_can_be_saved_over(tmp_path):
    path = tmp_path / "state"
    for form in ("zip", "safetensors"):
        disk.save_in(form, 1, path)
        mapped = torch.load(path, mmap=True)
        disk.save_in(form, 2, path)
        assert mapped["large"].unique().tolist() == [1] and disk.value_of(path) == 2


def _save_many(path, value):
    for _ in range(10):
        disk.save_in("zip", value, path)


def test_processes_that_save_to_one_path(tmp_path):
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=_save_many, args=(tmp_path / "state", value)) for value in (1, 2, 3)
    ]
    for child in children:
        child.start()
    while any(child.is_alive() for child in children):
        if (tmp_path / "state").exists():
            assert disk.value_of(tmp_path / "state") in (1, 2, 3)
    assert os.listdir(tmp_path) == ["state"]


# ---- damage


def nested():
    base = torch.arange(30.0) + 1000
    return {
        "model": {"0.weight": torch.arange(100.0), "0.bias": torch.ones(7)},
        "list": [torch.full((11,), 2.0), (torch.full((13,), 3.0), "kept")],
        "views": [base, base[3:]],
        "epoch": 3,
    }


def flat(value, name=""):
    """Tensors and their names, read by another way than the library's."""
    if isinstance(value, torch.Tensor):
        return {name: value}
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        return {}
    found = {}
    for key, part in items:
        found |= flat(part, f"{name}.{key}" if name else str(key))
    return found


def damaged_at(data: bytes, tensor) -> bytes:
    """The file with a byte of the tensor changed."""
    at = data.index(tensor.numpy().tobytes())
    return data[: at + 5] + bytes([data[at + 5] ^ 0x10]) + data[at + 6 :]


@pytest.mark.parametrize("compressed", [False, True])
def test_every_damaged_tensor_is_named_and_the_others_are_read(compressed):
    whole = flat(nested())
    for name, tensor in whole.items():
        data = damaged_at(saved(nested()), tensor)
        if compressed:
            data = compressed_with_damage(saved(nested()), data)
        with pytest.raises(DamagedTensorsError) as caught:
            torch.load(io.BytesIO(data))
        expected = {"views.0", "views.1"} if name.startswith("views") else {name}
        assert set(caught.value.tensors) == expected
        assert all(f"tensor {n} is damaged" in str(caught.value) for n in expected)
        state, lost = salvage(io.BytesIO(data))
        assert set(lost) == expected and state["epoch"] == 3
        left = flat(state)
        assert set(left) == set(whole) - expected
        assert all(torch.equal(left[n], whole[n]) for n in left)


def compressed_with_damage(good: bytes, bad: bytes) -> bytes:
    """The good archive, deflated, but with the bytes of the bad one under the good checksums."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as one:
        names = one.namelist()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
            for info in one.infolist():
                start = info.header_offset
                a, b = struct.unpack_from("<HH", bad, start + 26)
                start += 30 + a + b
                made.writestr(info.filename, bad[start : start + info.file_size])
        crcs = {info.filename: info.CRC for info in one.infolist()}
    data = bytearray(file.getvalue())
    at = 0
    for name in names:
        at = data.index(b"PK\x01\x02", at)
        struct.pack_into("<I", data, at + 16, crcs[name])
        at += 4
    return bytes(data)


def test_the_names_in_modules_are_those_of_the_state_dict():
    net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.BatchNorm1d(5))
    torch.nn.init.ones_(net[1].running_var)
    data = damaged_at(saved({"net": net}), net[0].weight.detach())
    with pytest.raises(DamagedTensorsError, match=r"tensor net\.0\.weight is damaged") as caught:
        torch.load(io.BytesIO(data), weights_only=False)
    assert list(caught.value.tensors) == ["net.0.weight"]
    state, lost = salvage(io.BytesIO(data), weights_only=False)
    assert state["net"][0].weight is None and torch.equal(state["net"][0].bias, net[0].bias)


def test_parameters_and_a_tensor_by_itself():
    parameter = torch.nn.Parameter(torch.arange(9.0))
    parameter.note = "kept"
    data = damaged_at(saved([parameter, 1]), parameter.detach())
    assert salvage(io.BytesIO(data)) == ([None, 1], {"0": salvage(io.BytesIO(data))[1]["0"]})
    data = damaged_at(saved(torch.arange(9.0)), torch.arange(9.0))
    with pytest.raises(DamagedTensorsError, match=r"tensor \(the file itself\)"):
        torch.load(io.BytesIO(data))


def test_a_file_that_is_cut_off_gives_what_is_before_the_cut():
    data = saved(nested())
    whole = flat(nested())
    ends = {n: data.index(t.numpy().tobytes()) + 4 * t.numel() for n, t in whole.items()}
    pickled = data.index(b"PK\x03\x04", 4)
    for cut in range(pickled + 40, len(data), 61):
        with pytest.raises(CheckpointError, match="truncated or corrupt") as caught:
            torch.load(io.BytesIO(data[:cut]))
        state, lost = salvage(io.BytesIO(data[:cut]))
        left = flat(state)
        base = {n: (ends["views.0"] if n.startswith("views") else ends[n]) for n in whole}
        assert set(left) == {n for n in whole if base[n] <= cut} == set(whole) - set(lost)
        assert all(torch.equal(left[n], whole[n]) for n in left)
        assert set(caught.value.tensors) == set(lost)


def test_a_damaged_table_loses_nothing():
    data = bytearray(saved(nested()))
    at = data.index(b"PK\x01\x02")
    data[at] ^= 0xFF
    with pytest.raises(DamagedTensorsError, match="table of contents"):
        torch.load(io.BytesIO(data))
    state, lost = salvage(io.BytesIO(data))
    assert lost == {} and set(flat(state)) == set(flat(nested()))


def test_old_files_that_are_cut_off():
    kept = {f"t{i}": torch.full((20,), float(i)) for i in range(5)}
    data = saved(kept, _use_new_zipfile_serialization=False)
    assert torch.load(io.BytesIO(data))["t3"].tolist() == [3.0] * 20
    with pytest.raises(DamagedTensorsError, match="tensor t4 is damaged: the file ends"):
        torch.load(io.BytesIO(data[:-1]))
    state, lost = salvage(io.BytesIO(data[: -2 * 88 - 10]))
    assert list(lost) == ["t2", "t3", "t4"]
    assert state["t1"].tolist() == [1.0] * 20 and state["t4"] is None


def test_a_missing_entry_and_many_damaged_tensors():
    data = saved({f"t{i}": torch.full((9,), float(i)) for i in range(30)})
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as one, zipfile.ZipFile(file, "w") as made:
        for info in one.infolist():
            if info.filename not in [f"archive/data/{i}" for i in range(20)]:
                made.writestr(info.filename, one.read(info))
    with pytest.raises(DamagedTensorsError, match="it has no entry data/0.*and 15 more") as caught:
        torch.load(io.BytesIO(file.getvalue()))
    assert len(caught.value.tensors) == 20
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.tensors == caught.value.tensors and str(copy) == str(caught.value)


def test_damage_of_the_pickle_itself_cannot_be_salvaged():
    data = bytearray(saved(nested()))
    data[data.index(b"_rebuild_tensor_v2")] ^= 1
    for read in (torch.load, salvage):
        with pytest.raises(CheckpointError, match="data.pkl do not match their checksum"):
            read(io.BytesIO(data))


def test_salvage_of_whole_files_is_load(tmp_path):
    path = tmp_path / "state.pt"
    torch.save(nested(), path)
    state, lost = salvage(path)
    assert lost == {} and str(state) == str(nested())


def test_flipped_bytes_are_never_taken_for_numbers():
    data, whole = saved(nested()), flat(nested())
    r = random.Random(5)
    for _ in range(300):
        bad = bytearray(data)
        bad[r.randrange(len(bad))] ^= 1 << r.randrange(8)
        try:
            state, _ = salvage(io.BytesIO(bad))
        except (CheckpointError, NotImplementedError):
            continue
        for name, tensor in flat(state).items():
            assert torch.equal(tensor, whole[name])


def test_checksums_can_be_left_out():
    torch.serialization.set_crc32_options(False)
    try:
        data = saved(torch.arange(9.0))
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.load(io.BytesIO(data)).tolist() == list(range(9))
    assert torch.load(io.BytesIO(damaged_at(data, torch.arange(9.0)))).tolist() != list(range(9))
