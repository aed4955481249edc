#!/usr/bin/env python3
"""Stands in for nvcc where there is no GPU: makes a shared library for the CPU of a kernel, for the driver of driver.cpp.

Every kernel gets a function that takes what cuLaunchKernel takes. Says what ptxas would say, with zeros.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]


def main():
    output = sys.argv[sys.argv.index("-o") + 1]
    source = pathlib.Path(sys.argv[-1])
    text = source.read_text()
    launches = []
    for name, parameters in re.findall(r"__launch_bounds__\([\d, ]+\)\s+(\w+)\(([^)]*)\)", text):
        types = [re.sub("__restrict__|__grid_constant__", "", parameter.rsplit(None, 1)[0]).strip() for parameter in parameters.split(",")]
        arguments = ", ".join(f"*({kind} *)p[{at}]" for at, kind in enumerate(types))
        launches.append(
            f'extern "C" void {name}_on_cpu(unsigned x, unsigned y, unsigned z, unsigned n, unsigned shared, void **p) '
            f"{{ shim::launch({{x, y, z}}, n, [=] {{ {name}({arguments}); }}, shared); }}")
    main_file = pathlib.Path(output + ".cpp")
    main_file.write_text(f'#include <cuda_runtime.h>\n#include "{source.resolve()}"\n' + "\n".join(launches) + "\n")
    shim = ROOT / "test" / "support" / "cuda-cpu"
    # this file is all of the program, and has what the headers define
    done = subprocess.run(["g++", "-std=c++17", "-O1", "-shared", "-fPIC", "-DSHIM_OBJECT", "-I", shim, "-o", output, main_file])
    print("ptxas info    : 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
          "ptxas info    : Used 0 registers", file=sys.stderr)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
