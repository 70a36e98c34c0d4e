"""Random numbers, in the order of PyTorch's CPU generator."""
