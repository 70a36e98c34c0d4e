"""Networks, whole: one check for each sentence of what was asked (``make acceptance``).

Most checks run one program on flambeau and on PyTorch and compare what it shows, so PyTorch has to
be installed. Those of speed read machines that are never quiet; they stand here and not in the test
suite for that reason. Training, data, saving and looking stand in ``networks_around.py``.
"""

import re
import textwrap

import pytest
from acceptance_tools import ROOT, agrees, passes, python, raises, run, texts

# ---- 1. ops

LAYOUTS = [
    ("conv1d", (2, 4, 9), (6, 2, 3)),
    ("conv2d", (2, 4, 7, 8), (6, 2, 3, 2)),
    ("conv3d", (2, 4, 5, 6, 5), (6, 2, 2, 3, 2)),
    ("conv_transpose1d", (2, 4, 9), (4, 3, 3)),
    ("conv_transpose2d", (2, 4, 7, 8), (4, 3, 3, 2)),
    ("conv_transpose3d", (2, 4, 4, 5, 4), (4, 3, 2, 3, 2)),
]


@pytest.mark.parametrize("name, size, weight", LAYOUTS)
def test_convolutions_with_groups_dilation_and_stride(name, size, weight):
    extra = ", output_padding=1" if "transpose" in name else ""
    agrees(f"""
        torch.manual_seed(0)
        x = torch.randn({size}, dtype=torch.float64, requires_grad=True)
        w = torch.randn({weight}, dtype=torch.float64, requires_grad=True)
        b = torch.randn(6, dtype=torch.float64, requires_grad=True)
        y = F.{name}(x, w, b, stride=2, padding=1, dilation=2, groups=2{extra})
        g = shown_with_gradients(y, x, w, b)
        show(torch.autograd.grad(g[1].pow(2).sum() + g[0].pow(2).sum(), (x, w)))
    """)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [2, "'same'", "'valid'"])
def test_every_padding_mode_of_convolutions(rank, mode, padding):
    made = f"""
        torch.manual_seed(0)
        layer = nn.Conv{rank}d(3, 4, 3, padding={padding}, padding_mode={mode!r})
        x = torch.randn([2, 3] + [7] * {rank}, requires_grad=True)
    """
    agrees(f"""{made}
        show(*layer.parameters())
        shown_with_gradients(layer(x), x)
    """)
    # In float32 PyTorch's sums over 1,000 places are off by more than the tolerance, ours are not.
    agrees(f"""
        torch.set_default_dtype(torch.float64)
        {made}
        shown_with_gradients(layer(x), x, *layer.parameters())
    """)


@pytest.mark.parametrize("rank, layout", [(2, "channels_last"), (3, "channels_last_3d")])
@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
def test_convolutions_in_channels_last(rank, layout, kind):
    agrees(f"""
        torch.manual_seed(0)
        layer = nn.{kind}{rank}d(4, 6, 3, groups=2).to(memory_format=torch.{layout})
        x = torch.randn([2, 4] + [6] * {rank}).to(memory_format=torch.{layout}).requires_grad_()
        y = layer(x)
        show(y.is_contiguous(memory_format=torch.{layout}), list(y.stride()))
        shown_with_gradients(y, x, *layer.parameters())
    """)


POOLS = {
    "max_pool{n}d": "3, 2, padding=1, dilation=1, ceil_mode=True, return_indices=True",
    "avg_pool{n}d": "3, 2, padding=1, ceil_mode=True, count_include_pad=False",
    "adaptive_avg_pool{n}d": "3",
    "adaptive_max_pool{n}d": "3, return_indices=True",
    "lp_pool{n}d": "2.0, 3, stride=2",
}


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_pooling(name, rank):
    agrees(f"""
        torch.manual_seed(0)
        x = torch.randn([2, 3] + [8] * {rank}, requires_grad=True)
        shown_with_gradients(F.{name.format(n=rank)}(x, {POOLS[name]}), x)
    """)


