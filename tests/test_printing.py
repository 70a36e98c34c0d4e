"""Tensors print as PyTorch prints them: a stored session, and the rules behind it."""

import doctest

import pytest

import flambeau
from flambeau import _tensor_str

# What PyTorch answers, its name aside.
SESSION = """
>>> flambeau.tensor(3.5)
tensor(3.5000)
>>> flambeau.tensor(7)
tensor(7)
>>> flambeau.tensor(True)
tensor(True)
>>> flambeau.tensor(-0.0)
tensor(-0.)
>>> flambeau.tensor(float("nan"))
tensor(nan)
>>> flambeau.tensor(1 - 2j)
tensor(1.-2.j)
>>> flambeau.tensor([])
tensor([])
>>> flambeau.zeros(2, 0)
tensor([], size=(2, 0))
>>> flambeau.zeros(0, dtype=flambeau.int64)
tensor([], dtype=torch.int64)
>>> flambeau.zeros(0, 3, dtype=flambeau.float64)
tensor([], size=(0, 3), dtype=torch.float64)
>>> flambeau.tensor([1.0, -2.0, 0.0])
tensor([ 1., -2.,  0.])
>>> flambeau.tensor([1.5, -2.25, 0.0])
tensor([ 1.5000, -2.2500,  0.0000])
>>> flambeau.tensor([0.1, 0.2], dtype=flambeau.float64)
tensor([0.1000, 0.2000], dtype=torch.float64)
>>> flambeau.tensor([0.1, 0.2], dtype=flambeau.float16)
tensor([0.1000, 0.2000], dtype=torch.float16)
>>> flambeau.tensor([0.1, 0.2], dtype=flambeau.bfloat16)
tensor([0.1001, 0.2002], dtype=torch.bfloat16)
>>> flambeau.tensor([1e-4, 1.0])
tensor([1.0000e-04, 1.0000e+00])
>>> flambeau.tensor([1e-4, 1.0], dtype=flambeau.float64)
tensor([1.0000e-04, 1.0000e+00], dtype=torch.float64)
>>> flambeau.tensor([1.0, 1000.0, 0.5])
tensor([1.0000e+00, 1.0000e+03, 5.0000e-01])
>>> flambeau.tensor([1.0, 1001.0])
tensor([1.0000e+00, 1.0010e+03])
>>> flambeau.tensor([1e8, 2e8])
tensor([1.0000e+08, 2.0000e+08])
>>> flambeau.tensor([1.1e8])
tensor([1.1000e+08])
>>> flambeau.tensor([1e-10, 1e10])
tensor([1.0000e-10, 1.0000e+10])
>>> flambeau.tensor([float("nan"), float("inf"), -float("inf"), 1.0])
tensor([nan, inf, -inf, 1.])
>>> flambeau.tensor([float("nan"), float("inf"), -0.0, 1.5])
tensor([   nan,    inf, -0.0000, 1.5000])
>>> flambeau.tensor([float("nan"), float("inf")])
tensor([nan, inf])
>>> flambeau.tensor([True, False])
tensor([ True, False])
>>> flambeau.tensor([[1, -20], [300, 4]])
tensor([[  1, -20],
        [300,   4]])
>>> flambeau.tensor([1, 255], dtype=flambeau.uint8)
tensor([  1, 255], dtype=torch.uint8)
>>> flambeau.tensor([-128, 127], dtype=flambeau.int8)
tensor([-128,  127], dtype=torch.int8)
>>> flambeau.tensor([2**63 + 1], dtype=flambeau.uint64)
tensor([9223372036854775809], dtype=torch.uint64)
>>> flambeau.tensor([1 + 2j, -0.5 - 1j])
tensor([ 1.0000+2.j, -0.5000-1.j])
>>> flambeau.tensor([1 + 2j, complex(float("nan"), -0.0)])
tensor([1.+2.j, nan-0.j])
>>> flambeau.tensor([1 + 2j], dtype=flambeau.complex128)
tensor([1.+2.j], dtype=torch.complex128)
>>> flambeau.tensor([1 + 2j, 3 - 1j]).conj()
tensor([1.-2.j, 3.+1.j])
>>> flambeau.tensor([1 + 2j, 3 - 1j]).conj().imag
tensor([-2.,  1.])
>>> flambeau.arange(24.0).reshape(2, 3, 4)
tensor([[[ 0.,  1.,  2.,  3.],
         [ 4.,  5.,  6.,  7.],
         [ 8.,  9., 10., 11.]],
<BLANKLINE>
        [[12., 13., 14., 15.],
         [16., 17., 18., 19.],
         [20., 21., 22., 23.]]])
>>> flambeau.arange(4).reshape(1, 2, 1, 2)
tensor([[[[0, 1]],
<BLANKLINE>
         [[2, 3]]]])
>>> flambeau.arange(30)
tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])
>>> flambeau.arange(1001)
tensor([   0,    1,    2,  ...,  998,  999, 1000])
>>> flambeau.arange(2000).reshape(2, 1000)
tensor([[   0,    1,    2,  ...,  997,  998,  999],
        [1000, 1001, 1002,  ..., 1997, 1998, 1999]])
>>> flambeau.arange(4000.0).reshape(10, 20, 20)[:, :7]
tensor([[[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 1.7000e+01,
          1.8000e+01, 1.9000e+01],
         [2.0000e+01, 2.1000e+01, 2.2000e+01,  ..., 3.7000e+01,
          3.8000e+01, 3.9000e+01],
         [4.0000e+01, 4.1000e+01, 4.2000e+01,  ..., 5.7000e+01,
          5.8000e+01, 5.9000e+01],
         ...,
         [8.0000e+01, 8.1000e+01, 8.2000e+01,  ..., 9.7000e+01,
          9.8000e+01, 9.9000e+01],
         [1.0000e+02, 1.0100e+02, 1.0200e+02,  ..., 1.1700e+02,
          1.1800e+02, 1.1900e+02],
         [1.2000e+02, 1.2100e+02, 1.2200e+02,  ..., 1.3700e+02,
          1.3800e+02, 1.3900e+02]],
<BLANKLINE>
        [[4.0000e+02, 4.0100e+02, 4.0200e+02,  ..., 4.1700e+02,
          4.1800e+02, 4.1900e+02],
         [4.2000e+02, 4.2100e+02, 4.2200e+02,  ..., 4.3700e+02,
          4.3800e+02, 4.3900e+02],
         [4.4000e+02, 4.4100e+02, 4.4200e+02,  ..., 4.5700e+02,
          4.5800e+02, 4.5900e+02],
         ...,
         [4.8000e+02, 4.8100e+02, 4.8200e+02,  ..., 4.9700e+02,
          4.9800e+02, 4.9900e+02],
         [5.0000e+02, 5.0100e+02, 5.0200e+02,  ..., 5.1700e+02,
          5.1800e+02, 5.1900e+02],
         [5.2000e+02, 5.2100e+02, 5.2200e+02,  ..., 5.3700e+02,
          5.3800e+02, 5.3900e+02]],
<BLANKLINE>
        [[8.0000e+02, 8.0100e+02, 8.0200e+02,  ..., 8.1700e+02,
          8.1800e+02, 8.1900e+02],
         [8.2000e+02, 8.2100e+02, 8.2200e+02,  ..., 8.3700e+02,
          8.3800e+02, 8.3900e+02],
         [8.4000e+02, 8.4100e+02, 8.4200e+02,  ..., 8.5700e+02,
          8.5800e+02, 8.5900e+02],
         ...,
         [8.8000e+02, 8.8100e+02, 8.8200e+02,  ..., 8.9700e+02,
          8.9800e+02, 8.9900e+02],
         [9.0000e+02, 9.0100e+02, 9.0200e+02,  ..., 9.1700e+02,
          9.1800e+02, 9.1900e+02],
         [9.2000e+02, 9.2100e+02, 9.2200e+02,  ..., 9.3700e+02,
          9.3800e+02, 9.3900e+02]],
<BLANKLINE>
        ...,
<BLANKLINE>
        [[2.8000e+03, 2.8010e+03, 2.8020e+03,  ..., 2.8170e+03,
          2.8180e+03, 2.8190e+03],
         [2.8200e+03, 2.8210e+03, 2.8220e+03,  ..., 2.8370e+03,
          2.8380e+03, 2.8390e+03],
         [2.8400e+03, 2.8410e+03, 2.8420e+03,  ..., 2.8570e+03,
          2.8580e+03, 2.8590e+03],
         ...,
         [2.8800e+03, 2.8810e+03, 2.8820e+03,  ..., 2.8970e+03,
          2.8980e+03, 2.8990e+03],
         [2.9000e+03, 2.9010e+03, 2.9020e+03,  ..., 2.9170e+03,
          2.9180e+03, 2.9190e+03],
         [2.9200e+03, 2.9210e+03, 2.9220e+03,  ..., 2.9370e+03,
          2.9380e+03, 2.9390e+03]],
<BLANKLINE>
        [[3.2000e+03, 3.2010e+03, 3.2020e+03,  ..., 3.2170e+03,
          3.2180e+03, 3.2190e+03],
         [3.2200e+03, 3.2210e+03, 3.2220e+03,  ..., 3.2370e+03,
          3.2380e+03, 3.2390e+03],
         [3.2400e+03, 3.2410e+03, 3.2420e+03,  ..., 3.2570e+03,
          3.2580e+03, 3.2590e+03],
         ...,
         [3.2800e+03, 3.2810e+03, 3.2820e+03,  ..., 3.2970e+03,
          3.2980e+03, 3.2990e+03],
         [3.3000e+03, 3.3010e+03, 3.3020e+03,  ..., 3.3170e+03,
          3.3180e+03, 3.3190e+03],
         [3.3200e+03, 3.3210e+03, 3.3220e+03,  ..., 3.3370e+03,
          3.3380e+03, 3.3390e+03]],
<BLANKLINE>
        [[3.6000e+03, 3.6010e+03, 3.6020e+03,  ..., 3.6170e+03,
          3.6180e+03, 3.6190e+03],
         [3.6200e+03, 3.6210e+03, 3.6220e+03,  ..., 3.6370e+03,
          3.6380e+03, 3.6390e+03],
         [3.6400e+03, 3.6410e+03, 3.6420e+03,  ..., 3.6570e+03,
          3.6580e+03, 3.6590e+03],
         ...,
         [3.6800e+03, 3.6810e+03, 3.6820e+03,  ..., 3.6970e+03,
          3.6980e+03, 3.6990e+03],
         [3.7000e+03, 3.7010e+03, 3.7020e+03,  ..., 3.7170e+03,
          3.7180e+03, 3.7190e+03],
         [3.7200e+03, 3.7210e+03, 3.7220e+03,  ..., 3.7370e+03,
          3.7380e+03, 3.7390e+03]]])
>>> flambeau.arange(6.0).reshape(2, 3).t()
tensor([[0., 3.],
        [1., 4.],
        [2., 5.]])
>>> flambeau.zeros(2, 3, device="meta")
tensor(..., device='meta', size=(2, 3))
>>> flambeau.zeros(2, dtype=flambeau.int64, device="meta")
tensor(..., device='meta', size=(2,), dtype=torch.int64)
>>> flambeau.ones(2, requires_grad=True)
tensor([1., 1.], requires_grad=True)
>>> flambeau.ones(2, requires_grad=True) * 2
tensor([2., 2.], grad_fn=<MulBackward0>)
>>> flambeau.ones(2, requires_grad=True).sum()
tensor(2., grad_fn=<SumBackward0>)
>>> flambeau.ones(8, 2, dtype=flambeau.float64, requires_grad=True).exp()
tensor([[2.7183, 2.7183],
        [2.7183, 2.7183],
        [2.7183, 2.7183],
        [2.7183, 2.7183],
        [2.7183, 2.7183],
        [2.7183, 2.7183],
        [2.7183, 2.7183],
        [2.7183, 2.7183]], dtype=torch.float64, grad_fn=<ExpBackward0>)
>>> flambeau.ones(0, requires_grad=True)
tensor([], requires_grad=True)
>>> flambeau.nn.Parameter(flambeau.ones(1, 2))
Parameter containing:
tensor([[1., 1.]], requires_grad=True)
"""


