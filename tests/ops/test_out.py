"""out= arguments that share memory with inputs, or with themselves."""

import warnings

import pytest

import flambeau


def test_out_that_is_an_input_is_read_before_it_is_resized():
    a = flambeau.arange(6.0).reshape(2, 3)
    b = flambeau.ones(3, 4)
    want = (a @ b).tolist()
    flambeau.mm(a, b, out=a)
    assert a.tolist() == want


@pytest.mark.parametrize(
    "call",
    [
        lambda x: flambeau.add(x, flambeau.ones(3), out=x),
        lambda x: flambeau.rsub(flambeau.ones(3, 1), x, out=x),
        lambda x: flambeau.gt(x, flambeau.ones(2, 1, dtype=flambeau.float64), out=x),
        lambda x: flambeau.where(flambeau.ones(2) > 0, x, 0.0, out=x),
        lambda x: flambeau.addcmul(x, flambeau.ones(2), flambeau.ones(2), out=x),
    ],
)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_an_elementwise_input_does_not_grow_as_out(call, device):
    with flambeau.device(device):
        x = flambeau.zeros(1)
        with pytest.raises(RuntimeError, match=r"output with shape \[1\] doesn't match"):
            call(x)
    assert x.shape == (1,) and x.untyped_storage().nbytes() == 4


@pytest.mark.parametrize("op", [flambeau.neg, flambeau.erf, flambeau.Tensor.abs, flambeau.cumsum])
@pytest.mark.parametrize("place", [0, 1, 7])
def test_an_out_that_grows_over_an_input(op, place):
    memory = flambeau.arange(8.0)
    x, out = memory[2:6], memory[place : place + 1]
    args = (x, 0) if op is flambeau.cumsum else (x,)
    want = op(*args)
    with pytest.warns(UserWarning, match="resized"):
        getattr(flambeau, op.__name__)(*args, out=out)
    assert out.tolist() == want.tolist()


@pytest.mark.parametrize(
    "call",
    [
        lambda x: flambeau.cat((x, flambeau.ones(2)), out=x),
        lambda x: flambeau.cat((x[:0], x), out=x),
        lambda x: flambeau.stack((x,), out=x),
        lambda x: flambeau.index_select(x, 0, flambeau.tensor([1]), out=x),
        lambda x: flambeau.gather(x, 0, flambeau.tensor([1, 1]), out=x),
        lambda x: flambeau.masked_select(x, flambeau.tensor([True, False]), out=x),
    ],
)
def test_out_that_must_be_separate(call):
    x = flambeau.tensor([1.0, 2.0])
    with pytest.raises(RuntimeError, match="refer to a single memory location"):
        call(x)
    assert x.tolist() == [1, 2]


@pytest.mark.parametrize(
    "call",
    [
        lambda out: flambeau.mm(flambeau.ones(2, 2), flambeau.ones(2, 2), out=out),
        lambda out: flambeau.add(flambeau.ones(2, 2), 1, out=out),
        lambda out: flambeau.nonzero(flambeau.ones(2), out=out),
    ],
)
def test_out_whose_elements_lie_on_one_another(call):
    out = flambeau.zeros(2, dtype=flambeau.float32).expand(2, 2)
    with pytest.raises(RuntimeError):
        call(out)


def test_overlapping_elements_are_written_one_after_the_other():
    # Element (i, j) is memory i + j: each place is negated as often as it is named.
    memory = flambeau.full((3,), 2.0)
    memory.as_strided((2, 2), (1, 1)).neg_()
    assert memory.tolist() == [-2, 2, -2]


def test_resizing_an_out_with_elements_warns():
    with pytest.warns(UserWarning, match=r"add: An output .* shape \[3\].* shape \[2\]"):
        out = flambeau.add(flambeau.ones(2), 1, out=flambeau.zeros(3))
    assert out.tolist() == [2, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert flambeau.add(flambeau.ones(2), 1, out=flambeau.empty(0)).tolist() == [2, 2]
        assert flambeau.zeros(3).resize_(2).shape == (2,)  # that is what it is for
        with pytest.raises(UserWarning):
            flambeau.add(flambeau.ones(2), 1, out=flambeau.zeros(3))
