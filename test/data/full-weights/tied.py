"""Writes tied.safetensors: loss and gradients of GPT-2 with a tied embedding, from PyTorch.

test/data/cases/train/tied.ts.onnx is a GPT2LMHeadModel whose embedding is its output head too; TorchScript wrote the
weight twice. Run in this folder: python tied.py
"""
import numpy as np, onnx, torch
from onnx import numpy_helper
from safetensors.numpy import save_file
from transformers import GPT2Config, GPT2LMHeadModel

path = "../cases/train/tied.ts.onnx"
held = {i.name: numpy_helper.to_array(i) for i in onnx.load(path).graph.initializer}
heads = 4
config = GPT2Config(vocab_size=64, n_positions=64, n_embd=32, n_layer=2, n_head=heads, attn_pdrop=0, resid_pdrop=0, embd_pdrop=0)
model = GPT2LMHeadModel(config).eval()
state = {k.removeprefix("m."): torch.tensor(v) for k, v in held.items() if k.startswith("m.")}
state["lm_head.weight"] = state["transformer.wte.weight"]
missing, unexpected = model.load_state_dict(state, strict=False)
assert not unexpected and not [k for k in missing if not k.endswith("attn.bias")], (missing, unexpected)
rng = np.random.default_rng(5)
ids = rng.integers(0, 64, (3, 11))
out = model(input_ids=torch.tensor(ids), labels=torch.tensor(ids))
out.loss.backward()
named = dict(model.named_parameters())
grad = lambda name: named[name].grad.numpy()
save_file({
    "input_ids": ids.astype(np.int64),
    "loss": np.array(out.loss.item(), np.float32),
    "wte": grad("transformer.wte.weight"),
    "bias": grad("transformer.h.1.mlp.c_fc.bias"),
}, "tied.safetensors")
print(out.loss.item())
