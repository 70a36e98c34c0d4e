"""The Python object of a tensor: identity, attributes, subclasses, cycles, conversions."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import flambeau as torch


class Sub(torch.Tensor):
    pass


class Slotted(torch.Tensor):
    __slots__ = ("extra",)


class Node:
    pass


# ---- one object per tensor


def test_attributes_survive_while_only_cpp_holds_the_tensor():
    t = torch.ones(2)
    t.note = "kept"
    base_of = t.view(2)
    identity = id(t)
    del t
    gc.collect()
    assert base_of._base.note == "kept" and id(base_of._base) == identity


def test_weak_references_survive_while_only_cpp_holds_the_tensor():
    t = torch.ones(2, requires_grad=True)
    ref = weakref.ref(t)
    out = t.view(2)
    del t
    gc.collect()
    assert ref() is out._base
    del out
    gc.collect()
    assert ref() is None


def test_objects_survive_while_only_the_graph_holds_the_tensor():
    leaf = torch.ones(2, requires_grad=True)
    saved = leaf * 2
    leaf.note, saved.note = "leaf", "saved"
    identities, references = [id(leaf), id(saved)], [weakref.ref(leaf), weakref.ref(saved)]
    out = saved.exp() * saved
    node = saved.grad_fn
    del leaf, saved
    gc.collect()
    held = [node.next_functions[0][0].variable, out.grad_fn._saved_other]
    assert [t.note for t in held] == ["leaf", "saved"]
    assert [id(t) for t in held] == identities
    assert all(r() is t for r, t in zip(references, held))
    del held, out, node
    gc.collect()
    assert [r() for r in references] == [None, None]


def test_subclass_instances_survive_many_times():
    t = torch.ones(2).as_subclass(Sub)
    t.count = 0
    view = torch.Tensor.view(t, 2)
    holder = view._base if view._base is not None else t
    holder.count = 0
    del t, holder
    for i in range(3):
        again = view._base
        assert again.count == i
        again.count += 1
        del again
        gc.collect()


def test_gradient_keeps_attributes():
    t = torch.ones(2, requires_grad=True)
    t.grad = torch.zeros(2)
    t.grad.tag = 5
    gc.collect()
    assert t.grad.tag == 5


def test_state_dies_with_the_tensor():
    marker = Node()
    ref = weakref.ref(marker)
    t = torch.ones(2)
    t.marker = marker
    view = t[0:1]
    del t, marker
    gc.collect()
    assert ref() is not None
    del view
    gc.collect()
    assert ref() is None


# ---- cycles


def test_a_tensor_that_holds_itself_is_collected():
    t = torch.ones(2)
    t.x = t
    ref = weakref.ref(t)
    del t
    gc.collect()
    assert ref() is None


def test_cycles_through_subclasses_and_slots():
    for kind in (Sub, Slotted):
        t = torch.ones(2).as_subclass(kind)
        t.extra = [t]
        ref = weakref.ref(t)
        del t
        gc.collect()
        assert ref() is None


def test_cycle_through_a_hook_is_collected():
    t = torch.ones(2, requires_grad=True)
    t.register_hook(lambda g, t=t: None)
    t.node = Node()
    ref = weakref.ref(t.node)
    del t
    gc.collect()
    assert ref() is None


def test_cycle_is_kept_while_cpp_can_reach_it():
    t = torch.ones(2)
    t.x = t
    view = t[0:1]
    del t
    gc.collect()
    assert view._base.x is view._base


def test_objects_without_state_are_not_tracked():
    t = torch.ones(2)
    assert not gc.is_tracked(t)
    t.x = 1
    assert gc.is_tracked(t)
    assert gc.is_tracked(torch.ones(1).as_subclass(Sub))


def test_finalizers_run_once_and_may_resurrect():
    kept = []

    class Final(torch.Tensor):
        def __del__(self):
            kept.append(self)

    t = torch.ones(2).as_subclass(Final)
    t.value = 3
    del t
    assert len(kept) == 1 and kept[0].value == 3
    kept.clear()
    gc.collect()
    assert not kept


def test_long_chains_of_attributes_are_freed():
    head = torch.ones(1)
    for _ in range(20_000):
        new = torch.ones(1)
        new.next = head
        head = new
    del head, new


# ---- classes


def test_the_class():
    assert torch.Tensor is type(torch.ones(1))
    assert torch.Tensor.__module__ == "flambeau" and torch.Tensor.__qualname__ == "Tensor"
    assert type(torch.Tensor).__name__ == "_TensorMeta" and issubclass(type(torch.Tensor), type)


def test_make_subclass():
    data = torch.ones(2)
    t = torch.Tensor._make_subclass(Sub, data, True)
    assert type(t) is Sub and t.requires_grad and t.is_leaf
    assert t.data_ptr() == data.data_ptr()
    with pytest.raises(TypeError):
        torch.Tensor._make_subclass(int, data)
    with pytest.raises(TypeError):
        torch.Tensor._make_subclass(Sub, 3)


def test_subclass_with_new_and_init():
    class Named(torch.Tensor):
        @staticmethod
        def __new__(cls, data, name):
            return torch.Tensor._make_subclass(cls, torch.as_tensor(data))

        def __init__(self, data, name):
            self.name_ = name

    t = Named([1.0, 2.0], "w")
    assert t.name_ == "w" and t.tolist() == [1, 2]


def test_class_can_be_changed():
    t = torch.ones(2)
    t.__class__ = Sub
    assert type(t) is Sub
    t.x = t
    ref = weakref.ref(t)
    del t
    gc.collect()
    assert ref() is None


def test_slots():
    t = torch.ones(2).as_subclass(Slotted)
    t.extra = 5
    assert t.extra == 5


def test_legacy_constructor():
    assert torch.Tensor(2, 3).shape == (2, 3)
    assert torch.Tensor([1, 2]).tolist() == [1, 2] and torch.Tensor([1, 2]).dtype is torch.float32
    assert torch.Tensor().shape == (0,)
    assert torch.Tensor(torch.Size([2])).shape == (2,)
    assert torch.Tensor(torch.tensor([1, 2])).dtype is torch.int64
    assert type(Sub([1.0])) is Sub and Sub(2, 2).shape == (2, 2)
    for bad in ("ab", 3.5):
        with pytest.raises(TypeError):
            torch.Tensor(bad)
    with pytest.raises(RuntimeError, match="legacy constructor"):
        torch.Tensor(2, device="meta")


def test_new_and_new_tensor():
    t = torch.ones(2, dtype=torch.float64)
    assert t.new(2, 3).dtype is torch.float64 and t.new([1, 2]).tolist() == [1, 2]
    assert t.new_tensor([1]).dtype is torch.float64
    assert t.new_tensor([1], dtype=torch.int8).dtype is torch.int8


def test_deepcopy():
    t = torch.tensor([1.0, 2.0], requires_grad=True)
    t.grad = torch.tensor([3.0, 4.0])
    t.note = [1]
    u = copy.deepcopy(t)
    assert u.tolist() == [1, 2] and u.requires_grad and u.grad.tolist() == [3, 4]
    assert u.note == [1] and u.note is not t.note and u.data_ptr() != t.data_ptr()
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(t * 2)


def test_deepcopy_keeps_shared_memory_shared():
    base = torch.arange(6)
    pair = [base, base[2:]]
    a, b = copy.deepcopy(pair)
    a[3] = 9
    assert b[1].item() == 9 and base[3].item() == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8, torch.bool])
def test_pickle(dtype):
    t = torch.tensor([[0, 1, 1]], dtype=dtype)
    u = pickle.loads(pickle.dumps(t))
    assert u.dtype is dtype and u.shape == (1, 3) and u.tolist() == t.tolist()


@pytest.mark.parametrize("again", [copy.copy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_result_is_copied_and_pickled_as_a_leaf(again):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    for made in (x.sum(), x * 2, (x * 2)[1:], x.to("meta") * 2):
        u = again(made)
        assert u.requires_grad and u.is_leaf and u.grad_fn is None
        assert u.shape == made.shape and u.is_meta == made.is_meta
        if not u.is_meta:
            assert u.tolist() == made.tolist()
    loss = again(x.sum())
    (loss * 3).backward()
    assert loss.grad.item() == 3 and x.grad is None


def test_pickle_of_subclasses_and_attributes():
    t = torch.ones(2).as_subclass(Sub)
    t.note = "n"
    u = pickle.loads(pickle.dumps(t))
    assert type(u) is Sub and u.note == "n" and u.tolist() == [1, 1]
    plain = torch.ones(2).t()
    plain.note = 1
    assert pickle.loads(pickle.dumps(plain)).note == 1


# ---- conversions


def test_item_and_tolist():
    assert torch.tensor(3).item() == 3 and type(torch.tensor(3).item()) is int
    assert type(torch.tensor(True).item()) is bool and torch.tensor(2 + 3j).item() == 2 + 3j
    t = torch.arange(6).view(2, 3)
    assert t.t().tolist() == [[0, 3], [1, 4], [2, 5]]
    assert torch.zeros(2, 0).tolist() == [[], []] and torch.tensor(5).tolist() == 5
    assert torch.tensor([1, 2], dtype=torch.uint8).tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="cannot be converted to Scalar"):
        t.item()


@pytest.mark.parametrize(
    "name", "float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 bool complex64".split()
)
def test_tolist_of_each_dtype(name):
    t = torch.tensor([0, 1, 1], dtype=getattr(torch, name))
    assert t.tolist() == [0, 1, 1]
    assert type(t.tolist()[0]) is type(t[0].item())


def test_lazy_conjugates_are_resolved_when_read():
    t = torch.tensor([1 + 2j, 3 - 1j]).conj()
    assert t.is_conj() and t.tolist() == [1 - 2j, 3 + 1j] and t[0].item() == 1 - 2j


def test_python_numbers():
    assert int(torch.tensor(2.7)) == 2 and float(torch.tensor(3)) == 3.0
    assert complex(torch.tensor(2.0)) == 2 and bool(torch.tensor([0.0])) is False
    assert [10, 20, 30][torch.tensor(1)] == 20 and list(range(torch.tensor(2))) == [0, 1]
    assert int(torch.tensor(2**64 - 1, dtype=torch.uint64)) == 2**64 - 1


@pytest.mark.parametrize(
    "convert, value, error",
    [
        (bool, [1, 2], RuntimeError),
        (bool, [], RuntimeError),
        (int, [1, 2], ValueError),
        (float, [1, 2], ValueError),
        (int, float("nan"), ValueError),
        (int, float("inf"), OverflowError),
        (float, 1 + 1j, RuntimeError),
        (range, 1.5, TypeError),
        (len, 1, TypeError),
        (list, 1, TypeError),
    ],
)
def test_conversions_that_fail(convert, value, error):
    with pytest.raises(error):
        convert(torch.tensor(value))


def test_sequence_protocol():
    t = torch.arange(6).view(3, 2)
    assert len(t) == 3 and [r.tolist() for r in t] == [[0, 1], [2, 3], [4, 5]]
    assert 4 in t and 9 not in t and torch.tensor(3) in t
    assert [r.tolist() for r in reversed(t)] == [[4, 5], [2, 3], [0, 1]]
    with pytest.raises(RuntimeError, match="__contains__"):
        "a" in t  # noqa: B015


def test_text():
    assert repr(torch.tensor([1, 2])) == "tensor([1, 2])"
    assert f"{torch.tensor(1.5):.2f}" == "1.50" and f"{torch.tensor([1])}" == "tensor([1])"
    with pytest.raises(TypeError):
        format(torch.tensor([1.0, 2.0]), ".2f")
    assert "shape" in dir(torch.ones(1))


def test_hash_is_identity():
    t = torch.ones(2)
    assert hash(t) == hash(t) and t in {t} and len({t, torch.ones(2)}) == 2


# ---- properties


def test_geometry():
    t = torch.zeros(2, 3, 4)
    assert t.shape == t.size() == (2, 3, 4) and type(t.shape) is torch.Size
    assert t.size(-1) == 4 and t.size(dim=0) == 2 and t.stride() == (12, 4, 1)
    assert t.stride(1) == 4 and t.ndim == t.dim() == t.ndimension() == 3
    assert t.numel() == t.nelement() == 24 and t.nbytes == 96 and t.itemsize == 4
    assert t[1].storage_offset() == 12 and t.element_size() == 4
    assert t.permute(2, 0, 1).dim_order() == (1, 2, 0)
    for bad in (3, -4):
        with pytest.raises(IndexError):
            t.size(bad)
    with pytest.raises(TypeError, match="must be int, not float"):
        t.size(0.5)
    with pytest.raises(IndexError):
        torch.tensor(1).size(0)


def test_kinds():
    t = torch.zeros(2)
    assert t.is_cpu and not t.is_cuda and not t.is_meta and not t.is_sparse
    assert t.layout is torch.strided and t.device == torch.device("cpu") and t.get_device() == -1
    assert t.is_floating_point() and not t.is_complex() and t.is_signed()
    assert not t.is_conj() and not t.is_neg() and not t.is_pinned() and not t.is_shared()
    assert t.is_contiguous() and not t.is_contiguous(memory_format=torch.channels_last)
    assert torch.zeros(2, 3).t().is_contiguous() is False
    for name in ("shape", "dtype", "device", "ndim", "is_cpu"):
        with pytest.raises(AttributeError):
            setattr(t, name, 1)


def test_set_takes_other_memory():
    t, source = torch.zeros(2), torch.arange(6, dtype=torch.float32)
    assert t.set_(source) is t and t.data_ptr() == source.data_ptr() and t.shape == (6,)
    t.set_(source.untyped_storage(), 1, (2, 2), (2, 1))
    assert t.tolist() == [[1, 2], [3, 4]] and t.is_set_to(source.as_strided((2, 2), (2, 1), 1))
    t.set_(source.untyped_storage(), 0, (10,))
    assert t.numel() == 10 and source.untyped_storage().nbytes() == 40
    with pytest.raises(RuntimeError, match="type torch.int32"):
        t.set_(torch.zeros(2, dtype=torch.int32))
    with pytest.raises(RuntimeError):
        t.set_(source.untyped_storage(), -1, (2,), (1,))
    with pytest.raises(RuntimeError):
        t.set_(source.untyped_storage(), 0, (2,), (-1,))
    with pytest.raises(RuntimeError, match="overflow"):
        t.set_(source.untyped_storage(), 0, (2**62,), (2**62,))


def test_resize():
    t = torch.arange(4)
    assert t.resize_(2, 2) is t and t.tolist() == [[0, 1], [2, 3]]
    assert t.resize_((8,)).tolist()[:4] == [0, 1, 2, 3]
    with pytest.raises(RuntimeError):
        t.resize_(-1)
    with pytest.raises(RuntimeError, match="require grad"):
        torch.ones(2, requires_grad=True).resize_(3)


def test_unsupported_names_say_so():
    with pytest.raises(NotImplementedError, match="pin_memory"):
        torch.ones(1).pin_memory()


def test_types_by_their_old_names():
    t = torch.zeros(2)
    assert t.type() == "torch.FloatTensor" and t.type(torch.int64).dtype is torch.int64
    assert t.type("torch.DoubleTensor").dtype is torch.float64
    with pytest.raises(ValueError):
        t.type("torch.NoTensor")


def test_numpy_scalars_are_numbers():
    t = torch.ones(2, dtype=torch.float64)
    assert (t * np.float32(2.5)).tolist() == [2.5, 2.5]
    assert torch.zeros(np.int64(2)).shape == (2,)


# ---- conversions to other dtypes and devices


def test_to_in_its_three_forms():
    t = torch.ones(2)
    assert t.to(torch.float64).dtype is torch.float64 and t.to(torch.float32) is t
    assert t.to("meta").is_meta and t.to("cpu") is t and t.to("cpu", torch.int8).dtype is torch.int8
    assert t.to(torch.zeros(1, dtype=torch.int64)).dtype is torch.int64
    assert t.to(device="cpu", dtype=torch.bool).dtype is torch.bool
    assert t.to(other=torch.zeros(1, dtype=torch.int16)).dtype is torch.int16
    assert t.to(torch.float32, copy=True) is not t and t.to(float).dtype is torch.float64
    image = torch.ones(1, 2, 3, 3).to(memory_format=torch.channels_last)
    assert image.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "args, kwargs, error",
    [
        ((1.5,), {}, TypeError),
        (("nowhere",), {}, RuntimeError),
        ((), {"requires_grad": True}, TypeError),
        ((torch.float32, "cpu"), {}, TypeError),
        (("cuda",), {}, AssertionError),
        (("vulkan",), {}, NotImplementedError),
    ],
)
def test_to_what_does_not_exist(args, kwargs, error):
    with pytest.raises(error):
        torch.ones(2).to(*args, **kwargs)


def test_short_forms_of_to():
    t = torch.tensor([0.0, 1.0])
    forms = "double:float64 half:float16 long:int64 int:int32 short:int16 char:int8 byte:uint8"
    for form in (*forms.split(), "bool:bool", "bfloat16:bfloat16", "cfloat:complex64"):
        method, dtype = form.split(":")
        made = getattr(t, method)()
        assert made.dtype is getattr(torch, dtype) and made.tolist() == [0, 1]
    assert t.float() is t and t.cpu() is t
    with pytest.raises(AssertionError, match="CUDA"):
        t.cuda()
