import { dirname } from 'node:path';
import { writeAtomically } from '../../src/ir/files/atomic.js';
import { printModel } from '../../src/ir/text/index.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { PRINT } from '../../src/options/sets/models.js';
import { loadModel, TEXT } from '../load.js';
import { defaultOutput, outputFile, refuseInputs } from '../outputs.js';
import type { Run } from '../program.js';
import { STANDARD, textToStdout } from '../standard-streams.js';

export function printCommand(
  path: string,
  { output: given, locations, clobber }: ValuesOf<typeof PRINT>,
  { io }: Run,
): void {
  const model = loadModel(path);
  const output =
    given === undefined || given === STANDARD ? undefined : outputFile(given, defaultOutput(path, TEXT));
  // locations are relative to the folder of the text, which is where they are looked up when it is read
  const folder = output === undefined ? {} : { folder: dirname(output) };
  const text = printModel(model, { locations, ...folder });
  if (output === undefined) {
    if (given === STANDARD) textToStdout(io, text);
    else io.out(text);
    return;
  }
  refuseInputs([output], [path], clobber);
  writeAtomically([{ path: output, write: (sink) => sink.write(Buffer.from(text)) }]);
}