@pytest.fixture(autouse=True)
def default_options():
    before = flambeau.get_printoptions()
    yield
    flambeau.set_printoptions(**before)


@pytest.mark.parametrize("example", doctest.DocTestParser().get_examples(SESSION))
def test_session(example):
    value = eval(example.source)
    assert repr(value) == example.want.replace("<BLANKLINE>", "").rstrip("\n")


def test_summary_reads_only_what_it_shows(monkeypatch):
    tensor = flambeau.arange(3_000_000.0).reshape(300, 100, 100)
    with monkeypatch.context() as patch:
        patch.setattr(_tensor_str, "_style", counting(_tensor_str._style, counted := []))
        text = repr(tensor)
    assert counted == [6 * 6 * 6]
    assert text.count("...") == 6 * 6 + 6 + 1


def counting(style, counted):
    def counted_style(dtype, values):
        counted.append(len(values))
        return style(dtype, values)

    return counted_style


def test_a_summary_leaves_the_middle_out_of_the_width():
    tensor = flambeau.ones(2000)
    tensor[1000] = 123456.5
    assert repr(tensor) == "tensor([1., 1., 1.,  ..., 1., 1., 1.])"


def test_precision():
    with flambeau.printoptions(precision=2):
        assert repr(flambeau.tensor([1.23456])) == "tensor([1.23])"
    assert repr(flambeau.tensor([1.23456])) == "tensor([1.2346])"


