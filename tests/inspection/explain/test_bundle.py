"""The page's JavaScript as one script, and its data inside of a page."""

from __future__ import annotations

import json

import pytest

from minicnn.errors import UsageError
from minicnn.inspection.explain import bundle, embed


def test_data_does_not_end_the_script_that_it_stands_in():
    text = embed({"classes": ["</script><script>alert(1)"]})
    assert "</script" not in text and json.loads(text)["classes"] == ["</script><script>alert(1)"]


def test_one_script_has_each_file_once_after_those_that_it_imports(tmp_path):
    (tmp_path / "ops").mkdir()
    imports = 'import { b } from "./b.js";\nimport { c } from "./ops/c.js";\n'
    (tmp_path / "a.js").write_text(f"{imports}export const a = b + c;\n")
    (tmp_path / "b.js").write_text('import { c } from "./ops/c.js";\nexport const b = c;\n')
    (tmp_path / "ops" / "c.js").write_text("export const c = 1;\n")
    text = bundle("a.js", folder=tmp_path)
    assert [line for line in text.splitlines() if line.startswith("// ----")] == [
        "// ---- ops/c.js", "// ---- b.js", "// ---- a.js",
    ]  # fmt: skip
    assert "import" not in text and "export" not in text and text.count("const c = 1") == 1


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ('import { x } from "./b.js";\n', "export const y = 1;\n", "imports x, which .* does not declare"),
        ('import { y } from "./b.js";\nconst z = 2;\n', "export const y = 1;\nconst z = 1;\n", "both declare z"),
        ('import { y } from "./b.js";\n', 'import { x } from "./a.js";\nexport const y = 1;\n', "imports itself"),
        ('import * as b from "./b.js";\n', "export const y = 1;\n", "cannot be put into one script"),
        ('import { y } from "./c.js";\n', "export const y = 1;\n", "cannot be read"),
    ],
)
def test_modules_that_do_not_go_together_are_refused(tmp_path, first, second, message):
    (tmp_path / "a.js").write_text(first)
    (tmp_path / "b.js").write_text(second)
    with pytest.raises(UsageError, match=message):
        bundle("a.js", folder=tmp_path)
