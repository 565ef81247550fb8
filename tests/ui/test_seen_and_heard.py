"""Steps of a preprocessing as pictures, a learning curve, changes between versions, sounds."""

import io
import re
import wave

import numpy as np
import pytest
from PIL import Image

import headstart as hs
import page_workspace as made
from headstart.errors import NotFound
from headstart.heads.evaluation.intervals import score_text
from headstart.jobs.tasks.audit import AuditTask
from headstart.jobs.tasks.begin import begin
from headstart.jobs.tasks.curve import CurveTask
from headstart.jobs.tasks.next import NextTask
from headstart.jobs.tasks.rank import RankTask
from headstart.jobs.tasks.task import packed
from page_client import finished, open_page, text_of

RATE = 8000
BEGUN_AT = ("/heads/first%3A1/curve", "/rank/pics/begin", "/labels/pics/begin")


@pytest.fixture
def page(own_workspace):
    return open_page(own_workspace)


@pytest.fixture(scope="module")
def reader(page_workspace):
    """Of the workspace that nothing is changed in."""
    return open_page(page_workspace)


def test_each_step_of_a_preprocessing_is_shown_with_its_picture(reader, page_workspace):
    sample = page_workspace.datasets.manifest("pics").samples[0]
    answer = reader.get("/backbones/net?dataset=pics")
    address = f"/backbones/net%3A1/steps/2?dataset=pics&amp;sample={sample.digest}"
    assert address in answer.text or address.replace("%3A1", "") in answer.text
    steps = page_workspace.backbones.preview("net", "pics")
    assert [one.shape for one in steps] == [(12, 10, 3), (12, 12, 3)]
    for number, step in enumerate(steps, start=1):
        asked = f"/backbones/net/steps/{number}?dataset=pics&sample={sample.digest}"
        shown = reader.get(asked)
        assert shown.headers["content-type"] == "image/png" and shown.content == step.png
        assert Image.open(io.BytesIO(shown.content)).size == (160, 160)
        assert step.step in text_of(answer)


@pytest.mark.parametrize(
    "asked",
    [
        "3?dataset=pics&sample={digest}",
        "0?dataset=pics&sample={digest}",
        "x?dataset=pics&sample={digest}",
        "1?dataset=texts&sample={digest}",
        "1?dataset=pics&sample=../../x",
        "1?dataset=/etc&sample={digest}",
        "1",
    ],
)
def test_a_step_or_sample_that_is_not_there_is_refused(reader, page_workspace, asked):
    digest = page_workspace.datasets.manifest("pics").samples[0].digest
    status = reader.get(f"/backbones/net/steps/{asked.format(digest=digest)}").status_code
    assert 400 <= status < 500


def test_a_sample_that_the_backbone_does_not_take_is_said(reader):
    said = text_of(reader.get("/backbones/net?dataset=texts"))
    assert "it is a text, and the backbone takes pictures" in said and "Cuts" in said


def test_an_id_that_no_sample_has_is_said_beside_the_form(reader):
    answer = reader.get("/backbones/net?dataset=pics&sample=nope.png")
    assert answer.status_code == 404 and "no sample is called &#39;nope.png&#39;" in answer.text
    assert 'value="nope.png"' in answer.text and "<h2>Cuts</h2>" in answer.text


def test_a_text_is_shown_as_the_backbone_takes_it(page, own_workspace):
    made.add_backbone(own_workspace, "reader", steps=[{"step": "text", "axes": 1}])
    (step,) = own_workspace.backbones.preview("reader", "texts")
    assert (step.shape, step.least, step.most, step.picture) == ((1,), None, None, None)
    assert step.words == "spam <b>bold</b> 0"
    assert "spam <b>bold</b> 0" in text_of(page.get("/backbones/reader?dataset=texts"))


def test_a_learning_curve_is_drawn_once_and_kept(page, own_workspace):
    assert "Draw the learning curve" in text_of(page.get("/heads/first:1"))
    finished(page, str(page.post("/heads/first:1/curve").url))
    answer = open_page(own_workspace).get("/heads/first:1")
    points = own_workspace.heads.get("first:1").learning_curve()
    assert f"{points[-1].samples:,} samples: " in answer.text
    assert answer.text.count('class="band"') == 2, "coverage, and the curve"
    assert "5 heads per point" in text_of(answer)
    assert "Draw the learning curve" in text_of(page.get("/heads/first:2"))


