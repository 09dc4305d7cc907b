"""Files that change are noticed, once they have settled; nothing else is."""

import asyncio
import os
from pathlib import Path

import pytest

from guard.app.watching import marks_of, watch
from tests.upstream.asking import until


def _config_map(folder: Path, version: str, text: str) -> None:
    """What Kubernetes does: a new directory, and a link to it that is swapped in one step."""
    (folder / version).mkdir(parents=True)
    (folder / version / "a.yaml").write_text(text)
    (folder / "..new").symlink_to(version)
    (folder / "..new").rename(folder / "..data")
    if not (folder / "a.yaml").is_symlink():
        (folder / "a.yaml").symlink_to("..data/a.yaml")


def test_a_swapped_link_further_up_is_a_change(tmp_path: Path) -> None:
    _config_map(tmp_path, "..1", "one")
    before = marks_of(tmp_path)
    assert marks_of(tmp_path) == before
    _config_map(tmp_path, "..2", "two")
    assert marks_of(tmp_path) != before


def test_files_that_come_go_or_change_are_a_change_and_others_are_not(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("one")
    seen = [marks_of(tmp_path)]
    (tmp_path / "notes.md").write_text("x")
    assert marks_of(tmp_path) == seen[0]
    (tmp_path / "b.yaml").write_text("two")
    seen.append(marks_of(tmp_path))
    os.utime(tmp_path / "b.yaml", ns=(1, 1))
    seen.append(marks_of(tmp_path))
    (tmp_path / "b.yaml").unlink()
    assert marks_of(tmp_path) == seen[0]
    (tmp_path / "deny.txt").write_text("192.0.2.7")
    seen.append(marks_of(tmp_path))
    assert len(set(seen)) == 4


def test_one_file_is_watched_and_what_is_not_there_raises_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    gone = marks_of(file)
    file.write_text("one")
    assert marks_of(file) != gone
    alone = marks_of(file)
    (tmp_path / "c.yaml").write_text("another policy")
    assert marks_of(file) == alone
    for beside in ("deny.txt", "_shared.yaml", "a.test.yaml"):
        (tmp_path / beside).write_text("x")
        assert marks_of(file) != alone
        (tmp_path / beside).unlink()
    (tmp_path / "c.yaml").unlink()
    (tmp_path / "b.yaml").symlink_to("nowhere")
    assert marks_of(tmp_path)[1] == ("b.yaml", 0, 0, 0)
    assert marks_of(tmp_path / "nothing" / "there") == (("there", 0, 0, 0),)


async def test_a_change_is_told_once_when_it_has_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files are written one after the other: whoever read after the first would have half of the change."""
    looks = iter(["before", "half", "whole", "whole", "whole"])
    seen: list[object] = []
    read: list[object] = []

    def marks(_: Path) -> object:
        seen.append(next(looks, "whole"))
        return seen[-1]

    async def changed() -> None:
        read.append(tuple(seen))

    monkeypatch.setattr("guard.app.watching.marks_of", marks)
    watching = asyncio.create_task(watch(tmp_path, 0, changed, read={}))
    await until(lambda: len(seen) >= 6)
    watching.cancel()
    assert read == [("before", "half", "whole", "whole")]


@pytest.mark.parametrize("read", [b"before", None])
async def test_what_changed_between_reading_and_watching_is_a_change(tmp_path: Path, read: bytes | None) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("after")
    told: list[int] = []

    async def changed() -> None:
        told.append(1)

    contents = {str(file): read} if read is not None else {str(tmp_path / "gone.yaml"): b""}
    watching = asyncio.create_task(watch(tmp_path, 0.001, changed, read=contents))
    await until(lambda: told == [1])
    await asyncio.sleep(0.02)
    watching.cancel()
    assert told == [1]