@pytest.mark.parametrize("rank", [2, 3])
def test_fractional_pooling_under_the_seed(rank):
    agrees(f"""
        torch.manual_seed(0)
        x = torch.randn([2, 3] + [9] * {rank}, requires_grad=True)
        layer = nn.FractionalMaxPool{rank}d(2, output_ratio=0.5, return_indices=True)
        shown_with_gradients(layer(x), x)
    """)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_unpooling(rank):
    agrees(f"""
        torch.manual_seed(0)
        x = torch.randn([2, 3] + [8] * {rank}, requires_grad=True)
        y, i = F.max_pool{rank}d(x, 2, return_indices=True)
        shown_with_gradients(F.max_unpool{rank}d(y, i, 2, output_size=x.shape), x)
    """)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad_in_all_modes(mode):
    agrees(f"""
        torch.manual_seed(0)
        for rank in (1, 2, 3):
            x = torch.randn([2, 3] + [5] * rank, dtype=torch.float64, requires_grad=True)
            y = F.pad(x, (2, 1) * rank, mode={mode!r})
            g = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
            show(y, g, torch.autograd.grad(g[0].pow(2).sum(), x))
    """)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(
    "layer",
    [
        "BatchNorm1d(4)",
        "BatchNorm2d(4, momentum=None)",
        "BatchNorm3d(4, affine=False)",
        "InstanceNorm1d(4, affine=True, track_running_stats=True)",
        "InstanceNorm2d(4)",
        "InstanceNorm3d(4, affine=True)",
        "GroupNorm(2, 4)",
        "RMSNorm(6)",
    ],
)
def test_norms(layer, dtype):
    rank = int(found[1]) if (found := re.search(r"(\d)d", layer)) else 2
    agrees(
        f"""
        torch.manual_seed(0)
        layer = nn.{layer}.to(torch.{dtype})
        x = torch.randn([3, 4] + [6] * {rank}, dtype=torch.{dtype}, requires_grad=True)
        for _ in range(2):
            shown_with_gradients(layer(x), x, *layer.parameters())
        layer.eval()
        show(layer(x), layer.state_dict())
        """,
        1e-5 if dtype == "float32" else 2e-2,
    )


def test_local_response_norm():
    agrees("""
        torch.manual_seed(0)
        for rank in (1, 2, 3):
            x = torch.randn([3, 4] + [6] * rank, requires_grad=True)
            shown_with_gradients(nn.LocalResponseNorm(3, alpha=0.1)(x), x)
    """)


ATTENTION = {
    "plain": "",
    "causal": "is_causal=True",
    "bool mask": "attn_mask=torch.rand(5, 7) > 0.3",
    "float mask": "attn_mask=torch.randn(2, 1, 5, 7)",
    "scale": "scale=0.3",
    "dropout": "dropout_p=0.4",
}


@pytest.mark.parametrize("case", ATTENTION)
def test_attention(case):
    agrees(f"""
        torch.manual_seed(0)
        q = torch.randn(2, 3, 5, 8, requires_grad=True)
        k, v = (torch.randn(2, 3, 7, 8, requires_grad=True) for _ in range(2))
        shown_with_gradients(F.scaled_dot_product_attention(q, k, v, {ATTENTION[case]}), q, k, v)
    """)


def test_attention_with_fewer_heads_of_keys():
    agrees("""
        torch.manual_seed(0)
        q = torch.randn(2, 6, 5, 8, requires_grad=True)
        k, v = (torch.randn(2, 2, 5, 8, requires_grad=True) for _ in range(2))
        y = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        shown_with_gradients(y, q, k, v)
    """)


def test_attention_never_holds_the_score_matrix():
    # 8 heads of 8192 x 8192 scores would take 2 GB; tiles take a few MB a thread.
    python(
        """
        import resource
        q, k, v = (torch.randn(1, 8, 8192, 64, requires_grad=True) for _ in range(3))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).sum().backward()
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert grown < 250, f"{grown:.0f} MB"
        """,
        limit=300,
    )


