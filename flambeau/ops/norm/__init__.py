"""Normalising ops."""
