"""Joining, copying and laying out: elements move, none is computed."""
