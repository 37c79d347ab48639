"""The operations of `minicnn.ops` made fast: `cpu` with Numba, `gpu` with CuPy, files named as in `ops`."""
