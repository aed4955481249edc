import { writeAtomically } from '../../src/ir/files/atomic.js';
import type { WeightsMode } from '../../src/ir/onnx/writer.js';
import { printModel } from '../../src/ir/text/index.js';
import { parsePipeline, runPipeline } from '../../src/passes/pipeline.js';
import { ALL_PASSES } from '../../src/passes/registry.js';
import { hooksOf, printed, type WatchOptions } from '../hooks.js';
import { loadModel, TEXT } from '../load.js';
import { defaultOutput, outputFile, refuseInputs, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { filesText } from '../text.js';

export interface RunPassesOptions extends WatchOptions {
  readonly passes: string;
  readonly output?: string;
  readonly weights: WeightsMode;
}

export function runCommand(path: string, options: RunPassesOptions, run: Run): void {
  const pipeline = parsePipeline(options.passes, ALL_PASSES);
  const model = loadModel(path);
  run.reporter.report(
    runPipeline(pipeline, model, {
      hooks: hooksOf(options, run),
      print: printed,
      reload: () => loadModel(path),
    }),
  );
  const { output: given, weights } = options;
  const output = given === undefined ? undefined : outputFile(given, defaultOutput(path, '.onnx'));
  if (output === undefined) run.io.out(printed(model));
  else if (output.endsWith(TEXT)) {
    refuseInputs([output], [path]);
    const text = printModel(model);
    writeAtomically([{ path: output, write: (sink) => sink.write(Buffer.from(text)) }]);
  } else {
    const files = writeArtifacts({ model: { model, path: output, weights }, inputs: [path] }, run);
    run.io.out(filesText(files));
  }
}
