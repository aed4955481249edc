"""Gradients of PyTorch (float64) for the exports op_*.ts.onnx, kept as test/data/gradients/ops.json.

Each export is logits = head(flatten(f(fc2(tanh(fc1(x)))))); f is written here as it is in PyTorch, the weights are those in
the file. The loss is cross-entropy with labels. For fc1.weight and fc2.weight the norm of the gradient, and its product
with a fixed direction, are kept. Run: python ops.py > ops.json
"""
import json
import os

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

HERE = os.path.join(os.path.dirname(__file__), "../cases/ops")
torch.set_default_dtype(torch.float64)


def image(h):
    return h.reshape(-1, 1, 4, 4)


def recurrent(kind):
    def f(h, w):
        gates = {"lstm": 4, "gru": 3, "rnn": 1}[kind]
        order = {"lstm": [0, 2, 3, 1], "gru": [1, 0, 2], "rnn": [0]}[kind]  # ONNX's gates in PyTorch's order
        make = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[kind]
        net = make(4, 6, batch_first=True)
        W, R, B = (w[k][0] for k in sorted(k for k in w if k.startswith("onnx::")))
        def swap(t):
            return torch.cat([t.reshape(gates, 6, -1)[i] for i in order]).reshape(t.shape)
        with torch.no_grad():
            net.weight_ih_l0.copy_(swap(W)); net.weight_hh_l0.copy_(swap(R))
            net.bias_ih_l0.copy_(swap(B[: gates * 6])); net.bias_hh_l0.copy_(swap(B[gates * 6 :]))
        return net(h.reshape(-1, 4, 4))[0]
    return f


FUNCTIONS = {
    "avgpool": lambda h, w: F.avg_pool2d(image(h), 2),
    "bilinear": lambda h, w: F.interpolate(image(h), scale_factor=2, mode="bilinear"),
    "constpad": lambda h, w: F.pad(image(h), (1, 2, 0, 1)),
    "convt": lambda h, w: F.conv_transpose2d(image(h), w["f.c.weight"], w["f.c.bias"], stride=2),
    "det": lambda h, w: torch.linalg.det(h.reshape(-1, 4, 4)).unsqueeze(1),
    "diag": lambda h, w: torch.diagonal(h.reshape(-1, 4, 4), dim1=1, dim2=2),
    "flip": lambda h, w: torch.flip(h, [1]),
    "gru": recurrent("gru"),
    "lstm": recurrent("lstm"),
    "rnn": recurrent("rnn"),
    "maxpool": lambda h, w: F.max_pool2d(image(h), 2),
    "maxpoolpad": lambda h, w: F.max_pool2d(image(h), 3, 2, 1),
    "negpad": lambda h, w: F.pad(h, (-2, -1)),
    "powx": lambda h, w: 2.0**h,
    "reflect": lambda h, w: F.pad(image(h), (1, 1, 1, 1), mode="reflect"),
    "resize": lambda h, w: F.interpolate(image(h), scale_factor=2, mode="nearest"),
    "strided": lambda h, w: h[:, ::2],
    "strided3": lambda h, w: h[:, 1:14:3],
}


def wave(count, a, b):
    return torch.sin(a + b * torch.arange(count))


def main():
    rows = {}
    x = wave(3 * 16, 0.5, 1.7).reshape(3, 16)
    labels = torch.tensor([1, 4, 0])
    for name, f in FUNCTIONS.items():
        path = os.path.join(HERE, f"op_{name}.ts.onnx")
        model = onnx.load(path)
        w = {t.name: torch.tensor(numpy_helper.to_array(t).astype(np.float64)) for t in model.graph.initializer}
        trained = {k: w[k].requires_grad_() for k in ("fc1.weight", "fc2.weight")}
        h = F.linear(torch.tanh(F.linear(x, w["fc1.weight"], w["fc1.bias"])), w["fc2.weight"], w["fc2.bias"])
        logits = F.linear(f(h, w).flatten(1), w["head.weight"], w["head.bias"])
        loss = F.cross_entropy(logits, labels)
        grads = torch.autograd.grad(loss, list(trained.values()))
        row = {"loss": loss.item()}
        for key, g in zip(trained, grads):
            row[key] = [g.norm().item(), (g.flatten() * wave(g.numel(), 0.3, 0.9)).sum().item()]
        rows[name] = row
    print("{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items()) + "\n}")


main()