def test_threshold_and_edgeitems():
    with flambeau.printoptions(threshold=5, edgeitems=1):
        assert repr(flambeau.arange(6)) == "tensor([0,  ..., 5])"
        assert repr(flambeau.arange(5)) == "tensor([0, 1, 2, 3, 4])"
        assert repr(flambeau.arange(9).reshape(3, 3)) == (
            "tensor([[0,  ..., 2],\n        ...,\n        [6,  ..., 8]])"
        )


def test_no_edgeitems_prints_the_size():
    with flambeau.printoptions(threshold=5, edgeitems=0):
        assert repr(flambeau.arange(6)) == "tensor([...], size=(6,))"
        assert repr(flambeau.ones(2, 3)) == "tensor([...], size=(2, 3))"
        assert repr(flambeau.ones(2)) == "tensor([1., 1.], size=(2,))"


def test_linewidth_breaks_rows_and_suffixes():
    with flambeau.printoptions(linewidth=24):
        assert repr(flambeau.arange(8, dtype=flambeau.int16)) == (
            "tensor([0, 1, 2, 3, 4,\n        5, 6, 7],\n       dtype=torch.int16)"
        )


@pytest.mark.parametrize(
    ("sci_mode", "text"),
    [
        (True, "tensor([1.0000e+00, 2.5000e+00])"),
        (False, "tensor([1.0000, 2.5000])"),
        (None, "tensor([1.0000, 2.5000])"),
    ],
)
def test_sci_mode(sci_mode, text):
    flambeau.set_printoptions(sci_mode=sci_mode)
    assert repr(flambeau.tensor([1.0, 2.5])) == text


