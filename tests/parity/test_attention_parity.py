"""Layers that normalise and attend, their first weights and draws, against PyTorch."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import flambeau  # noqa: E402

LIBRARIES = (torch, flambeau)


def agree(ours, theirs, tolerance=1e-5):
    assert tuple(ours.shape) == tuple(theirs.shape) and str(ours.dtype) == str(theirs.dtype)
    a, b = (t.detach().double().numpy() for t in (ours, theirs))
    assert np.allclose(a, b, rtol=tolerance, atol=tolerance), np.abs(a - b).max()


def both(build):
    """A layer of each library from one seed: alike to look at, and in all that they hold."""
    made = []
    for lib in LIBRARIES:
        lib.manual_seed(0)
        made.append(build(lib))
    assert repr(made[0]) == repr(made[1])
    states = [m.state_dict() for m in made]
    assert list(states[0]) == list(states[1])
    for name in states[0]:
        agree(states[1][name], states[0][name], 0)
    return made


def inputs(*shape):
    values = np.random.default_rng(sum(shape)).standard_normal(shape).astype("float32")
    return torch.tensor(values), flambeau.tensor(values)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": False},
        {"add_bias_kv": True, "add_zero_attn": True},
        {"dropout": 0.3, "batch_first": True},
    ],
)
@pytest.mark.parametrize("masked", [False, True])
def test_multihead_attention(options, masked):
    layers = both(lambda lib: lib.nn.MultiheadAttention(8, 2, **options))
    xs = inputs(5, 5, 8)
    for train, weights in itertools.product((True, False), (True, False)):
        made = []
        for lib, layer, x in zip(LIBRARIES, layers, xs):
            lib.manual_seed(1)
            masks = {}
            if masked:
                masks["attn_mask"] = lib.ones(5, 5).triu(1).bool()
                masks["key_padding_mask"] = lib.arange(5)[None].expand(5, 5) >= 3
            with lib.set_grad_enabled(train):
                made.append(layer.train(train)(x, x, x, need_weights=weights, **masks))
        agree(made[1][0], made[0][0])
        if weights:
            agree(made[1][1], made[0][1])
        else:
            assert made[1][1] is None


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_transformer(norm_first, batch_first):
    nets = both(
        lambda lib: lib.nn.Transformer(
            8,
            2,
            2,
            2,
            16,
            dropout=0.2,
            activation="gelu",
            norm_first=norm_first,
            batch_first=batch_first,
        )
    )
    sources, targets = inputs(4, 4, 8), inputs(4, 4, 8)
    for train in (True, False):
        made = []
        for lib, net, src, tgt in zip(LIBRARIES, nets, sources, targets):
            lib.manual_seed(1)
            mask = net.generate_square_subsequent_mask(4)
            pad = lib.arange(4)[None] >= lib.tensor([4, 2, 3, 4])[:, None]
            with lib.set_grad_enabled(train):
                net.train(train)
                encoded = net.encoder(src, src_key_padding_mask=pad)
                y = net(src, tgt, tgt_mask=mask, src_key_padding_mask=pad)
            if train:
                y.sum().backward()
            made.append((y, encoded))
        for ours, theirs in zip(made[1], made[0]):
            agree(ours, theirs)
    for ours, theirs in zip(nets[1].parameters(), nets[0].parameters()):
        agree(ours.grad, theirs.grad, 1e-4)


def test_attention_draws_and_lies_in_memory_as_there():
    for options in ({}, {"dropout_p": 0.4}, {"is_causal": True}):
        for turned in (False, True):
            made = []
            for lib in LIBRARIES:
                lib.manual_seed(0)
                q = lib.randn(2, 3, 5, 8)
                q = q.transpose(1, 2) if turned else q
                attend = lib.nn.functional.scaled_dot_product_attention
                made.append(attend(q, q, q, **options))
            agree(made[1], made[0])
            assert made[0].stride() == made[1].stride()


NAMES = ["BatchNorm2d(4, momentum=None)", "InstanceNorm2d(4, affine=True)", "GroupNorm(2, 4)"]
NAMES += ["RMSNorm(6)"]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, dtype) for name in NAMES for dtype in ("float32", "bfloat16", "float16")]
    + [("LocalResponseNorm(3)", "float32"), ("LayerNorm(6, bias=False)", "float32")],
)
def test_normalisation(name, dtype):
    layers = both(lambda lib: eval(f"lib.nn.{name}", {"lib": lib}).to(getattr(lib, dtype)))
    tolerance = 1e-5 if dtype == "float32" else 2e-2
    made = []
    for lib, layer, x in zip(LIBRARIES, layers, inputs(3, 4, 6, 6)):
        leaf = x.to(getattr(lib, dtype)).requires_grad_()
        y = layer(leaf)
        (y * x.to(y.dtype).cos()).sum().backward()
        y2 = layer.eval()(leaf)
        made.append([y, y2, leaf.grad, *layer.buffers(), *(p.grad for p in layer.parameters())])
    for ours, theirs in zip(made[1], made[0]):
        agree(ours, theirs, tolerance)
