"""Compiling what a training needs before it begins: by all cores, while its pictures are drawn, found or read.

Numba compiles in one thread, and nobody could train meanwhile. So what a first training on a machine needs is found by
a dry run, and compiled by processes of their own, which share it out by a file for each kernel that one has taken. They
are started anew, not forked: a fork would copy threads' locks in whatever state they are. Whatever goes wrong there,
the training itself compiles what is missing.
"""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image

from minicnn import models
from minicnn.compilation import Request, dry_run, kept_in
from minicnn.data import ImageDataset, Splits
from minicnn.devices import resolve_device
from minicnn.dispatch import kernel_mode
from minicnn.errors import Interrupted
from minicnn.memory import release_memory
from minicnn.runs.run import Run
from minicnn.runs.settings import Settings
from minicnn.threads import available_cores
from minicnn.training.evaluation import evaluate
from minicnn.training.metrics import RunningTotals
from minicnn.training.progress import Progress

MOST_PROCESSES = 4  # there are hardly more kernels that take long
TELLING_INTERVAL = 5.0  # seconds between two lines of how far it is
CLASSES = 10  # of the dry run: their number changes no kernel
# Settings that kernels depend on, some of them only by whether they are 0.
DECISIVE = (
    "model", "image_size", "batch_size", "optimizer", "momentum", "augment", "mixup", "cutmix", "clip_norm", "ema",
    "lookahead", "test_flip", "prune", "freeze",
)  # fmt: skip
DONE = ".done"
WORKER = "from minicnn.runs.ahead import work; work()"  # what the other processes run


def start_compiled(settings: Settings, out: str | None, progress: Progress) -> Run:
    """Start a run, see `Run.start`, and let what it needs be compiled meanwhile, see `compiling_ahead`."""
    with compiling_ahead(settings, progress) as wait:
        run = Run.start(settings, out, progress)
        try:
            wait()
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted: minicnn train --resume {run.directory.path} begins") from None
    return run


@contextmanager
def compiling_ahead(settings: Settings, progress: Progress) -> Iterator[Callable[[], None]]:
    """Compile in other processes, while the block runs, what a run of `settings` needs and no process has kept.

    Yields the function that waits for them. `progress` is told what is compiled, and how far it is. Where there is
    nothing to gain (all is kept, there is one core, no folder to keep kernels in, or a GPU), nothing is done.
    """
    begun = time.perf_counter()
    missing, mark = _missing(settings)
    if not missing:
        yield lambda: None
        return
    names = ", ".join(dict.fromkeys(request.name.partition(".")[0] for request in missing))
    kernels = f"{len(missing)} kernel{'s' if len(missing) > 1 else ''}"
    ended = threading.Event()
    with tempfile.TemporaryDirectory(prefix="minicnn-") as folder:
        command = f"import sys; sys.path[:] = {sys.path!r}; {WORKER}"
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", command, json.dumps(settings.to_config()), folder],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for _ in range(min(available_cores(), MOST_PROCESSES, len(missing)))
        ]  # fmt: skip

        def done() -> int:
            return len(list(Path(folder).glob(f"*{DONE}")))

        @functools.cache
        def introduce() -> None:  # only when training is about to begin: nothing is told before a mistake of the user's
            progress.note(f"compiling {kernels} for this machine, once ({names})")

        def tell() -> None:
            while not ended.wait(TELLING_INTERVAL):
                introduce()
                progress.note(f"compiled {done()} of {kernels} after {time.perf_counter() - begun:.0f} s")

        def wait() -> None:
            introduce()
            for worker in workers:
                worker.wait()
            ended.set()
            if done() == len(missing):
                mark.touch()
                progress.note(f"compiled {kernels} in {time.perf_counter() - begun:.0f} s")

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield wait
        finally:
            ended.set()
            for worker in workers:
                worker.kill()
                worker.wait()
            teller.join()


def work() -> None:
    """Compile what the settings in the first argument need, and what no other process has taken, and keep it.

    The second argument is the folder where processes say what they have taken, and what they have done.
    """
    settings, folder = Settings.from_config(json.loads(sys.argv[1])), Path(sys.argv[2])
    for request in needed(settings):
        if request.kept:
            continue
        with suppress(FileExistsError):
            (folder / request.file_name).touch(exist_ok=False)
            request.compile()
            (folder / f"{request.file_name}{DONE}").touch()


def needed(settings: Settings) -> list[Request]:
    """Return the kernels that a run of `settings` will ask for, those first that take longest to compile.

    In a process in which no kernel has computed yet: see `dry_run`. A network of the user's own is not executed for it:
    cnn3 stands for it, whose kernels most networks need.
    """
    if models.is_file(settings.model):
        settings = settings.changed(model="cnn3", image_size=max(settings.image_size, 32), freeze="", unfreeze_at=0)
    settings = settings.changed(init="", rates="", tensorboard=False, whiten=False, fold="", classes="", workers=0)
    count, names = max(settings.batch_size, CLASSES), tuple(map(str, range(CLASSES)))
    with tempfile.TemporaryDirectory(prefix="minicnn-") as folder:
        picture = Path(folder, "picture.png")
        Image.new("RGB", (8, 8)).save(picture)
        images = ImageDataset([picture] * count, np.arange(count) % CLASSES, names, names)
        with np.errstate(all="ignore"), dry_run() as requests, suppress(Exception):  # for it computes on anything
            run = Run.prepare(settings, splits=Splits(images, images, None, Path(folder)))
            for group in run.trainer.groups(run.training, 0):
                run.trainer.learn(group, RunningTotals())
            evaluate(run.net, run.validation, run.normalization, flip=settings.test_flip)
    release_memory()
    return sorted(requests, key=lambda request: -len(repr(request.types)))  # the more it takes, the more it does


def _missing(settings: Settings) -> tuple[list[Request], Path]:
    """Return what has to be compiled, and the file that says, where it is there, that nothing has."""
    folder = kept_in() if kernel_mode() == "fast" and available_cores() > 1 else None
    if folder is None or resolve_device(settings.device) != "cpu":
        return [], Path()
    decisive = [settings.to_config()[name] for name in DECISIVE]
    mark = folder / f"ahead-{hashlib.sha256(repr(decisive).encode()).hexdigest()[:32]}"
    if mark.exists():
        return [], mark
    try:
        missing = [request for request in needed(settings) if not request.kept]
    except RuntimeError:  # this process computes already
        return [], mark
    if not missing:
        mark.touch()
    return missing, mark
