"""utils.flop_counter: what records state is what a count by hand gives, by module and by op."""

import pytest
from ops import record_calls as records

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn
from flambeau.ops.flops import Shaped, count
from flambeau.ops.slots import with_flops
from flambeau.utils.flop_counter import (
    FlopCounterMode,
    convert_num_with_suffix,
    flop_registry,
    get_suffix_str,
    register_flop_formula,
)

aten = torch.ops.aten


def counted(function):
    with FlopCounterMode(display=False) as counter:
        function()
    return {str(op): n for op, n in counter.get_flop_counts().get("Global", {}).items()}


def test_products_count_two_for_each_multiplication():
    a, b, c = torch.ones(2, 3), torch.ones(3, 4), torch.ones(5, 2, 3)
    assert counted(lambda: a @ b) == {"aten.mm": 48}
    assert counted(lambda: torch.addmm(torch.ones(4), a, b)) == {"aten.addmm": 48}
    assert counted(lambda: torch.bmm(c, b.expand(5, 3, 4))) == {"aten.bmm": 240}
    wide = torch.ones(5, 2, 4)
    assert counted(lambda: torch.baddbmm(wide, c, b.expand(5, 3, 4))) == {"aten.baddbmm": 240}
    assert counted(lambda: a.sin() + a) == {}


