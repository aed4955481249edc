"""Dumps the operator schemas of the standard ONNX domain to src/ir/ops/schema.json.

Run by hand when a new ONNX release adds operators, with a Python that has the `onnx` package (1.23 was used last):

    python cli/dev/dump-schema.py

then `npm run gen` to write the generated TypeScript. Only facts are dumped (names, versions, arity, attribute types
and defaults), one operator per line. Operators that the package does not describe (ONNX Runtime's own and the
project's) are listed by hand in EXTRA below, after the attribute lists of ONNX Runtime's operator documentation.
Neither the build nor the tests need Python.
"""

import json
import os

import numpy
import onnx
from onnx import defs, numpy_helper

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "src", "ir", "ops", "schema.json")
OPTION = {
    defs.OpSchema.FormalParameterOption.Single: "single",
    defs.OpSchema.FormalParameterOption.Optional: "optional",
    defs.OpSchema.FormalParameterOption.Variadic: "variadic",
}
DIFFERENTIABLE = {
    defs.OpSchema.DifferentiationCategory.Differentiable: True,
    defs.OpSchema.DifferentiationCategory.NonDifferentiable: False,
}


def port(p):
    row = {"name": p.name}
    option = OPTION[p.option]
    if option != "single":
        row["option"] = option
    if option == "variadic" and p.min_arity != 1:
        row["min"] = p.min_arity
    if p.differentiation_category in DIFFERENTIABLE:
        row["diff"] = DIFFERENTIABLE[p.differentiation_category]
    return row


def default(attr):
    proto = attr.default_value
    if proto.type == onnx.AttributeProto.UNDEFINED:
        return None
    value = onnx.helper.get_attribute_value(proto)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float):
        return float(numpy.format_float_positional(numpy.float32(value), unique=True, trim="0"))
    if isinstance(value, onnx.TensorProto):
        return None  # no operator has one that matters; a missing tensor is absent
    if isinstance(value, (list, tuple)) or hasattr(value, "__iter__") and not isinstance(value, str):
        return [v.decode() if isinstance(v, bytes) else v for v in value]
    return value


def attribute(attr):
    row = {"type": attr.type.name.lower()}
    value = default(attr)
    if value is not None:
        row["default"] = value
    if attr.required:
        row["required"] = True
    return row


def arity(ports):
    """[fewest, most]; null for most when there is no limit."""
    fewest, most = 0, 0
    for index, p in enumerate(ports):
        option = OPTION[p.option]
        if option == "variadic":
            return [fewest if p.min_arity == 0 else index + p.min_arity, None]
        most += 1
        if option == "single":
            fewest = index + 1
    return [fewest, most]


def version(schema):
    return {
        "since": schema.since_version,
        **({"deprecated": True} if schema.deprecated else {}),
        "in": arity(schema.inputs),
        "out": arity(schema.outputs),
        "attrs": {name: attribute(schema.attributes[name]) for name in sorted(schema.attributes)},
    }


def f(value=None, **more):
    return {"type": "float", **({} if value is None else {"default": value}), **more}


def i(value=None, **more):
    return {"type": "int", **({} if value is None else {"default": value}), **more}


def s(value=None, **more):
    return {"type": "string", **({} if value is None else {"default": value}), **more}


def extra(domain, name, inputs, outputs, attrs, since=1):
    """Ports: 'x' required, 'x?' optional, 'x*' any number, 'x+' at least one."""

    def ports(text):
        rows = []
        for word in text.split():
            name, mark = (word[:-1], word[-1]) if word[-1] in "?*+" else (word, "")
            row = {"name": name}
            if mark:
                row["option"] = "optional" if mark == "?" else "variadic"
            if mark == "*":
                row["min"] = 0
            rows.append(row)
        return rows

    def count(rows):
        fewest = max([k + 1 for k, r in enumerate(rows) if r.get("option") != "optional" and r.get("min") != 0] or [0])
        return [fewest, None if any(r.get("option") == "variadic" for r in rows) else len(rows)]

    a, b = ports(inputs), ports(outputs)
    row = {"since": since, "in": count(a), "out": count(b), "attrs": attrs}
    return {"name": name, "domain": domain, "inputs": a, "outputs": b, "versions": [row]}


