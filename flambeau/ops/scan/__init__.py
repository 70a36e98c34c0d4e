"""Running sums and products along a dimension."""
