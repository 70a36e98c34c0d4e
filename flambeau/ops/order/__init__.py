"""Sorting and sets."""
