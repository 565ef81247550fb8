"""torch's L-BFGS, strong Wolfe."""
# /// script
# dependencies = ["torch", "timm", "pillow"]
# [tool.headstart]
# ways = ["linear"]
# ///

import given
import torch
from given import classes, tell, x, x_test, y

torch.set_num_threads(1)
data, targets = torch.from_numpy(x), torch.from_numpy(y)
mean, std = data.mean(0), data.std(0, correction=0)
std[std == 0] = 1
z = (data - mean) / std
kernel = torch.zeros(x.shape[1], classes, requires_grad=True)
bias = torch.zeros(classes, requires_grad=True)
optimizer = torch.optim.LBFGS(
    [kernel, bias], max_iter=100, tolerance_grad=1e-5, tolerance_change=1e-7,
    line_search_fn="strong_wolfe",
)  # fmt: skip


def closure():
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(z @ kernel + bias, targets)
    loss = loss + 0.5 * kernel.square().sum() / (given.STRENGTH * len(z))
    loss.backward()
    return loss


optimizer.step(closure)
with torch.no_grad():
    predicted = ((torch.from_numpy(x_test) - mean) / std @ kernel + bias).argmax(1).numpy()
tell(predicted, kernel.detach().double().numpy(), bias.detach().double().numpy())
