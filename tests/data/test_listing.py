"""One listing: every file of a folder or a zip is a picture that is read, or is counted with the reason."""

import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from gantry.data.listing import CIRCLES, DANGLING, HIDDEN, NO_FILES, NO_SUFFIX, in_words, list_images
from gantry.errors import UserError
from gantry.evaluation.image_sets import open_set

PICTURE = Image.new("RGB", (16, 16), "red")


def pictures(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        PICTURE.save(folder / name, "JPEG")
    return folder


def names(place: Path) -> list[str]:
    return [name for name, _ in list_images(place, "here").files]


def test_what_others_put_beside_pictures_is_counted(prepared, tmp_path, capsys):
    folder = pictures(tmp_path / "raw", "a.JPEG", "b.jfif", "c.jpe", "._a.jpg")
    pictures(folder / ".ipynb_checkpoints", "a-checkpoint.jpg")
    pictures(folder / "__MACOSX", "a.jpg")
    pictures(folder / "album.png", "d.jpg")
    for name in ("Thumbs.db", "labels.csv", "README", "movie.mp4", "other.mp4"):
        (folder / name).write_bytes(b"x")
    os.mkfifo(folder / "pipe.png")
    found = list_images(folder, "here")
    assert [name for name, _ in found.files] == ["a.JPEG", "album.png/d.jpg", "b.jfif", "c.jpe"]
    expected = {HIDDEN: 3, ".db": 1, ".csv": 1, ".mp4": 2, NO_SUFFIX: 1, NO_FILES: 1}
    assert found.left_out == expected
    got = prepared("folder", path="raw", resolution=16)
    assert len(got) == 4 and got.manifest["left_out"] == expected
    assert in_words(found.left_out) in capsys.readouterr().err and "2 of .mp4" in in_words(found.left_out)
    scored = open_set(folder)
    assert len(scored) == 4 and scored.array().shape == (4, 16, 16, 3)


def test_links_to_folders_are_followed_once(tmp_path):
    cats = pictures(tmp_path / "cats", "1.jpg", "2.jpg")
    pictures(tmp_path / "beside", "not_asked_for.jpg")
    root = tmp_path / "all"
    pictures(root / "dogs", "3.jpg")
    (root / "cats").symlink_to(cats)
    (root / "again").symlink_to(root / "dogs")
    (root / "round").symlink_to(root)
    (root / "up").symlink_to(tmp_path)
    (root / "nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    (root / "itself.jpg").symlink_to(root / "itself.jpg")
    found = list_images(root, "here")
    assert [name for name, _ in found.files] == ["cats/1.jpg", "cats/2.jpg", "dogs/3.jpg"]
    assert found.left_out == {CIRCLES: 3, DANGLING: 2}


def test_classes_are_folders_linked_or_not(prepared, tmp_path):
    for name in ("cats", "dogs"):
        pictures(tmp_path / name, "1.jpg", "2.jpg")
        (tmp_path / "all").mkdir(exist_ok=True)
        (tmp_path / "all" / name).symlink_to(tmp_path / name)
    got = prepared("folder", path="all", resolution=16)
    assert got.labels.tolist() == [0, 0, 1, 1] and got.label_names == ("cats", "dogs")
    pictures(tmp_path / "all", "of_no_class.jpg")
    assert prepared("folder", path="all", resolution=16, out="mixed").labels is None


def test_a_zip_is_listed_by_the_same_rules(tmp_path):
    folder = pictures(tmp_path / "raw", "a.jpg")
    content = (folder / "a.jpg").read_bytes()
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for name in ("in/a.jpg", "in/._a.jpg", "__MACOSX/a.jpg", "in/.ipynb_checkpoints/a.jpg", "notes.txt"):
            archive.writestr(name, content)
        packed = zipfile.ZipInfo("x")
        packed.filename = "in\\b.jpg"
        archive.writestr(packed, content)
    found = list_images(tmp_path / "images.zip", "here")
    assert [name for name, _ in found.files] == ["in/a.jpg", "in/b.jpg"]
    assert found.left_out == {HIDDEN: 3, ".txt": 1}
    assert len(open_set(tmp_path / "images.zip")) == 2


def test_a_folder_without_a_picture_says_what_is_there(tmp_path):
    (tmp_path / "film.mov").write_bytes(b"x")
    with pytest.raises(UserError, match=r"^here: no image in this folder.*left out: 1 of \.mov"):
        list_images(tmp_path, "here")


def test_names_that_are_no_text(prepared, tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    whole, damaged = (folder / os.fsdecode(name) for name in (b"caf\xe9.jpg", b"cut\xff.jpg"))
    PICTURE.save(whole, "JPEG")
    damaged.write_bytes(b"nothing")
    got = prepared("folder", path="raw", resolution=16, on_bad_image="skip")
    assert len(got) == 1 and got.manifest["skipped"][0]["file"] == "cut\\xff.jpg"
    assert "0x" not in got.manifest["skipped"][0]["reason"]


def test_an_own_manifest_makes_no_prepared_set(tmp_path):
    folder = pictures(tmp_path / "page", "icon.jpg")
    (folder / "manifest.json").write_text('{"name": "my page"}')
    assert len(open_set(folder)) == 1
