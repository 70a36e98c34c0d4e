"""Recurrent networks: cells, layers of them over time, and packed sequences."""
