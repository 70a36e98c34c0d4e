"""Reductions: sums, extremes, norms along dimensions."""
