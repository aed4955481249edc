import { badConfig } from '../ir/codes/build.js';
import { closest, type Diagnostic, LotrcError } from '../ir/diagnostics.js';
import { flagOf, type OptionSet, problemsOf } from '../options/define.js';
import { type BuildConfig, MODEL_NAME, OUTPUTS, SECTIONS } from './config.js';

type Fields = Readonly<Record<string, unknown>>;

/** `models.reviews.rewrite`, for the place of a value in a config. */
export function pathOf(...keys: readonly string[]): string {
  return keys
    .map((key, index) => {
      if (/^\d+$/.test(key)) return `[${key}]`;
      return /^[\w$-]+$/.test(key) ? `${index === 0 ? '' : '.'}${key}` : `[${JSON.stringify(key)}]`;
    })
    .join('');
}

/**
 * The value of a config file as a config. Throws LOTR8302 with every place that does not fit: its path, and the nearest valid
 * name for one that is unknown.
 */
export function checkConfig(value: unknown, file: string): BuildConfig {
  const found: Diagnostic[] = [];
  const refuse = (keys: readonly string[], why: string, hint?: string): void => {
    found.push(badConfig({ file, path: pathOf(...keys), why, hint }));
  };
  const isObject = (given: unknown, keys: readonly string[]): given is Fields => {
    const fits = typeof given === 'object' && given !== null && !Array.isArray(given);
    if (!fits) refuse(keys, 'must be an object');
    return fits;
  };
  const text = (given: unknown, keys: readonly string[]): void => {
    if (typeof given !== 'string' || given === '') refuse(keys, 'must be a text that is not empty');
  };
  const known = (given: Fields, names: readonly string[], keys: readonly string[]): void => {
    for (const key of Object.keys(given)) {
      if (!names.includes(key)) refuse([...keys, key], 'is not known here', nearest(key, names));
    }
  };
  const outputs = (given: unknown, keys: readonly string[]): void => {
    if (!Array.isArray(given) || given.length === 0) {
      refuse(keys, 'must be a list that is not empty');
      return;
    }
    for (const [index, name] of given.entries()) {
      const at = [...keys, String(index)];
      if (typeof name !== 'string') refuse(at, `must be one of ${OUTPUTS.join(', ')}`);
      else if (!OUTPUTS.includes(name))
        refuse(at, `is ${JSON.stringify(name)}, which is not an output`, nearest(name, OUTPUTS));
      else if (given.indexOf(name) !== index) refuse(at, `is ${JSON.stringify(name)} again`);
    }
  };
  const sections = (given: Fields, keys: readonly string[]): void => {
    for (const [name, set] of SECTIONS) {
      const section = given[name];
      const at = [...keys, name];
      if (section === undefined || !isObject(section, at)) continue;
      for (const key of Object.keys(section)) {
        if (!Object.hasOwn(set, key)) refuse([...at, key], 'is not an option of it', nearestOption(key, set));
      }
      for (const { key, why } of problemsOf(set, section)) refuse([...at, key], why);
      for (const [key, option] of Object.entries(section)) {
        if (option === null) refuse([...at, key], 'is null: leave it out');
      }
    }
  };

  if (!isObject(value, [])) throw new LotrcError(found);
  known(value, ['$schema', 'output', 'golden', 'defaults', 'models'], []);
  const { output, golden, defaults, models } = value;
  if (golden !== undefined) text(golden, ['golden']);
  if (output !== undefined) text(output, ['output']);
  if (defaults !== undefined && isObject(defaults, ['defaults'])) {
    known(defaults, [...SECTIONS.keys(), 'outputs'], ['defaults']);
    sections(defaults, ['defaults']);
    if (defaults.outputs !== undefined) outputs(defaults.outputs, ['defaults', 'outputs']);
  }
  if (models === undefined) refuse(['models'], 'is missing: a config names the models that are built');
  else if (isObject(models, ['models'])) {
    if (Object.keys(models).length === 0) refuse(['models'], 'names no model');
    for (const [name, model] of Object.entries(models)) {
      const at = ['models', name];
      if (!MODEL_NAME.test(name))
        refuse(at, 'is not a name for files: letters, digits, ".", "-" and "_", the first a letter or digit');
      if (!isObject(model, at)) continue;
      known(model, ['input', 'output', 'outputs', ...SECTIONS.keys()], at);
      if (model.input === undefined) refuse([...at, 'input'], 'is missing: the model that is rewritten');
      else text(model.input, [...at, 'input']);
      if (model.output !== undefined) text(model.output, [...at, 'output']);
      if (model.outputs !== undefined) outputs(model.outputs, [...at, 'outputs']);
      sections(model, at);
    }
  }
  if (found.length > 0) throw new LotrcError(found);
  return value as unknown as BuildConfig;
}

function nearest(word: string, names: readonly string[]): string {
  const [near] = closest(word, names, 1);
  return near === undefined ? `known are ${names.join(', ')}` : `did you mean ${JSON.stringify(near)}?`;
}

/** The option that a word may mean, as a hint. Keys are wanted; who knows the command line may have written a flag. */
export function nearestOption(word: string, set: OptionSet): string {
  const flag = word.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const named = Object.entries(set).find(([key, def]) => flagOf(key, def) === flag);
  if (named) return `--${flag} of the command line is ${JSON.stringify(named[0])} here`;
  const [near] = closest(word, Object.keys(set), 1);
  return near === undefined
    ? 'docs/options.md lists the options by key'
    : `did you mean ${JSON.stringify(near)}?`;
}
