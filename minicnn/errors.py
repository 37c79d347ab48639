"""The errors that minicnn raises for a mistake that the person at the keyboard can mend.

Each message is one line: what was wrong, what was found, what to do. The command line prints it and exits with 2.
"""

from __future__ import annotations


class UsageError(ValueError):
    """Something that was asked for cannot be done as asked; the message says why and what to do."""


class ShapeError(UsageError):
    """An array or a layer has a shape that does not fit its neighbours."""


class DeviceError(UsageError):
    """A device was asked for that is not there, or arrays of two devices were mixed."""


class Interrupted(Exception):
    """The user stopped the work with Ctrl-C; the message says what is kept and how to go on."""
