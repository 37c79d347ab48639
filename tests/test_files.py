"""Files that appear whole or not at all, what killed processes leave, and homes that nobody has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minicnn.data import cache_folder
from minicnn.errors import UsageError
from minicnn.files import clear_leftovers, in_home, picture_file, write_whole


def test_who_reads_the_old_file_reads_it_to_its_end(tmp_path: Path) -> None:
    """The new file takes the name of the old one, whose content is never written to."""
    path = tmp_path / "weights"
    write_whole(path, b"old" * 1000)
    with path.open("rb") as reader:
        assert reader.read(3) == b"old"
        write_whole(path, "nëw")
        assert reader.read() == b"old" * 999
    assert path.read_text(encoding="utf-8") == "nëw"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights"
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        is_folder = Path(f"/proc/self/fd/{descriptor}").is_dir() if Path("/proc/self/fd").exists() else path.exists()
        done.append("folder synced" if is_folder else f"{os.fstat(descriptor).st_size} bytes synced")
        sync(descriptor)

    def move(self: Path, target: Path) -> Path:
        done.append("moved")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", move)
    write_whole(path, b"12345")
    assert done == ["5 bytes synced", "moved", "folder synced"]


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*nowhere/weights: No such file"):
        write_whole(tmp_path / "nowhere" / "weights", b"")


def test_leftovers_of_dead_processes_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    path = tmp_path / "state[1].safetensors"  # a name that a pattern would not find as it is
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, own, impossible, living, another_file, strange = (
        tmp_path / name
        for name in (
            f".{path.name}.{ended.pid}.tmp",
            f".{path.name}.{os.getpid()}.tmp",
            f".{path.name}.{10**30}.tmp",
            f".{path.name}.{os.getppid()}.tmp",
            f".diary.{ended.pid}.tmp",
            f".{path.name}.mine.tmp",
        )
    )
    for leftover in (dead, own, impossible, living, another_file, strange, path):
        leftover.write_bytes(b"half")
    clear_leftovers(path)
    assert set(tmp_path.iterdir()) == {living, another_file, strange, path}


def test_a_home_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_home("~/flowers") == Path.home() / "flowers"
    assert in_home("a~b") == Path("a~b")
    with pytest.raises(UsageError, match="~nosuchuser/x: the home folder that ~nosuchuser means is not known"):
        in_home("~nosuchuser/x")

    def unknown(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", unknown)  # as for a user that the system does not know, without HOME
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(UsageError, match="home folder"):
        cache_folder()


def test_what_is_no_ordinary_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="no ordinary file"):
        write_whole(tmp_path / "pipe", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"] and not (tmp_path / "pipe").is_file()


@pytest.mark.parametrize("name", ["", "run/config.json", "weights.safetensors", "curves"])
def test_a_picture_has_a_picture_s_name(name: str) -> None:
    with pytest.raises(UsageError, match="should be the name of a picture"):
        picture_file(name)
