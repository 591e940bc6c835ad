"""Images from folders, and samples whose randomness is their own."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from PIL import Image

from implementations.common import data
from implementations.common.errors import Fault, Usage
from implementations.common.recipes import op

NORMALIZE = op("Normalize", mean=[0.5] * 3, std=[0.5] * 3)


def tree(root, **splits: dict[str, int]):
    """Folders of grey images: tree(root, train={"jay": 3}, …)."""
    shade = 0
    for split, classes in splits.items():
        for name, count in classes.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                shade += 3
                Image.new("RGB", (20, 16), (shade % 256,) * 3).save(folder / f"{index}.png")
    return root


def test_a_folder_is_read_class_by_class_in_the_order_of_names(tmp_path):
    found = data.folder(tree(tmp_path, train={"wren": 2, "jay": 3}, val={"jay": 1, "wren": 1}, test={"wren": 2, "jay": 1}))
    assert found.classes.names == ("jay", "wren")
    assert found.train.labels == [0, 0, 0, 1, 1]
    assert found.validation.labels == [0, 1]
    assert found.test.labels == [0, 1, 1]
    assert found.test.read(0).shape == (3, 16, 20)
    assert found.test.boxes is None


def test_without_a_validation_folder_a_share_of_each_class_is_held_out_the_same_every_time(tmp_path):
    root = tree(tmp_path, train={"jay": 20, "wren": 10, "tit": 2}, test={"jay": 1, "wren": 1, "tit": 1})
    one, two = data.folder(root), data.folder(root)
    assert [one.validation.labels.count(label) for label in range(3)] == [2, 1, 1]
    assert [one.train.labels.count(label) for label in range(3)] == [18, 1, 9]
    values = lambda split: [split.read(index)[0, 0, 0].item() for index in range(len(split))]  # noqa: E731
    assert values(one.validation) == values(two.validation)
    assert not set(values(one.validation)) & set(values(one.train))


def test_the_fingerprint_follows_the_files(tmp_path):
    root = tree(tmp_path, train={"jay": 3, "wren": 3}, test={"jay": 1, "wren": 1})
    before = data.folder(root).fingerprint
    assert data.folder(root).fingerprint == before
    (root / "test" / "jay" / "0.png").rename(root / "test" / "jay" / "1.png")
    assert data.folder(root).fingerprint != before


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({}, "train: no such folder; expected one folder a class"),
        ({"train": {"jay": 2}}, "1 folders of classes; expected at least 2"),
        ({"train": {"jay": 2, "wren": 2}}, "test: no such folder"),
        ({"train": {"jay": 2, "wren": 2}, "test": {"jay": 1, "owl": 1}}, "test/owl: a class that train/ doesn't have; its classes are jay, wren"),
        ({"train": {"jay": 2, "wren": 2}, "test": {"jay": 0}}, "test: no images; expected files that end in"),
        ({"train": {"jay": 2, "wren": 1}, "test": {"jay": 1}}, "train/wren: one image; expected at least 2"),
    ],
)
def test_a_folder_that_cant_be_used_says_what_is_missing_and_where(tmp_path, splits, message):
    with pytest.raises(Fault, match=message):
        data.folder(tree(tmp_path, **splits))


def test_a_folder_that_isnt_there_is_wrong_usage(tmp_path):
    with pytest.raises(Usage, match="no such folder; expected one that holds train/<class>"):
        data.folder(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_a_corrupt_image_is_named(tmp_path, content):
    root = tree(tmp_path, train={"jay": 2, "wren": 2}, test={"jay": 1, "wren": 1})
    (root / "test" / "wren" / "0.png").write_bytes(content)
    found = data.folder(root)
    with pytest.raises(Fault, match=r"test/wren/0.png: not an image that can be read"):
        found.test.read(1)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_image_is_said_in_one_line_whoever_read_it(tmp_path, workers):
    root = tree(tmp_path, train={"jay": 2, "wren": 2}, test={"jay": 1, "wren": 1})
    (root / "test" / "wren" / "0.png").write_bytes(b"")
    samples = data.Samples(data.folder(root).test, (NORMALIZE,), seed=0)
    with pytest.raises(Fault) as caught:
        list(data.loader(samples, data.InOrder(2, 1), workers=workers, pin=False))
    assert str(caught.value).startswith(f"{root}/test/wren/0.png: not an image that can be read")
    assert "\n" not in str(caught.value)


def test_a_picture_taken_upright_is_read_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    assert data.read_image(tmp_path / "turned.jpg").shape == (3, 40, 20)


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path):
    Image.fromarray(np.linspace(0, 65535, 256, dtype=np.uint16)[None]).save(tmp_path / "deep.png")
    assert data.read_image(tmp_path / "deep.png")[0, 0].tolist() == list(range(256))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white(tmp_path, mode):
    picture = Image.new("RGBA", (2, 1), (200, 0, 0, 0))
    picture.putpixel((1, 0), (0, 0, 0, 255))
    picture.convert(mode).save(tmp_path / "clear.png")
    seen = data.read_image(tmp_path / "clear.png")
    assert seen[:, 0, 0].tolist() == [255] * 3
    assert seen[:, 0, 1].tolist() == [0] * 3


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    root = tree(tmp_path, train={"jay": 2, "wren": 2}, test={"jay": 1, "wren": 1})
    (root / "train" / "jay" / "9.png").symlink_to(root / "gone.png")
    with pytest.raises(Fault, match=r"train/jay/9.png: leads nowhere"):
        data.folder(root)


def test_a_class_with_too_few_images_for_the_method_is_named(tmp_path):
    found = data.folder(tree(tmp_path, train={"jay": 5, "wren": 3}, val={"jay": 1}, test={"jay": 1}))
    data.require_images_per_class(found.train, found.classes, 3)
    with pytest.raises(Fault, match="class 'wren' has 3 training images; this method needs at least 4"):
        data.require_images_per_class(found.train, found.classes, 4)


def split(count: int, boxes: torch.Tensor | None = None) -> data.Split:
    pixels = torch.randint(0, 256, (count, 3, 12, 12), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return data.Split([index % 2 for index in range(count)], pixels.__getitem__, boxes)


def test_a_sample_is_a_function_of_seed_epoch_and_index_whatever_was_drawn_before():
    operations = (op("RandomCrop", size=8), op("RandomHorizontalFlip"), NORMALIZE)
    samples = data.Samples(split(4), operations, seed=5)
    first = samples[2, 3][0]
    torch.rand(7)
    samples[0, 1]
    assert torch.equal(samples[2, 3][0], first)
    assert not torch.equal(samples[1, 3][0], first)
    assert not torch.equal(data.Samples(split(4), operations, seed=6)[2, 3][0], first)


def test_a_box_goes_through_the_transform_with_its_image():
    boxes = torch.tensor([[2, 4, 6, 8]])
    samples = data.Samples(split(1, boxes), (op("Resize", size=(24, 24)), op("CenterCrop", size=20), NORMALIZE), seed=0, boxes=True)
    image, _, box = samples[0, 0]
    assert image.shape == (3, 20, 20)
    assert box.tolist() == [2, 6, 10, 14]  # doubled, less the 2 px that the crop takes


def test_batches_go_on_from_a_step_in_the_middle_of_an_epoch():
    def epoch_batches(epoch):
        order = random.Random(epoch).sample(range(8), 8)
        return [order[:4], order[4:]]

    whole = list(data.Batches(epoch_batches, 3, start=0, process=0, processes=1))
    assert len(whole) == 6
    assert [{epoch for epoch, _ in batch} for batch in whole] == [{0}, {0}, {1}, {1}, {2}, {2}]
    for start in range(6):
        rest = data.Batches(epoch_batches, 3, start=start, process=0, processes=1)
        assert list(rest) == whole[start:]
        assert len(rest) == 6 - start


def test_processes_share_a_batch_in_slices_and_the_test_images_one_by_one():
    shares = [list(data.Batches(lambda epoch: [[5, 6, 7, 8]], 1, start=0, process=rank, processes=2)) for rank in (0, 1)]
    assert shares == [[[(0, 5), (0, 6)]], [[(0, 7), (0, 8)]]]
    seen = [index for rank in (0, 1, 2) for batch in data.InOrder(10, 2, process=rank, processes=3) for _, index in batch]
    assert sorted(seen) == list(range(10))
