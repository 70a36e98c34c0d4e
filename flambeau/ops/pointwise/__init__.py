"""Elementwise ops: one formula each."""
