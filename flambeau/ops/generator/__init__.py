"""Prints C++ and stubs from the records. Run by the build; ``python -m flambeau.ops show`` uses it too."""
