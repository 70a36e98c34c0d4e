"""dtype, device, layout, Size, Generator, finfo, UntypedStorage: the small types."""

import copy
import pickle
import threading

import numpy as np
import pytest

import flambeau as torch

NUMPY_FLOATS = {"float16": np.float16, "float32": np.float32, "float64": np.float64}
NUMPY_INTS = ["uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"]


# ---- dtype


@pytest.mark.parametrize(
    "name, size, floating, signed",
    [
        ("float32", 4, True, True),
        ("bfloat16", 2, True, True),
        ("int8", 1, False, True),
        ("uint8", 1, False, False),
        ("bool", 1, False, False),
        ("complex64", 8, False, True),
    ],
)
def test_dtype_says_what_it_is(name, size, floating, signed):
    dtype = getattr(torch, name)
    assert repr(dtype) == f"torch.{name}"
    assert (dtype.itemsize, dtype.is_floating_point, dtype.is_signed) == (size, floating, signed)
    assert dtype.is_complex == name.startswith("complex")


def test_dtype_aliases_are_the_same_object():
    pairs = "float:float32 double:float64 half:float16 long:int64 int:int32 short:int16"
    for pair in (*pairs.split(), "cfloat:complex64", "cdouble:complex128"):
        alias, name = pair.split(":")
        assert getattr(torch, alias) is getattr(torch, name)


def test_dtype_survives_pickle_and_copy():
    for value in (torch.float32, torch.strided, torch.channels_last, torch.device("cpu", 1)):
        assert pickle.loads(pickle.dumps(value)) == value
        assert copy.deepcopy(value) == value
    assert pickle.loads(pickle.dumps(torch.int64)) is torch.int64


def test_dtype_parts_of_complex():
    assert torch.float32.to_complex() is torch.complex64
    assert torch.complex128.to_real() is torch.float64
    assert torch.float16.to_real() is torch.float16


def test_dtype_cannot_be_made_or_changed():
    with pytest.raises(TypeError):
        torch.dtype()
    with pytest.raises(AttributeError):
        torch.float32.itemsize = 3


def test_layout_and_memory_format():
    assert repr(torch.strided) == "torch.strided"
    assert repr(torch.channels_last_3d) == "torch.channels_last_3d"
    assert isinstance(torch.contiguous_format, torch.memory_format)
    assert isinstance(torch.sparse_coo, torch.layout)


# ---- finfo, iinfo


@pytest.mark.parametrize("name", NUMPY_FLOATS)
def test_finfo_agrees_with_numpy(name):
    ours, theirs = torch.finfo(getattr(torch, name)), np.finfo(NUMPY_FLOATS[name])
    assert (ours.bits, ours.dtype) == (theirs.bits, name)
    for field in ("eps", "max", "min", "tiny", "smallest_normal"):
        assert getattr(ours, field) == float(getattr(theirs, field))
    assert ours.resolution == pytest.approx(float(theirs.resolution), rel=1e-3)


def test_finfo_of_bfloat16_and_complex():
    assert torch.finfo(torch.bfloat16).eps == 2**-7
    assert torch.finfo(torch.complex128).dtype == "float64"
    assert torch.finfo().dtype == "float32"
    assert repr(torch.finfo(torch.float16)) == (
        "finfo(resolution=0.001, min=-65504, max=65504, eps=0.000976562, "
        "smallest_normal=6.10352e-05, tiny=6.10352e-05, dtype=float16)"
    )


@pytest.mark.parametrize("name", NUMPY_INTS)
def test_iinfo_agrees_with_numpy(name):
    ours, theirs = torch.iinfo(getattr(torch, name)), np.iinfo(name)
    assert (ours.bits, ours.min, ours.max) == (theirs.bits, theirs.min, theirs.max)
    assert repr(ours) == f"iinfo(min={theirs.min}, max={theirs.max}, dtype={name})"


