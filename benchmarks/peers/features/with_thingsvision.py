"""THINGSvision."""
# /// script
# dependencies = ["thingsvision==2.7.3"]
# ///

import os

from by_hand import model, pictures, save
from thingsvision import get_extractor
from thingsvision.utils.data import DataLoader, ImageDataset

names = {"MobileNetV2": ("mobilenet_v2", "features"), "ResNet50": ("resnet50", "avgpool")}
name, module = names[model]
extractor = get_extractor(model_name=name, source="torchvision", device="cpu", pretrained=False)
data = ImageDataset(
    root=pictures,
    out_path=os.path.dirname(pictures) + "/thingsvision",
    backend=extractor.get_backend(),
    transforms=extractor.get_transformations(resize_dim=224, crop_dim=224),
)
batches = DataLoader(dataset=data, batch_size=32, backend=extractor.get_backend())
features = extractor.extract_features(
    batches=batches, module_name=module, flatten_acts=False, output_type="ndarray"
)
save(features.mean(axis=(2, 3)) if features.ndim == 4 else features)
