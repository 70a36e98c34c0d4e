"""Stands on the path of processes in which ``torch`` names flambeau, and makes way for it."""

import flambeau.compat

flambeau.compat.install()
