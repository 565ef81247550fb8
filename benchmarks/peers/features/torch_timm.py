"""torch and timm."""
# /// script
# dependencies = ["torch", "timm", "pillow"]
# [tool.headstart]
# ways = ["float32", "bfloat16"]
# ///

import numpy as np
import timm
import torch
from by_hand import by_all_cores, model, precision, prepare

torch.set_num_threads(1)
names = {"MobileNetV2": "mobilenetv2_100", "ResNet50": "resnet50"}
trunk = timm.create_model(names[model], pretrained=False, num_classes=0).eval()
trunk = trunk.to(memory_format=torch.channels_last)
if precision == "bfloat16":
    trunk = trunk.bfloat16()


def run(few):
    given = torch.from_numpy(np.stack([prepare(path) for path in few])).permute(0, 3, 1, 2)
    with torch.inference_mode():
        return trunk(given.to(next(trunk.parameters()).dtype)).float().numpy()


by_all_cores(run, 16)