def test_profiles():
    flambeau.set_printoptions(profile="short", linewidth=40)
    assert flambeau.get_printoptions() == {
        "precision": 2,
        "threshold": 1000,
        "edgeitems": 2,
        "linewidth": 40,
        "sci_mode": None,
    }
    flambeau.set_printoptions(profile="full")
    assert repr(flambeau.arange(2000)).count(",") == 1999
    with pytest.raises(ValueError, match="unknown profile 'wide'"):
        flambeau.set_printoptions(profile="wide")


def test_printoptions_restores_after_an_error():
    before = flambeau.get_printoptions()
    with pytest.raises(KeyError), flambeau.printoptions(precision=1, sci_mode=True):
        raise KeyError
    assert flambeau.get_printoptions() == before


def test_subclass_name_and_contents():
    class Marked(flambeau.Tensor):
        pass

    class Weight(flambeau.nn.Parameter):
        pass

    marked = flambeau.ones(2, dtype=flambeau.int32).as_subclass(Marked)
    assert repr(marked) == "Marked([1, 1], dtype=torch.int32)"
    assert _tensor_str._str(marked, tensor_contents="...") == "Marked(..., dtype=torch.int32)"
    assert "Parameter(Weight([1., 1.], requires_grad=True))" in repr(Weight(flambeau.ones(2)))


def test_a_view_without_valid_history():
    weight = flambeau.ones(1, requires_grad=True)
    base = flambeau.ones(2, 2)
    with flambeau.no_grad():
        view = base[0]
    base.mul_(weight)
    assert repr(view) == "tensor([1., 1.], grad_fn=<Invalid>)"
