"""The PyTorch peer of bench/train: a training step with LoTR, as published, in plain modules.

    python torch_step.py --model roberta|charlm|llama [--autocast] [--cores] [--rank 8 --batch 8 --seq 128 --layers 12]
                         [--steps 5] [--threads 2] [--save FOLDER | --load FOLDER] [--products]

y = x W + b + ((x R) M) L; R and L are shared by all layers of one shape, M is of its layer. `--autocast` runs forward and backward
in bfloat16 where PyTorch's autocast does, `--cores` trains M alone, `--blocks` keeps only what goes into each block and computes the
rest again. Prints a JSON line: seconds of a step (median of those after the first), MB of resident memory at most. `--save` writes
the model and ends, `--load` reads it and takes one step. `--products` prints the rates of [1024, 768] x [768, 3072] in GFLOP/s.
Needs torch and transformers; weights are random.
"""

import argparse
import json
import resource
import statistics
import time

import torch

parse = argparse.ArgumentParser()
parse.add_argument("--model", default="roberta", choices=["roberta", "charlm", "llama"])
for name, value in {"rank": 8, "batch": 8, "seq": 128, "layers": 12, "steps": 5, "threads": 2}.items():
    parse.add_argument(f"--{name}", type=int, default=value)
for name in ("autocast", "cores", "products", "blocks"):
    parse.add_argument(f"--{name}", action="store_true")
parse.add_argument("--save")
parse.add_argument("--load")
args = parse.parse_args()
torch.manual_seed(0)
torch.set_num_threads(args.threads)


def rate(dtype):
    x, w = torch.randn(1024, 768).to(dtype), torch.randn(768, 3072).to(dtype)
    times = []
    end = time.perf_counter() + 1
    while len(times) < 4 or (time.perf_counter() < end and len(times) < 200):
        start = time.perf_counter()
        x @ w
        times.append(time.perf_counter() - start)
    return round(2 * 1024 * 768 * 3072 / min(times[1:]) / 1e9)


if args.products:
    print(json.dumps({"float32": rate(torch.float32), "bfloat16": rate(torch.bfloat16)}))
    raise SystemExit


class Adapted(torch.nn.Module):
    def __init__(self, base, right, left):
        super().__init__()
        self.base, self.right, self.left = base, right, left
        self.core = torch.nn.Parameter(torch.zeros(right.shape[1], right.shape[1]))

    def forward(self, x):
        return self.base(x) + ((x @ self.right) @ self.core) @ self.left


def roberta():
    from transformers import RobertaConfig, RobertaForSequenceClassification

    config = RobertaConfig(
        vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, num_labels=2, num_hidden_layers=args.layers,
        hidden_dropout_prob=0, attention_probs_dropout_prob=0, attn_implementation="sdpa",
    )
    kind = RobertaForSequenceClassification
    model = kind.from_pretrained(args.load, attn_implementation="sdpa") if args.load else kind(config)
    model.train()
    places = [(layer.attention.self, name) for layer in model.roberta.encoder.layer for name in ("query", "value")]
    ids = torch.randint(5, 50000, (args.batch, args.seq))
    return model, places, {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.randint(0, 2, (args.batch,))}


def charlm():
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=96, n_embd=128, n_layer=6, n_head=4, n_positions=128, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
            bos_token_id=0, eos_token_id=0,
        )
    )
    places = [
        (getattr(block, part), name)
        for block in model.transformer.h
        for part, name in (("attn", "c_attn"), ("attn", "c_proj"), ("mlp", "c_fc"), ("mlp", "c_proj"))
    ]
    ids = torch.randint(0, 96, (args.batch, args.seq))
    return model, places, {"input_ids": ids, "labels": ids}


def llama():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=32000, hidden_size=2048, intermediate_size=5632, num_hidden_layers=22, num_attention_heads=32,
        num_key_value_heads=4, attn_implementation="sdpa", use_cache=False,
    )
    # what is measured depends on the sizes alone: initialising 1.1e9 numbers takes longer than the steps
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    model.to_empty(device="cpu")
    for tensor in [*model.parameters(), *model.buffers()]:
        torch.nn.init.constant_(tensor, 0.01)
    places = [(layer.self_attn, name) for layer in model.model.layers for name in ("q_proj", "v_proj")]
    ids = torch.randint(0, 32000, (args.batch, args.seq))
    return model.train(), places, {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}


model, places, feeds = {"roberta": roberta, "charlm": charlm, "llama": llama}[args.model]()
if args.save:
    model.save_pretrained(args.save)
    raise SystemExit
model.requires_grad_(False)
if args.blocks:
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
shared, trained = {}, []
for parent, name in places:
    base = getattr(parent, name)
    rows, columns = (base.in_features, base.out_features) if hasattr(base, "in_features") else base.weight.shape
    if (rows, columns) not in shared:
        factors = torch.randn(rows, args.rank) / rows**0.5, torch.randn(args.rank, columns) / args.rank**0.5
        shared[rows, columns] = [torch.nn.Parameter(factor, requires_grad=not args.cores) for factor in factors]
        trained += [] if args.cores else shared[rows, columns]
    site = Adapted(base, *shared[rows, columns])
    setattr(parent, name, site)
    trained.append(site.core)
optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0)
times = []
for _ in range(1 if args.load else args.steps + 1):
    start = time.perf_counter()
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.autocast):
        loss = model(**feeds).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1)
    optimizer.step()
    times.append(time.perf_counter() - start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps({"step_s": statistics.median(times[1:] or times), "peak_mb": peak}))
