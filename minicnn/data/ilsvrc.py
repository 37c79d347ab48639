"""ImageNet's official archives (challenges of 2012 to 2017, classification) → train/ and val/ with a folder a class.

ILSVRC2012_img_train.tar holds a tar of pictures for each class, ILSVRC2012_img_val.tar the validation pictures,
numbered, and the development kit says of which class each of them is. Its own numbers of classes, ILSVRC2012_ID 1…1000,
are not the labels 0…999 that the world has agreed on: those count the synsets in sorted order.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from minicnn.data.cache import new_folder, require_unused
from minicnn.data.subset import choose_classes
from minicnn.errors import UsageError
from minicnn.files import in_home

TRAINING = "ILSVRC2012_img_train.tar"
VALIDATION = "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
META, GROUND_TRUTH = "data/meta.mat", "data/ILSVRC2012_validation_ground_truth.txt"  # in the development kit

SYNSET = re.compile(r"n[0-9]{8}")
CLASS_ARCHIVE = re.compile(r"(?P<synset>n[0-9]{8})\.tar")
TRAINING_PICTURE = re.compile(r"(?P<synset>n[0-9]{8})_[0-9]+\.JPEG")
VALIDATION_PICTURE = re.compile(r"ILSVRC2012_val_(?P<number>[0-9]{8})\.JPEG")

Progress = Callable[[int, int], None]


class Devkit(NamedTuple):
    """What the development kit says.

    training: synset → its number of training pictures, in label order. validation: the synset of each validation
    picture, of which the first has the number 1.
    """

    training: dict[str, int]
    validation: list[str]


def import_ilsvrc(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    classes: str = "",
    per_class: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Turn the three official archives into folders of pictures, complete or not at all.

    Pictures go straight from the archives to their places: the classes' own archives are never written.

    source: the folder with ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz.
    target: a new folder, or an empty one; it gets train/<synset>/*.JPEG and val/<synset>/*.JPEG.
    classes: which ones: "" for all, "10" for the first ten, a list or a file; see `choose_classes`.
    per_class: at most so many training pictures of each, chosen at random; 0 for all. Validation stays whole.
    seed: of that choice.
    progress: called with (bytes of the archives that are done, bytes in all).
    Returns the folder. Raises UsageError: a missing archive, one that is damaged or does not hold what it should (other
    names, links, another number of pictures than the development kit says), classes that are not there, a full disk.
    """
    archives, target = in_home(source), in_home(target)
    if missing := [name for name in (TRAINING, VALIDATION, DEVKIT) if not (archives / name).is_file()]:
        raise UsageError(
            f"there is no {missing[0]} in {archives}: ImageNet is made from {TRAINING}, {VALIDATION} and {DEVKIT}; "
            "get them from image-net.org"
        )
    if per_class < 0 or seed < 0:
        raise UsageError(f"pictures a class and seed are at least 0; got {per_class} and {seed}")
    require_unused(target)
    devkit = read_devkit(archives / DEVKIT)
    chosen = choose_classes(classes, list(devkit.training))
    sizes = [(archives / name).stat().st_size for name in (TRAINING, VALIDATION)]

    def report(done: int) -> None:
        if progress:
            progress(done, sum(sizes))

    with new_folder(target) as folder:
        for part in ("train", "val"):
            for synset in chosen:
                (folder / part / synset).mkdir(parents=True)
        _unpack_training(archives / TRAINING, folder / "train", devkit.training, chosen, per_class, seed, report)
        _unpack_validation(
            archives / VALIDATION, folder / "val", devkit.validation, chosen, lambda done: report(sizes[0] + done)
        )
        report(sum(sizes))
    return target


def read_devkit(path: Path) -> Devkit:
    """Read which classes there are, and the class of each validation picture.

    meta.mat lists the challenge's classes and, with children, the wider meanings above them, which have no pictures.
    Raises UsageError where the kit is damaged, or lacks one of the two files.
    """
    with _opened(path) as kit:
        meta, truth = _content(kit, META, path), _content(kit, GROUND_TRUTH, path)
    synset_of, pictures = _read_meta(meta, path)
    lines = truth.decode("ascii", errors="replace").split()
    if wrong := [line for line in lines if not line.isdecimal() or int(line) not in synset_of]:
        raise UsageError(f"{path}: {GROUND_TRUTH} has {wrong[0]!r} where a class's number 1…{len(synset_of)} should be")
    return Devkit(dict(sorted(pictures.items())), [synset_of[int(line)] for line in lines])