def test_attention_over_ragged_lengths():
    agrees("""
        torch.manual_seed(0)
        parts = [torch.randn(n, 2, 8) for n in (3, 6, 1)]
        q = torch.nested.nested_tensor(parts, layout=torch.jagged).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, q, q).transpose(1, 2)
        show(*[t for t in y.unbind()])
    """)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize(
    "options",
    [
        "",
        "num_layers=2, bidirectional=True, batch_first=True",
        "num_layers=3, dropout=0.5",
        "bias=False, dtype=torch.float64",
    ],
)
def test_recurrent_networks(kind, options):
    agrees(f"""
        torch.manual_seed(0)
        net = nn.{kind}(5, 6, {options})
        x = torch.randn(4, 3, 5, dtype=next(net.parameters()).dtype, requires_grad=True)
        y, state = net(x)
        show(state, net.state_dict())
        shown_with_gradients(y, x, *net.parameters())
    """)


def test_projections_of_lstm():
    agrees("""
        torch.manual_seed(0)
        net = nn.LSTM(5, 6, num_layers=2, proj_size=3, bidirectional=True)
        x = torch.randn(4, 3, 5, requires_grad=True)
        shown_with_gradients(net(x)[0], x, *net.parameters())
    """)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_packed_sequences(kind, enforce_sorted):
    agrees(f"""
        torch.manual_seed(0)
        net = nn.{kind}(5, 6, num_layers=2, bidirectional=True)
        lengths = [7, 4, 2] if {enforce_sorted} else [2, 7, 4]
        x = torch.randn(7, 3, 5, requires_grad=True)
        rnn = nn.utils.rnn
        packed = rnn.pack_padded_sequence(x, lengths, enforce_sorted={enforce_sorted})
        y, state = net(packed)
        show(list(packed), state)
        shown_with_gradients(rnn.pad_packed_sequence(y)[0], x, *net.parameters())
    """)


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
def test_cells(kind):
    agrees(f"""
        torch.manual_seed(0)
        cell = nn.{kind}(5, 6)
        x, state = torch.randn(3, 5, requires_grad=True), None
        for _ in range(4):
            state = cell(x, state)
        shown_with_gradients(state, x, *cell.parameters())
    """)


def test_coo_tensors():
    agrees("""
        i = torch.tensor([[0, 1, 1, 0], [2, 0, 0, 2]])
        s = torch.sparse_coo_tensor(i, torch.tensor([1.0, 2, 3, 4]), (2, 3))
        c = s.coalesce()
        show(s.is_coalesced(), c.indices(), c.values(), s, s + s, torch.ones(2, 3) + s, c._nnz())
        d = torch.zeros(2, 3)
        d.add_(s, alpha=2)
        show(d, str(c))
    """)


@pytest.mark.parametrize(
    "program",
    [
        "torch.linalg.qr(x).R.abs()",
        "torch.linalg.cholesky(x @ x.mT + torch.eye(4))",
        "torch.linalg.solve_triangular(x.tril() + 3 * torch.eye(4), x, upper=False)",
        "torch.view_as_real(torch.fft.rfft(x))",
        "torch.view_as_real(torch.stft(x.view(-1), 8, window=torch.ones(8), return_complex=True))",
        "torch.stack(torch.meshgrid(x[0], x[1], indexing='ij'))",
        "torch.bincount(torch.tensor([1, 1, 3]), weights=x[0, :3])",
        "torch.repeat_interleave(x, torch.tensor([1, 0, 2, 1]), dim=0)",
    ],
)
def test_what_networks_need_of_the_tensor_library(program):
    agrees(f"torch.manual_seed(0)\nx = torch.randn(4, 4)\nshow({program})", 1e-4)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("sparse", [False, True])
def test_embedding_bag(mode, sparse):
    sparse = sparse and mode != "max"
    agrees(f"""
        torch.manual_seed(0)
        bag = nn.EmbeddingBag(9, 4, mode={mode!r}, sparse={sparse}, padding_idx=2)
        ids, offsets = torch.tensor([1, 2, 4, 5, 4, 3, 2, 8]), torch.tensor([0, 3, 3])
        y = bag(ids, offsets)
        (y * y.detach().cos()).sum().backward()
        show(y, bag.weight.grad.layout, bag.weight.grad)
        if {mode!r} == "sum":
            w = torch.randn(8, requires_grad=True)
            show(F.embedding_bag(ids, bag.weight, offsets, mode="sum", per_sample_weights=w))
    """)


