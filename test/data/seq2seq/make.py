"""A small T5 with a tokenizer, pairs of texts, and what PyTorch makes of them, for test/train/seq2seq.test.ts.

    python make.py            writes model.onnx, tokenizer.json, config.json, data.jsonl and expected.json here

`expected.json`: ids of sources and targets, and the mean cross-entropy of `T5ForConditionalGeneration(labels=...)` over
the tokens of all targets, in float64.
"""

import json
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import T5Config, T5ForConditionalGeneration

HERE = Path(__file__).parent
RNG = random.Random(3)
WORDS = "the cat dog bird sees eats finds a small large red green apple house tree and or in".split()


def text(least, most):
    return " ".join(RNG.choice(WORDS) for _ in range(RNG.randint(least, most)))


rows = [{"source": "translate: " + text(1, 9), "target": text(1, 7)} for _ in range(7)]
tokenizer = Tokenizer(models.Unigram())
tokenizer.normalizer = normalizers.NFKC()
tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
corpus = [value for row in rows for value in row.values()] + WORDS
tokenizer.train_from_iterator(corpus, trainers.UnigramTrainer(vocab_size=60, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])

torch.manual_seed(5)
config = T5Config(vocab_size=61, d_model=12, d_kv=6, d_ff=20, num_layers=1, num_heads=2, relative_attention_num_buckets=6, dropout_rate=0.0, decoder_start_token_id=0, tie_word_embeddings=False)
model = T5ForConditionalGeneration(config).eval()
with torch.no_grad():
    for parameter in model.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.3)


def padded(lists, fill):
    longest = max(map(len, lists))
    return torch.tensor([row + [fill] * (longest - len(row)) for row in lists])


def run(double, sources, targets):
    ids, labels = padded(sources, 0), padded(targets, -100)
    mask = padded([[1] * len(row) for row in sources], 0)
    return double(input_ids=ids, attention_mask=mask, labels=labels)


sources = [tokenizer.encode(row["source"]).ids for row in rows]
targets = [tokenizer.encode(row["target"]).ids for row in rows]
loss = run(model.double(), sources, targets).loss.item()
cut = run(model, [row[:5] + [1] if len(row) > 6 else row for row in sources], [row[:5] + [1] if len(row) > 6 else row for row in targets]).loss.item()
model.float()


class Logits(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.t5 = model

    def forward(self, input_ids, attention_mask, decoder_input_ids):
        return self.t5(input_ids=input_ids, attention_mask=attention_mask, decoder_input_ids=decoder_input_ids, use_cache=False).logits


ids = padded(sources[:2], 0)
names = ["input_ids", "attention_mask", "decoder_input_ids"]
axes = {"input_ids": {0: "batch", 1: "source"}, "attention_mask": {0: "batch", 1: "source"}, "decoder_input_ids": {0: "batch", 1: "target"}, "logits": {0: "batch", 1: "target"}}
torch.onnx.export(Logits(), (ids, torch.ones_like(ids), ids[:, :3]), HERE / "model.onnx", input_names=names, output_names=["logits"], dynamic_axes=axes, opset_version=17, dynamo=False)
made = json.loads(tokenizer.to_str())
made["decoder"] = None
(HERE / "tokenizer.json").write_text(json.dumps(made, ensure_ascii=False, separators=(",", ":")))
(HERE / "config.json").write_text(json.dumps({"model_type": "t5", "is_encoder_decoder": True, "decoder_start_token_id": 0, "pad_token_id": 0}) + "\n")
(HERE / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
(HERE / "expected.json").write_text(json.dumps({"sources": sources, "targets": targets, "loss": loss, "cut6": cut}) + "\n")
print(loss, cut, len(made["model"]["vocab"]), [len(s) for s in sources], [len(t) for t in targets])
