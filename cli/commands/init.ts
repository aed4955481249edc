import { existsSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { MODEL_NAME } from '../../src/build/config.js';
import { configText, type ProposedModel, trainSection } from '../../src/build/proposal/config-text.js';
import { proposalOf, proposedValues } from '../../src/build/proposal/proposal.js';
import { configExists, noModelHere } from '../../src/ir/codes/build.js';
import { type Diagnostic, fail, LotrcError } from '../../src/ir/diagnostics.js';
import { writeAtomically } from '../../src/ir/files/atomic.js';
import { isFolder } from '../../src/ir/files/folders.js';
import { visible } from '../../src/ir/visible.js';
import type { ValuesOf } from '../../src/options/define.js';
import type { INIT } from '../../src/options/sets/build.js';
import { refuseUsage } from '../../src/options/usage.js';
import { CONFIG_NAMES, shownPath } from '../build/find-config.js';
import { modelsIn, namesIn, tokenizerOf } from '../find-model.js';
import { loadModel } from '../load.js';
import { outputFile, refuseInputs } from '../outputs.js';
import type { Run } from '../program.js';
import { tell } from '../tell.js';

/** Writes a config for a model, or for those in a folder, with options that fit it. */
export function initCommand(given: string | undefined, options: ValuesOf<typeof INIT>, run: Run): void {
  const output = outputFile(options.output, `lotrc.config.${options.format}`);
  const place = given ?? dirname(output);
  if (options.force && !options.clobber)
    refuseUsage('--force replaces a config, and --no-clobber does not: leave one of them out');
  refuseOther(output, options.force);
  const folder = dirname(resolve(output));
  const paths = isFolder(place) ? modelsIn(place) : [place];
  if (paths.length === 0) fail(noModelHere({ folder: shownPath(resolve(place)) || '.', found: [] }));
  const within = (path: string): string => relative(folder, resolve(path)).split(sep).join('/');
  const taken = new Set<string>();
  const refused: Diagnostic[] = [];
  const models = paths.flatMap((path): ProposedModel[] => {
    try {
      const proposal = proposalOf(() => loadModel(path));
      const trains = proposal.training !== null;
      const data = trains ? dataFor(options.data, dirname(output), proposal.purpose.text) : null;
      const tokenizer = trains && proposal.purpose.text ? (options.tokenizer ?? tokenizerOf(path)) : null;
      return [
        {
          name: nameOf(path, taken),
          input: within(path),
          proposal,
          data: data === null ? null : within(data),
          tokenizer: tokenizer === null ? null : within(tokenizer),
        },
      ];
    } catch (error) {
      if (!(error instanceof LotrcError) || paths.length === 1) throw error;
      refused.push(...error.diagnostics.map((one): Diagnostic => ({ ...one, severity: 'warning' })));
      return [];
    }
  });
  if (models.length === 0) throw new LotrcError(refused.map((one) => ({ ...one, severity: 'error' })));
  run.reporter.report(refused);
  refuseInputs([output], paths);
  const text = configText(models, options.format);
  writeAtomically([{ path: output, write: (sink) => sink.write(Buffer.from(text)) }]);
  for (const model of models) tell(run, aboutModel(model));
  tell(run, `wrote ${visible(output)}\n`);
  const named = dirname(output) === '.' ? '' : ` --config ${visible(output)}`;
  tell(run, `next: lotrc build --dry-run${named}\n`);
}

/** `lotrc build` takes one config of a folder. Throws LOTR8307. */
function refuseOther(output: string, force: boolean): void {
  const folder = dirname(output);
  const others = CONFIG_NAMES.map((name) => join(folder, name)).filter(
    (path) => existsSync(path) && !(force && resolve(path) === resolve(output)),
  );
  const there = existsSync(output) && !force ? output : others[0];
  if (there !== undefined) fail(configExists({ file: there }));
}

/** What the outputs are called: after the file, or after its folder where the file is called as all are. */
function nameOf(path: string, taken: Set<string>): string {
  const folders = dirname(resolve(path))
    .split(sep)
    .filter((name) => !/^(onnx|models?)$/.test(name));
  const own = basename(path).replace(/\.(onnx|onnxtxt)$/, '');
  const plain = (own === 'model' ? (folders.at(-1) ?? own) : own)
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '');
  const base = MODEL_NAME.test(plain) ? plain : 'model';
  let name = base;
  for (let n = 2; taken.has(name); n++) name = `${base}-${n}`;
  taken.add(name);
  return name;
}

function dataFor(given: string | undefined, home: string, text: boolean): string | null {
  if (given !== undefined) return given;
  const endings = text ? ['.jsonl', '.csv', '.tsv'] : ['.safetensors'];
  const found = [...namesIn(home, ...endings), ...namesIn(join(home, 'data'), ...endings)].filter(
    (path) => !/\.(lotr|base)\.safetensors$/.test(path),
  );
  const train = found.filter((path) => basename(path).startsWith('train'));
  const [one, ...more] = train.length > 0 ? train : text ? found : [];
  return one !== undefined && more.length === 0 ? one : null;
}

/** What was chosen, for who does not read the file: JSON has no comments. */
function aboutModel(model: ProposedModel): string {
  const { name, input, proposal } = model;
  const { rank } = proposedValues(proposal.rewrite);
  const { whole } = trainSection(model);
  const [counts] = proposal.rewrite[0]!.why;
  const data = whole
    ? `trains on ${model.data}`
    : proposal.training === null
      ? 'no training is proposed'
      : 'no data was chosen: see `train` in docs/build.md';
  return `${visible(name)}: ${visible(input)} ${visible(proposal.purpose.about)}\n  rank ${rank}: ${counts}\n  ${visible(data)}\n`;
}