@pytest.mark.parametrize(
    "mode, ranks",
    [
        ("nearest", (1, 2, 3)),
        ("nearest-exact", (1, 2, 3)),
        ("linear", (1,)),
        ("bilinear", (2,)),
        ("bicubic", (2,)),
        ("trilinear", (3,)),
        ("area", (1, 2, 3)),
    ],
)
def test_interpolate_in_every_mode(mode, ranks):
    corners = "(None, False, True)" if mode.endswith(("linear", "cubic")) else "(None,)"
    agrees(f"""
        torch.manual_seed(0)
        for rank in {ranks}:
            x = torch.randn([2, 3] + [6] * rank, requires_grad=True)
            for align in {corners}:
                for how in (dict(size=[9] * rank), dict(scale_factor=1.7), dict(scale_factor=0.6)):
                    y = F.interpolate(x, mode={mode!r}, align_corners=align, **how)
                    shown_with_gradients(y, x)
            if {mode!r} in ("bilinear", "bicubic"):
                y = F.interpolate(x, size=4, mode={mode!r}, antialias=True)
                shown_with_gradients(y, x)
    """)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_sample_and_affine_grid(mode, padding):
    agrees(
        f"""
        torch.manual_seed(0)
        theta = torch.randn(2, 2, 3, requires_grad=True)
        x = torch.randn(2, 3, 5, 6, requires_grad=True)
        for align in (False, True):
            grid = F.affine_grid(theta, [2, 3, 4, 7], align_corners=align)
            y = F.grid_sample(x, grid, mode={mode!r}, padding_mode={padding!r},
                              align_corners=align)
            shown_with_gradients(y, x, theta)
        if {mode!r} != "bicubic":
            v = torch.randn(2, 3, 4, 5, 6, requires_grad=True)
            g = F.affine_grid(torch.randn(2, 3, 4), [2, 3, 3, 4, 5], align_corners=False)
            shown_with_gradients(F.grid_sample(v, g, mode={mode!r}, padding_mode={padding!r},
                                               align_corners=False), v)
        """,
        1e-4,
    )


@pytest.mark.parametrize(
    "call, size",
    [
        ("F.unfold(x, (3, 2), dilation=2, padding=1, stride=2)", (2, 4, 8, 9)),
        ("F.fold(x, (6, 7), (3, 2), padding=1, stride=2)", (2, 12, 12)),
        ("F.pixel_shuffle(x, 2)", (2, 8, 3, 4)),
        ("F.pixel_unshuffle(x, 2)", (2, 2, 6, 4)),
        ("F.channel_shuffle(x, 2)", (2, 8, 3, 4)),
        ("F.normalize(x, p=3.0, dim=1)", (2, 5, 3)),
        ("F.cosine_similarity(x, x.flip(0), dim=1)", (4, 5, 3)),
        ("torch.cdist(x, x[:, :2], p=3.0)", (2, 5, 3)),
        ("torch.cdist(x, x[:, :2] + 1)", (2, 5, 3)),
        ("F.pdist(x, p=1.5)", (5, 3)),
        ("F.pairwise_distance(x, x.flip(0), p=3.0)", (5, 3)),
        ("F.gumbel_softmax(x, tau=0.7)", (5, 3)),
        ("F.gumbel_softmax(x, hard=True)", (5, 3)),
    ],
)
def test_foldings_and_distances(call, size):
    agrees(
        f"""
        torch.manual_seed(0)
        x = torch.randn({size}, requires_grad=True)
        torch.manual_seed(1)
        shown_with_gradients({call}, x)
        """
    )


