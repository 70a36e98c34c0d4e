"""Times layers that normalise and attend, with their gradients.

    python benchmarks/layers.py [--threads 2] [--rounds 5] [--only REGEX]

See ``harness.py`` for what a line says.
"""

import harness
from harness import Case


def layer(build_layer, *shape, last=False):
    """A layer of one input, forward and backward."""

    def build(lib):
        lib.manual_seed(0)
        module = build_layer(lib.nn)
        x = lib.randn(*shape)
        if last:
            x = x.contiguous(memory_format=lib.channels_last)
        x.requires_grad_()

        def step():
            module(x).sum().backward()
            x.grad = None

        return step

    return build


def attention(batch, heads, length, width, gradient=True, dtype="float32", **options):
    def build(lib):
        lib.manual_seed(0)
        shape = (batch, heads, length, width)
        parts = [lib.randn(*shape).to(getattr(lib, dtype)).requires_grad_(gradient) for _ in "qkv"]

        def step():
            out = lib.nn.functional.scaled_dot_product_attention(*parts, **options)
            if gradient:
                out.sum().backward()
                for part in parts:
                    part.grad = None

        return step

    return build


def self_attention(lib_nn):
    module = lib_nn.MultiheadAttention(512, 8, batch_first=True)
    return lambda x: module(x, x, x, need_weights=False)[0]


def cases():
    yield Case("batch_norm", layer(lambda nn: nn.BatchNorm2d(64), 16, 64, 56, 56))
    yield Case("batch_norm_last", layer(lambda nn: nn.BatchNorm2d(64), 16, 64, 56, 56, last=True))
    yield Case("batch_norm_rows", layer(lambda nn: nn.BatchNorm1d(512), 256, 512))
    yield Case("group_norm", layer(lambda nn: nn.GroupNorm(8, 64), 8, 64, 32, 32))
    yield Case("instance_norm", layer(lambda nn: nn.InstanceNorm2d(64), 8, 64, 32, 32))
    yield Case("rms_norm", layer(lambda nn: nn.RMSNorm(768), 2048, 768))
    yield Case("attention_causal", attention(4, 8, 512, 64, is_causal=True))
    yield Case("attention", attention(4, 8, 512, 64))
    yield Case("attention_forward", attention(4, 8, 512, 64, gradient=False))
    yield Case("attention_bfloat16", attention(4, 8, 512, 64, dtype="bfloat16"))
    yield Case("multihead_attention", layer(self_attention, 8, 128, 512))


if __name__ == "__main__":
    harness.measure(cases(), harness.parser(__doc__).parse_args())
