"""Fine-tuning from the cache against fine-tuning the whole model on the pictures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from material import emoji
from timing import Section, timed

import headstart as hs
from headstart.backbone_model import load_graph, pipeline_of
from headstart.extractors.backbones.trunk import build_trunk
from headstart.extractors.runtime import cores, keras, tensorflow
from headstart.heads.dense_stack import DenseStack
from headstart.heads.evaluation.intervals import wilson_interval

START = "block14_add"
"""Above it lie the last block of lite0 and its head convolution: a quarter of the weights below the
classifier, 13 % of the computing."""


def section(folder: Path, epochs: int) -> Section:
    """The linear head alone, the layers above `START` trained both ways; the same epochs."""
    workspace = hs.init(folder / "tuning")
    emoji(workspace, folder)
    head = workspace.heads.train("linear", workspace.extract("lite0", "emoji"), hs.Linear())
    extracted = timed(lambda: workspace.extract(f"lite0@{START}", "emoji"))
    settings = hs.FineTuning(epochs=epochs, patience=epochs)
    tuned = head.finetune(START, None, settings)
    accuracy, seconds = _on_pictures(workspace, head, tuned.begun, settings)
    tests = head.metrics["n_test"]

    def row(what: str, share: float, took: str) -> tuple[str, ...]:
        low, high = wilson_interval(round(share * tests), tests)
        return (what, f"{share:.3f} ({low:.3f} to {high:.3f})", took)

    rows = [
        row("the linear head alone", head.metrics["accuracy"], "-"),
        row("fine-tuned from the cache", tuned.metrics["accuracy"], f"{tuned.seconds:,.1f} s"),
        row("fine-tuned on the pictures, plain Keras", accuracy, f"{seconds:,.1f} s"),
    ]
    ratio = seconds / tuned.seconds
    note = (
        f"lite0 on emoji, {epochs} epochs, trained above {START}, batch norms frozen, the same "
        f"rate and start; accuracy on {tests} held-out samples with its 95 % interval. From the "
        f"cache it is {ratio:.1f}x as fast; {seconds / (tuned.seconds + extracted):.1f}x with the "
        f"{extracted:.1f} s of extracting that cut once. The plain way has its pictures decoded in "
        "memory already."
    )
    return Section("Fine-tuning", note, ("what", ">accuracy", ">training"), rows)


def _on_pictures(
    workspace: hs.Workspace, head: hs.Head, begun: DenseStack, settings: hs.FineTuning
) -> tuple[float, float]:
    """Accuracy, and seconds of `fit`."""
    k, tf = keras(), tensorflow()
    backbone, cut = head.origin()
    trunk = build_trunk(load_graph(workspace.context, backbone), [cut])
    first = [layer.name for layer in trunk.layers].index(START) + 1
    trunk.trainable = True
    for number, layer in enumerate(trunk.layers):
        is_norm = isinstance(layer, k.layers.BatchNormalization)
        layer.trainable = number >= first and not is_norm
    model = k.Model(trunk.input, begun.to_keras(trunk.outputs[0]))
    pipeline = pipeline_of(workspace.context, backbone)
    manifest = workspace.datasets.manifest("emoji")

    def data(split: str) -> Any:
        samples = [sample for sample in manifest.samples if sample.split == split]
        raw = [Path(str(sample.location)).read_bytes() for sample in samples]
        pixels = np.stack([pipeline.pixels.prepare(content) for content in raw])
        targets = np.array([head.record.classes.index(str(sample.label)) for sample in samples])
        made = tf.data.Dataset.from_tensor_slices((pixels, targets))
        if split == "train":
            made = made.shuffle(len(targets), seed=0)
        made = made.batch(settings.batch_size).map(
            lambda x, y: ((tf.cast(x, tf.float32) - 127.0) / 128.0, y), cores()
        )
        options = tf.data.Options()
        options.autotune.enabled = False  # see `end_to_end`
        return made.prefetch(2).with_options(options)

    train, validation, test = data("train"), data("validation"), data("test")
    k.utils.set_random_seed(0)
    model.compile(
        k.optimizers.Adam(settings.learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    stopping = k.callbacks.EarlyStopping(
        "val_loss", patience=settings.patience, restore_best_weights=True
    )
    started = time.perf_counter()
    model.fit(
        train,
        epochs=settings.epochs,
        validation_data=validation,
        callbacks=[stopping],
        shuffle=False,
        verbose=0,
    )
    seconds = time.perf_counter() - started
    return float(model.evaluate(test, verbose=0)[1]), seconds