def test_every_activation_and_its_inplace_form():
    agrees("""
        torch.manual_seed(0)
        names = sorted(set('''threshold relu relu6 hardtanh hardsigmoid hardswish elu selu celu
            leaky_relu rrelu glu gelu logsigmoid hardshrink tanhshrink softsign softplus softmin
            softmax softshrink log_softmax tanh sigmoid silu mish prelu'''.split()))
        args = dict(threshold=(0.1, 2.0), prelu=(torch.tensor([0.2]),), softmax=(1,),
                    log_softmax=(1,), softmin=(1,))
        for name in names:
            x = torch.randn(4, 6, requires_grad=True)
            torch.manual_seed(3)
            show(name)
            shown_with_gradients(getattr(F, name)(x, *args.get(name, ())), x)
        for name in "threshold relu hardtanh elu selu celu leaky_relu rrelu".split():
            x = torch.randn(4, 6)
            y = getattr(F, name + "_")(x, *args.get(name, ()))
            show(name, y is x, x)
        for name in "relu6 hardsigmoid hardswish silu mish".split():
            x = torch.randn(4, 6)
            show(name, getattr(F, name)(x, inplace=True) is x, x)
    """)


LOSSES = {
    "l1_loss": "a, b",
    "mse_loss": "a, b, weight=b.abs()",
    "smooth_l1_loss": "a, b, beta=0.5",
    "huber_loss": "a, b, delta=0.5",
    "soft_margin_loss": "a, s",
    "binary_cross_entropy": "a.sigmoid(), b.sigmoid(), weight=b.abs()",
    "binary_cross_entropy_with_logits": "a, b.sigmoid(), pos_weight=b.abs()[0]",
    "cross_entropy": "a, t, weight=b.abs()[0], label_smoothing=0.1, ignore_index=1",
    "nll_loss": "a.log_softmax(1), t, weight=b.abs()[0]",
    "kl_div": "a.log_softmax(1), b.softmax(1)",
    "poisson_nll_loss": "a, b.abs(), full=True",
    "gaussian_nll_loss": "a, b, b.abs(), full=True",
    "hinge_embedding_loss": "a, s",
    "multilabel_soft_margin_loss": "a, (s + 1) / 2",
    "multi_margin_loss": "a, t, p=2, margin=0.7",
    "multilabel_margin_loss": "a, m",
    "margin_ranking_loss": "a, b, s, margin=0.2",
    "cosine_embedding_loss": "a, b, s[:, 0]",
    "triplet_margin_loss": "a, b, a * b, swap=True",
    "triplet_margin_with_distance_loss": "a, b, a * b",
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_every_loss(name, reduction):
    agrees(f"""
        torch.manual_seed(0)
        a = torch.randn(4, 6, requires_grad=True)
        b = torch.randn(4, 6)
        s = torch.randn(4, 6).sign()
        t = torch.tensor([0, 5, 2, 1])
        m = torch.tensor([[1, 4, -1, 0, 0, 0]] * 4)
        shown_with_gradients(F.{name}({LOSSES[name]}, reduction={reduction!r}), a)
    """)


def test_no_loss_is_left_out():
    agrees("show(sorted(n for n in dir(F) if n.endswith('_loss') or n in ('kl_div', 'ctc_loss')))")
    agrees("show(sorted(n for n in dir(nn) if n.endswith('Loss')))")


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_ctc_loss(reduction):
    agrees(f"""
        torch.manual_seed(0)
        x = torch.randn(12, 3, 5, requires_grad=True)
        t = torch.tensor([[1, 2, 2, 4], [3, 3, 0, 0], [1, 1, 1, 1]])
        for zero in (False, True):
            y = F.ctc_loss(x.log_softmax(2), t, torch.tensor([12, 10, 5]), torch.tensor([4, 2, 4]),
                           reduction={reduction!r}, zero_infinity=zero)
            if zero:
                shown_with_gradients(y, x)
            show(y)
    """)


def test_the_foreach_family():
    agrees("""
        torch.manual_seed(0)
        names = sorted(n for n in dir(torch) if n.startswith("_foreach_"))
        show(names)
        xs = [torch.rand(3) + 0.5, torch.rand(2, 2) + 0.5]
        for name in names:
            for args in ((), (2.0,), (xs,), (xs, xs), ([1.0, 2.0],)):
                ys = [x.clone() for x in xs]
                try:
                    out = getattr(torch, name)(ys, *args)
                except (TypeError, RuntimeError, ValueError) as e:
                    show(name, type(e).__name__)
                else:
                    show(name, out, ys)
    """)


def test_every_record_has_gradient_meta_samples_and_docs():
    passes("tests/ops/test_records.py", 1)
    passes("tests/ops/test_gradients.py", 300)
    passes("tests/ops/test_modes.py", 300, "-k", "meta", limit=1800)


# ---- 2. torch.nn


def test_every_public_name_of_nn():
    for module in (
        "nn nn.functional nn.init nn.utils nn.utils.rnn nn.utils.parametrize nn.utils.prune "
        "nn.utils.parametrizations nn.utils.stateless nn.utils.fusion nn.attention nn.parameter "
        "nn.modules"
    ).split():
        agrees(f"""
            import importlib
            m = importlib.import_module(torch.__name__ + ".{module}")
            names = getattr(m, "__all__", None) or [n for n in dir(m) if n[0] != "_"]
            theirs = importlib.import_module("torch.{module}")
            wanted = getattr(theirs, "__all__", None) or [n for n in dir(theirs) if n[0] != "_"]
            import types
            wanted = [n for n in wanted if not isinstance(getattr(theirs, n), types.ModuleType)
                      and (getattr(getattr(theirs, n), "__module__", "torch") or "").startswith(
                          "torch")]
            show([n for n in wanted if not hasattr(m, n)])
        """)


UTILS = """
import importlib, warnings
warnings.simplefilter("ignore")
importlib.import_module(torch.__name__ + ".nn.utils.prune")
torch.manual_seed(0)
U = nn.utils
net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, bias=False))
x = torch.randn(5, 3)
net(x).pow(2).sum().backward()
"""


@pytest.mark.parametrize(
    "program",
    [
        "show(U.clip_grad_norm_(net.parameters(), 0.1), [p.grad for p in net.parameters()])",
        "show(U.clip_grad_value_(net.parameters(), 0.01), [p.grad for p in net.parameters()])",
        "show(U.get_total_norm([p.grad for p in net.parameters()]))",
        "show(U.parameters_to_vector(net.parameters()))",
        "U.vector_to_parameters(torch.arange(24.0), net.parameters()); show(net.state_dict())",
        "U.weight_norm(net[0]); show(net(x), net.state_dict())",
        "U.spectral_norm(net[0]); show(net(x), net.state_dict())",
        "U.parametrizations.weight_norm(net[0]); show(net(x), net.state_dict())",
        "U.parametrizations.spectral_norm(net[0]); show(net(x), net.state_dict())",
        "U.parametrizations.orthogonal(net[0]); show(net(x))",
        "U.prune.l1_unstructured(net[0], 'weight', 0.4); show(net(x), net.state_dict())",
        "U.prune.random_structured(net[0], 'weight', 1, dim=0); show(net(x), net.state_dict())",
        "d = {k: v * 2 for k, v in net.named_parameters()}\n"
        "show(torch.func.functional_call(net, d, x))",
        "show(U.fuse_linear_bn_eval(net[0].eval(), nn.BatchNorm1d(4).eval())(x))",
        "c = nn.Conv2d(2, 4, 3).eval(); b = nn.BatchNorm2d(4).eval()\n"
        "show(U.fuse_conv_bn_eval(c, b)(torch.ones(1, 2, 5, 5)))",
    ],
)
def test_nn_utils(program):
    agrees(UTILS + program, 1e-4)


def test_lazy_modules_and_containers():
    agrees("""
        torch.manual_seed(0)
        net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(),
                            nn.LazyLinear(5))
        show(repr(net), net(torch.randn(2, 3, 6, 6)), repr(net), net.state_dict())
        d = nn.ModuleDict({"a": nn.Linear(1, 2), "b": nn.ReLU()})
        l = nn.ModuleList([nn.Identity(), d]); l.insert(0, nn.Bilinear(2, 3, 4)); l += [nn.Tanh()]
        p = nn.ParameterList([torch.ones(2), nn.Parameter(torch.zeros(3))])
        q = nn.ParameterDict({"x": torch.ones(1)}); q.update({"y": torch.ones(2)})
        show(repr(l), repr(p), repr(q), list(d.keys()), len(l), list(l.state_dict()))
    """)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_transformer(norm_first, batch_first):
    agrees(f"""
        torch.manual_seed(0)
        net = nn.Transformer(8, 2, 2, 2, 16, dropout=0.0, batch_first={batch_first},
                             norm_first={norm_first}, activation="gelu")
        s, t = torch.randn(4, 4, 8, requires_grad=True), torch.randn(4, 4, 8)
        m = net.generate_square_subsequent_mask(4)
        pad = torch.arange(4)[None] >= torch.tensor([4, 2, 3, 4])[:, None]
        y = net(s, t, tgt_mask=m, src_key_padding_mask=pad, memory_key_padding_mask=pad)
        shown_with_gradients(y, s)
        net.eval()
        with torch.no_grad():
            show(net(s, t, tgt_mask=m, src_key_padding_mask=pad, memory_key_padding_mask=pad))
    """)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    "masks",
    [
        "",
        "key_padding_mask=pad",
        "attn_mask=torch.ones(5, 5).triu(1).bool()",
        "attn_mask=torch.randn(6, 5, 5), need_weights=False",
        "key_padding_mask=pad, average_attn_weights=False",
        "attn_mask=torch.ones(5, 5).triu(1).bool(), is_causal=True, need_weights=False",
    ],
)
def test_multihead_attention_with_all_masks_and_its_fast_path(masks, train):
    agrees(f"""
        torch.manual_seed(0)
        net = nn.MultiheadAttention(8, 2, batch_first=True).train({train})
        x = torch.randn(3, 5, 8)
        pad = torch.arange(5)[None] >= torch.tensor([5, 2, 3])[:, None]
        with torch.set_grad_enabled({train}):
            show(net(x, x, x, {masks}))
    """)


