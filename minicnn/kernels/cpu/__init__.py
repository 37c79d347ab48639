"""Numba twins of the operations, for NumPy arrays. Imported when the first of them is needed."""
