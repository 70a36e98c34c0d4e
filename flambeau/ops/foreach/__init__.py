"""Ops on lists of tensors, one by one."""