def test_info_of_the_other_kind_is_a_type_error():
    for make, dtype in ((torch.finfo, torch.int8), (torch.iinfo, torch.float32)):
        with pytest.raises(TypeError, match="Use torch"):
            make(dtype)
    with pytest.raises(TypeError):
        torch.iinfo(torch.bool)


# ---- device


@pytest.mark.parametrize(
    "args, shown",
    [
        (("cpu",), "device(type='cpu')"),
        (("cpu:1",), "device(type='cpu', index=1)"),
        (("cuda", 3), "device(type='cuda', index=3)"),
        (("meta",), "device(type='meta')"),
    ],
)
def test_device_repr(args, shown):
    device = torch.device(*args)
    assert repr(device) == shown
    assert torch.device(device) == device and hash(torch.device(str(device))) == hash(device)


def test_device_compares_by_value():
    assert torch.device("cpu") != torch.device("cpu:0")
    assert torch.device("cpu") != "cpu"
    assert torch.device("cpu").index is None and torch.device("cpu:2").index == 2
    assert torch.device(type="cpu", index=3) == torch.device(device="cpu:3")


@pytest.mark.parametrize(
    "args, error",
    [
        (("foo",), RuntimeError),
        (("cpu:",), RuntimeError),
        (("cpu:-1",), RuntimeError),
        (("cpu", -1), RuntimeError),
        (("cpu:1", 1), RuntimeError),
        ((1.5,), TypeError),
        ((), TypeError),
    ],
)
def test_bad_devices(args, error):
    with pytest.raises(error):
        torch.device(*args)


def test_device_context_places_new_tensors():
    with torch.device("meta"):
        assert torch.zeros(2).is_meta
        assert torch.zeros(2, device="cpu").is_cpu
    assert torch.zeros(2).is_cpu


# ---- Size


def test_size_stays_a_size():
    size = torch.Size([2, 3, 4])
    for made in (size[1:], size + (5,), (5,) + size, size * 2, size + size):
        assert type(made) is torch.Size
    assert size[1:] == (3, 4) and size + (5,) == (2, 3, 4, 5) and (5,) + size == (5, 2, 3, 4)
    assert size[-1] == 4 and type(size[0]) is int
    assert repr(size) == "torch.Size([2, 3, 4])"
    assert size.numel() == 24 and torch.Size([]).numel() == 1
    assert pickle.loads(pickle.dumps(size)) == size
    assert type(pickle.loads(pickle.dumps(size))) is torch.Size
    assert hash(size) == hash((2, 3, 4))


def test_size_takes_ints_only():
    assert torch.Size([np.int64(2), torch.tensor(3)]) == (2, 3)
    with pytest.raises(TypeError, match="item 1 is 'float'"):
        torch.Size([1, 1.5])


# ---- Generator


def test_generator_repeats_its_stream():
    g = torch.Generator()
    assert g.manual_seed(3) is g and g.initial_seed() == 3
    state = g.get_state()
    first = torch.rand(5, generator=g)
    g.set_state(state)
    assert torch.rand(5, generator=g).tolist() == first.tolist()
    assert torch.rand(5, generator=g).tolist() != first.tolist()


def test_generators_are_independent():
    a, b = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    torch.rand(3, generator=a)
    clone = a.clone_state()
    assert torch.rand(3, generator=a).tolist() == torch.rand(3, generator=clone).tolist()
    assert b.get_state().tolist() != a.get_state().tolist()
    loaded = pickle.loads(pickle.dumps(a))
    assert torch.rand(3, generator=a).tolist() == torch.rand(3, generator=loaded).tolist()


def test_seeds_are_64_bits():
    g = torch.Generator()
    assert g.manual_seed(-1).initial_seed() == 2**64 - 1
    assert g.manual_seed(2**64 - 1).initial_seed() == 2**64 - 1
    with pytest.raises(ValueError, match="unpacking"):
        g.manual_seed(2**64)
    with pytest.raises(RuntimeError, match="expected a long"):
        g.manual_seed(1.5)
    assert g.seed() == g.initial_seed()


