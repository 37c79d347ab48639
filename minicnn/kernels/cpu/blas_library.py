"""The BLAS libraries that this process has loaded, and what kernels have to know about them.

NumPy and SciPy may each bring one of nearly the same name, and which of them the kernels call differs between
installations: all are looked at.
"""

from __future__ import annotations

import scipy.linalg.cython_blas  # noqa: F401  (loads the library that Numba calls)
import threadpoolctl

LIBRARIES = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
# The processors whose kernels the libraries use; OPENBLAS_CORETYPE may have told OpenBLAS which.
ARCHITECTURES = tuple(sorted({str(getattr(library, "architecture", "")).lower() for library in LIBRARIES}))
# Whether OpenBLAS multiplies small matrices as they are; its kernels for other x86 processors always pack them first.
SMALL_KERNELS = not {"skylakex", "cooperlake", "sapphirerapids"}.isdisjoint(ARCHITECTURES)
