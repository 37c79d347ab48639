"""The page's JavaScript as one script: modules that import each other, which a page that is a mere file may not load.

A module of js/ imports by name from a file beside it, and exports what it declares:

    import { conv2d, conv2d_backward } from "./ops/convolution.js";
    export function buildNetwork(description) { … }

Put one after the other in the order of their imports, without these lines, they see each other all the same: every name
on a file's top level is one of the whole page.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from minicnn.errors import UsageError

SCRIPTS = Path(__file__).parent / "js"

_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.{1,2}/[^"]+)";\n', re.MULTILINE)
_DECLARED = re.compile(r"^(?:export )?(?:async )?(?:function\*?|class|const|let|var) (\w+)", re.MULTILINE)
_EXPORTED = re.compile(r"^export (?=(?:async )?function\b|(?:class|const|let) )", re.MULTILINE)


def bundle(*entries: str, folder: Path = SCRIPTS) -> str:
    """Return modules of the folder and all that they import, directly or not, as one script.

    Raises UsageError when a file is missing, imports or exports in another way, or imports what is not there, when
    files import each other in a circle, or when two declare one name.
    """
    whole: dict[Path, str] = {}
    for entry in entries:
        _add((folder / entry).resolve(), whole, ())
    declared: dict[str, Path] = {}
    for path, text in whole.items():
        for name in _DECLARED.findall(text):
            if name in declared:
                raise UsageError(f"{declared[name]} and {path} both declare {name}: in one script they are the same")
            declared[name] = path
    files = (f"// ---- {path.relative_to(folder.resolve()).as_posix()}\n\n{text}" for path, text in whole.items())
    return "\n".join(files)


def embed(data: dict[str, Any]) -> str:
    """Return the data as JSON that can stand inside of a script element."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _add(path: Path, whole: dict[Path, str], importers: tuple[Path, ...]) -> None:
    """Add a file's text without imports and exports to `whole`, after those that it imports."""
    if path in importers:
        raise UsageError(f"{path} imports itself by way of {' and '.join(map(str, importers))}")
    if path in whole:
        return
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    for names, source in _IMPORT.findall(text):
        imported = (path.parent / source).resolve()
        _add(imported, whole, (*importers, path))
        there = set(_DECLARED.findall(whole[imported]))
        missing = {name.strip() for name in names.split(",") if name.strip()} - there
        if missing:
            raise UsageError(f"{path} imports {', '.join(sorted(missing))}, which {imported} does not declare")
    text = _EXPORTED.sub("", _IMPORT.sub("", text))
    strange = re.search(r"^(?:import|export)\b.*", text, re.MULTILINE)
    if strange:
        raise UsageError(
            f"{path}: {strange[0]!r} cannot be put into one script; import {{ name }} from a file alone can"
        )
    whole[path] = text.lstrip("\n")
