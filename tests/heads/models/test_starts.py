"""What a fine-tuning begins with knows nothing of the samples that judge it: labels by chance."""

import numpy as np
import pytest

import headstart as hs
from headstart.heads.dense_stack import DenseStack
from headstart.heads.kind import Part
from headstart.heads.models.finetune import start_of

KINDS = [
    hs.Linear((1.0,)),
    hs.Ridge(),
    hs.SVM((1e-3,)),
    hs.Prototype(),
    hs.MLP(hidden=(16,), epochs=5),
]


def right(stack, part):
    return float((stack.predict_proba(part.features).argmax(axis=1) == part.targets).mean())


@pytest.mark.parametrize("is_held_out", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_a_start_is_right_by_chance_on_what_judges_where_labels_are_chance(kind, is_held_out):
    rng = np.random.default_rng(0)
    train, validation, test = (
        Part(rng.normal(size=(n, 300)).astype(np.float32), rng.integers(0, 2, n))
        for n in (150, 250, 2000)
    )
    seen = [train, validation]
    if is_held_out:  # the head was trained on what judges now, too
        both = Part(
            *(np.concatenate([getattr(p, name) for p in seen]) for name in ("features", "targets"))
        )
        fitted = kind.fit(both, train.rows(slice(0)), 2, 0)
    else:
        fitted = kind.fit(train, validation, 2, 0)
    before = DenseStack(fitted.layers, (0, 1))
    settings = {**kind.describe(), **fitted.details}
    held = (lambda: validation) if is_held_out else None
    start = start_of(kind.kind, settings, hs.Classification(), before, lambda: train, held, 0)
    assert right(start, test) == pytest.approx(0.5, abs=0.05)
    assert right(start, validation) == pytest.approx(right(start, test), abs=0.12)
    if kind.kind == "linear":  # the head itself was fitted on what judges
        assert right(before, validation) > 0.9
