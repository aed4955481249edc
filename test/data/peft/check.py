"""Does PEFT load what lotrc exported, and compute what the ONNX model with the adapter computes?

Run: python check.py FAMILY PEFT_FOLDER MODEL.onnx     (FAMILY of make.py; MODEL.onnx from `lotrc apply` or `rewrite`)
     ... PEFT_FOLDER.safetensors     also records inputs and logits, as make.py does: mixtral.lotr, which is `lotrc convert
     mixtral.lotr.adapter.safetensors mixtral.lotr`
"""
import os, sys, warnings

import numpy as np
import onnxruntime
import torch

from peft import PeftModel
from safetensors.torch import save_file

family_name, folder, onnx_file, *record = sys.argv[1:]
sys.argv = [sys.argv[0], "-"]
source = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "make.py")).read()
exec(source.split("\nwanted = ")[0])  # the families, without writing anything

model, given, kw = family(family_name)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    adapted = PeftModel.from_pretrained(model, folder).eval()
for warning in said:
    print("warning:", str(warning.message)[:200])
with torch.no_grad():
    wanted = adapted(**given, **kw).logits.numpy()
session = onnxruntime.InferenceSession(onnx_file, providers=["CPUExecutionProvider"])
(found,) = session.run(["logits"], {key: t.numpy() for key, t in given.items()})
print(family_name, folder, "relative difference", float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted)))
if record:
    wide = {key: t.double() if t.is_floating_point() else t for key, t in given.items()}
    with torch.no_grad():
        logits = adapted.double()(**wide, **kw).logits.float()
    save_file({**{f"input.{key}": t for key, t in given.items()}, "logits": logits}, record[0])
