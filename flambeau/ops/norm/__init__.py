"""Normalising ops and losses."""
