import { writeAtomically } from '../../src/ir/files/atomic.js';
import { printModel } from '../../src/ir/text/index.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { RUN } from '../../src/options/sets/models.js';
import { parsePipeline, runPipeline } from '../../src/passes/pipeline.js';
import { ALL_PASSES } from '../../src/passes/registry.js';
import { hooksOf, printed } from '../hooks.js';
import { loadModel, TEXT } from '../load.js';
import { defaultOutput, filesText, outputFile, refuseInputs, writeArtifacts } from '../outputs.js';
import type { Run } from '../program.js';
import { tell } from '../tell.js';

export function runCommand(path: string, options: ValuesOf<typeof RUN>, run: Run): void {
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
    refuseInputs([output], [path], options.clobber);
    const text = printModel(model);
    writeAtomically([{ path: output, write: (sink) => sink.write(Buffer.from(text)) }]);
  } else {
    const files = writeArtifacts(
      { model: { model, path: output, weights }, inputs: [path], clobber: options.clobber },
      run,
    );
    tell(run, filesText(files));
  }
}
