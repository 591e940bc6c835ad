"""Synthetic Finches: the same images wherever they are drawn, siblings that differ in one part, and a box that holds it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from implementations.common import finches, pretrain
from implementations.common.anatomy import Anatomy, Pose, place, rotate
from implementations.common.bird import paint, telling_box
from implementations.common.parts import FORMS, PARTS

ROOT = Path(__file__).resolve().parents[2]
DEMO = finches.Spec(split="train", count=1)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FINCH_CACHE", str(tmp_path / "cache"))


def test_the_demos_first_images_are_the_frozen_ones():
    assert finches.images(DEMO).digest == finches.FROZEN


def test_images_that_came_out_otherwise_are_noticed():
    spec = finches.Spec(split="train", count=2)
    drawn = finches.images(spec)
    assert finches.are_the_frozen_ones(spec, drawn)
    drawn.pixels[0, 0, 0, 0] ^= 1
    assert not finches.are_the_frozen_ones(spec, drawn)


def test_another_process_with_another_hash_seed_draws_the_same_bytes(tmp_path):
    code = "from implementations.common import finches; print(finches.images(finches.Spec(split='train', families=1, count=2)).digest)"
    variables = os.environ | {"PYTHONHASHSEED": "77", "FINCH_CACHE": str(tmp_path / "other")}
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == finches.images(finches.Spec(split="train", families=1, count=2)).digest


def test_the_first_images_are_the_same_however_many_are_drawn():
    few, many = (finches.images(finches.Spec(split="test", families=2, siblings=2, count=count)) for count in (2, 5))
    assert np.array_equal(few.pixels.reshape(4, 2, 96, 96, 3), many.pixels.reshape(4, 5, 96, 96, 3)[:, :2])


@pytest.mark.parametrize("change", [{"seed": 1}, {"split": "test"}])
def test_another_seed_or_split_draws_other_images(change):
    spec = finches.Spec(split="train", families=1, count=2)
    assert not np.array_equal(finches.images(spec).pixels, finches.images(replace(spec, **change)).pixels)


@pytest.mark.parametrize("number", range(len(PARTS)))
def test_siblings_differ_in_one_part_alone_and_no_two_are_the_same(number):
    siblings = finches.family(0, number, 4)
    shared = [{f.name: getattr(one, f.name) for f in fields(one) if f.name not in ("form", "tone")} for one in siblings]
    assert all(one == shared[0] for one in shared)
    assert shared[0]["part"] == finches.part_of(0, number)
    assert len({(one.form, one.tone) for one in siblings}) == 4


@pytest.mark.parametrize("seed", [0, 1, 1000])
def test_as_many_families_as_there_are_parts_have_one_each_and_then_all_come_again(seed):
    parts = [finches.part_of(seed, number) for number in range(2 * len(PARTS))]
    assert sorted(parts[: len(PARTS)]) == sorted(PARTS)
    assert parts[len(PARTS) :] == parts[: len(PARTS)]


def test_the_demos_species_and_the_pretrainings_are_disjoint():
    demo = {repr(species) for number in range(8) for species in finches.family(0, number, 9)}
    other = {repr(species) for number in range(pretrain.FAMILIES) for species in finches.family(pretrain.SEED, number, 9)}
    assert len(demo) == 72
    assert not demo & other


def test_a_family_too_large_to_tell_apart_is_refused():
    with pytest.raises(ValueError, match="at most 9 species, not 10"):
        finches.family(0, 0, 10)


def pose_of(posture: finches.Posture, **fields) -> Pose:
    """In the middle of a posture."""
    middle = {name: sum(getattr(posture, name)) // 2 for name in ("turn", "head", "wing", "tail")}
    turns = {name if name == "turn" else f"{name}_turn": turn for name, turn in middle.items()}
    return Pose(**turns | {"nod": 10, "scale": 1000, "width": 900, "shift": (20, -10), "flip": False} | fields)


@pytest.mark.parametrize("posture", finches.POSTURES, ids=range(len(finches.POSTURES)))
@pytest.mark.parametrize("number", range(len(PARTS)))
def test_only_inside_the_box_do_two_siblings_differ_in_every_posture(number, posture):
    """The same bird in the same pose, once as each of two siblings: all pixels that differ lie in the union of their boxes."""
    first, *others = finches.family(0, number, 9)
    pose = pose_of(posture, flip=number % 2 == 0)

    def drawn(species):
        canvas = Image.new("RGB", (384, 384))
        paint(canvas, species, pose)
        return np.asarray(canvas).astype(int), telling_box(species, pose, 96)

    one, box = drawn(first)
    for sibling in others:
        other, its = drawn(sibling)
        ys, xs = np.nonzero((one != other).any(-1))
        assert len(ys)
        left, top, right, bottom = min(box[0], its[0]), min(box[1], its[1]), max(box[2], its[2]), max(box[3], its[3])
        assert left <= xs.min() // 4
        assert xs.max() // 4 < right
        assert top <= ys.min() // 4
        assert ys.max() // 4 < bottom


@pytest.mark.parametrize("turn", [-24, -8, 0, 22])
def test_legs_hang_straight_down_however_the_body_is_turned(turn):
    species = finches.family(0, 0, 1)[0]
    pose = pose_of(finches.POSTURES[0], turn=turn)
    hip, foot = rotate(Anatomy(species, pose).on_leg([(0, 0), (0, 125)], 45), pose.turn)
    assert abs(foot[0] - hip[0]) <= 2
    assert abs(foot[1] - hip[1] - 125) <= 2


def test_a_bird_that_faces_the_viewer_is_seen_shorter_and_as_high():
    wide, narrow = (place([(-300, 0), (300, 100)], pose_of(finches.POSTURES[0], turn=0, width=width), 1024) for width in (1024, 768))
    assert (wide[1][0] - wide[0][0]) * 3 // 4 == pytest.approx(narrow[1][0] - narrow[0][0], abs=2)
    assert wide[1][1] - wide[0][1] == narrow[1][1] - narrow[0][1]


def test_every_box_lies_in_its_picture_and_is_small():
    images = finches.images(finches.Spec(split="train", count=4))
    left, top, right, bottom = images.boxes.T
    assert (left >= 0).all()
    assert (top >= 0).all()
    assert (right <= 96).all()
    assert (bottom <= 96).all()
    area = (right - left) * (bottom - top) / 96**2
    assert (area > 0).all()
    assert 0.002 < np.median(area) < 0.05


def test_no_leaf_lies_over_the_telling_part():
    """Drawn with leaves and without: the part's box is the same."""
    from implementations.common.scenery import leaves

    for index in range(40):
        canvas = Image.new("RGB", (384, 384), (200, 0, 200))
        keep = (40, 40, 52, 50)
        leaves(finches.generator("leaves", index), canvas, keep)
        assert (np.asarray(canvas)[160:200, 160:208] == (200, 0, 200)).all()


