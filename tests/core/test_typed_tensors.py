"""The old types of tensors: what they make, and what is one of them."""

import pytest

import flambeau as torch


def test_they_make_tensors_of_their_dtype():
    assert torch.LongTensor([1, 2]).dtype is torch.int64
    assert torch.FloatTensor([[1, 2]]).tolist() == [[1.0, 2.0]]
    assert torch.ByteTensor(2, 3).shape == (2, 3) and torch.HalfTensor().shape == (0,)
    assert torch.BoolTensor(torch.Size([4])).shape == (4,)
    t = torch.ones(2)
    assert torch.FloatTensor(t).data_ptr() == t.data_ptr()
    with pytest.raises(TypeError, match="^LongTensor: .*float32"):
        torch.LongTensor(t)
    with pytest.raises(TypeError, match="^FloatTensor: "):
        torch.FloatTensor(2, "x")


def test_a_tensor_of_the_dtype_is_an_instance():
    assert isinstance(torch.zeros(1), torch.FloatTensor)
    assert not isinstance(torch.zeros(1), torch.LongTensor)
    assert not isinstance(torch.zeros(1, device="meta"), torch.FloatTensor)
    assert not isinstance(1.0, torch.FloatTensor)


def test_they_name_a_dtype():
    assert torch.zeros(2).type(torch.LongTensor).dtype is torch.int64
    assert torch.DoubleTensor.dtype is torch.float64
