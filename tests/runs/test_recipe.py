"""Recipes: what a TOML file says becomes settings; every mistake in it is one line that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from minicnn import models
from minicnn.data import NAMED_DATASETS
from minicnn.errors import UsageError
from minicnn.models.pretrained import PACKAGES
from minicnn.runs.pixels import NORMALIZATIONS, make_transforms
from minicnn.runs.recipe import read_recipe
from minicnn.runs.settings import Settings
from minicnn.training.optimizers import OPTIMIZERS
from minicnn.training.schedules import make_schedule

RECIPES = sorted((Path(__file__).parents[2] / "examples" / "recipes").glob("*.toml"))


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a recipe and returns its path."""

    def write(content):
        path = tmp_path / "mine.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def test_what_stands_in_it_and_nothing_else(written):
    path = written('# so\ndata = "cifar10"\nlr = 1\ntest_flip = true\n[about]\naccuracy = 0.9\nlr = "not a setting"\n')
    assert read_recipe(path) == {"data": "cifar10", "lr": 1, "test_flip": True}
    assert Settings(**read_recipe(path)) == Settings(data="cifar10", lr=1.0, test_flip=True)


def test_an_empty_one_leaves_the_defaults(written):
    assert read_recipe(written("")) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epochs 3", r"mine\.toml is no TOML file: .*line 1"),
        ("epochs = 3\nepochs = 4", r"mine\.toml is no TOML file: .*overwrite"),
        (b"model = \"\xff\"", r"mine\.toml is no TOML file: .*utf-8"),
        (b"\x89PNG\r\n\x1a\n\0\0", r"mine\.toml is no TOML file"),
        ("lr = " + "[" * 20_000, r"mine\.toml is no TOML file"),
        ("batch-size = 32", r"mine\.toml has an unknown setting 'batch-size': did you mean batch_size\?"),
        ("weigth_decay = 1e-4", r"unknown setting 'weigth_decay': did you mean weight_decay\?"),
        ("[settings]\nlr = 1.0", r"unknown setting 'settings': "),
        ("qqqq = 1", r"unknown setting 'qqqq': settings are data, classes, .*strict"),
        ('epochs = "ten"', r"mine\.toml: epochs should be a int; got 'ten'"),
        ("epochs = 2.5", r"mine\.toml: epochs should be a int; got 2\.5"),
        ("epochs = true", r"mine\.toml: epochs should be a int; got True"),
        ("lr = 2026-01-01", r"mine\.toml: lr should be a float"),
        ("[model]\nname = 1", r"mine\.toml: model should be a str"),
        ("epochs = 0", r"mine\.toml: epochs must be at least 1; got 0"),
        ('model = "my_net.py"', r"names a network in my_net\.py, which is code.*--model my_net\.py"),
        ('model = "nets.py:wide"', r"which is code"),
    ],
)  # fmt: skip
def test_mistakes(written, content, message):
    with pytest.raises(UsageError, match=message) as error:
        read_recipe(written(content))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "reason"),
    [("no/such.toml", "No such file"), ("", "directory"), (".", "directory"), ("~nosuchuser/x", "home folder")],
)
def test_files_that_cannot_be_read(path, reason):
    with pytest.raises(UsageError, match=reason):
        read_recipe(path)


def test_the_recipes_are_there():
    assert {"shapes", "cifar10-cifar_cnn", "imagenette-cnn3", "imagenette-head"} <= {path.stem for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_can_be_trained(path):
    recipe = read_recipe(str(path))
    settings = Settings(**recipe)
    model, side = settings.model, settings.image_size
    if settings.init:  # brings its own, unless the recipe says otherwise
        assert settings.init in PACKAGES
        model, side = settings.init, recipe.get("image_size", models.known(settings.init).image_size)
    classes = len(NAMED_DATASETS[settings.data].classes)
    assert models.outline(model, (side, side, 3), classes).output_shape == (classes,)
    assert settings.optimizer in OPTIMIZERS and settings.normalize in NORMALIZATIONS
    make_schedule(settings.schedule, settings.warmup)
    make_transforms(side, settings.augment, settings.fit)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_says_what_it_is_about_and_names_its_seed(path):
    text = path.read_text(encoding="utf-8")
    assert "seed" in read_recipe(str(path))
    assert all(f"\n{name} = " in text.partition("[about]")[2] for name in ("accuracy", "time", "machine"))
