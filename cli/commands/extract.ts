import { extract } from '../../src/rewrite.js';
import { loadModel } from '../load.js';
import { beside, outputFile, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { count, filesText } from '../text.js';

export interface ExtractOptions {
  readonly output?: string;
  readonly json?: true;
}

export function extractCommand(path: string, options: ExtractOptions, run: Run): void {
  const adapter = extract(loadModel(path));
  const output = outputFile(options.output, beside(path, '.safetensors'));
  const files = writeArtifacts({ adapter: { adapter, path: output }, inputs: [path] }, run);
  const factors = adapter.tensors.size;
  if (options.json) run.io.out(`${JSON.stringify({ version: 1, factors, files }, null, 2)}\n`);
  else run.io.out(`extracted ${count(factors, 'factor')}\n${filesText(files)}`);
}
