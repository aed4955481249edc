import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { BACK_ENDS } from '../backends/backend.js';
import { badConfig } from '../ir/codes/build.js';
import { type Diagnostic, LotrcError } from '../ir/diagnostics.js';
import { defaultsOf, type OptionSet } from '../options/define.js';
import { toJson } from '../options/schema.js';
import { file } from '../options/types.js';
import { TOKENIZER_FILES } from '../train/data/tokenizer-files.js';
import { pathOf } from './check-config.js';
import { type BuildConfig, type ModelConfig, type OutputName, SECTIONS } from './config.js';

/** `rewrite`, `training`, `train`, `merge`, or the name of a back end. */
type StepKind = string;

/** One command that a build runs. Paths are relative to the folder of the config, with slashes. */
export interface BuildStep {
  /** `reviews rewrite` */
  readonly id: string;
  readonly model: string;
  readonly kind: StepKind;
  /** place of its options in the config */
  readonly at: string;
  /** the options of its command by key, as JSON has them, with defaults */
  readonly options: Readonly<Record<string, unknown>>;
  /** keys of the options that the config gives */
  readonly given: readonly string[];
  /** steps that make what it reads */
  readonly after: readonly string[];
  /** a model of the user that it reads, with the files of its weights */
  readonly input: string | null;
  /** other files of the user that it reads; those that a tokenizer may have next to it need not be there */
  readonly files: readonly string[];
  /** what it takes from earlier steps, by what it is */
  readonly takes: Readonly<Partial<Record<'model' | 'adapter' | 'training', string>>>;
  /** what it makes, by what it is: files, or one folder */
  readonly makes: Readonly<Partial<Record<'onnx' | 'adapter' | 'folder', string>>>;
}

/** Whether a step makes a folder, and not single files whose contents depend on where they are. */
export const makesFolder = ({ makes }: BuildStep): boolean => makes.folder !== undefined;

/**
 * The steps of a config, each after those whose outputs it reads. `folder`: that of the config, absolute. Throws LOTR8302 for
 * what does not go together.
 */
export function stepsOf(config: BuildConfig, folder: string, configFile: string): readonly BuildStep[] {
  const found: Diagnostic[] = [];
  const steps = Object.entries(config.models).flatMap(([name, model]) =>
    modelSteps(name, model, config, folder, (keys, why, hint) => {
      found.push(badConfig({ file: configFile, path: pathOf('models', name, ...keys), why, hint }));
    }),
  );
  const taken = new Map<string, BuildStep>();
  for (const step of steps) {
    for (const path of Object.values(step.makes)) {
      const other = taken.get(path);
      if (other)
        found.push(
          badConfig({
            file: configFile,
            path: pathOf('models', step.model),
            why: `makes ${path}, and so does ${pathOf('models', other.model)}`,
            hint: 'give one of them another name or `output`',
          }),
        );
      taken.set(path, step);
    }
  }
  if (found.length > 0) throw new LotrcError(found);
  return steps;
}

type Refuse = (keys: readonly string[], why: string, hint?: string) => void;