def test_bad_generator_states():
    g = torch.Generator()
    with pytest.raises(TypeError):
        g.set_state([1, 2])
    with pytest.raises(TypeError):
        g.set_state(torch.zeros(5056))
    with pytest.raises(RuntimeError):
        g.set_state(torch.zeros(3, dtype=torch.uint8))
    with pytest.raises(RuntimeError):
        torch.Generator("cuda")


# ---- UntypedStorage


def test_storage_is_bytes():
    s = torch.UntypedStorage(4)
    s.fill_(7)
    s[0] = 1
    s[2:] = 9
    assert s.tolist() == [1, 7, 9, 9] and len(s) == s.nbytes() == 4 and s[-1] == 9
    assert bytes(s) == b"\x01\x07\x09\x09"
    assert torch.UntypedStorage([1, 2, 3]).tolist() == [1, 2, 3]
    memoryview(s)[1] = 5
    assert s[1] == 5


def test_storage_slices_share_and_keep_memory():
    s = torch.UntypedStorage([1, 2, 3, 4])
    part = s[1:3]
    part[0] = 9
    assert s.tolist() == [1, 9, 3, 4]
    del s
    assert part.tolist() == [9, 3]


def test_storage_copies():
    s = torch.UntypedStorage([1, 2])
    for copied in (s.clone(), copy.deepcopy(s), pickle.loads(pickle.dumps(s))):
        s[0] = 5
        assert copied.tolist() == [1, 2]
        s[0] = 1
    s.copy_(torch.UntypedStorage([3, 4]))
    assert s.tolist() == [3, 4]
    with pytest.raises(RuntimeError, match="2 bytes but src was 3"):
        s.copy_(torch.UntypedStorage(3))


def test_storage_resizes_unless_in_use():
    s = torch.UntypedStorage([1, 2])
    with memoryview(s):
        with pytest.raises(RuntimeError, match="in use"):
            s.resize_(1000)
    s.resize_(3)
    assert s.tolist()[:2] == [1, 2] and s.nbytes() == 3


def test_storage_of_a_tensor_is_one_object():
    t = torch.zeros(3)
    s = t.untyped_storage()
    assert s is t.untyped_storage() is t.view(3, 1).untyped_storage()
    assert s.data_ptr() == t.data_ptr() and s.nbytes() == 12
    assert s.device == torch.device("cpu")


@pytest.mark.parametrize("index", [4, -5, 2**70])
def test_storage_checks_indices(index):
    with pytest.raises((IndexError, ValueError)):
        torch.UntypedStorage(4)[index]


def test_meta_storage_has_no_bytes():
    s = torch.UntypedStorage(4, device="meta")
    assert s.nbytes() == 4
    with pytest.raises(NotImplementedError):
        s[0]
    with pytest.raises(NotImplementedError):
        bytes(s)


# ---- settings


def test_default_dtype():
    assert torch.get_default_dtype() is torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.zeros(1).dtype is torch.float64
        seen = []  # the process has one, not each thread
        thread = threading.Thread(target=lambda: seen.append(torch.zeros(1).dtype))
        thread.start()
        thread.join()
        assert seen == [torch.float64]
    finally:
        torch.set_default_dtype(torch.float32)
    for bad in (torch.int32, "float32"):
        with pytest.raises(TypeError):
            torch.set_default_dtype(bad)


def test_promotion():
    assert torch.promote_types(torch.int8, torch.float16) is torch.float16
    assert torch.can_cast(torch.int8, torch.float32)
    assert not torch.can_cast(torch.float32, torch.int64)
    with pytest.raises(TypeError):
        torch.promote_types(torch.int8, 3)


def test_number_of_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)
    for bad in (0, -1):
        with pytest.raises(RuntimeError):
            torch.set_num_threads(bad)
    with pytest.raises(TypeError):
        torch.set_num_threads("2")
