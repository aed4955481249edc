import type { ValuesOf } from '../../src/options/define.js';
import type { STRIP } from '../../src/options/sets/adapters.js';
import { strip } from '../../src/rewrite.js';
import { hooksOf } from '../hooks.js';
import { loadModel } from '../load.js';
import { defaultOutput, filesText, outputFile, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { tell } from '../tell.js';

export function stripCommand(path: string, options: ValuesOf<typeof STRIP>, run: Run): void {
  const model = loadModel(path);
  strip(model, { hooks: hooksOf(options, run, path) });
  const output = outputFile(options.output, defaultOutput(path, '.base.onnx'));
  const files = writeArtifacts(
    { model: { model, path: output, weights: options.weights }, inputs: [path], clobber: options.clobber },
    run,
  );
  if (options.json) run.io.out(`${JSON.stringify({ version: 1, files }, null, 2)}\n`);
  else tell(run, filesText(files));
}
