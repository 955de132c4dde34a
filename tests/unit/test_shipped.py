"""The photographs in data/: what the archives hold, and that `load_dataset` gives just that."""

import csv
import io
import json
import re
import zipfile
from functools import cache

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tutorial_lib import load_dataset
from tutorial_lib.cli import main
from tutorial_lib.datasets import NAMES, TEST_ONLY, shipped
from tutorial_lib.images import to_uint8
from tutorial_lib.models.weights import file_hash

SETS = ["portraits", "photo-digits", "photo-cars"]
SPLITS = [(name, split) for name in SETS for split in shipped.ARCHIVES[name].splits]
COUNTS = {
    ("portraits", "train"): 720,
    ("portraits", "test"): 46,
    ("photo-digits", "test"): 64,
    ("photo-cars", "test"): 64,
}


@cache
def content(name):
    """{member: bytes} of an archive, in its own order."""
    with zipfile.ZipFile(shipped.archive_path(name)) as archive:
        return {member: archive.read(member) for member in archive.namelist()}


@cache
def portraits_table():
    with open(ROOT / "data" / "portraits.csv", newline="", encoding="ascii") as file:
        return list(csv.DictReader(file))


def test_the_counts_are_those_that_the_readme_states():
    assert COUNTS.keys() == set(SPLITS)
    for (name, split), count in COUNTS.items():
        assert len(load_dataset(name, split=split)) == count
    held = {name: len(content(name)) for name in SETS}
    assert held == {"portraits": 720 + 46, "photo-digits": 64, "photo-cars": 64}


@pytest.mark.parametrize("name, split", SPLITS)
def test_pictures_are_what_pillow_reads_in_the_order_of_their_names(name, split):
    dataset = load_dataset(name, split=split)
    members = sorted(member for member in content(name) if member.startswith(f"{split}/"))
    assert [f"{split}/{stem}.jpg" for stem in dataset.names] == members
    expected = [np.asarray(Image.open(io.BytesIO(content(name)[member]))) for member in members]
    pictures = dataset.images(slice(None))
    assert dataset.name == name
    assert pictures.shape == (len(members), 3, 64, 64) and pictures.dtype == torch.float32
    assert pictures.min() >= -1 and pictures.max() <= 1
    assert np.array_equal(to_uint8(pictures), np.stack(expected))


@settings(max_examples=20)
@given(
    which=st.sampled_from(SPLITS[1:]),
    limit=st.integers(1, 100),
    chosen=st.lists(st.integers(0, 45), min_size=1, max_size=5),
)
def test_a_limit_takes_the_first_and_a_batch_is_its_pictures(which, limit, chosen):
    name, split = which
    everything = load_dataset(name, split=split)
    first = load_dataset(name, split=split, limit=limit)
    assert first.names == everything.names[:limit] and len(first) == len(first.names)
    assert torch.equal(first.images(slice(None)), everything.images(slice(None))[:limit])
    batch = everything.images(chosen)
    assert torch.equal(batch, torch.stack([everything[index] for index in chosen]))


@pytest.mark.parametrize("name", SETS)
def test_archives_hold_nothing_but_small_jpeg_files_without_metadata(name):
    splits = shipped.ARCHIVES[name].splits
    for member, data in content(name).items():
        assert re.fullmatch(rf"({'|'.join(splits)})/[\w-]+\.jpg", member)
        picture = Image.open(io.BytesIO(data))
        assert (picture.format, picture.size, picture.mode) == ("JPEG", (64, 64), "RGB")
        assert not picture.getexif()
        assert data.endswith(b"\xff\xd9"), "nothing is hidden behind the picture"


def test_no_test_portrait_is_among_the_training_portraits():
    train, test = (load_dataset("portraits", split=split) for split in ("train", "test"))
    assert not set(train.names) & set(test.names)
    seen = {picture.tobytes() for picture in train.pixels}
    assert len(seen) == len(train)
    assert not [picture for picture in test.pixels if picture.tobytes() in seen]


def test_the_table_of_portraits_has_one_row_for_each_picture():
    rows = portraits_table()
    listed = [f"{row['split']}/{row['id']}.jpg" for row in rows]
    assert sorted(listed) == sorted(content("portraits")) and len(set(listed)) == len(listed)
    assert len({row["id"] for row in rows}) == len({row["sha256"] for row in rows}) == len(rows)
    for row in rows:
        assert re.fullmatch(r"[A-Z]\d{6}", row["id"])
        assert re.fullmatch(r"[0-9a-f]{64}", row["sha256"])
        assert row["path"] == f"images/{row['id']}.jpg"


def test_landmarks_lie_in_the_source_file_as_in_a_face():
    for row in portraits_table():
        x = {key[:-2]: int(value) for key, value in row.items() if key.endswith("_x")}
        y = {key[:-2]: int(value) for key, value in row.items() if key.endswith("_y")}
        assert len(x) == len(y) == 5
        assert min(x.values()) >= 0 and max(x.values()) < 225
        assert min(y.values()) >= 0 and max(y.values()) < 275
        assert x["left_eye"] < x["right_eye"]
        assert x["left_mouth_corner"] < x["right_mouth_corner"]
        assert max(y["left_eye"], y["right_eye"]) < y["nose"]
        assert y["nose"] < min(y["left_mouth_corner"], y["right_mouth_corner"])


