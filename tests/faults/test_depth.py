"""Chains and nestings whose length the user decides."""

import pytest

from tests.faults.child import run


@pytest.mark.parametrize(
    "program",
    [
        "x = torch.ones(1)\nfor _ in range(N):\n    y = torch.ones(1); y.grad = x; x = y\n",
        "x = torch.ones(1)\nfor _ in range(N // 20): x = torch.from_numpy(x.numpy())\n",
        "x = torch.ones(1)\nfor _ in range(N // 20): x = torch.from_dlpack(x.__dlpack__())\n",
        "x = torch.ones(1)\n"
        "for _ in range(N // 20): x = torch.frombuffer(memoryview(x), dtype=torch.float32)\n",
        "x = torch.ones(1)\nfor _ in range(N // 20):\n    y = torch.ones(1); y.a = x; x = y\n",
        "x = torch.ones(1, requires_grad=True)\nfor _ in range(N // 20):\n"
        "    y = torch.ones(1, requires_grad=True); y.register_hook(lambda g, x=x: g); x = y\n",
        "x = torch.ones(1, requires_grad=True)\nfor _ in range(N // 4): x = x + 1\n",
        "x = torch.ones(1)\nfor _ in range(N // 4): x = x[0:]\n",
    ],
)
def test_a_long_chain_is_freed(program):
    text = f"import flambeau as torch\nN = 1000000\n{program}del x\nprint('freed')\n"
    assert run(text) == "freed"


def test_a_hook_that_runs_its_own_backward():
    printed = run(
        """
        import flambeau as torch
        x = torch.ones(4, requires_grad=True)
        y = (x * 2).sum()
        x.register_hook(lambda g: y.backward(retain_graph=True))
        try: y.backward(retain_graph=True)
        except RecursionError: print("RecursionError")
        x = torch.ones(4, requires_grad=True)
        (x * 2).sum().backward()
        print(x.grad.tolist())
        """
    )
    assert printed == "RecursionError\n[2.0, 2.0, 2.0, 2.0]"


def test_results_nested_as_deep_as_the_user_likes():
    printed = run(
        """
        import flambeau as torch
        class Sub(torch.Tensor): pass
        deep = torch.ones(1)
        for _ in range(100000): deep = (deep,)
        try: Sub.__torch_function__(lambda: deep, ())
        except RecursionError: print("RecursionError")
        """
    )
    assert printed == "RecursionError"
