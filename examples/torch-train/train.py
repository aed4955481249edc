"""Trains the adapters of a causal language model of transformers with the library that `lotrc emit cuda` wrote.

    lotrc rewrite model.onnx --rank 8                                   # model.lotr.onnx and model.lotr.safetensors
    lotrc emit cuda model.lotr.onnx -o gpu --for train --tokens 1024 --dtype bf16
    cmake -S gpu -B gpu/build -DBUILD_SHARED_LIBS=ON && cmake --build gpu/build
    python train.py --model NAME --library gpu --adapter model.lotr.safetensors --text corpus.txt --out tuned.safetensors
    lotrc merge model.lotr.onnx --adapter tuned.safetensors -o tuned.onnx

model.onnx is an export of the checkpoint NAME: the layers are found by their module paths. Needs torch, transformers and safetensors.
"""
import argparse
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def windows(ids, batch, length, seed):
    """Batches of windows at random places of the text, without end."""
    draw = torch.Generator().manual_seed(seed)
    while True:
        at = torch.randint(len(ids) - length, (batch,), generator=draw)
        yield torch.stack([ids[begin : begin + length] for begin in at])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="name or folder of the checkpoint that was exported")
    parser.add_argument("--library", required=True, type=pathlib.Path, help="folder that lotrc emit cuda wrote, with build/ in it")
    parser.add_argument("--adapter", required=True, help="adapter file that lotrc rewrite wrote")
    parser.add_argument("--text", required=True, type=pathlib.Path, help="plain text")
    parser.add_argument("--out", required=True, help="adapter file to write")
    parser.add_argument("--dtype", choices=TYPES, default="bf16", help="that of lotrc emit cuda")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=128, help="tokens of an example; batch times length is at most --tokens of the library")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()

    sys.path.insert(0, str(args.library))
    from adapters_torch import Adapters

    tokenizer = AutoTokenizer.from_pretrained(args.model)
    ids = torch.tensor(tokenizer(args.text.read_text()).input_ids)
    if len(ids) <= args.length:
        sys.exit(f"{args.text} has {len(ids)} tokens; an example takes {args.length}")

    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=TYPES[args.dtype]).to(args.device)
    model.requires_grad_(False)
    host = Adapters(args.library / "build" / "liblotrc_adapters.so", tokens=args.batch * args.length, device=args.device)
    for name in host.load(args.adapter):
        print(f"{args.adapter}: {name} is kept as it is")
    host.patch(model)

    optimizer = torch.optim.AdamW(host.parameter_groups(lr=args.lr), weight_decay=0.0)
    for step, batch in zip(range(1, args.steps + 1), windows(ids, args.batch, args.length, args.seed)):
        batch = batch.to(args.device)
        loss = model(input_ids=batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"step {step}: loss {loss.item():.4f}")
    host.save(args.out)
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