@pytest.mark.parametrize("turn", range(-28, 31, 4))
def test_a_rotation_by_whole_numbers_keeps_lengths(turn):
    ((x, y),) = rotate([(3000, 4000)], turn)
    assert abs((x * x + y * y) ** 0.5 - 5000) < 2


def test_a_cache_that_was_cut_short_or_changed_is_drawn_anew(tmp_path):
    spec = finches.Spec(split="train", families=1, count=1)
    expected = finches.images(spec)
    (kept,) = (tmp_path / "cache" / "finches").iterdir()
    content = kept.read_bytes()
    changed = bytearray(content)
    changed[len(content) // 2] ^= 255
    for damaged in (content[:1000], b"", bytes(changed)):
        kept.write_bytes(damaged)
        assert finches.images(spec).digest == expected.digest
        assert kept.read_bytes() == content


def test_the_cache_is_used(tmp_path, monkeypatch):
    spec = finches.Spec(split="train", families=1, count=1)
    finches.images(spec)
    monkeypatch.setattr(finches, "_draw_all", None)
    assert len(finches.images(spec).pixels) == 4


def test_the_contact_sheet_has_a_row_a_species(tmp_path):
    out = tmp_path / "sheet.png"
    command = [sys.executable, "-m", "implementations.common.finches", str(out), "--families", "2", "--species", "3", "--images", "4"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with Image.open(out) as sheet:
        assert sheet.size == (4 * 96, 6 * 96)


@pytest.mark.parametrize(("arguments", "message"), [(["x.txt"], "ends in .png or .webp"), (["x.png", "--species", str(FORMS * 3 + 1)], "1 to 9 species")])
def test_a_contact_sheet_that_cant_be_meant_is_refused(arguments, message):
    shown = subprocess.run([sys.executable, "-m", "implementations.common.finches", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 2
    assert message in shown.stderr


def test_the_pairs_on_the_datasets_page_are_those_that_are_drawn_today():
    with Image.open(ROOT / "site" / "assets" / "synthetic-finches.webp") as kept:
        shown = np.asarray(kept.convert("RGB")).astype(int)
    drawn = np.asarray(finches.pairs()).astype(int)
    assert shown.shape == drawn.shape
    assert np.abs(shown - drawn).mean() < 8  # WebP loses a little; another version's birds differ by 30