def test_init():
    agrees("""
        import inspect
        for name in sorted(n for n in dir(nn.init) if n.endswith("_") and n[0] != "_"):
            torch.manual_seed(0)
            t = torch.empty(3, 3) if name == "eye_" else torch.empty(3, 3, 3)
            if name in ("eye_", "sparse_", "identity_"): t = torch.empty(4, 3)
            args = {"constant_": (2.0,), "sparse_": (0.5,)}.get(name, ())
            show(name, getattr(nn.init, name)(t, *args))
        show([nn.init.calculate_gain(n) for n in ("relu", "tanh", "selu", "leaky_relu", "conv2d")])
    """)


def test_hooks_of_all_kinds_with_kwargs():
    agrees("""
        net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
        with torch.no_grad():
            for p in net.parameters(): p.fill_(0.5)
        log = []
        net.register_forward_pre_hook(lambda m, a, k: log.append(("pre", len(a), sorted(k))),
                                      with_kwargs=True)
        net[0].register_forward_hook(lambda m, a, o: o * 2)
        net[1].register_forward_hook(lambda m, a, k, o: log.append("always"), with_kwargs=True,
                                     always_call=True)
        net.register_full_backward_hook(lambda m, gi, go: log.append(("full", len(gi), len(go))))
        net.register_full_backward_pre_hook(lambda m, go: log.append("before"))
        net.register_state_dict_pre_hook(lambda m, p, keep: log.append("state pre"))
        net.register_state_dict_post_hook(lambda m, d, p, meta: log.append("state post"))
        net.register_load_state_dict_pre_hook(lambda *a: log.append("load pre"))
        net.register_load_state_dict_post_hook(lambda m, keys: log.append("load post"))
        handle = nn.modules.module.register_module_forward_hook(
            lambda m, a, o: log.append(type(m).__name__))
        y = net(torch.ones(1, 2, requires_grad=True))
        y.sum().backward()
        handle.remove()
        net.load_state_dict(net.state_dict())
        show(log, y, [p.grad for p in net.parameters()])
    """)


