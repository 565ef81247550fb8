"""Which member of a WebDataset's samples is the sample: the same of all, in whatever order."""

import pytest
from layout_makers import write_tar

from headstart.errors import DatasetError
from headstart.extractors.datasets import open_source, scan


def read(source, **options):
    return scan(open_source("webdataset", str(source), options), options)


def tar_of(path, *samples):
    """A tar of samples, each with members of these extensions in this order; a member's content is
    its name."""
    return write_tar(
        path,
        [
            (f"{n:03}", {one: f"{n}.{one}".encode() for one in names})
            for n, names in enumerate(samples)
        ],
    )


def taken(source, **options):
    opened = open_source("webdataset", str(source), options)
    return [opened.read(one).decode() for one in opened.locations()]


def test_members_that_tie_are_asked_about_whatever_the_order_in_the_tar(tmp_path):
    tar = tar_of(tmp_path / "a.tar", ("jpg", "png"), ("png", "jpg"))
    for look in (read, taken):
        with pytest.raises(DatasetError) as error:
            look(tar)
        assert "jpg or png" in error.value.message
        assert "--member" in str(error.value.hint)
    assert taken(tar, member="png") == ["0.png", "1.png"]
    assert len(read(tar, member="jpg").samples) == 2


def test_a_member_that_all_samples_have_is_the_sample_before_one_that_some_have(tmp_path):
    tar = tar_of(tmp_path / "a.tar", ("png", "jpg"), ("jpg",), ("jpg", "png"))
    assert taken(tar) == ["0.jpg", "1.jpg", "2.jpg"]
    tar = tar_of(tmp_path / "b.tar", *[("jpg",)] * 120, ("png", "jpg"))
    assert taken(tar)[-1] == "120.jpg"


def test_samples_of_several_formats_are_read_where_each_has_one(tmp_path):
    tar = tar_of(tmp_path / "a.tar", ("seg.png", "jpg"), ("png", "seg.png"), ("webp",))
    assert taken(tar) == ["0.jpg", "1.png", "2.webp"]


def test_a_later_sample_of_two_members_or_of_a_part_alone_is_an_error_or_skipped(tmp_path):
    many = [("jpg",), ("png",)] * 60
    for odd, why in ((("png", "jpg"), "jpg or png"), (("seg.png",), "no member")):
        tar = tar_of(tmp_path / "a.tar", *many, odd)
        with pytest.raises(DatasetError, match=why):
            read(tar)
        assert len(read(tar, on_error="skip").samples) == 120
