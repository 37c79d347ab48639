"""Weights and networks from and to elsewhere."""
