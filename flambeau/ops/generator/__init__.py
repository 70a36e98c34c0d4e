"""Prints C++, stubs and documents from the records.

The build and the tools run it; ``python -m flambeau.ops show`` prints what it makes of one record.
"""
