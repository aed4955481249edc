// train TRAIN_DIR BATCHES.safetensors ADAPTER.safetensors: trains, made from signature.json alone.
package main

// #cgo LDFLAGS: -lonnxruntime
// #include "ort.h"
import "C"

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"unsafe"
)

type port struct{ Name, Role, Scalar, Next string }
type graph struct {
	File            string
	Inputs, Outputs []port
}
type signature struct {
	Graphs    map[string]graph
	Optimizer struct{ Constants map[string]float64 }
	Params    []port
	Session   map[string]string
	Rates     json.RawMessage
	Draws     int
}

func names(ports []port) (found []*C.char) {
	for _, port := range ports {
		found = append(found, C.CString(port.Name))
	}
	return
}

func main() {
	folder := os.Args[1] + "/"
	text, err := os.ReadFile(folder + "signature.json")
	check(err)
	about := signature{Draws: 1}
	check(json.Unmarshal(text, &about))
	if about.Rates != nil {
		panic("rates of groups of parameters are not supported")
	}
	step, constants := about.Graphs["step"], about.Optimizer.Constants
	held, metadata := readSafetensors(folder + "state.safetensors")
	data, _ := readSafetensors(os.Args[2]) // "lr" [steps], and the inputs of step K under K/NAME
	options := C.new_options()
	for key, value := range about.Session {
		C.add_entry(options, C.CString(key), C.CString(value))
	}
	session := C.new_session(C.CString(folder+step.File), options)
	from, to := names(step.Inputs), names(step.Outputs)
	t, scale := 1.0, 1.0
	for number := 0; number < len(data["lr"].bytes)/4; number++ {
		lr := math.Float32frombits(binary.LittleEndian.Uint32(data["lr"].bytes[4*number:]))
		scalars := map[string]float64{"lr": float64(lr), "loss_scale": scale, "draw": float64(number % about.Draws),
			// in float64: a float32 power of a large step loses digits
			"bc1": 1 - math.Pow(constants["beta1"], t), "bc2": 1 - math.Pow(constants["beta2"], t)}
		var feeds []C.Pointer
		results := make([]C.Pointer, len(to))
		for _, port := range step.Inputs {
			if _, made := held[port.Name]; port.Role == "scalar" && !made {
				held[port.Name] = newTensor("F32", nil, make([]byte, 4))
			}
			value := held[port.Name]
			switch port.Role {
			case "scalar":
				binary.LittleEndian.PutUint32(value.bytes, math.Float32bits(float32(scalars[port.Scalar])))
			case "batch", "label":
				value = data[fmt.Sprintf("%d/%s", number, port.Name)]
			}
			bytes, shape := C.Pointer(&value.bytes[0]), &append(value.Shape, 0)[0]
			feeds = append(feeds, C.new_value(bytes, C.size_t(len(value.bytes)), shape, C.size_t(len(value.Shape)), kinds[value.Dtype]))
		}
		C.run(session, &from[0], &feeds[0], C.size_t(len(feeds)), &to[0], &results[0], C.size_t(len(to)))
		for at, output := range step.Outputs {
			result := C.data_of(results[at])
			if output.Role == "loss" {
				fmt.Println(*(*float32)(result))
			} else if output.Role == "finite" && *(*bool)(result) {
				t++
			} else if output.Role == "finite" {
				scale /= 2
			}
			for _, port := range step.Inputs {
				if port.Next == output.Name {
					copy(held[port.Name].bytes, unsafe.Slice((*byte)(result), len(held[port.Name].bytes)))
				}
			}
		}
		for _, value := range append(feeds, results...) {
			C.release(value)
		}
	}
	writeSafetensors(os.Args[3], about.Params, held, metadata)
}
