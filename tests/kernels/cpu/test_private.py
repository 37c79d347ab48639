"""Folders whose content is executed are taken only where nobody else could have put anything into them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minicnn.kernels.cpu.private import make_private

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="users have no numbers here")
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files to other users"
)
NOBODY = 65534


def refusal(folder: Path) -> str:
    with pytest.raises(OSError) as caught:
        make_private(folder)
    return str(caught.value)


def test_a_folder_is_made_with_what_is_missing_above_it(tmp_path: Path) -> None:
    before = os.umask(0)  # the least careful of users
    try:
        make_private(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755
    make_private(tmp_path / "a" / "b")


def test_a_relative_path_is_looked_at_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.chdir(tmp_path / "open")
    assert refusal(Path("a")) == f"{tmp_path / 'open'} may be written to by others (mode 777)"


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o750, 0o705, 0o770, 0o777, 0o1777, 0o2770])
def test_a_folder_that_gives_others_a_right_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(mode)
    assert refusal(tmp_path / "a") == f"{tmp_path / 'a'} is open to others (mode {mode:o})"


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o2775])
def test_a_folder_on_the_way_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    make_private(tmp_path / "a" / "b" / "c")
    (tmp_path / "a").chmod(mode)
    assert refusal(tmp_path / "a" / "b" / "c") == f"{tmp_path / 'a'} may be written to by others (mode {mode:o})"


@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_folder_on_the_way_where_others_can_rename_nothing_will_do(tmp_path: Path, mode: int) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(mode)
    make_private(tmp_path / "a" / "b")


def test_a_link_is_no_folder(tmp_path: Path) -> None:
    make_private(tmp_path / "a")
    (tmp_path / "link").symlink_to("a")
    assert refusal(tmp_path / "link") == f"{tmp_path / 'link'} is no folder"


def test_one_s_own_link_on_the_way_is_followed_and_what_it_leads_through_is_looked_at(tmp_path: Path) -> None:
    make_private(tmp_path / "far" / "a")
    (tmp_path / "second").symlink_to("far/../far/a")
    (tmp_path / "first").symlink_to(tmp_path / "second")
    make_private(tmp_path / "first" / "b")
    assert (tmp_path / "far" / "a" / "b").is_dir()
    (tmp_path / "far").chmod(0o777)
    assert refusal(tmp_path / "first" / "b").endswith("far may be written to by others (mode 777)")


def test_links_in_a_circle_and_to_nowhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "nowhere").symlink_to("missing")
    refusal(tmp_path / "circle" / "a")
    refusal(tmp_path / "nowhere" / "a")
    assert not (tmp_path / "missing").exists()


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert refusal(tmp_path / "file") == f"{tmp_path / 'file'} is no folder"
    refusal(tmp_path / "file" / "a")


def test_another_user_s_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_private(tmp_path / "a")
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    assert refusal(tmp_path / "a").endswith("belongs to another user")


@as_root
def test_what_another_user_owns_on_the_way_is_refused(tmp_path: Path) -> None:
    make_private(tmp_path / "theirs" / "ours")
    os.chown(tmp_path / "theirs", NOBODY, NOBODY)
    assert refusal(tmp_path / "theirs" / "ours") == f"{tmp_path / 'theirs'} belongs to another user"
    make_private(tmp_path / "a" / "b")
    os.chown(tmp_path / "a" / "b", NOBODY, NOBODY)
    assert refusal(tmp_path / "a" / "b") == f"{tmp_path / 'a' / 'b'} belongs to another user"


@as_root
def test_another_user_s_link_is_refused_wherever_it_leads(tmp_path: Path) -> None:
    make_private(tmp_path / "ours" / "a")
    (tmp_path / "link").symlink_to("ours")
    make_private(tmp_path / "link" / "a")
    os.chown(tmp_path / "link", NOBODY, NOBODY, follow_symlinks=False)
    assert refusal(tmp_path / "link" / "a") == f"{tmp_path / 'link'} belongs to another user"
