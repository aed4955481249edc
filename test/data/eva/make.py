"""Starts of adapters from data on the small models of ../peft, as PEFT's EVA and as numpy has them, for test/train/eva.test.ts.

Run: python make.py      (torch, transformers, peft, numpy, onnx, onnxruntime; no test needs them)

calibration.safetensors   input_ids and attention_mask [24, 7] for bert.onnx, without padding
eva.safetensors           peft/MODULE: components of PEFT's get_eva_state_dict [8, in], in float32; numpy/MODULE: leading eigenvectors of the
                          covariance of what the layer of the ONNX model reads [5, in], in float64; numpy/SHAPE: of the sum over the layers of a shape
"""
import os, sys

import numpy as np
import onnx
import onnxruntime
import torch
from peft import EvaConfig, LoraConfig
from peft.tuners.lora.eva import get_eva_state_dict
from safetensors.numpy import save_file as save_arrays

HERE = os.path.dirname(os.path.abspath(__file__))
PEFT = os.path.join(HERE, "..", "peft")
sys.argv = [os.path.join(PEFT, "make.py"), "-"]
source = open(sys.argv[0]).read()
__file__ = sys.argv[0]
exec(source.split("\nwanted = ")[0])  # the families, without writing anything
HERE = os.path.join(HERE, "..", "eva")
TARGETS = ["query", "key", "intermediate.dense", "output.dense"]

model, _, _ = family("bert")
torch.manual_seed(11)
given = {"input_ids": ids(24, 7), "attention_mask": torch.ones(24, 7, dtype=torch.long)}
save_arrays({k: t.numpy() for k, t in given.items()}, f"{HERE}/calibration.safetensors")

config = LoraConfig(r=8, lora_alpha=8, target_modules=TARGETS, init_lora_weights="eva", eva_config=EvaConfig(rho=1.0))
found = get_eva_state_dict(model, [given], config, show_progress_bar=False)
out = {f"peft/{name}": v.contiguous().numpy() for name, v in found.items()}

graph = onnx.load(f"{PEFT}/bert.onnx")
reads = {}
for node in graph.graph.node:
    module = node.name.removeprefix("/m/").rsplit("/", 1)[0].replace("/", ".")
    if node.op_type in ("MatMul", "Gemm") and module in found:
        reads[module] = node.input[0]
for name in dict.fromkeys(reads.values()):
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
values = dict(zip(reads.values(), session.run(list(reads.values()), {k: t.numpy() for k, t in given.items()})))
shapes = {}
for module, name in reads.items():
    x = values[name].reshape(-1, values[name].shape[-1]).astype(np.float64)
    covariance = (x - x.mean(0)).T @ (x - x.mean(0))
    weight = model.get_submodule(module).weight
    shapes.setdefault(f"{weight.shape[1]}x{weight.shape[0]}", []).append(covariance)
    out[f"numpy/{module}"] = np.linalg.eigh(covariance)[1][:, ::-1][:, :5].T.copy()
for shape, all_of in shapes.items():
    values_, vectors = np.linalg.eigh(sum(all_of))
    print(shape, len(all_of), "eigenvalues", np.round(values_[::-1][:6], 3))
    out[f"numpy/{shape}"] = vectors[:, ::-1][:, :5].T.copy()
save_arrays(out, f"{HERE}/eva.safetensors")
for name in found:
    a, b = out[f"peft/{name}"][:5], out[f"numpy/{name}"]
    print(name, "PEFT against numpy", np.abs(np.abs((a * b).sum(1)) - 1).max())
