"""Joining, picking, scattering and masking."""
