"""Sparse tensors: where there are elements, and what they are."""
