"""Makes the files of this folder: rows that Hugging Face's libraries make of texts, prompts, conversations and tagged
words, and the losses of PyTorch on them. Run with transformers 5.18, tokenizers 0.23, torch and onnxruntime:

    python make.py ../cases/train/tied.ts.onnx
"""

import json
import sys

import numpy as np
import onnxruntime
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import DataCollatorForTokenClassification, DataCollatorWithFlattening, PreTrainedTokenizerFast

# a tokenizer for a model with 64 tokens: pieces of letters, <s> before each text
special = ["<pad>", "<s>", "</s>", "<|user|>", "<|bot|>", "<|end|>"]
tok = Tokenizer(models.BPE(unk_token="<pad>"))
tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
corpus = ["what is one and one? two", "is the sea deep? yes, very deep", "name a fish: a cod\nor a ling"] * 3
tok.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=64, special_tokens=special))
tok.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)])
assert tok.get_vocab_size() <= 64, tok.get_vocab_size()

PLAIN = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|user|>' if m.role == 'user' else '<|bot|>' }}{{ m['content'] | trim }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|bot|>{% endif %}"
)
MARKED = (
    "{{- bos_token }}\n{%- for m in messages %}\n  {%- if m.role == 'user' %}\n    {{- '<|user|>' + m.content + '<|end|>' }}\n"
    "  {%- else %}\n    {{- '<|bot|>' }}\n    {% generation %}\n    {{- m.content + '<|end|>' }}\n    {% endgeneration %}\n"
    "  {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}{{- '<|bot|>' }}{% endif %}\n"
)
fast = PreTrainedTokenizerFast(tokenizer_object=tok, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
tok.save("tokenizer.json")
config = {"bos_token": {"content": "<s>", "lstrip": False}, "eos_token": "</s>", "chat_template": PLAIN}
json.dump(config, open("tokenizer_config.json", "w"), indent=1)
open("marked.jinja", "w").write(MARKED)

EOS = fast.eos_token_id
rows = {}


def causal(ids, predicted):
    return {"ids": ids, "labels": [i if p else -100 for i, p in zip(ids, predicted)]}


texts = ["what is a fish?", "a very deep sea", "yes", "one and one and one is a name or a sea"]
rows["text"] = []
for text in texts:
    ids = fast(text)["input_ids"] + [EOS]
    rows["text"].append({"text": text, **causal(ids, [0] + [1] * (len(ids) - 1))})

# trl: the prompt alone and with its completion are tokenized, and the tokens of the first are not predicted
prompts = [("what is one and one?", " two"), ("is the sea deep? ", "yes"), ("name a fish: ", "a cod\nor a ling")]
rows["prompt"] = []
for prompt, completion in prompts:
    head, ids = fast(prompt)["input_ids"], fast(prompt + completion)["input_ids"] + [EOS]
    same = next((k for k, (a, b) in enumerate(zip(head, ids)) if a != b), len(head))
    rows["prompt"].append(
        {"prompt": prompt, "completion": completion, **causal(ids, [int(k >= same) for k in range(len(ids))])}
    )

user, bot = (lambda text: {"role": "user", "content": text}), (lambda text: {"role": "assistant", "content": text})
chats = [
    [user("is the sea deep?"), bot("yes, very deep"), user("what is a fish?"), bot("a cod")],
    [user("name a fish: "), bot(" a ling ")],
]
rows["chat"], rows["marked"] = [], []
for messages in chats:
    ids = fast.apply_chat_template(messages, chat_template=PLAIN, tokenize=True, return_dict=False)
    predicted = [0] * len(ids)
    for k, message in enumerate(messages):
        if message["role"] == "assistant":
            start = fast.apply_chat_template(
                messages[:k], chat_template=PLAIN, tokenize=True, return_dict=False, add_generation_prompt=True
            )
            end = fast.apply_chat_template(messages[: k + 1], chat_template=PLAIN, tokenize=True, return_dict=False)
            assert ids[: len(start)] == start and ids[: len(end)] == end
            predicted[len(start) : len(end)] = [1] * (len(end) - len(start))
    rows["chat"].append({"messages": messages, **causal(ids, predicted)})
    both = fast.apply_chat_template(
        messages, chat_template=MARKED, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    rows["marked"].append(
        {
            "messages": messages,
            "rendered": fast.apply_chat_template(messages, chat_template=MARKED, tokenize=False),
            **causal(both["input_ids"], both["assistant_masks"]),
        }
    )

# examples end to end, positions from 0 in each, the first token of each not predicted
flat = DataCollatorWithFlattening(return_position_ids=True)([{"input_ids": row["ids"]} for row in rows["text"]])
rows["packed"] = {
    "ids": flat["input_ids"][0].tolist(),
    "labels": flat["labels"][0].tolist(),
    "positions": flat["position_ids"][0].tolist(),
}

words = [["a", "very", "deep", "sea"], ["is", "fish", "a", "name", "yes"]]
tags = [["O", "B", "I", "O"], ["O", "B", "I", "O", "B"]]
names = ["B", "I", "O"]
rows["tags"] = []
for tokens, own in zip(words, tags):
    encoded = fast(tokens, is_split_into_words=True)
    ids_of = encoded.word_ids()
    first = [w is not None and (k == 0 or ids_of[k - 1] != w) for k, w in enumerate(ids_of)]
    labels = [names.index(own[w]) if f else -100 for w, f in zip(ids_of, first)]
    every = [-100 if w is None else names.index(own[w]) for w in ids_of]
    rows["tags"].append({"tokens": tokens, "tags": own, "ids": encoded["input_ids"], "labels": labels, "every": every})

# losses of the model, by torch's cross-entropy over shifted labels
session = onnxruntime.InferenceSession(sys.argv[1])
losses = {}
for kind in ["text", "prompt", "chat"]:
    padded = DataCollatorForTokenClassification(fast)(
        [{"input_ids": row["ids"], "attention_mask": [1] * len(row["ids"]), "labels": row["labels"]} for row in rows[kind]]
    )
    feeds = {name: padded[name].numpy().astype(np.int64) for name in ["input_ids", "attention_mask"]}
    logits = torch.from_numpy(session.run(["logits"], feeds)[0]).double()
    losses[kind] = torch.nn.functional.cross_entropy(
        logits[:, :-1].reshape(-1, logits.shape[-1]), padded["labels"][:, 1:].reshape(-1)
    ).item()

json.dump({"rows": rows, "losses": losses}, open("expected.json", "w"), separators=(",", ":"))