@pytest.mark.parametrize("name", SETS)
def test_the_readme_states_the_hash_of_each_archive(name):
    path = shipped.archive_path(name)
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{path.name}` |"))
    assert f"`{file_hash(path)}`" in row


@pytest.mark.parametrize("name", ["photo-digits", "photo-cars"])
def test_samples_are_stored_so_that_they_can_be_made_again(name):
    with zipfile.ZipFile(shipped.archive_path(name)) as archive:
        members = archive.infolist()
    assert [member.filename for member in members] == sorted(content(name))
    assert {member.compress_type for member in members} == {zipfile.ZIP_STORED}
    assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}


def test_names_of_digits_end_in_their_value():
    endings = [name.partition("_")[2] for name in load_dataset("photo-digits").names]
    assert all(re.fullmatch(r"\d[-_]\w", ending) for ending in endings)
    assert len([ending for ending in endings if re.fullmatch(r"\d-\d", ending)]) == 64 - 3
    assert len({ending[0] for ending in endings}) == 10, "every digit is there"


@pytest.mark.parametrize("name", SETS)
def test_the_split_that_is_there_is_the_default(name):
    default = "test" if name in TEST_ONLY else "train"
    assert load_dataset(name, limit=3).names == load_dataset(name, split=default, limit=3).names


@pytest.mark.parametrize(
    "name, split, said",
    [
        ("portraits", "valid", "portraits has no split 'valid', only train and test"),
        ("photo-digits", "train", "only test: 64 test pictures ship, data/README.md names"),
        ("photo-cars", "train", "only test: 64 test pictures ship, data/README.md names"),
    ],
)
def test_a_split_that_does_not_ship_is_refused(name, split, said):
    with pytest.raises(ValueError, match=said):
        load_dataset(name, split=split)


def test_a_shipped_set_takes_no_root(tmp_path):
    with pytest.raises(ValueError, match="portraits takes no root"):
        load_dataset("portraits", root=tmp_path)


@pytest.mark.parametrize("name", SETS)
def test_an_archive_that_is_missing_or_damaged_is_named(name, tmp_path, monkeypatch):
    path = shipped.archive_path(name)
    whole = path.read_bytes()
    monkeypatch.setattr(shipped, "DATA_DIR", tmp_path)
    with pytest.raises(FileNotFoundError, match=rf"{path.name} is missing.*restore it"):
        load_dataset(name, split="test")
    for damaged in (b"", whole[: len(whole) // 2], whole[:600] + bytes(5000) + whole[5600:]):
        (tmp_path / path.name).write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"{path.name} is damaged.*restore it"):
            load_dataset(name, split="test")


def test_a_network_is_trained_on_the_portraits_and_its_card_says_so(tmp_path, capsys):
    threads = torch.get_num_threads()
    words = ["--steps", "2", "--batch-size", "4", "--base-channels", "4", "--device", "cpu"]
    try:
        assert main(["train", "--data", "portraits", *words, "--out", str(tmp_path / "x")]) == 0
    finally:
        torch.set_num_threads(threads)
    card = json.loads((tmp_path / "x" / "x.json").read_text(encoding="utf-8"))
    assert card["data"] == {
        "name": "portraits",
        "pictures": 720,
        "licence": shipped.ARCHIVES["portraits"].licence,
        "sha256": file_hash(shipped.archive_path("portraits")),
    }
    assert "--data portraits" in card["command"] and "--root" not in card["command"]


@pytest.mark.parametrize("command", ["train", "ablations", "table1"])
def test_sets_without_training_pictures_are_not_offered_for_training(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = re.sub(r"\s", "", capsys.readouterr().out)
    offered = re.search(r"--data\{(.*?)\}", text).group(1).split(",")
    assert offered == [name for name in NAMES if name not in TEST_ONLY] and "portraits" in offered


# -- against the packs, where they are beside the project ------------------------------------------


def test_the_portraits_are_the_pack_s(shared_pack):
    assert shared_pack("portraits").read_bytes() == shipped.archive_path("portraits").read_bytes()


@pytest.mark.parametrize("name, pack", [("photo-digits", "digits"), ("photo-cars", "cars")])
def test_samples_are_the_first_test_pictures_of_the_pack(name, pack, shared_pack):
    with zipfile.ZipFile(shared_pack(pack)) as archive:
        first = sorted(member for member in archive.namelist() if member.startswith("test/"))[:64]
        assert content(name) == {member: archive.read(member) for member in first}


def test_the_table_says_what_the_pack_s_says(shared_pack):
    path = shared_pack("portraits").parent / "sources" / "portraits.csv"
    with open(path, newline="", encoding="ascii") as file:
        lines = [list(row.values()) for row in csv.DictReader(file)]
    ours = []
    for row in portraits_table():
        landmarks = list(row.values())[4:14]
        ours.append([row["split"], row["path"], row["sha256"], *landmarks])
    assert ours == lines


def test_birth_years_are_those_of_the_people():
    """Some that anybody can look up: Young, Leahy, Hastings, Nunes, Maloney."""
    known = {"Y000033": 1933, "L000174": 1940, "H000324": 1936, "N000181": 1973, "M000087": 1946}
    assert shipped.birth_years(list(known)).tolist() == list(known.values())
    names = [row["id"] for row in portraits_table()]
    years = shipped.birth_years(names)
    assert len(years) == 766 and years.min() > 1910 and years.max() < 1990
    with pytest.raises(KeyError, match="nobody"):
        shipped.birth_years(["nobody"])
