"""CelebA's layouts, and zips that are damaged."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from gantry.errors import UserError


@pytest.fixture
def faces(photographs):
    return [image.resize((89, 109)) for image in photographs]


def unpack(root: Path, into: Path) -> None:
    with zipfile.ZipFile(root / "img_align_celeba.zip") as archive:
        archive.extractall(into)
    (root / "img_align_celeba.zip").unlink()


@pytest.fixture
def root(tmp_path, faces, formats) -> Path:
    folder = tmp_path / "celeba"
    folder.mkdir()
    formats.celeba_zip(folder / "img_align_celeba.zip", faces)
    return folder


def test_every_layout_gives_the_same_images(prepared, root, tmp_path):
    by_zip = prepared("celeba", path="celeba", resolution=32)
    by_path = prepared("celeba", path="celeba/img_align_celeba.zip", resolution=32, out="path")
    unpack(root, root)
    by_folder = prepared("celeba", path="celeba", resolution=32, out="folder")
    (tmp_path / "torchvision/celeba").mkdir(parents=True)
    (root / "img_align_celeba").rename(tmp_path / "torchvision/celeba/img_align_celeba")
    as_torchvision = prepared("celeba", path="torchvision", resolution=32, out="torchvision_out")
    assert by_zip.samples.shape == (10, 32, 32, 3)
    sets = [by_zip, by_path, by_folder, as_torchvision]
    assert len({told.digest for told in sets}) == 1
    # The digest of what was read is that of names and bytes, however they were packed.
    assert len({told.manifest["source_digest"] for told in sets}) == 1


@pytest.mark.parametrize("suffix", ["txt", "csv"])
def test_partition_and_attributes(prepared, root, suffix):
    whole = prepared("celeba", path="celeba", resolution=32)
    files = [f"{i + 1:06}.jpg" for i in range(10)]
    smiling = [i % 3 == 0 for i in range(10)]
    gap = "," if suffix == "csv" else "  "
    partition = [f"{file}{gap}{0 if i < 6 else 1 + i % 2}" for i, file in enumerate(files)]
    attributes = [f"{f}{gap}-1{gap}{1 if s else -1}" for f, s in zip(files, smiling, strict=True)]
    headers = (["image_id,partition"], ["image_id,Bald,Smiling"])
    if suffix == "txt":
        headers = ([], ["10", "Bald Smiling "])
    (root / f"list_eval_partition.{suffix}").write_text("\n".join([*headers[0], *partition]))
    (root / f"list_attr_celeba.{suffix}").write_text("\n".join([*headers[1], *attributes]))
    got = prepared(
        "celeba",
        path="celeba",
        resolution=32,
        options={"split": "train", "attribute": "Smiling"},
        out="train",
    )
    assert np.array_equal(got.samples, whole.samples[:6])
    assert got.labels.tolist() == [1, 0, 0, 1, 0, 0]
    with pytest.raises(UserError, match="no attribute 'Smilling'; did you mean \"Smiling\""):
        prepared("celeba", path="celeba", resolution=32, options={"attribute": "Smilling"})


def test_a_partition_that_is_not_there(prepared, root):
    with pytest.raises(UserError, match=r"options\.split needs list_eval_partition\.txt"):
        prepared("celeba", path="celeba", resolution=32, options={"split": "valid"})


def test_a_zip_that_is_cut_off(prepared, root):
    file = root / "img_align_celeba.zip"
    file.write_bytes(file.read_bytes()[:-500])
    with pytest.raises(UserError, match=r"img_align_celeba\.zip: .*not a whole zip archive"):
        prepared("celeba", path="celeba", resolution=32)


def test_a_member_with_a_wrong_checksum_and_one_that_is_overwritten(prepared, root):
    file = root / "img_align_celeba.zip"
    content = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        third, fifth = (archive.getinfo(f"img_align_celeba/{i:06}.jpg") for i in (3, 5))
    content[third.header_offset + 300] ^= 255
    content[fifth.header_offset : fifth.header_offset + 4] = b"JUNK"
    file.write_bytes(content)
    with pytest.raises(UserError, match="2 of its 10") as caught:
        prepared("celeba", path="celeba", resolution=32)
    assert "000003.jpg: its checksum" in str(caught.value)
    assert "000005.jpg: the archive has no such member" in str(caught.value)
    skipping = prepared("celeba", path="celeba", resolution=32, on_bad_image="skip")
    assert len(skipping) == 8 and len(skipping.manifest["skipped"]) == 2


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["img_align_celeba/000001.jpg", "elsewhere/000001.jpg"])
def test_duplicated_members(prepared, root, name):
    with zipfile.ZipFile(root / "img_align_celeba.zip", "a") as archive:
        archive.writestr(name, b"again")
    with pytest.raises(UserError, match="twice"):
        prepared("celeba", path="celeba", resolution=32)


def test_missing_members_are_noticed_by_the_count(prepared, root):
    with pytest.raises(UserError, match="10 images found, 202,599 expected"):
        prepared("celeba", path="celeba", resolution=32, images=202_599)


def test_hostile_names_in_a_zip_write_nothing(prepared, root, tmp_path):
    with zipfile.ZipFile(root / "img_align_celeba.zip", "a") as archive:
        archive.writestr("../../escaped.jpg", (archive.read("img_align_celeba/000001.jpg")))
    before = {p for p in tmp_path.rglob("*")}
    prepared("celeba", path="celeba", resolution=32)
    after = {p for p in tmp_path.rglob("*")} - before
    assert not any("escaped" in p.name for p in after)
    assert not (tmp_path.parent / "escaped.jpg").exists()
