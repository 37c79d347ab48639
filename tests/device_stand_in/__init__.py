"""An array that behaves as one on a GPU does, without a GPU: what works on it has no NumPy-only code in it."""

from tests.device_stand_in.array import DeviceArray, host_of
from tests.device_stand_in.namespace import CUPY_NAMES

__all__ = ["CUPY_NAMES", "DeviceArray", "host_of"]
