package main

// #include <stdint.h>
// #include <stdlib.h>
import "C"

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"unsafe"
)

// ONNX's numbers of types
var kinds = map[string]C.int{"F32": 1, "F16": 10, "I64": 7, "I32": 6, "BOOL": 9}

type tensor struct {
	Dtype   string      `json:"dtype"`
	Shape   []C.int64_t `json:"shape"`
	Offsets []int       `json:"data_offsets"`
	bytes   []byte      // in C's memory, since values of ONNX Runtime refer to it
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func newTensor(dtype string, shape []C.int64_t, bytes []byte) tensor {
	return tensor{dtype, shape, nil, unsafe.Slice((*byte)(C.CBytes(bytes)), len(bytes))}
}

// readSafetensors gives the tensors of a file, and its metadata.
func readSafetensors(path string) (map[string]tensor, json.RawMessage) {
	data, err := os.ReadFile(path)
	check(err)
	start := 8 + int(binary.LittleEndian.Uint64(data))
	var header map[string]json.RawMessage
	check(json.Unmarshal(data[8:start], &header))
	tensors := map[string]tensor{}
	for name, text := range header {
		if name != "__metadata__" {
			var entry tensor
			check(json.Unmarshal(text, &entry))
			bytes := data[start+entry.Offsets[0] : start+entry.Offsets[1]]
			tensors[name] = newTensor(entry.Dtype, entry.Shape, bytes)
		}
	}
	return tensors, header["__metadata__"]
}

// writeSafetensors writes the tensors that have the names of ports.
func writeSafetensors(path string, ports []port, tensors map[string]tensor, metadata json.RawMessage) {
	header := map[string]any{"__metadata__": metadata}
	var data []byte
	for _, port := range ports {
		entry := tensors[port.Name]
		entry.Offsets = []int{len(data), len(data) + len(entry.bytes)}
		header[port.Name] = entry
		data = append(data, entry.bytes...)
	}
	text, err := json.Marshal(header)
	check(err)
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	check(os.WriteFile(path, append(append(file, text...), data...), 0o666))
}
