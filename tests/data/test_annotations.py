"""One reader of annotations: the column that was asked for, whatever a program has made of the file."""

import itertools

import numpy as np
import pytest

from gantry.data.annotations import read_annotations
from gantry.errors import UserError

FILES = [f"{i:06d}.jpg" for i in range(1, 9)]
VALUES = list(itertools.product((1, -1), repeat=3))
COLUMNS = ("Male", "Smiling", "Young")


def text(separator=",", first="image_id", yes="1", no="-1", name=str, header=True):
    words = {1: yes, -1: no}
    head = separator.join((first, *COLUMNS)) + "\n" if header else ""
    return head + "".join(
        separator.join((name(file), *(words[value] for value in row))) + "\n"
        for file, row in zip(FILES, VALUES, strict=True)
    )


CELEBA = "8\nMale Smiling Young \n" + text("  ", header=False)
SPELLINGS = {
    "as it is": text().encode(),
    "marked": ("\ufeff" + text().replace("\n", "\r\n")).encode(),
    "UTF-16": text().encode("utf-16"),
    "tabs": text("\t").encode(),
    "semicolons": text(";").encode(),
    "CelebA's own": CELEBA.encode(),
    "another first column": text(first="filename").encode(),
    "no name for it": text(first="").encode(),
    "quoted": text().replace("Male", '"Male"').replace("000001.jpg", '"000001.jpg"').encode(),
    "words": text(yes="True", no="False").encode(),
    "yes and no": text(yes="Yes", no="no").encode(),
    "ones and zeros": text(yes="1.0", no="0.0").encode(),
    "paths": text(name=lambda file: f"img_align_celeba\\{file}").encode(),
    "no suffixes": text(name=lambda file: file[:-4]).encode(),
    "numbered rows": "".join(
        f"{'' if i == 0 else i - 1},{line}\n" for i, line in enumerate(text().splitlines())
    ).encode(),
    "images last": "\n".join(",".join(line.split(",")[::-1]) for line in text().splitlines()).encode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_labels_of_the_column_that_was_asked_for(spelling, tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(SPELLINGS[spelling])
    table = read_annotations(path, FILES)
    for names in (*((column,) for column in COLUMNS), ("Young", "Male")):
        wanted = [[int(row[COLUMNS.index(name)] == 1) for name in names] for row in VALUES]
        assert table.flags(names, FILES).tolist() == wanted


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (text(no="perhaps"), r"line 2: column Male says 'perhaps'|says 'perhaps' of"),
        (text().replace("000002.jpg,1,1,-1", "000002.jpg,1,1"), r"line 3: 3 values where .* have 4"),
        (text().replace("Smiling", "Male"), "2 columns are called 'Male'"),
        (text() + "000001.jpg,-1,-1,-1\n", r"line 10: 000001\.jpg is there twice"),
        (text().replace("000001.jpg,1", "000001.jpg,0"), "−1 and 0 both"),
        (text(first="x").replace("Male", "Man"), r"no attribute 'Male'.*there are Man, Smiling, Young"),
        ("a,b\n1,2\n", r"no column names images such as 000001\.jpg"),
        (text().replace(".jpg", "_x.jpg"), r"speaks of 000001_x\.jpg, there is 000001\.jpg"),
    ],
)
def test_a_table_that_does_not_say_it_is_refused_with_its_place(content, said, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=rf"list\.csv: .*({said})"):
        read_annotations(path, FILES).flags(("Male",), FILES)


@pytest.fixture
def faces(tmp_path, formats, photographs):
    folder = tmp_path / "celeba"
    folder.mkdir()
    formats.celeba_zip(folder / "img_align_celeba.zip", photographs[:8], "img_align_celeba\\")
    return folder


def test_attributes_become_labels_with_names(prepared, faces):
    (faces / "list_attr_celeba.csv").write_bytes(SPELLINGS["marked"])
    one = prepared("celeba", path="celeba", resolution=16, options={"attribute": "Smiling"})
    assert one.labels.tolist() == [int(row[1] == 1) for row in VALUES]
    assert one.label_names == ("not Smiling", "Smiling")
    some = prepared(
        "celeba", path="celeba", resolution=16, options={"attributes": ["Young", "Male"]}, out="some"
    )
    assert some.labels.dtype == np.uint8 and some.label_names == ("Young", "Male")
    assert some.labels.tolist() == [[int(row[2] == 1), int(row[0] == 1)] for row in VALUES]
    whole = prepared("celeba", path="celeba", resolution=16, options={"attributes": ["all"]}, out="all")
    assert whole.label_names == COLUMNS and whole.labels.shape == (8, 3)


@pytest.mark.parametrize("content", ["{} {}\n", "{},{}\n"])
def test_a_part_of_which_no_name_fits_is_refused_with_both_spellings(prepared, faces, content):
    (faces / "list_eval_partition.txt").write_text(
        "".join(content.format(file, i % 3) for i, file in enumerate(FILES))
    )
    train = prepared("celeba", path="celeba", resolution=16, options={"split": "train"})
    assert len(train) == 3
    (faces / "list_eval_partition.txt").write_text("".join(content.format(f"x{file}", 0) for file in FILES))
    with pytest.raises(UserError, match=r"speaks of x000001\.jpg, there is 000001\.jpg"):
        prepared("celeba", path="celeba", resolution=16, options={"split": "train"})
    (faces / "list_eval_partition.txt").write_text("".join(content.format(file, 1) for file in FILES))
    with pytest.raises(UserError, match="no image of part train"):
        prepared("celeba", path="celeba", resolution=16, options={"split": "train"})
