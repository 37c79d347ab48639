"""Folders that nobody but this user can change, for files whose content will be executed."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path


def make_private(folder: Path) -> None:
    """Make `folder` and what is missing above it, or take the one that is there, if it is this user's alone.

    It must be a folder, no link to one; it must belong to this user and give no right to anybody else (mode 700). What
    leads there, every folder and link from the root on, must belong to this user or to root, and must not be open to
    others' writing: who can rename a folder on the way can put another in its place. Only a sticky folder, such as
    /tmp, may be: others can add to it, but not rename what is not theirs. Once all of that holds, nobody else can undo
    it. Where users have no numbers (Windows) nothing is asked: the system gives each a home that is closed to others.

    Raises OSError, whose text names the place and what is wrong with it.
    """
    folder = folder.absolute()
    for place in reversed(folder.parents):
        _make(place, 0o755)
        _require_ours_or_root_s(place)
    _make(folder, 0o700)
    _require_ours_alone(folder)


def _make(folder: Path, mode: int) -> None:
    if not folder.is_dir():
        with suppress(FileExistsError):  # another process was quicker, or it is no folder, which will be told
            folder.mkdir(mode)


def _require_ours_or_root_s(place: Path) -> None:
    found = place.lstat()
    if not hasattr(os, "geteuid"):
        return
    if found.st_uid not in (0, os.geteuid()):
        raise PermissionError(f"{place} belongs to another user")
    if stat.S_ISLNK(found.st_mode):
        place.stat()  # raises where links lead in a circle, or nowhere
        target = place.parent / place.readlink()
        for each in (*reversed(target.parents), target):
            _require_ours_or_root_s(each)
    elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX:
        raise PermissionError(f"{place} may be written to by others (mode {stat.S_IMODE(found.st_mode):o})")


def _require_ours_alone(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{folder} is no folder")
    if not hasattr(os, "geteuid"):
        return
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user")
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise PermissionError(f"{folder} is open to others (mode {stat.S_IMODE(found.st_mode):o})")