def test_state_dict_surgery():
    agrees("""
        net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        d = net.state_dict(prefix="m.")
        show(list(d), d._metadata)
        d = {k[2:]: torch.ones_like(v) for k, v in d.items()}
        d["extra"] = d.pop("1.bias")
        show(str(net.load_state_dict(d, strict=False)))
        try: net.load_state_dict(d)
        except RuntimeError as e: show(str(e))
        with torch.device("meta"): other = nn.Linear(2, 2)
        w = torch.zeros(2, 2)
        other.load_state_dict({"weight": w, "bias": torch.zeros(2)}, assign=True)
        show(other.weight.data_ptr() == w.data_ptr(), other.weight.requires_grad)
        with torch.device("meta"): third = nn.Linear(2, 2)
        third.to_empty(device="cpu")
        show(third.weight.device.type, third.share_memory() is third, third.weight.is_shared())
    """)


def test_functional_is_split_by_family():
    functional = {name.rsplit("/", 1)[1] for name in texts("flambeau/nn/functional/*.py")}
    modules = {name.rsplit("/", 1)[1] for name in texts("flambeau/nn/modules/*.py")}
    assert len(functional) > 8 and len(functional & modules) >= 8, functional ^ modules


# ---- what nn and its ops must reach


def test_default_initialisation_of_every_layer():
    agrees("""
        from inspect import signature
        sizes = dict(in_features=3, out_features=4, in_channels=4, out_channels=4, kernel_size=3,
            num_features=4, input_size=3, hidden_size=4, num_embeddings=5, embedding_dim=4,
            embed_dim=4, num_heads=2, d_model=4, nhead=2, num_groups=2, num_channels=4,
            normalized_shape=4, in1_features=2, in2_features=3)
        for name in sorted(nn.modules.__all__):
            kind = getattr(nn, name)
            needed = [p for p in signature(kind.__init__).parameters.values()
                      if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD][1:]
            if all(p.name in sizes for p in needed) and not name.startswith(("Frac", "Lazy")):
                torch.manual_seed(0)
                try: m = kind(*[sizes[p.name] for p in needed])
                except (TypeError, NotImplementedError) as e: show(name, type(e).__name__); continue
                show(name, repr(m), dict(m.state_dict()))
    """)


