"""LoftQ (arXiv 2310.08659) beside the quantised weights of ONNX Runtime, in numpy and float64, for test/init/loftq.test.ts.

Run: python make.py      (torch, onnx, onnxruntime, peft; no test needs them)

float.onnx              two linear layers, 40 x 24 and 24 x 18, exported by PyTorch
quantised.onnx          the same by ONNX Runtime's MatMulNBitsQuantizer: 4 bits in blocks of 16 without zero points, 8 bits with them
loftq.safetensors       an input; for ITERATIONS 1 and 3 of each layer, at rank 3: the product A B (in, out), and the
                        weight (out, in) that is stored at the end; and the output with both
"""
import logging, os, sys

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from safetensors.numpy import save_file

logging.disable()
HERE = os.path.dirname(os.path.abspath(__file__))
RANK = 3


class Block(torch.nn.Module):
    def __init__(self, inn, out):
        super().__init__()
        self.dense = torch.nn.Linear(inn, out)

    def forward(self, x):
        return torch.tanh(self.dense(x))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.ModuleList([Block(40, 24), Block(24, 18)])

    def forward(self, x):
        for block in self.layer:
            x = block(x)
        return x


torch.manual_seed(3)
net = Net()
with torch.no_grad():
    for p in net.parameters():
        p.copy_(torch.randn_like(p) * 0.4)
x = torch.randn(2, 5, 40)
torch.onnx.export(net, (x,), f"{HERE}/float.onnx", dynamo=False, opset_version=17, input_names=["x"], output_names=["y"],
                  dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}})
model = onnx.load(f"{HERE}/float.onnx")
model.doc_string = ""
for node in model.graph.node:
    node.doc_string = ""
onnx.save(model, f"{HERE}/float.onnx")

products = [n.name for n in model.graph.node if n.op_type == "MatMul"]
for name, bits, symmetric in ((products[0], 4, True), (products[1], 8, False)):
    quantizer = MatMulNBitsQuantizer(model, bits=bits, block_size=16, is_symmetric=symmetric,
                                     nodes_to_exclude=[n for n in products if n != name])
    quantizer.process()
    model = quantizer.model.model
onnx.save(model, f"{HERE}/quantised.onnx")
held = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}


def fields(data, bits, count):
    data = data.reshape(data.shape[0], -1)
    if bits == 4:
        data = np.stack([data & 15, data >> 4], -1).reshape(data.shape[0], -1)
    return data[:, :count].astype(float)


def stored(node, shape):
    out, inn = shape
    bits = {a.name: a.i for a in node.attribute}["bits"]
    blocks = -(-inn // 16)
    codes = fields(held[node.input[1]], bits, blocks * 16).reshape(out, blocks, 16)
    scales = held[node.input[2]].astype(float).reshape(out, blocks, 1)
    zeros = fields(held[node.input[3]].reshape(out, -1), bits, blocks).reshape(out, blocks, 1) if len(node.input) > 3 else 2 ** (bits - 1)
    return ((codes - zeros) * scales).reshape(out, -1)[:, :inn]


def quantised(w, bits, zeros):
    """As ONNX Runtime rounds blocks of 16; scales are float32."""
    out, inn = w.shape
    v = np.zeros((out, -(-inn // 16) * 16))
    v[:, :inn] = w
    v = v.reshape(out, -1, 16)
    low, high = np.minimum(0, v.min(-1, keepdims=True)), np.maximum(0, v.max(-1, keepdims=True))
    half, top = 2 ** (bits - 1), 2 ** bits - 1
    scale = ((high - low) / top if zeros else np.where(high > -low, high, low) / -half).astype(np.float32).astype(float)
    round = lambda t: np.sign(t) * np.floor(np.abs(t) + 0.5)
    zero = np.clip(round(-low / scale), 0, top) if zeros else half
    codes = np.clip(round(v / scale + zero), 0, top)
    return ((codes - zero) * scale).reshape(out, -1)[:, :inn]


def loftq(w, q, bits, zeros, iterations):
    for turn in range(iterations):
        if turn:
            q = quantised(w - product, bits, zeros)
        u, s, v = np.linalg.svd(w - q)
        product = (u[:, :RANK] * s[:RANK]) @ v[:RANK]
    return product, q


found = {"x": x.numpy(), "1.y": x.numpy().astype(float), "3.y": x.numpy().astype(float)}
nodes = [n for n in model.graph.node if n.op_type == "MatMulNBits"]
for k, (node, bits, zeros) in enumerate(zip(nodes, (4, 8), (False, True))):
    w = net.layer[k].dense.weight.detach().numpy().astype(float)
    q = stored(node, w.shape)
    same = np.abs(quantised(w, bits, zeros) - q).max()
    for iterations in (1, 3):
        product, last = loftq(w, q, bits, zeros, iterations)
        found |= {f"{k}.{iterations}.product": product.T.astype(np.float32), f"{k}.{iterations}.stored": last.astype(np.float32)}
        bias = net.layer[k].dense.bias.detach().numpy().astype(float)
        found[f"{iterations}.y"] = np.tanh(found[f"{iterations}.y"] @ (last + product).T + bias)
        norm = np.linalg.norm
        print(k, iterations, "relative error", norm(w - q) / norm(w), norm(w - last - product) / norm(w), "rule", same)
    # PEFT decomposes what is left in the same way, in float32
    from peft.utils.loftq_utils import _low_rank_decomposition
    parts = _low_rank_decomposition(torch.tensor(w - q, dtype=torch.float32), RANK)
    other = (parts["L"] @ parts["R"]).numpy()
    mine = loftq(w, q, bits, zeros, 1)[0]
    print("  from PEFT", np.linalg.norm(other - mine) / np.linalg.norm(mine))
save_file({k: np.ascontiguousarray(v, np.float32) for k, v in found.items()}, f"{HERE}/loftq.safetensors")