function modelSteps(
  name: string,
  model: ModelConfig,
  config: BuildConfig,
  folder: string,
  refuse: Refuse,
): readonly BuildStep[] {
  const { defaults } = config;
  const outputs = new Set<OutputName>(model.outputs ?? defaults?.outputs ?? ['onnx', 'adapter']);
  const to = (ending: string) =>
    within(folder, join(model.output ?? config.output ?? 'dist', `${name}${ending}`));
  const trains = model.train !== undefined || (defaults?.train !== undefined && outputs.has('training'));
  const step = (
    kind: StepKind,
    parts: Pick<BuildStep, 'takes' | 'makes'> & {
      readonly input?: string;
      readonly after: readonly StepKind[];
    },
  ): BuildStep => {
    const set = SECTIONS.get(kind)!;
    const given = sectionOf(kind, model, config);
    const options = { ...plainDefaults(set), ...given };
    for (const [key, def] of Object.entries(set)) {
      if (def.required && options[key] === undefined) refuse([kind, key], `is missing: ${def.doc}`);
    }
    return {
      id: `${name} ${kind}`,
      model: name,
      kind,
      at: pathOf('models', name, kind),
      options,
      given: Object.keys(given),
      after: parts.after.map((one) => `${name} ${one}`),
      input: parts.input === undefined ? null : within(folder, parts.input),
      files: filesIn(set, options).map((path) => within(folder, path)),
      takes: parts.takes,
      makes: parts.makes,
    };
  };

  for (const other of outputs) {
    if (other !== 'onnx' && other !== 'adapter' && !outputs.has('onnx'))
      refuse(['outputs'], `has ${other}, which is made of the rewritten model`, 'add "onnx" to the list');
  }
  const needs: readonly (readonly [section: string, output: OutputName])[] = [
    ['training', 'training'],
    ['train', 'training'],
    ['merge', 'merged'],
    ...BACK_ENDS.map(({ name: own }) => [own, own as OutputName] as const),
  ];
  for (const [section, output] of needs) {
    if (Object.hasOwn(model, section) && !outputs.has(output))
      refuse(
        [section],
        `is of no use: the outputs do not have ${output}`,
        `add ${JSON.stringify(output)} to them`,
      );
  }

  const onnx = outputs.has('onnx') ? to('.onnx') : undefined;
  const adapter = outputs.has('adapter') ? to('.safetensors') : undefined;
  const makes = { ...(onnx === undefined ? {} : { onnx }), ...(adapter === undefined ? {} : { adapter }) };
  const steps = [step('rewrite', { input: model.input, after: [], takes: {}, makes })];
  const ofModel = { after: ['rewrite'], takes: { model: onnx ?? '' } };
  const training = to('.training');
  const run = to('.run');
  if (outputs.has('training')) steps.push(step('training', { ...ofModel, makes: { folder: training } }));
  if (trains) {
    const made = step('train', { after: ['training'], takes: { training }, makes: { folder: run } });
    if (made.options.data === undefined) refuse(['train', 'data'], 'is missing: the file to train on');
    steps.push(made);
  }
  if (outputs.has('merged')) {
    const after = trains ? ['rewrite', 'train'] : ['rewrite'];
    const takes = { ...ofModel.takes, ...(trains ? { adapter: join(run, 'adapter.safetensors') } : {}) };
    steps.push(step('merge', { after, takes, makes: { onnx: to('.merged.onnx') } }));
  }
  for (const { name: own } of BACK_ENDS) {
    if (outputs.has(own as OutputName))
      steps.push(step(own, { ...ofModel, makes: { folder: to(`.${own}`) } }));
  }
  return steps;
}

/** What the config gives a step: the defaults of all models, and over them the model's own. */
function sectionOf(kind: StepKind, model: ModelConfig, { defaults }: BuildConfig): Record<string, unknown> {
  const own = (section: object | undefined) => (section as Record<string, Record<string, unknown>>)?.[kind];
  const all = { ...own(defaults), ...own(model) };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

const plainDefaults = (set: OptionSet): Record<string, unknown> =>
  Object.fromEntries(Object.entries(defaultsOf(set)).map(([key, value]) => [key, toJson(value)]));

/** Files that options name, and those that are read with them. */
function filesIn(set: OptionSet, options: Readonly<Record<string, unknown>>): readonly string[] {
  const named = Object.entries(set).flatMap(([key, { type }]) => {
    const value = options[key];
    return type === file && typeof value === 'string' ? [value] : [];
  });
  const { method, tokenizer } = options;
  if (typeof method === 'string' && method.endsWith('.json')) named.push(method);
  if (typeof tokenizer === 'string') {
    const { tokens, template, generation, model } = TOKENIZER_FILES;
    for (const name of [...tokens, template, generation, model]) named.push(join(dirname(tokenizer), name));
  }
  return [...new Set(named)];
}

/** A path of a config relative to its folder, with slashes. */
function within(folder: string, path: string): string {
  const inner = isAbsolute(path) ? relative(folder, path) : join(path);
  return inner.split(sep).join('/');
}
