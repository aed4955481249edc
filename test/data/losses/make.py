"""Losses and gradients of PyTorch in float64, for test/backends/onnx-train/losses.test.ts. Writes losses.json.

Run: python make.py
"""
import json
import torch
import torch.nn.functional as F

torch.manual_seed(3)
D = torch.float64


def draw(*shape):
    return (torch.rand(*shape, dtype=D) * 4 - 2).float().double().requires_grad_()


def row(kind, output, labels, loss, **more):
    (gradient,) = torch.autograd.grad(loss, output)
    flat = lambda t: t.detach().reshape(-1).tolist()
    return {"kind": kind, "shape": list(output.shape), "output": flat(output), "labels": flat(labels),
            "labelShape": list(labels.shape), "loss": loss.item(), "gradient": flat(gradient), **more}


rows = []
weights = [0.5, 2.0, 0.0, 1.25, 0.1]
for smoothing in (0.0, 0.15):
    z = draw(7, 5)
    y = torch.tensor([4, 1, -100, 0, 2, 3, 3])
    loss = F.cross_entropy(z, y, weight=torch.tensor(weights).double(), label_smoothing=smoothing)
    rows.append(row("cross-entropy", z, y, loss, classWeights=weights, labelSmoothing=smoothing))
    z = draw(2, 3, 5)
    y = torch.tensor([[4, 4, -100], [0, 1, 4]])
    loss = F.cross_entropy(z.reshape(-1, 5), y.reshape(-1), weight=torch.tensor(weights).double(), label_smoothing=smoothing)
    rows.append(row("cross-entropy", z, y, loss, classWeights=weights, labelSmoothing=smoothing))
    # all labels of the small class: the sum of weights is below 1
    z = draw(3, 5)
    y = torch.tensor([4, 4, -100])
    loss = F.cross_entropy(z, y, weight=torch.tensor(weights).double(), label_smoothing=smoothing)
    rows.append(row("cross-entropy", z, y, loss, classWeights=weights, labelSmoothing=smoothing))


def ctc(z, y, blank, frames):
    lengths = (y != -100).sum(1)
    kept = lengths > 0
    logp = F.log_softmax(z, -1).transpose(0, 1)
    safe = torch.where(y == -100, 0, y)
    nll = F.ctc_loss(logp, safe, torch.tensor(frames), lengths, blank=blank, reduction="none")
    return (nll[kept] / lengths[kept].double()).mean()


z = draw(4, 11, 7)
y = torch.tensor([[1, 2, 2, 6], [3, 3, 3, -100], [5, -100, -100, -100], [4, 1, 4, 1]])
for frames in ([11, 11, 11, 11], [11, 5, 1, 8]):
    rows.append(row("ctc", z, y, ctc(z, y, 0, frames), blank=0, frames=frames))
# the blank is the last class, some logits are large, and one row has no label
z = draw(3, 6, 4)
big = (z.detach() * 9).requires_grad_()
y = torch.tensor([[0, 1, 2], [-100, -100, -100], [2, 2, -100]])
rows.append(row("ctc", big, y, ctc(big, y, 3, [6, 6, 4]), blank=3, frames=[6, 6, 4]))
# one label, one frame
z = draw(1, 1, 3)
y = torch.tensor([[2]])
rows.append(row("ctc", z, y, ctc(z, y, 0, [1]), blank=0, frames=[1]))

with open("losses.json", "w") as out:
    json.dump(rows, out)
    out.write("\n")
