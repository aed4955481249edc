"""Ten steps of PyTorch with parameter groups and LambdaLR in float64, for test/train/groups.test.ts: python make.py

logits = tanh(x W1 + (alpha / r) x A B) W2^T + b. Each group has a rate and a schedule of its own; the shares of LambdaLR are
those of lotrc's schedules. The file holds the weights, the batches, and the parameters after ten steps of each optimizer.
"""
import math
import os

import torch
from safetensors.torch import save_file

torch.manual_seed(11)
torch.set_default_dtype(torch.float64)
ROWS, IN, HIDDEN, CLASSES, RANK, ALPHA, STEPS, WARMUP = 6, 7, 5, 4, 3, 6, 10, 3
RATE, FLOOR, POWER = 0.02, 0.1, 2


def drawn(*shape):
    """Numbers that float32 and float64 both have."""
    return torch.randn(*shape).float().double()


def share(kind, step):
    if step < WARMUP:
        return (step + 1) / (WARMUP + 1)
    if kind == "constant":
        return 1.0
    p = min(1, (step - WARMUP) / (STEPS - WARMUP))
    part = {
        "cosine": (1 + math.cos(math.pi * p)) / 2,
        "linear": 1 - p,
        "polynomial": (1 - p) ** POWER,
    }[kind]
    return FLOOR + (1 - FLOOR) * part


w1, w2, b = drawn(IN, HIDDEN), drawn(CLASSES, HIDDEN), drawn(CLASSES)
a, c = drawn(IN, RANK), drawn(RANK, HIDDEN)
xs = drawn(STEPS, ROWS, IN)
ys = torch.randint(0, CLASSES, (STEPS, ROWS))
tensors = {"hidden.weight": w1, "head.weight": w2, "head.bias": b, "A": a, "B": c, "x": xs, "labels": ys.int()}

OPTIMIZERS = {
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.05),
    "sgd": lambda groups: torch.optim.SGD(groups, lr=RATE, momentum=0.8, weight_decay=0.05),
}
for name, make in OPTIMIZERS.items():
    params = {key: tensors[key].clone().requires_grad_(True) for key in ("A", "B", "head.weight", "head.bias")}
    groups = [
        {"params": [params["A"]], "lr": 0.003},
        {"params": [params["B"]], "lr": 4 * RATE},
        {"params": [params["head.weight"]], "lr": 0.05, "weight_decay": 0.2},
        {"params": [params["head.bias"]]},
    ]
    kinds = ["cosine", "linear", "constant", "polynomial"]
    optimizer = make(groups)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, [lambda step, kind=kind: share(kind, step) for kind in kinds]
    )
    for x, y in zip(xs, ys):
        h = torch.tanh(x @ w1 + (ALPHA / RANK) * (x @ params["A"]) @ params["B"])
        loss = torch.nn.functional.cross_entropy(h @ params["head.weight"].T + params["head.bias"], y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    for key, param in params.items():
        tensors[f"{name}/{key}"] = param.detach()
floats = {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}
save_file(
    {key: value.contiguous() for key, value in floats.items()},
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "groups.safetensors"),
)