@pytest.mark.parametrize(
    ("loss", "words"),
    [("squared", "R2 over the number"), ("poisson", "Poisson deviance, less is better")],
)
def test_a_head_of_numbers_has_a_learning_curve_by_its_own_score(
    page, own_workspace, tmp_path, loss, words
):
    y = np.arange(80) % 7 + 0.5
    np.savez(tmp_path / "numbers.npz", x=np.arange(80.0)[:, None], y=y)
    own_workspace.datasets.add("numbers", tmp_path / "numbers.npz")
    made.import_rows(own_workspace, "numbers", tmp_path)
    features = own_workspace.features("net", "numbers")
    own_workspace.heads.train("price", features, task=hs.Regression(loss=loss))
    assert "how good such heads are" in text_of(page.get("/heads/price"))
    answer = finished(page, str(page.post("/heads/price/curve").url))
    points = own_workspace.heads.get("price").learning_curve()
    assert answer.text.count('class="dot marked"') == len(points) and words in answer.text
    last = points[-1]
    told = [score_text(last.objective, one) for one in (last.score, *last.interval)]
    assert (
        f"<title>{last.samples} samples: {told[0]}, {told[1]} to {told[2]}</title>" in answer.text
    )
    heights = re.findall(r'class="dot marked" cx="[\d.]+" cy="([-\d.]+)"', answer.text)
    assert all(0 <= float(one) <= 340 for one in heights)


def test_a_head_without_a_learning_curve_says_why(page, own_workspace):
    features = own_workspace.features("net", "pics")
    own_workspace.heads.train("bag", features, hs.Bagged(hs.Linear((1.0,)), 2))
    assert "'bag' is bagged, and has no learning curve of its own" in text_of(
        page.get("/heads/bag")
    )


def test_a_curve_is_drawn_again_where_the_dataset_changed_or_its_file_is_gone(page, own_workspace):
    job = begin(own_workspace.context, CurveTask("first:1", "pics"))
    points = [{"size": 9, "accuracy": 0.5}]
    kept = own_workspace.context.artifacts.keep(packed(points))
    own_workspace.context.jobs.change(
        job.id, "done", "finish", out_of=("queued",), result={"document": kept}
    )
    assert "drawn by another version" in text_of(page.get("/heads/first:1"))
    page.post("/heads/first:1/curve")
    finished(page, f"/jobs/{job.id + 1}/result")
    said = text_of(page.get("/heads/first:1"))
    assert "Draw it again" in said and "drew it with version" not in said
    own_workspace.datasets.correct("pics", {"red/red-10.png": "blue"})
    assert "drew it with version" in text_of(page.get("/heads/first:1"))
    assert page.get("/heads/first:1/curve").url.path == "/heads/first:1"


@pytest.mark.parametrize(
    ("task", "address"),
    [
        (CurveTask("first:1", "pics"), "/heads/first:1"),
        (RankTask("pics"), "/rank/pics"),
        (NextTask("first:1", "pics", held_out=True), "/labels/pics?head=first:1&of=held-out"),
        (AuditTask("net:1@top", "pics"), "/labels/pics?features=net:1@top"),
    ],
    ids=lambda one: getattr(one, "kind", ""),
)
def test_a_result_whose_file_is_gone_is_said_to_be_with_a_button(
    page, own_workspace, task, address
):
    job = begin(own_workspace.context, task)
    own_workspace.context.jobs.change(
        job.id, "done", "finish", out_of=("queued",), result={"document": "0" * 64}
    )
    answer = page.get(address)
    assert "cannot be read any more" in text_of(answer)
    assert any(f'action="{one}"' in answer.text for one in BEGUN_AT)


