"""Recipes: settings in a TOML file, for a training that is worth repeating.

    data = "shapes"
    model = "cnn3"
    epochs = 10

    [about]
    accuracy = "98.1 % of the validation images"

The keys are the fields of `Settings`; the table `about` is for those who read it, and holds what they please.
"""

from __future__ import annotations

import sys
from difflib import get_close_matches
from typing import Any

from minicnn.errors import UsageError
from minicnn.files import in_home
from minicnn.models import is_file
from minicnn.runs.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ABOUT = "about"


def read_recipe(path: str) -> dict[str, Any]:
    """Return the settings that the recipe in the file `path` gives, by name; those that it leaves out are not there.

    Raises UsageError for a file that cannot be read or is no TOML, an unknown setting, a value of a wrong type or out
    of range, and a model that is a file of code: that is executed only when the person at the keyboard names it.
    """
    try:
        recipe = tomllib.loads(in_home(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the recipe {path!r}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"the recipe {path} is no TOML file: {error}") from error
    recipe.pop(ABOUT, None)
    names = list(Settings().to_config())
    for name in recipe:
        if name not in names:
            nearest = get_close_matches(name, names, n=1, cutoff=0.5)
            remedy = f"did you mean {nearest[0]}?" if nearest else f"settings are {', '.join(names)}"
            raise UsageError(f"the recipe {path} has an unknown setting {name!r}: {remedy}")
    try:
        settings = Settings(**recipe)
    except UsageError as error:
        raise UsageError(f"the recipe {path}: {error}") from error
    if is_file(settings.model):
        raise UsageError(
            f"the recipe {path} names a network in {settings.model}, which is code: leave model out of it, and name "
            f"the file with --model {settings.model}"
        )
    return recipe
