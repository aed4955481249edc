"""Small transformers as ONNX, PEFT adapters on them, and what PyTorch + PEFT computes, for test/interop.

Run: python make.py [NAME ...]      (torch, transformers, peft, onnx, onnxscript, gguf; no test needs them)
     python make.py NAME.CASE ...    only the adapters of these cases

NAME.onnx         a model of the family, hidden 16, exported with transformers' own module names
NAME.CASE/        an adapter as PeftModel.save_pretrained writes it, all its numbers random
NAME.CASE.safetensors   input.*, and the output `logits` with the adapter on, in float64, stored as float32
"""
import json, os, shutil, sys, warnings

import onnx
import peft
import torch
from peft import (FourierFTConfig, IA3Config, LoHaConfig, LoKrConfig, LoraConfig, RandLoraConfig, VeraConfig, get_peft_model)
from peft.tuners.tuners_utils import check_target_module_exists
from safetensors.torch import save_file
from transformers import (BertConfig, BertForSequenceClassification, DynamicCache, GPT2Config, GPT2LMHeadModel, LlamaConfig,
                          LlamaForCausalLM, MixtralConfig, MixtralForCausalLM, Qwen2Config, Qwen2ForCausalLM, RobertaConfig, RobertaForSequenceClassification,
                          T5Config, T5ForConditionalGeneration, ViTConfig, ViTForImageClassification, WhisperConfig,
                          WhisperForConditionalGeneration)

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB, H = 24, 16
EAGER = dict(attn_implementation="eager")


class Logits(torch.nn.Module):
    def __init__(self, model, names, **kw):
        super().__init__()
        self.m, self.names, self.kw = model, names, kw

    def forward(self, *given):
        return self.m(**dict(zip(self.names, given)), **self.kw).logits


class Cached(torch.nn.Module):
    """A step of a causal model that continues a cache of one pair of tensors per layer."""

    def __init__(self, model):
        super().__init__()
        self.m = model

    def forward(self, input_ids, attention_mask, position_ids, *past):
        cache = DynamicCache()
        for layer in range(len(past) // 2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        out = self.m(input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids, past_key_values=cache,
                     use_cache=True)
        held = [t for layer in out.past_key_values.layers for t in (layer.keys, layer.values)]
        return (out.logits, *held)


def ids(*shape):
    return torch.randint(3, VOCAB, shape)


def masked(*shape):
    mask = torch.ones(*shape, dtype=torch.long)
    mask[-1, -2:] = 0
    return mask


TEXT = dict(vocab_size=VOCAB, hidden_size=H, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=20, type_vocab_size=1, num_labels=3, **EAGER)
CAUSAL = dict(vocab_size=VOCAB, hidden_size=H, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=20, tie_word_embeddings=False, **EAGER)
FAMILIES = {
    "bert": lambda: (BertForSequenceClassification(BertConfig(**TEXT)),
                     {"input_ids": ids(2, 6), "attention_mask": masked(2, 6)}, {}),
    "roberta": lambda: (RobertaForSequenceClassification(RobertaConfig(pad_token_id=1, **TEXT)),
                        {"input_ids": ids(2, 6), "attention_mask": masked(2, 6)}, {}),
    "gpt2": lambda: (GPT2LMHeadModel(GPT2Config(vocab_size=VOCAB, n_embd=H, n_layer=2, n_head=4, n_positions=20, n_inner=24,
                                                tie_word_embeddings=False, **EAGER)),
                     {"input_ids": ids(2, 6), "attention_mask": masked(2, 6)}, {"use_cache": False}),
    "llama": lambda: (LlamaForCausalLM(LlamaConfig(**CAUSAL)),
                      {"input_ids": ids(2, 6), "attention_mask": masked(2, 6)}, {"use_cache": False}),
    "qwen2": lambda: (Qwen2ForCausalLM(Qwen2Config(**CAUSAL)),
                      {"input_ids": ids(2, 6), "attention_mask": masked(2, 6)}, {"use_cache": False}),
    # experts as one product of stacked matrices, which can be exported
    "mixtral": lambda: (MixtralForCausalLM(MixtralConfig(**{**CAUSAL, "intermediate_size": 12, "num_hidden_layers": 1},
                                                         num_local_experts=3, num_experts_per_tok=2,
                                                         experts_implementation="batched_mm")),
                        {"input_ids": ids(2, 6), "attention_mask": masked(2, 6)}, {"use_cache": False}),
    "t5": lambda: (T5ForConditionalGeneration(T5Config(vocab_size=VOCAB, d_model=H, d_kv=4, d_ff=24, num_layers=1,
                                                       num_decoder_layers=1, num_heads=4, decoder_start_token_id=0, **EAGER)),
                   {"input_ids": ids(2, 6), "attention_mask": masked(2, 6), "decoder_input_ids": ids(2, 4)},
                   {"use_cache": False}),
    "vit": lambda: (ViTForImageClassification(ViTConfig(hidden_size=H, intermediate_size=24, num_hidden_layers=2,
                                                        num_attention_heads=4, image_size=8, patch_size=4, num_labels=3, **EAGER)),
                    {"pixel_values": torch.randn(2, 3, 8, 8)}, {}),
    "whisper": lambda: (WhisperForConditionalGeneration(WhisperConfig(
        vocab_size=VOCAB, d_model=H, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=24, decoder_ffn_dim=24, num_mel_bins=4, max_source_positions=6, max_target_positions=8,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, **EAGER)),
        {"input_features": torch.randn(2, 4, 12), "decoder_input_ids": ids(2, 4), "decoder_attention_mask": masked(2, 4)},
        {"use_cache": False}),
}

