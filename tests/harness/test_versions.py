"""Versions of an extractor's code: found, hashed, laid over what is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from extractors.errors import UsageError
from harness.environment import worker_env
from harness.versions import open_version

POINTS = '[project.entry-points."f0bench.extractors"]\nmine = "mine:Mine"\n'
PROJECT = f'[project]\nname = "my-tracker"\n{POINTS}'


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


def flat(folder: Path, mark: str = "1", project: str = PROJECT) -> Path:
    files = {"mine/__init__.py": f"MARK = {mark}\n", "pyproject.toml": project}
    return written(folder, files)


def laid(version) -> set[str]:
    return {place.name for place in version.overlay.iterdir()}


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "results" / ".cache" / "ab"


@pytest.fixture
def opened(tmp_path, cache):
    """Open a version, of the repository ``tmp_path/repo`` unless stated."""

    def version(name, repository=None):
        return open_version(str(name), repository or tmp_path / "repo", cache)

    return version


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=Nobody", "-c", "user.email=nobody@localhost")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *words],
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repo(tmp_path):
    """Two commits, the first one tagged ``v1``."""
    folder = flat(tmp_path / "repo", "1")
    git(folder, "init", "--quiet", "--initial-branch=main")
    for mark in ("1", "2"):
        flat(folder, mark)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", mark)
        if mark == "1":
            git(folder, "tag", "v1")
    return folder


# what is measured


def test_a_folder_is_linked_not_copied(tmp_path, opened):
    folder = flat(tmp_path / "head")
    version = opened(folder)
    assert laid(version) == {"mine", "my_tracker-0.dist-info"}
    assert (version.overlay / "mine").resolve() == folder / "mine"
    assert version.name == str(folder)
    points = (version.overlay / "my_tracker-0.dist-info/entry_points.txt").read_text()
    assert points == "[f0bench.extractors]\nmine = mine:Mine\n"


def test_a_src_layout_and_single_modules(tmp_path, opened):
    files = {
        "src/mine.py": "",
        "src/other/__init__.py": "",
        "other.py": "",
        "a.txt": "",
    }
    version = opened(written(tmp_path / "head", files))
    assert laid(version) == {"mine.py", "other"}
    assert (version.overlay / "other").is_dir()


def test_the_instrument_is_no_part_of_a_version(tmp_path, opened):
    names = ("harness", "tests", "conf", "docs", "extractors")
    files = {f"{name}/__init__.py": "" for name in names}
    modules = ("f0bench", "f0bench_pytest", "setup", "conftest", "mine")
    files |= {f"{name}.py": "" for name in modules}
    assert laid(opened(written(tmp_path / "head", files))) == {"extractors", "mine.py"}


def test_entry_points_of_other_groups_and_broken_projects_are_left(tmp_path, opened):
    other = '[project]\nname = "x"\n[project.entry-points.pytest11]\nx = "x"\n'
    assert laid(opened(flat(tmp_path / "a", project=other))) == {"mine"}
    assert laid(opened(flat(tmp_path / "b", "2", project="[project"))) == {"mine"}


@pytest.mark.parametrize("files", [{"README.md": ""}, {"setup.py": ""}, {"a/b.py": ""}])
def test_a_folder_without_a_package_is_refused(tmp_path, opened, files):
    with pytest.raises(UsageError, match="no Python package in it"):
        opened(written(tmp_path / "head", files))


# revisions


def test_revisions_by_tag_commit_and_branch(repo, opened):
    first, second = opened("v1"), opened("main")
    assert first.hash != second.hash
    assert (first.overlay / "mine/__init__.py").read_text() == "MARK = 1\n"
    assert (second.overlay / "mine/__init__.py").read_text() == "MARK = 2\n"
    assert opened("HEAD~1").hash == first.hash
    assert opened(git(repo, "rev-parse", "HEAD")).hash == second.hash
    assert opened(repo).hash == second.hash  # the working tree is clean


def test_a_revision_is_not_what_lies_in_the_working_tree(repo, opened):
    flat(repo, "3")
    assert (opened("HEAD").overlay / "mine/__init__.py").read_text() == "MARK = 2\n"
    assert opened(repo).hash not in {opened("HEAD").hash, opened("v1").hash}


def test_of_a_folder_in_a_repository_only_that_folder_counts(repo, opened):
    nested = flat(repo / "packages" / "two", "22")
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "--message", "nested")
    whole, part = opened("HEAD"), opened("HEAD", nested)
    assert (whole.overlay / "mine/__init__.py").read_text() == "MARK = 2\n"
    assert (part.overlay / "mine/__init__.py").read_text() == "MARK = 22\n"


@pytest.mark.parametrize("name", ["v9", "../absent", "--all", ""])
def test_what_is_neither_folder_nor_revision_is_refused(repo, opened, name, tmp_path):
    with pytest.raises(UsageError, match="neither a folder nor a revision"):
        open_version(name or "x y", repo, tmp_path / "cache")


def test_without_a_repository_a_revision_is_refused(tmp_path, opened, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UsageError, match=r"neither a folder nor a revision.*--repo"):
        opened("main", tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="neither a folder nor a revision"):
        opened("main", tmp_path)


# hashes


def test_equal_code_has_an_equal_hash_wherever_it_lies(tmp_path, opened):
    one, other = opened(flat(tmp_path / "one")), opened(flat(tmp_path / "other"))
    assert (one.hash, one.overlay, one.cache) == (
        other.hash,
        other.overlay,
        other.cache,
    )
    assert opened(flat(tmp_path / "one", "2")).hash != one.hash


def test_compiled_files_do_not_count(tmp_path, opened):
    before = opened(flat(tmp_path / "one")).hash
    written(tmp_path / "one", {"mine/__pycache__/a.cpython-311.pyc": "x"})
    assert opened(tmp_path / "one").hash == before


def test_versions_that_differ_in_weights_alone_are_two(tmp_path, opened):
    for mark in ("one", "two"):
        written(flat(tmp_path / mark), {"mine/weights.pth": mark})
    one, two = (opened(tmp_path / mark) for mark in ("one", "two"))
    assert one.overlay != two.overlay and one.cache != two.cache
    assert (one.overlay / "mine/weights.pth").read_text() == "one"


def test_versions_that_differ_in_entry_points_alone_are_two(tmp_path, opened):
    one = opened(flat(tmp_path / "one"))
    two = opened(flat(tmp_path / "two", project=PROJECT.replace(":Mine", ":Yours")))
    assert one.overlay != two.overlay
    same = opened(flat(tmp_path / "three", project=f"{PROJECT}# a comment\n"))
    assert same.overlay == one.overlay


def test_references_are_shared_unless_the_peer_may_differ(tmp_path, opened, cache):
    own = opened(flat(tmp_path / "one"))
    assert (own.cache / "references").resolve() == cache.parent / "references"
    files = {"extractors/__init__.py": ""}
    whole = opened(written(tmp_path / "two", files))
    assert not (whole.cache / "references").exists()


# what a worker imports

SHOW = (
    "from extractors.registry import extractor_class as get, targets;"
    "print(targets()['mine'], get('mine').mark)"
)
SOURCE = """
from extractors.base import F0Extractor
class {name}(F0Extractor):
    mark = {mark!r}
"""


def shown(version) -> list[str]:
    env = worker_env(1, "cpu", version and version.overlay)
    done = subprocess.run(
        [sys.executable, "-P", "-c", SHOW],
        env=env,
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize("name", ["my-tracker", "renamed"])
def test_a_worker_imports_the_version_not_the_installed_plug_in(
    tmp_path, opened, monkeypatch, name
):
    site = written(
        tmp_path / "site",
        {
            "mine.py": SOURCE.format(name="Mine", mark="installed"),
            "my_tracker-1.dist-info/METADATA": "Name: my-tracker\nVersion: 1\n",
            "my_tracker-1.dist-info/entry_points.txt": (
                "[f0bench.extractors]\nmine = mine:Mine\n"
            ),
        },
    )
    monkeypatch.setenv("PYTHONPATH", str(site))
    assert shown(None) == ["mine:Mine", "installed"]
    project = PROJECT.replace("my-tracker", name).replace(":Mine", ":Yours")
    files = {
        "mine.py": SOURCE.format(name="Yours", mark="new"),
        "pyproject.toml": project,
    }
    version = opened(written(tmp_path / "head", files))
    assert shown(version) == ["mine:Yours", "new"]
