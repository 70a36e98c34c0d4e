"""Storages of files, and tensors over storages."""

import mmap
import os

import pytest

import flambeau
from flambeau import UntypedStorage


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "bytes"
    path.write_bytes(bytes(range(32)))
    return path


def test_a_storage_has_the_bytes_of_a_file(file):
    storage = UntypedStorage.from_file(file)
    assert storage.nbytes() == 32 and storage.tolist() == [*range(32)]
    assert UntypedStorage.from_file(str(file), nbytes=5).tolist() == [0, 1, 2, 3, 4]
    # What is written stays here.
    storage[0] = 99
    assert storage[0] == 99 and file.read_bytes()[0] == 0
    assert flambeau.storage.UntypedStorage is UntypedStorage


def test_what_is_written_to_a_shared_file_is_in_the_file(file, tmp_path):
    one, other = (UntypedStorage.from_file(file, shared=True, nbytes=8) for _ in range(2))
    one[3] = 77
    assert other[3] == 77 and file.read_bytes()[3] == 77 and file.stat().st_size == 32
    new = tmp_path / "new"
    storage = UntypedStorage.from_file(new, True, 64)
    storage.fill_(1)
    assert new.read_bytes() == b"\1" * 64


def test_a_mapping_outlives_its_file_and_ends_with_its_last_tensor(file):
    before = set(os.listdir("/proc/self/fd"))
    x = flambeau.asarray(UntypedStorage.from_file(file), dtype=flambeau.uint8)
    file.unlink()
    assert x[8:12].tolist() == [8, 9, 10, 11]
    del x
    assert set(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize(
    "name, arguments, error, words",
    [
        ("bytes", {"nbytes": 33}, RuntimeError, "has 32 bytes, of which 33"),
        ("bytes", {"nbytes": -1}, ValueError, "cannot be negative"),
        ("missing", {}, FileNotFoundError, "missing"),
    ],
)
def test_files_that_cannot_be_mapped(file, name, arguments, error, words):
    with pytest.raises(error, match=words):
        UntypedStorage.from_file(file.with_name(name), **arguments)


def test_an_empty_file_is_an_empty_storage(tmp_path):
    (tmp_path / "empty").touch()
    assert UntypedStorage.from_file(tmp_path / "empty").nbytes() == 0


def test_asarray_shows_a_storage_as_a_tensor(file):
    whole = UntypedStorage.from_file(file)
    x = flambeau.asarray(whole, dtype=flambeau.int32)
    assert x.shape == (8,) and x[0] == 0x03020100 and x.data_ptr() == whole.data_ptr()
    assert flambeau.asarray(whole).dtype == flambeau.int64
    assert flambeau.asarray(whole, dtype=flambeau.uint8, copy=False).data_ptr() == x.data_ptr()
    copied = flambeau.asarray(whole, dtype=flambeau.uint8, copy=True)
    copied.fill_(0)
    assert whole[1] == 1
    made = flambeau.asarray(whole[4:8], dtype=flambeau.float32, requires_grad=True)
    assert made.requires_grad and made.shape == (1,)


def test_pages_are_read_when_they_are_touched(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as target:
        target.truncate(1 << 31)  # with no bytes on the disk
    storage = UntypedStorage.from_file(path)
    assert storage.nbytes() == 1 << 31 and storage[(1 << 31) - mmap.PAGESIZE] == 0