def test_dropouts_under_the_seed():
    agrees("""
        names = "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout"
        for name in names.split():
            torch.manual_seed(0)
            rank = int(name[-2]) if name[-1] == "d" else 2
            show(name, getattr(nn, name)(0.4)(torch.ones([2, 6] + [4] * rank)))
    """)


def test_bad_input_names_op_shapes_and_the_way_out():
    raises("torch.nn.LSTM(3, 4)(torch.ones(2, 2, 5))", "RuntimeError", r"5.*3|3.*5")
    raises("torch.nn.BatchNorm2d(3)(torch.ones(2, 3, 4))", "ValueError", "4D")
    raises("torch.nn.Conv1d(3, 4, 5)(torch.ones(1, 3, 2))", "RuntimeError", "5.*2|2.*5")
    raises(
        "q = torch.ones(1, 2, 3, 4)\n"
        "torch.nn.functional.scaled_dot_product_attention(q, q[..., :2], q)",
        "RuntimeError",
        "scaled_dot_product_attention.*4",
    )


def test_no_argument_is_accepted_and_ignored():
    passes("tests/test_signatures.py", 1)


def test_same_bits_for_1_2_and_5_threads():
    program = """
        import hashlib
        torch.set_num_threads({threads})
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Conv1d(8, 16, 3), torch.nn.BatchNorm1d(16),
                                  torch.nn.GELU())
        rnn, att = torch.nn.LSTM(16, 32, 2), torch.nn.MultiheadAttention(32, 4)
        x = torch.randn(16, 8, 40, requires_grad=True)
        y = rnn(net(x).permute(2, 0, 1))[0]
        z = att(y, y, y)[0]
        z.square().sum().backward()
        tensors = [z, x.grad, *(p.grad for m in (net, rnn, att) for p in m.parameters())]
        print(hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in tensors)).hexdigest())
    """
    found = {python(textwrap.dedent(program).format(threads=n)) for n in (1, 2, 5)}
    assert len(found) == 1


def test_the_figures_stand_in_the_benchmarks():
    text = "".join(texts("benchmarks/*.py").values())
    for word in ("scaled_dot_product_attention", "BatchNorm", "LSTMCell"):
        assert word in text, f"no case of {word}"
    assert (ROOT / "benchmarks/train.py").exists()
    run("git", "diff", "--quiet", "HEAD", "--", "benchmarks")
