"""Picking, scattering and masking."""
