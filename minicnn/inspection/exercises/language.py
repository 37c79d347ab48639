"""What is said to the learner, in two languages."""

from __future__ import annotations

import os
from typing import NamedTuple

from minicnn.errors import UsageError

LANGUAGES = ("en", "zh")


class Text(NamedTuple):
    """The same in English and in Chinese."""

    en: str
    zh: str

    def said(self, language: str) -> str:
        """Return it in "en" or "zh"."""
        return self.zh if language == "zh" else self.en

    def filled(self, **values: object) -> Text:
        """Return it with {names} replaced; a value that is a Text is put in by language."""
        return Text(*(getattr(self, name).format(**_in(name, values)) for name in LANGUAGES))


def same(text: str) -> Text:
    """Return a text that needs no translation, such as a formula."""
    return Text(text, text)


def chosen_language(wanted: str | None) -> str:
    """Return `wanted`, or else the language of the terminal: Chinese where its locale is, English otherwise.

    Raises UsageError for another language.
    """
    if wanted is None:
        locale = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
        return "zh" if locale.startswith("zh") else "en"
    if wanted not in LANGUAGES:
        raise UsageError(f"hints are in en or zh, not in {wanted!r}")
    return wanted


def _in(language: str, values: dict[str, object]) -> dict[str, object]:
    return {name: value.said(language) if isinstance(value, Text) else value for name, value in values.items()}
