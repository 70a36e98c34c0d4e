"""Autograd functions that modules use; loaded on first use."""

import flambeau


class BackwardHookFunction(flambeau.autograd.Function):
    """The identity, as one node of the graph that hooks can be put on."""

    @staticmethod
    def forward(ctx, *args):
        ctx.mark_non_differentiable(*(arg for arg in args if not arg.requires_grad))
        return args

    @staticmethod
    def backward(ctx, *args):
        return args