def multiplications(x, w, stride, padding, dilation, groups):
    """Of a convolution in two dimensions, counted one by one; windows that reach out count too."""
    total = 0
    sizes = [
        (x[2 + d] + 2 * padding - dilation * (w[2 + d] - 1) - 1) // stride + 1 for d in range(2)
    ]
    for _ in range(x[0]):
        for _ in range(w[0]):
            for _ in range(sizes[0] * sizes[1]):
                total += (x[1] // groups) * w[2] * w[3]
    return total


@pytest.mark.parametrize("stride, padding, dilation, groups", [(1, 0, 1, 1), (2, 1, 2, 2)])
def test_convolutions(stride, padding, dilation, groups):
    x = torch.ones(2, 4, 7, 6, requires_grad=True)
    w = torch.ones(6, 4 // groups, 3, 2, requires_grad=True)
    once = 2 * multiplications(x.shape, w.shape, stride, padding, dilation, groups)
    found = counted(
        lambda: F.conv2d(x, w, None, stride, padding, dilation, groups).sum().backward()
    )
    assert found == {
        "aten.convolution": once,
        "aten.convolution_backward": once * (1 + groups),
    }
    frozen = w.detach()
    found = counted(
        lambda: F.conv2d(x, frozen, None, stride, padding, dilation, groups).sum().backward()
    )
    assert found["aten.convolution_backward"] == once


def test_a_transposed_convolution_costs_what_the_other_direction_does():
    x, w = torch.ones(2, 3, 5), torch.ones(3, 4, 2)
    assert counted(lambda: F.conv_transpose1d(x, w, stride=2)) == {
        "aten.convolution": 2 * 2 * 5 * 3 * 4 * 2
    }


def test_attention():
    q = torch.ones(2, 6, 4, 8, requires_grad=True)
    k, v = (torch.ones(2, 3, 5, width, requires_grad=True) for width in (8, 7))
    scores = 2 * 6 * 4 * 5
    found = counted(
        lambda: F.scaled_dot_product_attention(q, k, v, enable_gqa=True).sum().backward()
    )
    assert sum(found.values()) == 2 * scores * (8 + 7) + 2 * scores * (3 * 8 + 2 * 7)


@pytest.mark.parametrize("kind, gates", [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_recurrent_layers_count_as_the_products_of_their_steps(kind, gates):
    net = getattr(nn, kind)(3, 5, 2, bidirectional=True).eval()
    with torch.no_grad():
        found = counted(lambda: net(torch.ones(7, 2, 3)))
    first = gates * 5 * (3 + 5)
    second = gates * 5 * (10 + 5)
    assert sum(found.values()) == 2 * 7 * 2 * 2 * (first + second)
    cell = getattr(nn, f"{kind}Cell")(3, 5)
    with torch.no_grad():
        found = counted(lambda: cell(torch.ones(2, 3)))
    assert sum(found.values()) == 2 * 2 * first
    assert count(
        "aten::_rnn_layer_backward",
        *[None] * 3, Shaped([7, 2, 3]), Shaped([1, 2, 5]), None,
        Shaped([gates * 5, 3]), Shaped([gates * 5, 5]), *[None] * 8,
        None, None, [], 0, [True, True, False, True, False],
    ) == 2 * 2 * 7 * 2 * first  # fmt: skip


def test_shapes_are_enough():
    assert count("aten::mm", Shaped([2, 3]), Shaped([3, 4])) == 48
    assert count(aten.mm.default, torch.empty(2, 3, device="meta"), Shaped([3, 4])) == 48
    assert count("aten::sin", Shaped([2])) is None
    assert flop_registry[aten.mm]([2, 3], [3, 4], out_shape=[2, 4]) == 48
    assert flop_registry[aten.mm](torch.ones(2, 3), torch.ones(3, 4), out_val=None) == 48
    with pytest.raises(RuntimeError, match="count: there is no operator 'aten::nothing'"):
        count("aten::nothing")


@records.parametrised(with_flops())
def test_formulas_take_the_calls_of_their_records_on_shapes_alone(record):
    op = torch._C._find_op(f"aten::{record.schema.full_name}")
    for i in range(len(record.cases())):
        args, kwargs = records.Call(record, i, "float32").tensors(lambda t: t.detach())
        n = count(op, *args, **kwargs)
        assert n > 0 or any(t.numel() == 0 for t in args if isinstance(t, torch.Tensor))
        bare = [Shaped(a.shape) if isinstance(a, torch.Tensor) else a for a in args]
        assert count(op, *bare, **kwargs) == n


def test_counts_by_module_and_the_table(capsys):
    net = nn.Sequential(nn.Linear(8, 4), nn.Sequential(nn.Linear(4, 2)))
    with FlopCounterMode(depth=1) as counter:
        net(torch.ones(16, 8)).sum().backward()
    counts = counter.get_flop_counts()
    assert {m: sum(c.values()) for m, c in counts.items()} == {
        "Global": 2816,
        "Sequential": 2816,
        "Sequential.0": 2048,
        "Sequential.1": 768,
        "Sequential.1.0": 768,
    }
    assert counts["Sequential.1.0"] == {aten.addmm: 256, aten.mm: 512}
    assert capsys.readouterr().out.splitlines() == [
        "Module           FLOP    % Total",
        "-------------  ------  ---------",
        "Sequential       2816    100.00%",
        " - aten.addmm    1280     45.45%",
        " - aten.mm       1536     54.55%",
    ]
    assert len(counter.get_table(3).splitlines()) == 2 + 4 * 3
    with FlopCounterMode(display=False) as counter:
        torch.ones(3) + 1
    assert counter.get_table().splitlines()[-1].split() == ["Global", "0", "0%"]
    with FlopCounterMode(display=False) as counter:
        torch.ones(100, 100) @ torch.ones(100, 100)
        net(torch.ones(1, 8))
    lines = counter.get_table().splitlines()
    assert lines[2].split() == ["Global", "2000.080K", "100.00%"]
    assert lines[5].startswith(" Sequential ")


def test_units():
    assert [get_suffix_str(n) for n in (0, 9999, 10000, 10**7, 10**10, 10**20)] == list(
        ["", "", "K", "M", "B", "T"]
    )
    assert convert_num_with_suffix(12345, "K") == "12.345K"


def test_formulas_of_programs():
    with pytest.raises(ValueError, match="expected each target to be OpOverloadPacket"):
        register_flop_formula(aten.mm.default)(lambda: 0)
    with pytest.raises(RuntimeError, match="duplicate registrations for aten.mm"):
        register_flop_formula(aten.mm)(lambda: 0)
    seen = []

    def of_sin(shape, out_shape=None):
        seen.append((shape, out_shape))
        return 7

    with FlopCounterMode(display=False, custom_mapping={aten.sin: of_sin}) as counter:
        torch.ones(2, 3).sin()
    assert counter.get_total_flops() == 7 and seen == [((2, 3), (2, 3))]
    with pytest.warns(UserWarning, match="mods argument is not needed anymore"):
        FlopCounterMode(nn.Linear(1, 1))


def test_a_counter_can_be_used_again_and_not_twice_at_once():
    counter = FlopCounterMode(display=False)
    for _ in range(2):
        with counter:
            torch.ones(2, 2) @ torch.ones(2, 2)
        assert counter.get_total_flops() == 16
    with counter, pytest.raises(RuntimeError, match="entered already"):
        counter.__enter__()
    assert torch._C._len_torch_dispatch_stack() == 0
