"""OpenVINO by hand."""
# /// script
# dependencies = ["openvino", "pillow"]
# [tool.headstart]
# ways = ["float32", "bfloat16"]
# ///

import os
import threading

import numpy as np
import openvino
from by_hand import by_all_cores, cores, material, precision, prepare

settings = {
    "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
    "NUM_STREAMS": cores,
    "INFERENCE_NUM_THREADS": cores,
}
core = openvino.Core()
compiled = core.compile_model(os.path.join(material, "trunk.xml"), "CPU", settings)
own = threading.local()


def run(few):
    if not hasattr(own, "request"):
        own.request = compiled.create_infer_request()
    given = np.stack([prepare(path) for path in few])
    return own.request.infer([given])[compiled.output(0)].copy()


by_all_cores(run, 4)