def _read_meta(meta: bytes, path: Path) -> tuple[dict[int, str], dict[str, int]]:
    from scipy.io import loadmat

    try:
        rows = np.atleast_1d(loadmat(io.BytesIO(meta), squeeze_me=True)["synsets"])
        leaves = [row for row in rows if int(row["num_children"]) == 0]
        synset_of = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in leaves}
        pictures = {str(row["WNID"]): int(row["num_train_images"]) for row in leaves}
    except Exception as error:  # SciPy raises what it likes on broken files
        raise UsageError(f"{path}: {META} is not the table of classes that it should be ({error})") from error
    if sorted(synset_of) != list(range(1, len(leaves) + 1)) or len(pictures) != len(leaves):
        raise UsageError(f"{path}: {META} does not number its {len(leaves)} classes 1, 2, 3, …, each once")
    if wrong := [synset for synset in pictures if not SYNSET.fullmatch(synset)]:
        raise UsageError(f"{path}: {META} has a class {wrong[0]!r}; a synset reads like n01440764")
    return synset_of, pictures


def _unpack_training(
    path: Path,
    folder: Path,
    pictures: Mapping[str, int],
    chosen: Collection[str],
    per_class: int,
    seed: int,
    report: Callable[[int], None],
) -> None:
    """Write the pictures of the classes in `chosen`; `pictures` is how many each class must have."""
    left = set(chosen)
    with _opened(path) as outer:
        for match, member, file in _files(outer, CLASS_ARCHIVE, path):
            synset = match["synset"]
            if synset not in pictures:
                raise UsageError(f"{path} holds {match[0]}, a class that the development kit does not know")
            if synset in left:
                left.remove(synset)
                order = np.random.default_rng([seed, int(synset[1:])]).permutation(pictures[synset])
                _unpack_class(file, folder / synset, set(order[: per_class or None].tolist()), len(order), path)
            report(member.offset_data + member.size)
    if left:
        raise UsageError(f"{path} is not complete: it has no {min(left)}.tar{_and_more(left)}; get it again")


def _unpack_class(archive: IO[bytes], folder: Path, chosen: set[int], expected: int, path: Path) -> None:
    """Write the pictures of one class whose places in its archive are `chosen`."""
    name, count = f"{folder.name}.tar in {path}", 0
    with _opened(name, archive) as inner:
        for match, _, picture in _files(inner, TRAINING_PICTURE, name):
            if match["synset"] != folder.name:
                raise UsageError(f"{name} holds {match[0]}, a picture of another class")
            if count in chosen:
                _write(folder / match[0], picture.read())
            count += 1
    if count != expected:
        raise UsageError(f"{name} has {count} pictures; the development kit says {expected}: get the archive again")


def _unpack_validation(
    path: Path, folder: Path, classes: Sequence[str], chosen: Collection[str], report: Callable[[int], None]
) -> None:
    """Write the pictures of the classes in `chosen`; `classes` is the class of picture 1, 2, …"""
    left = set(range(1, len(classes) + 1))
    with _opened(path) as archive:
        for match, member, picture in _files(archive, VALIDATION_PICTURE, path):
            number = int(match["number"])
            if number not in left:
                raise UsageError(f"{path} holds {match[0]}; the development kit knows {len(classes)} pictures")
            left.remove(number)
            synset = classes[number - 1]
            if synset in chosen:
                _write(folder / synset / match[0], picture.read())
            report(member.offset_data + member.size)
    if left:
        first = f"ILSVRC2012_val_{min(left):08d}.JPEG"
        raise UsageError(f"{path} is not complete: it has no {first}{_and_more(left)}; get it again")


@contextmanager
def _opened(name: Path | str, file: IO[bytes] | None = None) -> Iterator[tarfile.TarFile]:
    """Open the tar file `name`, or `file` where that lies in another; damage raises UsageError, found late too."""
    try:
        with tarfile.open(name if file is None else None, fileobj=file) as archive:
            yield archive
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{name} is damaged, or no tar archive ({reason}); get it again") from error


def _files(
    archive: tarfile.TarFile, pattern: re.Pattern[str], path: Path | str
) -> Iterator[tuple[re.Match[str], tarfile.TarInfo, IO[bytes]]]:
    """Yield the name, the entry and the content of every file in `archive`, all of which must be called as `pattern`.

    So no name can lead out of a folder. Links, folders and sparse files, whose sizes are only claimed, are refused.
    """
    seen = set()
    for member in archive:
        match = pattern.fullmatch(member.name)
        file = archive.extractfile(member) if member.isreg() and not member.issparse() else None
        if match is None or file is None or match[0] in seen:
            problem = " twice" if match and match[0] in seen else ", no plain file" if file is None else ""
            raise UsageError(f"{path} holds {member.name!r}{problem}: it is not the archive that ImageNet publishes")
        seen.add(match[0])
        yield match, member, file


def _content(archive: tarfile.TarFile, name: str, path: Path) -> bytes:
    """Read the file in the development kit whose path ends as `name`."""
    for member in archive:
        if member.name.endswith(f"/{name}") and member.isreg():
            file = archive.extractfile(member)
            assert file is not None  # it is a plain file
            return file.read()
    raise UsageError(f"{path} holds no {name}; it is not the development kit that ImageNet publishes")


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


def _and_more(missing: Collection[object]) -> str:
    return f" and lacks {len(missing) - 1} more" if len(missing) > 1 else ""
