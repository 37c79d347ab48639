"""The command run inside the test's own process, and a small finished run to use it on."""

from __future__ import annotations

from pathlib import Path

import pytest

from minicnn.cli.main import main
from minicnn.data import make_shapes
from tests.cli.command import SMALL, Answer, Command


@pytest.fixture
def minicnn(capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs `minicnn` with arguments."""

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        return Answer(int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with train/ (4 images of each of ten classes) and val/ (1 of each), 16×16 pixels."""
    return make_shapes(tmp_path_factory.mktemp("cli") / "shapes", images_per_class=5, size=16)


@pytest.fixture(scope="session")
def run(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run."""
    path = tmp_path_factory.mktemp("cli") / "run"
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in ("train", shapes, *SMALL, "--out", path)])
    assert end.value.code in (0, None)
    return path
