import { spawnSync } from 'node:child_process';

/** A library that loads and saves a model; `command` is what one run of it is. */
export interface Peer {
  readonly name: string;
  command(input: string, output: string): readonly string[];
}

const SCRIPTS: Readonly<Record<string, string>> = {
  onnx: [
    'import onnx, os, sys',
    'model = onnx.load(sys.argv[1])',
    'big = len(sys.argv) > 3',
    'extra = dict(save_as_external_data=True, location=os.path.basename(sys.argv[2]) + ".data") if big else {}',
    'onnx.save(model, sys.argv[2], **extra)',
  ].join('\n'),
  onnx_ir: [
    'import onnx_ir, os, sys',
    'model = onnx_ir.load(sys.argv[1])',
    'big = len(sys.argv) > 3',
    'extra = dict(external_data=os.path.basename(sys.argv[2]) + ".data") if big else {}',
    'onnx_ir.save(model, sys.argv[2], **extra)',
  ].join('\n'),
};

/** The peers that a Python has, and a line on each that it lacks. `external`: save with a data file. */
export function findPeers(python: string): {
  readonly found: readonly ((external: boolean) => Peer)[];
  readonly missing: readonly string[];
} {
  const found: ((external: boolean) => Peer)[] = [];
  const missing: string[] = [];
  for (const [library, script] of Object.entries(SCRIPTS)) {
    const probe = spawnSync(python, ['-c', `import ${library}; print(${library}.__version__)`], {
      encoding: 'utf8',
    });
    if (probe.status !== 0) {
      missing.push(`${library}: not installed for ${python}, left out`);
      continue;
    }
    const name = `${library} ${probe.stdout.trim()} load + save`;
    found.push((external) => ({
      name,
      command: (input, output) => [python, '-c', script, input, output, ...(external ? ['external'] : [])],
    }));
  }
  return { found, missing };
}
