"""Compositions over ops of several families."""
