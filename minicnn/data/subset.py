"""A part of a data set: some of its classes, a few pictures of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from minicnn.data.synsets import imagenet_names
from minicnn.errors import UsageError
from minicnn.files import in_home, read_lines


def choose_classes(
    wanted: str | Sequence[str], classes: Sequence[str], names: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Which of `classes` are wanted, in their own order.

    wanted: "" for all; "10" for the first ten; a file with a class a line, of which what follows a tab, a line that
        begins with # and an empty one do not count; or classes joined by commas, or in a sequence. A class is called
        by its folder (n01440764) or, where only one has that name, as people say (tench).
    classes: all classes' folders, in label order.
    names: class folder → the name people use, for as many as are known beside ImageNet's own.
    Raises UsageError: a class that is not there, fewer than two, a number beyond all, a file that cannot be read.
    """
    if not wanted:
        return tuple(classes)
    if isinstance(wanted, str) and wanted.strip().isdecimal():
        count = int(wanted)
        if not 2 <= count <= len(classes):
            raise UsageError(f"the first {count} classes were asked for; choose 2 to {len(classes)}")
        return tuple(classes[:count])
    said = imagenet_names() | dict(names or {})
    folders = _folders_by_name(classes, said)
    chosen = set()
    for name in _listed(wanted):
        if name not in folders:
            some = ", ".join(f"{folder} ({said[folder]})" if folder in said else folder for folder in classes[:5])
            more = f" and {len(classes) - 5} more" if len(classes) > 5 else ""
            where = ", nor a file of that name" if name == wanted else ""
            raise UsageError(f"there is no class {name!r}{where}; the classes are {some}{more}")
        chosen.add(folders[name])
    if len(chosen) < 2:
        raise UsageError(f"telling classes apart takes at least two; {', '.join(chosen) or 'none'} was asked for")
    return tuple(name for name in classes if name in chosen)


def some_of_each_class(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Choose `count` images of each class at random, or all of a class that has no more.

    For one seed, a smaller choice is a part of a larger one. labels: (N,) integers. Returns sorted indices into it.
    Raises UsageError for a count below 1.
    """
    if count < 1:
        raise UsageError(f"at least 1 image of each class has to be taken; got {count}")
    order = np.random.default_rng(seed).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    _, starts, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    place = np.arange(len(labels)) - np.repeat(starts, sizes)  # of an image among those of its class
    return np.sort(by_class[place < count])


def _folders_by_name(classes: Sequence[str], names: Mapping[str, str]) -> dict[str, str]:
    said = [names.get(folder, folder) for folder in classes]
    by_name = {name: folder for folder, name in zip(classes, said, strict=True) if said.count(name) == 1}
    return by_name | {folder: folder for folder in classes}


def _listed(wanted: str | Sequence[str]) -> Iterable[str]:
    if not isinstance(wanted, str):
        return wanted
    path = in_home(wanted)
    return _lines(path) if _is_file(path) else [name.strip() for name in wanted.split(",")]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a long list of classes is too long for a file's name
        return False


def _lines(path: Path) -> list[str]:
    names = [line.partition("\t")[0].strip() for line in read_lines(path) if not line.startswith("#")]
    if not any(names):
        raise UsageError(f"{path} names no class; write one a line")
    return [name for name in names if name]
