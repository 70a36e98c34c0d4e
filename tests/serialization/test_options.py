"""What holds for all saves and loads, and how files name devices."""

import io
import mmap
import types
import zipfile

import pytest

import flambeau as torch
from flambeau import serialization
from flambeau.serialization import LoadEndianness, locations


def saved(obj, **options) -> io.BytesIO:
    buffer = io.BytesIO()
    torch.save(obj, buffer, **options)
    buffer.seek(0)
    return buffer


def in_other_order(obj, dtype) -> bytes:
    """A file whose numbers are big endian."""
    file = io.BytesIO()
    with zipfile.ZipFile(saved(obj, _disable_byteorder_record=True)) as one:
        with zipfile.ZipFile(file, "w") as made:
            for name in one.namelist():
                data = one.read(name)
                if "/data/" in name:
                    width = dtype.itemsize // (2 if dtype.is_complex else 1)
                    parts = [data[i : i + width][::-1] for i in range(0, len(data), width)]
                    data = b"".join(parts)
                made.writestr(name, data)
    return file.getvalue()


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.complex64, torch.bfloat16])
def test_the_order_of_bytes_of_files_that_do_not_say(dtype):
    tensor = torch.arange(5).to(dtype)
    data = in_other_order(tensor, dtype)
    assert serialization.get_default_load_endianness() is None
    assert torch.load(io.BytesIO(data)).tolist() != tensor.tolist()
    serialization.set_default_load_endianness(LoadEndianness.BIG)
    try:
        assert serialization.get_default_load_endianness() is LoadEndianness.BIG
        assert torch.load(io.BytesIO(data)).tolist() == tensor.tolist()
        assert torch.load(saved(tensor)).tolist() == tensor.tolist()  # one that says its own
    finally:
        serialization.set_default_load_endianness(None)
    with pytest.raises(TypeError, match="LoadEndianness"):
        serialization.set_default_load_endianness("big")


def test_a_shared_mapping_reaches_the_file(tmp_path):
    path = tmp_path / "x.pt"
    torch.save(torch.zeros(3), path)
    with serialization.set_default_mmap_options(mmap.MAP_SHARED):
        torch.load(path, mmap=True).fill_(2)
    assert serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
    torch.load(path, mmap=True).fill_(3)
    raw = path.read_bytes()
    assert torch.full((3,), 2.0).numpy().tobytes() in raw
    with pytest.raises(ValueError, match="MAP_PRIVATE or mmap.MAP_SHARED"):
        serialization.set_default_mmap_options(99)


def test_the_default_of_mmap(tmp_path):
    from flambeau.serialization import options

    path = tmp_path / "x.pt"
    torch.save(torch.zeros(3), path)
    options.load.mmap = True
    try:
        torch.load(path).fill_(1)
        assert torch.load(saved(torch.ones(2))).tolist() == [1, 1]  # no path
    finally:
        options.load.mmap = False


def test_alignment():
    from flambeau.serialization import options

    options.save.storage_alignment = 4096
    try:
        file = saved(torch.full((3,), 2.0))
    finally:
        options.save.storage_alignment = 64
    assert file.getvalue().index(torch.full((3,), 2.0).numpy().tobytes()) % 4096 == 0
    assert torch.load(file).tolist() == [2, 2, 2]


def test_skip_data(tmp_path):
    path = tmp_path / "x.pt"
    for old in (False, True):
        with serialization.skip_data():
            torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=not old)
        assert torch.load(path)["a"].tolist() == [0, 0, 0]
        torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=not old)
        with serialization.skip_data():
            assert torch.load(path)["a"].shape == (3,)
    with pytest.raises(NotImplementedError, match="materialize_fake_tensors"):
        serialization.skip_data(materialize_fake_tensors=True)


def test_packages_of_devices(monkeypatch):
    monkeypatch.setattr(locations, "_packages", list(locations._packages))
    asked = []

    def tag(storage):
        asked.append("tag")
        return "attic:1" if storage.nbytes() == 12 else None

    def bring(storage, location):
        return storage if location.startswith("attic") else None

    serialization.register_package(5, tag, bring)
    file = saved([torch.ones(3), torch.ones(2)])
    assert b"attic:1" in file.getvalue()
    assert [t.tolist() for t in torch.load(file)] == [[1, 1, 1], [1, 1]]
    assert serialization.location_tag(torch.ones(3).untyped_storage()) == "attic:1"
    assert serialization.location_tag(torch.ones(1).untyped_storage()) == "cpu"
    assert serialization.location_tag(torch.ones(1, device="meta").untyped_storage()) == "meta"


def test_locations_that_are_not_there():
    storage = torch.ones(2).untyped_storage()
    assert serialization.default_restore_location(storage, "cpu") is storage
    with pytest.raises(RuntimeError, match="map_location='cpu'"):
        serialization.default_restore_location(storage, "nowhere:0")
    for check in (serialization.validate_cuda_device, serialization.validate_hpu_device):
        with pytest.raises(RuntimeError):
            check("cuda:7")


def test_storage_types():
    kind = serialization.StorageType("HalfStorage")
    assert kind.dtype is torch.float16
    with pytest.raises(KeyError, match="NoStorage"):
        serialization.StorageType("NoStorage")
    assert serialization.normalize_storage_type(torch.UntypedStorage) is torch.UntypedStorage
    with pytest.raises(AttributeError):
        serialization.storage_to_tensor_type(torch.ones(1).untyped_storage())


def test_versions_of_modules():
    check = serialization.check_module_version_greater_or_equal
    module = types.ModuleType("mod")
    for version, asked, expected in (
        ("1.2.3", (1, 2), True),
        ("1.2", (1, 3), False),
        ("2.0", (1, 9), True),
        ("1.2.beta", (1, 2, "alpha"), True),
    ):
        module.__version__ = version
        assert check(module, asked) is expected
    module.__version__ = "x"
    with pytest.raises(RuntimeError, match="mod, 'x', cannot be compared"):
        check(module, (1, 2))
    with pytest.warns(UserWarning, match="recent enough"):
        assert check(module, (1, 2), error_if_malformed=False)


def test_a_temporary_folder():
    import os

    with serialization.mkdtemp() as folder:
        assert os.path.isdir(folder)
    assert not os.path.exists(folder)
