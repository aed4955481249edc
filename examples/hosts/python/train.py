# python train.py TRAIN_DIR BATCHES.safetensors ADAPTER.safetensors: trains, made from signature.json alone.
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort

DTYPES = {"F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "BOOL": np.bool_}


def read_safetensors(path):
    data = Path(path).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = np.frombuffer(data[start + begin : start + end], DTYPES[entry["dtype"]])
        tensors[name] = array.reshape(entry["shape"])
    return tensors, metadata


def write_safetensors(path, tensors, metadata):
    header, parts, at = {"__metadata__": metadata}, [], 0
    for name, array in tensors.items():
        data = np.ascontiguousarray(array, np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))


def main(folder, batches, adapter):
    folder = Path(folder)
    signature = json.loads((folder / "signature.json").read_text())
    if "rates" in signature:
        sys.exit("rates of groups of parameters are not supported")
    step, optimizer = signature["graphs"]["step"], signature["optimizer"]["constants"]
    held, metadata = read_safetensors(folder / "state.safetensors")
    data, _ = read_safetensors(batches)  # "lr" [steps], and the inputs of step K under K/NAME
    options = ort.SessionOptions()
    for key, value in signature["session"].items():
        options.add_session_config_entry(key, value)
    session = ort.InferenceSession(folder / step["file"], options, providers=["CPUExecutionProvider"])
    output = {port["role"]: at for at, port in enumerate(step["outputs"])}
    names = [port["name"] for port in step["outputs"]]
    t, scale = 1, 1.0
    for number, lr in enumerate(data["lr"]):
        scalars = {
            "lr": lr,
            "loss_scale": scale,
            # in double: a float32 power of a large step loses digits
            "bc1": 1 - optimizer.get("beta1", 0) ** t,
            "bc2": 1 - optimizer.get("beta2", 0) ** t,
            "draw": number % signature.get("draws", 1),
        }
        feeds = {}
        for port in step["inputs"]:
            name, role = port["name"], port["role"]
            if role == "scalar":
                feeds[name] = np.array(scalars[port["scalar"]], np.float32)
            else:
                feeds[name] = data[f"{number}/{name}"] if role in ("batch", "label") else held[name]
        results = session.run(names, feeds)
        for port in step["inputs"]:
            if "next" in port:
                held[port["name"]] = results[names.index(port["next"])]
        print(f"{float(results[output['loss']]):.9g}")
        if results[output["finite"]]:
            t += 1
        else:
            scale /= 2
    write_safetensors(adapter, {row["name"]: held[row["name"]] for row in signature["params"]}, metadata)


main(*sys.argv[1:])
