"""What a branch adds is what stood nowhere where it left; what it only moves about, it doesn't add."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tools.draft import read_all
from tools.links.changed import NoComparison, added_since
from tools.links.collect import collect

KESTREL, SISKIN, MANIFEST = "catalog/papers/kestrel.yaml", "catalog/papers/siskin.yaml", "catalog.yaml"
WHO = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@a.example", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@a.example", "GIT_CONFIG_GLOBAL": os.devnull}


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, env=os.environ | WHO, check=True, capture_output=True)


def commit(folder):
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "x")


@pytest.fixture
def repository(tree):
    git(tree, "init", "--quiet", "--initial-branch", "main")
    commit(tree)
    git(tree, "checkout", "--quiet", "-b", "topic")
    return tree


def edited(tree, name, old, new):
    text = (tree / name).read_text(encoding="utf-8")
    assert old in text
    (tree / name).write_text(text.replace(old, new, 1), encoding="utf-8")


def added(tree, ref="main"):
    return added_since(tree, ref, collect(read_all(tree)))


def test_a_branch_that_changes_nothing_adds_nothing(repository):
    assert added(repository) == set()


@pytest.mark.parametrize("committed", [True, False])
def test_new_addresses_are_added_committed_or_not(repository, committed):
    edited(repository, KESTREL, "https://code.example/kestrel}", "https://code.example/falcon}")
    edited(repository, SISKIN, "approaches:", 'ids: {doi: "10.1234/jb.1"}\napproaches:')
    edited(repository, MANIFEST, "https://code.example/list", "https://code.example/list/2")
    shutil.copy(repository / SISKIN, repository / "catalog/papers/linnet.yaml")
    edited(repository, "catalog/papers/linnet.yaml", "10.1234/jb.1", "10.1234/jb.2")
    if committed:
        commit(repository)
    dois = {"https://doi.org/10.1234/jb.1", "https://doi.org/10.1234/jb.2"}
    assert added(repository) == dois | {"https://code.example/falcon", "https://code.example/list/2"}


def test_what_stood_elsewhere_isnt_added(repository):
    edited(repository, SISKIN, "approaches:", "links:\n  - {kind: code, official: false, url: https://code.example/kestrel}\napproaches:")
    assert added(repository) == set()
    edited(repository, KESTREL, "  - {kind: code, official: true, url: https://code.example/kestrel}\n", "")
    assert added(repository) == set()


def test_a_renamed_file_adds_nothing(repository):
    git(repository, "mv", KESTREL, "catalog/papers/falcon.yaml")
    commit(repository)
    assert added(repository) == set()


def test_what_main_did_meanwhile_isnt_the_branchs(repository):
    edited(repository, KESTREL, "https://code.example/kestrel}", "https://code.example/falcon}")
    commit(repository)
    git(repository, "checkout", "--quiet", "main")
    edited(repository, SISKIN, "approaches:", "links:\n  - {kind: video, url: https://video.example/}\napproaches:")
    edited(repository, MANIFEST, "https://code.example/list", "https://code.example/list/2")
    commit(repository)
    git(repository, "checkout", "--quiet", "topic")
    assert added(repository) == {"https://code.example/falcon"}


def test_a_catalog_in_a_folder_of_its_repository_is_compared_too(tmp_path, tree):
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    commit(tmp_path)
    edited(tree, KESTREL, "https://code.example/kestrel}", "https://code.example/falcon}")
    assert added(tree) == {"https://code.example/falcon"}


def test_a_file_that_was_broken_had_its_addresses_all_the_same(repository):
    right = (repository / KESTREL).read_text(encoding="utf-8")
    (repository / KESTREL).write_text(right + "added: [", encoding="utf-8")
    commit(repository)
    (repository / KESTREL).write_text(right.replace("https://code.example/kestrel}", "https://code.example/falcon}"), encoding="utf-8")
    assert "https://code.example/falcon" in added(repository, "HEAD")
    assert "https://code.example/kestrel/issues/1" not in added(repository, "HEAD")


@pytest.mark.parametrize("ref", ["nowhere", "--output=x", "", "main:catalog.yaml", "$(touch x)", "a\nb"])
def test_a_bad_ref_is_told(repository, ref):
    with pytest.raises(NoComparison, match="no commit is called"):
        added(repository, ref)
    assert not (repository / "x").exists()


def test_no_repository_is_told(tree, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tree.parent))
    with pytest.raises(NoComparison, match="isn't in a git repository"):
        added(tree)


def test_no_git_is_told(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoComparison, match="git isn't installed"):
        added(repository)


def test_apart_histories_are_told(repository):
    git(repository, "checkout", "--quiet", "--orphan", "other")
    edited(repository, SISKIN, "year: 2020", "year: 2021")
    commit(repository)
    with pytest.raises(NoComparison, match='"main" and this branch have no commit in common; their histories are apart'):
        added(repository)


def test_a_shallow_clone_is_told(repository, tmp_path):
    commit(repository)
    commit(repository)
    git(repository, "checkout", "--quiet", "main")
    commit(repository)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth", "1", "--no-single-branch", "--branch", "topic", f"file://{repository}", str(clone))
    with pytest.raises(NoComparison, match="fetch --unshallow"):
        added(clone, "origin/main")
