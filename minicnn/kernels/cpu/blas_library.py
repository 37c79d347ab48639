"""The BLAS libraries that this process has loaded, and what kernels have to know about them.

NumPy and SciPy may each bring one of nearly the same name, and which of them the kernels call differs between
installations: all are looked at.
"""

from __future__ import annotations

import scipy.linalg.cython_blas  # noqa: F401  (loads the library that Numba calls)
import threadpoolctl

LIBRARIES = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
# The processors that OpenBLAS has chosen its kernels for; OPENBLAS_CORETYPE may have told it which.
ARCHITECTURES = tuple(sorted({str(getattr(library, "architecture", "")) for library in LIBRARIES}))
# Of those for x86, whose kernels multiply small matrices as they are; others copy them into another order first.
SMALL_KERNELS = not {"SkylakeX", "Cooperlake", "SapphireRapids"}.isdisjoint(ARCHITECTURES)
