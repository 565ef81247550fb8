"""ONNX Runtime by hand."""
# /// script
# dependencies = ["onnxruntime", "pillow"]
# ///

import os

import numpy as np
import onnxruntime
from by_hand import by_all_cores, material, prepare

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(
    os.path.join(material, "trunk.onnx"), options, providers=["CPUExecutionProvider"]
)
name = session.get_inputs()[0].name
by_all_cores(lambda few: session.run(None, {name: np.stack([prepare(path) for path in few])})[0], 4)
