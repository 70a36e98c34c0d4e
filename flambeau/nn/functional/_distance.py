"""Distances and similarities."""

import flambeau

__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]

cosine_similarity = flambeau.cosine_similarity
pairwise_distance = flambeau.pairwise_distance
pdist = flambeau.pdist