def test_what_changed_between_two_versions_is_listed(page, own_workspace, tmp_path):
    assert "Only this version is known" in text_of(page.get("/datasets/pics/changes"))
    with pytest.raises(NotFound):
        own_workspace.datasets.changes("pics")
    first = own_workspace.datasets.get("pics")
    own_workspace.datasets.correct("pics", {"red/red-10.png": "blue", "red/red-11.png": "green"})
    own_workspace.datasets.exclude("pics", ["blue/blue-01.png"])
    found = own_workspace.datasets.changes("pics", first.digest[:12])
    assert found.samples == (90, 89)
    assert found.labels.count == 2 and found.removed.first == ({"id": "blue/blue-01.png"},)
    one = next(one for one in found.labels.first if one["id"] == "red/red-10.png")
    assert (one["before"], one["after"]) == ("red", "blue")
    assert not found.added.count and not found.contents.count and not found.splits.count
    asked = f"/datasets/pics/changes?before={first.digest}"
    said = text_of(page.get(asked))
    assert "With another label: 2" in said and "red/red-10.png red blue" in said
    told = page.get(asked, headers={"accept": "application/json"}).json()
    told.pop("schema_version")
    assert told == found.to_json()
    latest = own_workspace.datasets.changes("pics")
    assert latest.removed.count == 1 and not latest.labels.count
    assert page.get("/datasets/pics/changes?before=0000").status_code == 404
    older = own_workspace.datasets.versions("pics")[1]
    (own_workspace.config.manifests / older.manifest).unlink()  # as `features gc` does it
    assert "was deleted" in text_of(page.get("/datasets/pics/changes"))


def write_sound(path, seconds, channels=1):
    times = np.arange(int(RATE * seconds)) / RATE
    tone = (np.sin(2 * np.pi * 440 * times) * 20_000).astype("<i2")
    with wave.open(str(path), "wb") as made:
        made.setnchannels(channels)
        made.setsampwidth(2)
        made.setframerate(RATE)
        made.writeframes(np.repeat(tone, channels).tobytes())


def test_a_sound_is_heard_made_anew_and_in_parts(page, own_workspace, tmp_path):
    pytest.importorskip("soundfile")
    for number, name in enumerate(("low", "high")):
        (tmp_path / "sounds" / name).mkdir(parents=True)
        write_sound(tmp_path / "sounds" / name / "one.wav", 70 if number else 0.5, 1 + number)
    own_workspace.datasets.add("sounds", tmp_path / "sounds")
    samples = {one.label: one for one in own_workspace.datasets.manifest("sounds").samples}
    addresses = {label: f"/datasets/sounds/samples/{one.digest}" for label, one in samples.items()}
    assert f'src="{addresses["low"]}/sound"' in page.get("/datasets/sounds").text
    assert "<audio controls" in page.get(addresses["low"]).text
    answer = page.get(f"{addresses['low']}/sound")
    assert answer.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(answer.content)) as heard:
        assert (heard.getframerate(), heard.getnchannels(), heard.getnframes()) == (RATE, 1, 4000)
    with wave.open(io.BytesIO(page.get(f"{addresses['high']}/sound").content)) as heard:
        assert (heard.getnframes(), heard.getnchannels()) == (60 * RATE, 1)
    whole = answer.content
    for asked, meant in (
        ("bytes=0-1", whole[:2]),
        ("bytes=100-", whole[100:]),
        ("bytes=-10", whole[-10:]),
        (f"bytes=40-{10**9}", whole[40:]),
    ):
        part = page.get(f"{addresses['low']}/sound", headers={"range": asked})
        assert part.status_code == 206 and part.content == meant, asked
    beyond = page.get(f"{addresses['low']}/sound", headers={"range": f"bytes={10**9}-"})
    assert beyond.status_code == 416
    for odd in ("bytes=a-b", "bytes=0-1,3-4", "lines=1-2", "bytes=-"):
        assert page.get(f"{addresses['low']}/sound", headers={"range": odd}).content == whole


def test_what_is_no_sound_is_not_heard(reader, page_workspace):
    for name in ("pics", "texts"):
        digest = page_workspace.datasets.manifest(name).samples[0].digest
        assert reader.get(f"/datasets/{name}/samples/{digest}/sound").status_code == 404