MS = "com.microsoft"
EXTRA = [
    extra("", "SimplifiedLayerNormalization", "X scale", "Y inv_std_var?",
          {"axis": i(-1), "epsilon": f(1e-5), "stash_type": i(1)}),
    extra(MS, "Attention", "input weights bias? mask_index? past? attention_bias? past_sequence_length?", "output present?",
          {"num_heads": i(required=True), "unidirectional": i(0), "do_rotary": i(0), "mask_filter_value": f(),
           "past_present_share_buffer": i(), "qkv_hidden_sizes": {"type": "ints"}, "rotary_embedding_dim": i(), "scale": f()}),
    extra(MS, "BiasGelu", "A B", "C", {}),
    extra(MS, "DynamicQuantizeMatMul", "A B b_scale b_zero_point? bias?", "Y", {}),
    extra(MS, "EmbedLayerNormalization",
          "input_ids segment_ids? word_embedding position_embedding segment_embedding? gamma beta mask? position_ids?",
          "output mask_index? embedding_sum?", {"epsilon": f(1e-12), "mask_index_type": i(0)}),
    extra(MS, "FastGelu", "X bias?", "Y", {}),
    extra(MS, "FusedGemm", "A B C?", "Y",
          {"activation": s(), "activation_alpha": f(), "activation_beta": f(), "activation_gamma": f(),
           "alpha": f(1.0), "beta": f(1.0), "transA": i(0), "transB": i(0)}),
    extra(MS, "FusedMatMul", "A B", "Y",
          {"alpha": f(1.0), "transA": i(0), "transB": i(0), "transBatchA": i(0), "transBatchB": i(0)}),
    extra(MS, "Gelu", "X", "Y", {}),
    extra(MS, "GroupQueryAttention",
          "query key? value? past_key? past_value? seqlens_k total_sequence_length cos_cache? sin_cache? position_ids? "
          "attention_bias? head_sink? k_scale? v_scale?",
          "output present_key? present_value? output_qk?",
          {"num_heads": i(required=True), "kv_num_heads": i(required=True), "do_rotary": i(0), "local_window_size": i(-1),
           "rotary_interleaved": i(0), "scale": f(), "smooth_softmax": i(-1), "softcap": f(0.0), "qk_output": i(0)}),
    extra(MS, "MatMulBnb4", "A B absmax", "Y",
          {"K": i(required=True), "N": i(required=True), "block_size": i(required=True), "quant_type": i(required=True),
           "training_mode": i(0), "transB": i(1)}),
    extra(MS, "MatMulNBits", "A B scales zero_points? g_idx? bias?", "Y",
          {"K": i(required=True), "N": i(required=True), "bits": i(4), "block_size": i(required=True),
           "accuracy_level": i(0)}),
    extra(MS, "MultiHeadAttention",
          "query key? value? bias? key_padding_mask? attention_bias? past_key? past_value? past_sequence_length? "
          "cache_indirection?",
          "output present_key? present_value? qk?",
          {"num_heads": i(required=True), "mask_filter_value": f(), "scale": f(), "unidirectional": i(0)}),
    extra(MS, "QuickGelu", "X", "Y", {"alpha": f(1.702)}),
    extra(MS, "RotaryEmbedding", "input position_ids cos_cache sin_cache", "output",
          {"interleaved": i(0), "is_packed_batching": i(0), "num_heads": i(0), "rotary_embedding_dim": i(0), "scale": f(1.0)}),
    extra(MS, "SkipLayerNormalization", "input skip gamma beta? bias?", "output mean? inv_std_var? input_skip_bias_sum?",
          {"epsilon": f(1e-12)}),
    extra(MS, "SkipSimplifiedLayerNormalization", "input skip gamma bias?",
          "output mean? inv_std_var? input_skip_bias_sum?", {"epsilon": f(1e-5)}),
    extra("lotrc", "LoTRLinear", "x W operands*", "y",
          {"alpha": f(1.0), "base": s("MatMul"), "beta": f(1.0), "delta": s(required=True), "scale": f(1.0), "transB": i(0)}),
    extra("lotrc", "LoTRLinearGrad", "x W operands+", "gradients+",
          {"alpha": f(1.0), "beta": f(1.0), "delta": s(required=True), "scale": f(1.0), "transB": i(0)}),
]


def main():
    history = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "":
            history.setdefault(schema.name, []).append(schema)
    rows = []
    for name in sorted(history):
        versions = sorted(history[name], key=lambda schema: schema.since_version)
        last = versions[-1]
        rows.append({
            "name": name,
            "domain": "",
            "inputs": [port(p) for p in last.inputs],
            "outputs": [port(p) for p in last.outputs],
            "versions": [version(schema) for schema in versions],
        })
    rows += EXTRA
    rows.sort(key=lambda row: (row["domain"], row["name"]))
    with open(OUT, "w", encoding="utf-8", newline="\n") as out:
        out.write('{"opset": %d, "ops": [\n' % defs.onnx_opset_version())
        out.write(",\n".join(json.dumps(row) for row in rows))
        out.write("\n]}\n")


main()
