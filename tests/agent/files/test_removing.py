import os
from pathlib import Path

from flatfield.agent.files.openat import discard


def test_a_tree_deeper_than_paths_and_open_files_allow_is_deleted(tmp_path: Path) -> None:
    root = tmp_path / "w"
    root.mkdir()
    folder = os.open(root, os.O_RDONLY)
    for _ in range(1050):
        os.mkdir("deeper", dir_fd=folder)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    discard(root)
    assert not root.exists()


def test_locked_folders_are_deleted_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("x")
    (tmp_path / "w/locked/inner").mkdir(parents=True)
    (tmp_path / "w/locked/inner/link").symlink_to(tmp_path / "kept")
    (tmp_path / "w/link").symlink_to(tmp_path / "kept")
    (tmp_path / "w/locked/inner").chmod(0)
    (tmp_path / "w/locked").chmod(0)
    discard(tmp_path / "w")
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept/file").read_text() == "x"


def test_nothing_there_is_fine(tmp_path: Path) -> None:
    discard(tmp_path / "missing")
    discard(tmp_path / "missing/too")
