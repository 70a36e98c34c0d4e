"""Reductions and scans: sums, extremes, norms along dimensions."""