lora = lambda **kw: LoraConfig(init_lora_weights=False, **kw)
CASES = {
    "bert.plain": lora(r=4, lora_alpha=6, target_modules=["query", "value"]),
    "bert.second": lora(r=4, lora_alpha=2, target_modules=["query", "value"]),
    "bert.saved": lora(r=2, lora_alpha=3, target_modules=["query", "output.dense"], modules_to_save=["classifier"],
                       task_type="SEQ_CLS"),
    "bert.patterns": lora(r=4, lora_alpha=6, target_modules=["query", "key", "intermediate.dense"],
                          rank_pattern={"key": 2, r"layer\.1\..*query": 3}, alpha_pattern={"layer.0.attention.self.query": 5}),
    "roberta.bias": lora(r=3, lora_alpha=4, target_modules=["query", "dense"], bias="all", modules_to_save=["classifier"],
                         exclude_modules="classifier.*", task_type="SEQ_CLS"),
    "gpt2.rslora": lora(r=4, lora_alpha=5, target_modules=["c_attn", "mlp.c_proj"], use_rslora=True, fan_in_fan_out=True),
    "llama.all": lora(r=3, lora_alpha=4, target_modules="all-linear"),
    "llama.layers": lora(r=3, lora_alpha=4, target_modules=["q_proj", "up_proj"], layers_to_transform=[1]),
    "qwen2.biases": lora(r=3, lora_alpha=4, target_modules=r".*\.(q_proj|down_proj)", exclude_modules=r".*layers\.0\.mlp\.down_proj",
                         bias="lora_only"),
    "t5.plain": lora(r=2, lora_alpha=3, target_modules=["q", "v", "wo"]),
    "vit.saved": lora(r=3, lora_alpha=5, target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"]),
    "whisper.plain": lora(r=3, lora_alpha=4, target_modules=["q_proj", "out_proj", "fc1"]),
    "bert.dora": lora(r=3, lora_alpha=4, target_modules=["query", "output.dense"], use_dora=True),
    "bert.vera": VeraConfig(r=4, target_modules=["query", "intermediate.dense", "output.dense"], projection_prng_key=5),
    "bert.loha": LoHaConfig(r=3, alpha=4, target_modules=["query", "intermediate.dense"], init_weights=False),
    "bert.lokr": LoKrConfig(r=2, alpha=3, target_modules=["query", "intermediate.dense"], init_weights=False),
    "bert.ia3": IA3Config(target_modules=["key", "value", "output.dense"], feedforward_modules=["output.dense"]),
    "gpt2.dora": lora(r=3, lora_alpha=4, target_modules=["c_attn"], use_dora=True, fan_in_fan_out=True),
    # square, tall and wide layers, of two numbers of matrices, neither of which the rank divides
    "llama.randlora": RandLoraConfig(r=3, randlora_alpha=5, target_modules=["q_proj", "k_proj", "up_proj", "down_proj"],
                                     layers_to_transform=[1]),
    "bert.fourierft": FourierFTConfig(n_frequency=40, scaling=60, target_modules=["query", "intermediate.dense", "output.dense"],
                                      n_frequency_pattern={"layer.1.output.dense": 384}, random_loc_seed=5),
    "mixtral.experts": lora(r=2, lora_alpha=3, target_modules=["q_proj"],
                            target_parameters=["experts.gate_up_proj", "mlp.experts.down_proj"],
                            rank_pattern={"down_proj": 1}, alpha_pattern={"experts.gate_up_proj": 5}),
    "gpt2.fourierft": FourierFTConfig(n_frequency=50, scaling=40, target_modules=["c_attn", "mlp.c_proj"]),
}


def randomise(model, scale):
    """Every parameter gets size: logits far from degenerate, norms and biases not 1 and 0."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.randn_like(p) * scale + (1 if "norm" in name.lower() and name.endswith("weight") else 0))


def export(name, module, given, outputs, dynamic):
    path = f"{HERE}/{name}.onnx"
    torch.onnx.export(module, tuple(given.values()), path, dynamo=False, opset_version=17, input_names=list(given),
                      output_names=outputs, dynamic_axes=dynamic)
    model = onnx.load(path)
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
    onnx.save(model, path)


def family(name):
    torch.manual_seed(sum(map(ord, name)))
    model, given, kw = FAMILIES[name]()
    model.eval()
    randomise(model, 0.25)
    return model, given, kw


wanted = [a for a in sys.argv[1:] if "." not in a] or ([] if sys.argv[1:] else list(FAMILIES))
only = [a for a in sys.argv[1:] if "." in a]
for name in dict.fromkeys([*wanted, *(case.split(".")[0] for case in only)]):
    model, given, kw = family(name)
    dynamic = {key: {0: "batch"} if t.is_floating_point() else {0: "batch", 1: f"{key}_length"} for key, t in given.items()}
    if "attention_mask" in dynamic:
        dynamic["attention_mask"] = dynamic["input_ids"]
    if name in wanted:
        export(name, Logits(model, list(given), **kw), given, ["logits"], {**dynamic, "logits": {0: "batch"}})
    for case, config in CASES.items():
        if not case.startswith(f"{name}.") or not (name in wanted or case in only):
            continue
        model, given, kw = family(name)
        adapted = get_peft_model(model, config)
        torch.manual_seed(len(case))
        with torch.no_grad():
            for key, p in adapted.named_parameters():
                if not p.requires_grad:
                    continue
                p.add_(torch.randn_like(p) * 0.3)
                if "magnitude" in key:
                    p.abs_()
        folder = f"{HERE}/{case}"
        shutil.rmtree(folder, ignore_errors=True)
        adapted.save_pretrained(folder, save_embedding_layers=False)
        os.remove(f"{folder}/README.md")
        config_file = f"{folder}/adapter_config.json"
        held = json.load(open(config_file))
        held["base_model_name_or_path"] = None
        for key in ("target_modules", "feedforward_modules", "target_parameters"):  # sets in PEFT, in any order
            if isinstance(held.get(key), list):
                held[key] = sorted(held[key])
        json.dump(held, open(config_file, "w"), indent=1, sort_keys=True)
        with torch.no_grad():
            wide = adapted.double().eval()
            double = {k: t.double() if t.is_floating_point() else t for k, t in given.items()}
            logits = wide(**double, **kw).logits
        save_file({**{f"input.{k}": t for k, t in given.items()}, "logits": logits.float()}, f"{folder}.safetensors")
        print(case, os.path.getsize(f"{folder}/adapter_model.safetensors"), float(logits.abs().mean()))

# which modules a configuration of PEFT chooses: key, target_modules, layers_to_transform, layers_pattern, exclude_modules
H1 = "transformer.h.1.attn.attention.q_proj"
CHOICES = [
    ("", [], None, None), ("", ["foo"], None, None), ("foo", [], None, None), ("foo", ["foo"], None, None),
    ("foo", ["bar"], None, None), ("foo", ["foo", "bar"], None, None), ("foo", "foo", None, None), ("foo", ".*oo", None, None),
    ("foo", "fo.*", None, None), ("foo", ".*bar.*", None, None), ("foobar", ".*oba.*", None, None),
    *[("foo.bar.1.baz", ["baz"], n, ["bar"]) for n in ([1], [0], [2], [0, 1, 2])],
    ("foo.bar.10.baz", ["baz"], [0], ["bar"]), ("foo.bar.10.baz", ["baz"], [1], ["bar"]),
    ("foo.bar.1.baz", ["baz", "spam"], [1], ["bar"]), ("foo.bar.1.baz", ["baz", "spam"], [0, 1, 2], ["bar"]),
    *[("foo.whatever.1.baz", ["baz"], n, p) for p in ([], "", None) for n in ([1], [0])],
    ("transformer.h.1.attn.attention.q_proj.foo", ["q_proj"], None, []), (H1, [], None, []), (H1, ["q_proj"], None, []),
    (H1, ["q_proj", "v_proj"], None, []), ("transformer.h.1.attn.attention.resid_dropout", ["q_proj", "v_proj"], None, []),
    *[(H1, ["q_proj"], n, ["h"]) for n in ([1], [0], [2], [0, 1, 2])], (H1, ["q_proj", "v_proj"], [0, 1, 2], ["h"]),
    ("foo.bar.q_proj", ["q_proj"], None, []), ("foo.bar.1.baz", ["baz"], [1], ["foo"]), ("foo.bar.1.baz", ["baz"], [1], ["baz"]),
    ("bar.1.baz", ["baz"], [1], ["bar"]), ("foo.bar.001.baz", ["baz"], [1], ["bar"]),
    ("foo.bar.1.spam.2.baz", ["baz"], [1], ["bar"]), ("foo.bar.2.spam.1.baz", ["baz"], [1], ["bar"]),
    *[(f"{a}blocks.1.{b}", ["weight"], [1], ["blocks"]) for a in ("", "mlp.") for b in ("weight", "bias")],
    ("layers.0.experts.1.up", ["up"], [1], None), ("a.layers.0.experts.1.up", ["up"], 0, None),
    ("a.q", ["q"], None, None, ["q"]), ("a.q", ["q"], None, None, ["a.q"]), ("a.q", ["q"], None, None, r"a\..*"),
    ("a.q", ["q"], None, None, "q"), ("xq", ["q"], None, None), ("a.q", r"(?P<side>a|b)\.q", None, None),
]
rows = []
for key, targets, layers, pattern, *exclude in CHOICES:
    config = LoraConfig(target_modules=targets, layers_to_transform=layers, layers_pattern=pattern,
                        exclude_modules=exclude[0] if exclude else None) if not (isinstance(targets, str) and layers) else None
    rows.append({"key": key, "target_modules": targets, "layers_to_transform": layers, "layers_pattern": pattern,
                 "exclude_modules": exclude[0] if exclude else None, "chosen": check_target_module_exists(config, key) not in
                 (False, None) and bool(check_target_module_exists(config, key))})
with open(f"{HERE}/selection.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")

if "bert" in wanted:
    # sums of two adapters: bert.sum.HOW.safetensors
    model, given, kw = family("bert")
    both = peft.PeftModel.from_pretrained(model, f"{HERE}/bert.plain")
    both.load_adapter(f"{HERE}/bert.second", adapter_name="second")
    for how in ("cat", "linear", "svd", "ties_svd"):
        both.add_weighted_adapter(["default", "second"], [0.7, 0.4], how, combination_type=how, svd_rank=4, density=0.6)
        both.set_adapter(how)
        with torch.no_grad():
            logits = both.eval()(**given, **kw).logits
        save_file({**{f"input.{k}": t for k, t in given.items()}, "logits": logits.float()},
                  f"{HERE}/bert.sum.{how.split('_')[0]}.safetensors")

if "bert" in wanted:
    # adapters that took a part out of the base: NAME/ is what PEFT makes of them, LoRA of the whole base at twice the rank
    for how, alpha in (("pissa", 5), ("olora", 2)):
        model, given, kw = family("bert")
        config = LoraConfig(r=3, lora_alpha=alpha, target_modules=["query", "intermediate.dense", "output.dense"],
                            init_lora_weights=how)
        adapted = get_peft_model(model, config)
        factors = {k: p for k, p in adapted.named_parameters() if "lora_" in k}
        held = {f"start.{k}": p.detach().clone() for k, p in factors.items()}
        folder, start = f"{HERE}/bert.{how}", f"{HERE}/start"
        adapted.peft_config["default"].init_lora_weights = True
        adapted.save_pretrained(start, save_embedding_layers=False)
        torch.manual_seed(alpha)
        with torch.no_grad():
            for p in factors.values():
                p.add_(torch.randn_like(p) * 0.3)
        held |= {f"trained.{k}": p.detach().clone() for k, p in factors.items()}
        shutil.rmtree(folder, ignore_errors=True)
        adapted.save_pretrained(folder, save_embedding_layers=False, path_initial_model_for_weight_conversion=start)
        shutil.rmtree(start)
        os.remove(f"{folder}/README.md")
        config_file = f"{folder}/adapter_config.json"
        saved = json.load(open(config_file))
        saved["base_model_name_or_path"] = None
        saved["target_modules"] = sorted(saved["target_modules"])
        json.dump(saved, open(config_file, "w"), indent=1, sort_keys=True)
        with torch.no_grad():
            logits = adapted.double().eval()(**given, **kw).logits
        save_file({**{f"input.{k}": t for k, t in given.items()}, "logits": logits.float(), **held}, f"{folder}.safetensors")

if "llama" in wanted:
    # the same network with a cache of keys and values, for an adapter that was made on the export without one
    model, given, _ = family("llama")
    past = [torch.randn(2, 2, 3, 4) for _ in range(4)]
    names = [f"past.{n // 2}.{'kv'[n % 2]}" for n in range(4)]
    step = {"input_ids": ids(2, 1), "attention_mask": torch.ones(2, 4, dtype=torch.long),
            "position_ids": torch.full((2, 1), 3), **dict(zip(names, past))}
    outputs = ["logits", *[n.replace("past", "present") for n in names]]
    dynamic = {"input_ids": {0: "batch", 1: "length"}, "position_ids": {0: "batch", 1: "length"},
               "attention_mask": {0: "batch", 1: "total"}, "logits": {0: "batch", 1: "length"},
               **{n: {0: "batch", 2: "past"} for n in names}, **{n: {0: "batch", 2: "total"} for n in outputs[1:]}}
    export("llama-cached", Cached(model), step, outputs, dynamic)

if "llama" in wanted:
    # adapters as GGUF, with the writer and the names of llama.cpp's package; rows of llama's q and k as its conversion permutes them
    import gguf
    import numpy as np
    from safetensors.numpy import load_file

    def permuted(rows, heads):
        return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)

    held = load_file(f"{HERE}/llama.all/adapter_model.safetensors")
    writer = gguf.GGUFWriter(f"{HERE}/llama.all.gguf", "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, 4.0)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    for key, data in held.items():
        module, part = key.removeprefix("base_model.model.").removesuffix(".weight").rsplit(".lora_", 1)
        if part == "B" and module.endswith(("q_proj", "k_proj")):
            data = permuted(data, data.shape[0] // 4)
        writer.add_tensor(f"{names.get_name(module)}.weight.lora_{part.lower()}", np.ascontiguousarray(data))
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()

    attention = [f"self_attn.{x}_proj" for x in "qkvo"]
    gated = [f"mlp.{x}_proj" for x in ("gate", "up", "down")]
    modules = {
        **{a: ("model.layers.3.", [*attention, *gated]) for a in ("llama", "qwen2", "qwen3", "gemma", "gemma2", "gemma3")},
        "phi3": ("model.layers.3.", ["self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj"]),
        "bert": ("encoder.layer.3.", [*[f"attention.self.{x}" for x in ("query", "key", "value")], "attention.output.dense",
                                      "intermediate.dense", "output.dense"]),
        "gpt2": ("transformer.h.3.", ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"]),
    }
    arches = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}
    with open(f"{HERE}/gguf-names.json", "w") as f:
        json.dump({a: {p + m: gguf.get_tensor_name_map(arches[a], 4).get_name(p + m) for m in ms}
                   for a, (p, ms) in modules.items()}, f, indent=1)
        f.write("\n")
