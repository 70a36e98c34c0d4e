"""einops under the name torch: what it makes of tensors is what it makes of arrays."""

import numpy as np
import pytest
from under_the_name import need, shown

need("einops")
import einops  # noqa: E402

IMAGES = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4) + 1


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    program = """
        from einops import asnumpy, einsum, pack, parse_shape, rearrange, reduce, repeat, unpack
        x = torch.tensor(images)
        for pattern, sizes in patterns:
            show(pattern, rearrange(x, pattern, **sizes))
        for name in ("min", "max", "sum", "mean", "prod"):
            show(name, reduce(x, "b c (h p) w -> b h c", name, p=2))
        show("any", reduce(x > 90, "b c h w -> b", "any"))
        show("repeat", repeat(x, "b c h w -> b c (h r) w k", r=2, k=3))
        show("list", rearrange([x, x + 1], "n b c h w -> b (n c) h w"))
        packed, shapes = pack([x, x[..., 0]], "b c *")
        show("pack", packed)
        show("unpack", [part.tolist() for part in unpack(packed, shapes, "b c *")])
        show("einsum", einsum(x, x, "b c h w, b d h w -> b c d"))
        show("shape", parse_shape(x, "b _ h w"))
        show("array", asnumpy(x).sum().item())
        x.requires_grad_()
        (rearrange(x, "b c h w -> b (c h w)") * torch.arange(48.0)).sum().backward()
        show("gradient", x.grad)
    """
    return shown(
        program, tmp_path_factory.mktemp("einops"), images=IMAGES.tolist(), patterns=PATTERNS
    )


PATTERNS = [
    ("b c h w -> b (c h w)", {}),
    ("b c (h p) (w q) -> b (h w) (p q c)", {"p": 2, "q": 2}),
    ("b ... -> ... b", {}),
    ("b c h w -> w 1 c (h b)", {}),
    ("(a b) c h w -> a b (w h) c", {"a": 2}),
]


@pytest.mark.parametrize("pattern, sizes", PATTERNS)
def test_rearrange(results, pattern, sizes):
    np.testing.assert_array_equal(results[pattern], einops.rearrange(IMAGES, pattern, **sizes))


@pytest.mark.parametrize("name", ["min", "max", "sum", "mean", "prod"])
def test_reduce(results, name):
    expected = einops.reduce(IMAGES, "b c (h p) w -> b h c", name, p=2)
    np.testing.assert_allclose(results[name], expected, rtol=1e-5)


def test_the_other_functions(results):
    np.testing.assert_array_equal(
        results["repeat"], einops.repeat(IMAGES, "b c h w -> b c (h r) w k", r=2, k=3)
    )
    assert results["any"] == [bool((image > 90).any()) for image in IMAGES]
    both = einops.rearrange([IMAGES, IMAGES + 1], "n b c h w -> b (n c) h w")
    np.testing.assert_array_equal(results["list"], both)
    packed, shapes = einops.pack([IMAGES, IMAGES[..., 0]], "b c *")
    np.testing.assert_array_equal(results["pack"], packed)
    for ours, theirs in zip(results["unpack"], einops.unpack(packed, shapes, "b c *"), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    expected = np.einsum("bchw,bdhw->bcd", IMAGES, IMAGES)
    np.testing.assert_allclose(results["einsum"], expected, rtol=1e-5)
    assert results["shape"] == {"b": 2, "h": 4, "w": 4}
    assert results["array"] == IMAGES.sum()
    assert np.ravel(results["gradient"]).tolist() == [*range(48)] * 2


def test_layers(tmp_path):
    program = """
        import pickle
        from einops import EinopsError, rearrange
        from einops.layers.torch import EinMix, Rearrange, Reduce
        net = torch.nn.Sequential(
            Rearrange("b c h w -> b (c h w)"),
            torch.nn.Linear(48, 4),
            Reduce("b (g k) -> b k", "mean", g=2),
            EinMix("b k -> b o", weight_shape="k o", bias_shape="o", k=2, o=3),
        )
        x = torch.tensor(images)
        y = net(x)
        again = torch.jit.script(pickle.loads(pickle.dumps(net)))
        show("same", torch.equal(again(x), y))
        by_hand = net[1](x.reshape(2, 48)).reshape(2, 2, 2).mean(1) @ net[3].weight + net[3].bias
        show("right", torch.allclose(y, by_hand, rtol=1e-4))
        y.sum().backward()
        show("gradient", net[3].weight.grad.sum().item() - 3 * net[:3](x).sum().item())
        show("repr", repr(net[0]))
        try:
            rearrange(x, "b c -> c b")
        except EinopsError as error:
            show("error", str(error))
    """
    results = shown(program, tmp_path, images=IMAGES.tolist())
    assert results["same"] and results["right"] and abs(results["gradient"]) < 1e-2
    assert results["repr"] == "Rearrange('b c h w -> b (c h w)')"
    assert "b c -> c b" in results["error"]
