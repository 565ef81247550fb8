"""Cards of heads that take several features, or are several."""

from dataclasses import replace

import pytest

from headstart.heads.evaluation.provenance import calibration_text
from headstart.heads.models.cards import model_card
from headstart.registry.entities import Backbone, Head
from headstart.registry.references import exact, label_of


def head_of(kind="linear", cut="pool + other:2@features"):
    return Head(
        name="both",
        kind=kind,
        backbone="net:1",
        cut=cut,
        feature_key="0" * 64,
        dataset="pics",
        dataset_digest="0" * 64,
        classes=["a", "b"],
        settings={"judged_on": "others"},
        metrics={"n_train": 8, "n_validation": 0, "n_test": 4},
        seed=0,
        versions={},
        artifact_digest="0" * 64,
        artifact_size=1,
    )


def backbone(name, version, source):
    fields = dict.fromkeys(Backbone.__dataclass_fields__, None)
    named = {"name": name, "version": version, "source": source, "artifact_digest": "1" * 64}
    return Backbone(**fields | named)


def row_of(card, name):
    return next(line for line in card.splitlines() if line.startswith(f"| {name} |"))


def test_a_card_names_each_backbone_with_its_source_and_cut():
    both = backbone("net", 1, "net.keras"), backbone("other", 2, "other.keras")
    card = model_card(head_of(), both[0], others=both[1:])
    assert row_of(card, "backbones") == (
        "| backbones | net:1 (`net.keras`), cut at `pool`; "
        "other:2 (`other.keras`), cut at `features` |"
    )
    one = model_card(replace(head_of(), cut="pool"), backbone("renamed", 1, "net.keras"))
    assert row_of(one, "backbone") == "| backbone | net:1 (`net.keras`), cut at `pool` |"


@pytest.mark.parametrize("names", ["net@a + other@b", "net:2@a + net@b", "net:12@a"])
def test_a_label_leaves_out_first_versions_only_and_of_every_part(names):
    assert label_of(exact(names)) == names


def test_an_ensemble_is_said_to_be_the_mean_of_its_members():
    assert calibration_text(head_of("ensemble")).startswith("not calibrated as one: the mean of")
