"""headstart."""
# /// script
# dependencies = ["headstart"]
# [tool.headstart]
# ways = ["linear", "ridge", "svm", "neighbours", "mlp"]
# ///

import given
from given import classes, kind, tell, x, x_test, y

import headstart as hs
from headstart.heads.dense_stack import DenseStack, outputs_of
from headstart.heads.kind import Part
from headstart.heads.standardisation import Standardisation, one_thread_a_core

made = {
    "linear": lambda: hs.Linear(strengths=(given.STRENGTH,)),
    "ridge": lambda: hs.Ridge(penalties=given.PENALTIES),
    "svm": lambda: hs.SVM(strengths=given.STRENGTHS),
    "neighbours": lambda: hs.Neighbours(),
    "mlp": lambda: hs.MLP((given.HIDDEN,), 0.0, 1e-3, given.BATCH, given.EPOCHS, given.EPOCHS),
}[kind]()
fitted = made.fit(Part(x, y), Part(x[:0], y[:0]), classes, 0)
outputs = outputs_of(DenseStack(fitted.layers, tuple(range(classes))), Part(x_test, given.y_test))
if kind == "linear":
    (layer,) = fitted.layers
    with one_thread_a_core() as pool:
        scale = Standardisation.of([Part(x, y)], pool)
    kernel = layer.kernel.astype("float64")
    tell(outputs.argmax(axis=1), kernel * scale.std[:, None], layer.bias + scale.mean @ kernel)
else:
    tell(outputs.argmax(axis=1))
