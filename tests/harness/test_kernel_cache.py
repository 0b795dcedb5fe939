"""No two live processes share a folder of compiled kernels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import kernel_cache
from harness.kernel_cache import claimed


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    return tmp_path / "kernels"


def compiled(folder: Path, *names: str) -> None:
    for name in names:
        (folder / "lib").mkdir(exist_ok=True)
        (folder / "lib" / f"{name}.nbi").write_text(name)


def test_live_claims_differ_and_a_free_folder_is_taken_again(base):
    with claimed("crepe") as first, claimed("crepe") as second:
        assert first == base / "crepe-0"
        assert second == base / "crepe-1"
    with claimed("crepe") as again, claimed("torchcrepe") as other:
        assert again == first
        assert other == base / "torchcrepe-0"


def test_another_process_does_not_get_a_held_folder(base):
    code = (
        "from harness.kernel_cache import claimed\n"
        "with claimed('crepe') as folder: print(folder.name)"
    )
    with claimed("crepe"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
    assert done.stdout.strip() == "crepe-1"


def test_a_new_folder_starts_from_what_a_finished_worker_compiled(base):
    with claimed("crepe") as first:
        compiled(first, "a", "b")
        with claimed("crepe") as second:  # the first may still be writing
            assert not list(second.rglob("*.nbi"))
    with (
        claimed("crepe") as first,
        claimed("crepe") as second,
        claimed("crepe") as third,
    ):
        names = sorted(place.name for place in third.rglob("*.nbi"))
        assert names == ["a.nbi", "b.nbi"]
        compiled(third, "c")
    assert (base / "snapshot" / "lib" / "c.nbi").exists()
    assert not list((base / "snapshot").rglob(".lock"))
    assert not [place for place in base.iterdir() if place.name.startswith("tmp")]


def test_a_failed_worker_leaves_no_snapshot(base):
    with pytest.raises(KeyboardInterrupt), claimed("crepe") as folder:
        compiled(folder, "half")
        raise KeyboardInterrupt
    assert not (base / "snapshot").exists()


def test_folder_lies_where_it_is_stated_or_in_a_temporary_place(
    base, monkeypatch, tmp_path
):
    assert kernel_cache.root() == base
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert kernel_cache.root() == tmp_path / "cache" / "f0bench" / "numba"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(kernel_cache.tempfile, "gettempdir", lambda: str(tmp_path))
    assert kernel_cache.root() == tmp_path / f"f0bench-numba-{os.getuid()}"


def test_the_snapshot_gathers_what_all_workers_have_compiled(base):
    with claimed("librosa_pyin") as folder:
        compiled(folder, "a", "b", "c")
        (folder / "lib" / "a.1.nbc").write_text("first")
    with claimed("crepe") as folder:
        for place in folder.rglob("*.nb?"):
            place.unlink()  # as if it had begun before there was a snapshot
        compiled(folder, "d")
        (folder / "lib" / "d.1.nbc").write_text("second")
    with claimed("pyin") as third:
        names = sorted(place.name for place in third.rglob("*.nb?"))
    assert names == ["a.1.nbc", "a.nbi", "b.nbi", "c.nbi", "d.1.nbc", "d.nbi"]


def test_a_kernel_that_both_hold_is_taken_whole_from_the_last_worker(base):
    with claimed("old") as folder:
        compiled(folder, "a")
        (folder / "lib" / "a.1.nbc").write_text("old")
        (folder / "lib" / "a.2.nbc").write_text("old")
    with claimed("new") as folder:
        (folder / "lib" / "a.2.nbc").unlink()
        (folder / "lib" / "a.1.nbc").write_text("new")
        compiled(folder, "b")
    kept = base / "snapshot" / "lib"
    assert (kept / "a.1.nbc").read_text() == "new"
    assert not (kept / "a.2.nbc").exists()
