import { type AdapterSpec, type FactorSpec, formFor, type Init } from '../adapter/description.js';
import { deltaTerm, isChain, spansResult } from '../adapter/terms.js';
import { badInit, initForm, normalScale, nothingLearns, startDiffers } from '../ir/codes/init.js';
import { closest, type Diagnostic, fail, LotrcError } from '../ir/diagnostics.js';

/** From this scale on, N(0, 1) factors are warned about. */
const LARGE_SCALE = 8;

/** Decompositions before it is known which part the factor gets. */
type Asked = Init | Decomposition | null;
type Decomposition = 'svd' | 'pissa' | 'qr';
const isDecomposition = (form: Asked): form is Decomposition =>
  form === 'svd' || form === 'pissa' || form === 'qr';

/**
 * The initial form that each preset gives a factor; factors that the method starts at zero stay so, except under `svd`,
 * `pissa` (arXiv 2404.02948), `olora` (arXiv 2406.01775) and `zeros`.
 */
const PRESETS: ReadonlyMap<string, (init: Init) => Asked> = new Map<string, (init: Init) => Asked>([
  ['default', (init) => init],
  ['normal', (init) => (init === 'zeros' ? init : { normal: 1 })],
  ['fan-in', (init) => (init === 'zeros' ? init : { fanIn: 1 })],
  ['svd-factors', (init) => (init === 'zeros' ? init : 'svd')],
  ['svd', () => 'svd'],
  ['pissa', () => 'pissa'],
  ['olora', () => 'qr'],
  ['zeros', () => 'zeros'],
]);
const FORMS = [
  'zeros',
  'ones',
  'eye',
  'orthogonal',
  'constant',
  'normal',
  'uniform',
  'fan-in',
  'kaiming-uniform',
  'svd',
  'qr',
];

/**
 * The adapter description with the initial forms that `text` asks for: a preset, forms of single factors
 * (`R=svd,M=zeros,L=fan-in`), or a preset followed by such forms, which then win. Throws LOTR3401 when the text is not
 * understood, LOTR3407 when a factor cannot have its form, LOTR3402 when the adapted model would differ from the base.
 * Warnings of {@link checkInit} are the caller's to report.
 */
export function parseInit(text: string, spec: AdapterSpec): AdapterSpec {
  const wide = parseForms(text, formFor(spec, { in: 1, out: 1 }));
  if (!spec.tall) return wide;
  const { delta, factors } = parseForms(text, formFor(spec, { in: 2, out: 1 }));
  return { ...wide, tall: { delta, factors } };
}

function parseForms(text: string, spec: AdapterSpec): AdapterSpec {
  const asked = new Map<string, Asked>(spec.factors.map(({ name, init }) => [name, init]));
  for (const [position, item] of text
    .split(',')
    .map((part) => part.trim())
    .entries()) {
    const equals = item.indexOf('=');
    if (equals < 0) applyPreset(text, item, position, spec, asked);
    else {
      const name = item.slice(0, equals).trim();
      if (!asked.has(name)) {
        const names = [...asked.keys()].join(', ');
        fail(
          badInit({ text, why: `${spec.method} has no factor "${name}"`, hint: `its factors are ${names}` }),
        );
      }
      asked.set(name, parseForm(text, item.slice(equals + 1).trim()));
    }
  }
  const factors = spec.factors.map((factor, index) => {
    const form = asked.get(factor.name) ?? factor.init;
    return { ...factor, init: isDecomposition(form) ? partOf(form, spec, index, asked) : form };
  });
  const result = { ...spec, factors };
  const errors = checkInit(result).filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new LotrcError(errors);
  return result;
}

/** The text that {@link parseInit} reads back: `R=normal(1),M=zeros,L=normal(1)`. */
export function printInit(spec: AdapterSpec): string {
  return spec.factors.map(({ name, init }) => `${name}=${formText(init)}`).join(',');
}

/** An initial form as options and tensor origins show it. */
export function formText(init: Init): string {
  if (typeof init === 'string') return init;
  if ('svd' in init) return `svd-${init.svd}${init.power === undefined ? '' : `(${init.power})`}`;
  if ('qr' in init) return `qr-${init.qr}`;
  if ('constant' in init && init.over !== undefined) return `constant(${init.constant}/${init.over})`;
  const [[name, amount]] = Object.entries(init) as [[string, number]];
  return `${FORM_OF.get(name)}(${amount})`;
}

/** Initial forms of one number: how options call them. */
const FORM_OF: ReadonlyMap<string, string> = new Map([
  ['constant', 'constant'],
  ['normal', 'normal'],
  ['uniform', 'uniform'],
  ['fanIn', 'fan-in'],
  ['kaimingUniform', 'kaiming-uniform'],
]);

/** Whether a factor's values are zero at the start. */
const isZero = (init: Init): boolean =>
  init === 'zeros' || (typeof init === 'object' && 'constant' in init && init.constant === 0);

/** Whether the adapted model computes what the base computes at the start: by a factor of zeros, or by changed base weights. */
export function startsAtBase(spec: AdapterSpec): boolean {
  return spec.factors.some(({ init }) => isZero(init)) || needsResidual(spec);
}

/**
 * Whether the base weights must become W - s * product (`residualWeight`) for the adapted model to equal the base: no
 * factor is zero and all are parts of one decomposition.
 */
export function needsResidual({ factors }: AdapterSpec): boolean {
  return ['svd', 'qr'].some((key) => factors.every(({ init }) => typeof init === 'object' && key in init));
}

/** Everything that is wrong (errors) or unwise (warnings) about the initial forms of a description. */
export function checkInit(spec: AdapterSpec): readonly Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const [index, { name, init }] of spec.factors.entries()) {
    const why = misfit(spec, index) ?? powerProblem(spec, index);
    if (why) found.push(initForm({ factor: name, form: formText(init), why }));
  }
  const zeros = spec.factors.filter(({ init }) => isZero(init)).map(({ name }) => name);
  if (!startsAtBase(spec)) {
    found.push(startDiffers({ method: spec.method, init: printInit(spec) }));
  }
  if (zeros.length > 1) found.push(nothingLearns({ factors: zeros }));
  const unit = spec.factors.some(
    ({ init }) => typeof init === 'object' && 'normal' in init && init.normal >= 1,
  );
  if (unit && Math.abs(spec.scale) >= LARGE_SCALE) {
    found.push(normalScale({ method: spec.method, scale: spec.scale }));
  }
  return found;
}

function applyPreset(
  text: string,
  item: string,
  position: number,
  spec: AdapterSpec,
  asked: Map<string, Asked>,
): void {
  const preset = PRESETS.get(item);
  if (!preset) {
    const why = `there is no preset "${item}"`;
    fail(badInit({ text, why, hint: suggest(item, 'presets', [...PRESETS.keys()]) }));
  }
  if (position > 0) {
    const hint = 'write the preset first, then the factors that differ from it';
    fail(badInit({ text, why: `the preset "${item}" does not come first`, hint }));
  }
  // lengths of columns are what they are, whatever the others start as
  for (const { name, init } of spec.factors) if (init !== 'weightNorm') asked.set(name, preset!(init));
}

function parseForm(text: string, form: string): Asked {
  const [, number, over] = /^constant\(([^()/]+)\/([A-Za-z])\)$/.exec(form) ?? [];
  if (over !== undefined && Number.isFinite(Number(number))) return { constant: Number(number), over };
  const parts = /^([a-z-]+)(?:\(([^()]*)\))?$/.exec(form);
  const word = parts?.[1] ?? '';
  const given = parts?.[2];
  const field = [...FORM_OF].find(([, name]) => name === word)?.[0];
  const usual = word === 'kaiming-uniform' ? 0 : 1;
  const amount = given === undefined ? usual : given.trim() === '' ? Number.NaN : Number(given);
  const part = /^svd-(in|out|core)$/.exec(word)?.[1] as 'in' | 'out' | 'core' | undefined;
  if (!parts || (given !== undefined && !field && !part)) return unknownForm(text, form);
  const least = word === 'constant' ? -Infinity : word === 'kaiming-uniform' || part ? 0 : Number.MIN_VALUE;
  if (!(Number.isFinite(amount) && amount >= least)) {
    const hint = `write ${word}, or ${word}(0.02)`;
    return fail(badInit({ text, why: `"${given}" in ${form} is not a positive number`, hint }));
  }
  const side = /^qr-(in|out)$/.exec(form)?.[1] as 'in' | 'out' | undefined;
  if (side) return { qr: side };
  if (field) return { [field]: amount } as unknown as Init;
  if (part) return given === undefined ? { svd: part } : { svd: part, power: amount };
  if (
    word === 'zeros' ||
    word === 'ones' ||
    word === 'eye' ||
    word === 'orthogonal' ||
    word === 'svd' ||
    word === 'qr'
  )
    return word;
  return unknownForm(text, form);
}

function unknownForm(text: string, form: string): never {
  const why = `there is no initial form "${form}"`;
  return fail(badInit({ text, why, hint: suggest(form, 'forms', FORMS) }));
}

/** `did you mean svd?`, or the whole list when no name is near. */
function suggest(word: string, what: string, known: readonly string[]): string {
  const near = closest(word, known);
  return near.length > 0 ? `did you mean ${near.join(' or ')}?` : `the ${what} are ${known.join(', ')}`;
}

/** Which part of a decomposition a factor gets: by what it reads and gives. */
function partOf(
  form: Decomposition,
  spec: AdapterSpec,
  index: number,
  asked: ReadonlyMap<string, Asked>,
): Init {
  const term = deltaTerm(spec.delta);
  const letters = term.operands[index] ?? [];
  if (form !== 'svd') {
    const side = letters[0] === term.in[0] ? 'in' : 'out';
    return form === 'qr' ? { qr: side } : { svd: side, power: 0.5 };
  }
  if (letters[0] === term.in[0]) return { svd: 'in' };
  if (letters.at(-1) !== term.out[0]) return { svd: 'core' };
  // a factor that the factor of the input meets (B of LoRA) gets what is left of W once that one has taken the input side
  const met = term.operands.findIndex((other) => other[0] === term.in[0] && other.at(-1) === letters[0]);
  const first = met < 0 ? undefined : asked.get(spec.factors[met]!.name);
  const taken = first === 'svd' || (typeof first === 'object' && first !== null && 'svd' in first);
  return { svd: isChain(term) && taken ? 'core' : 'out' };
}

/** Why a factor cannot have its form, or null. */
function misfit(spec: AdapterSpec, index: number): string | null {
  const { init, share } = spec.factors[index]!;
  const term = deltaTerm(spec.delta);
  const { operands } = term;
  const letters = operands[index] ?? [];
  if (typeof init === 'object' && 'constant' in init && init.over !== undefined)
    return letters.includes(init.over) ? null : `it has no axis ${init.over}`;
  if (init === 'weightNorm') return null;
  if (init === 'eye' || init === 'orthogonal') return letters.length === 2 ? null : 'it is not a matrix';
  if (typeof init === 'object' && 'qr' in init) {
    if (!isPairOf(spec, ({ init: other }) => typeof other === 'object' && 'qr' in other))
      return 'the two parts of a QR decomposition are for two matrices of one layer, such as A and B of lora';
    return init.qr === (index === 0 ? 'in' : 'out') ? null : 'it is on the other side of the layer';
  }
  if (typeof init === 'string' || !('svd' in init)) return null;
  if (share !== 'site' && share !== 'group')
    return `it is shared by ${share}, and singular vectors are those of a layer or a group`;
  if (!spansResult(term)) return 'the einsum splits an axis of the layer, or repeats values along one';
  const own = letters.find((letter) => Object.hasOwn(spec.extents ?? {}, letter));
  if (own !== undefined)
    return `its axis ${own} has an extent of its own, and of singular vectors there are as many as the rank`;
  if (init.svd === 'in') {
    return letters.length === 2 && letters[0] === term.in[0]
      ? null
      : 'it does not read the input of the layer';
  }
  if (init.svd === 'out') {
    return letters.length === 2 && letters[1] === term.out[0]
      ? null
      : 'it does not give the output of the layer';
  }
  if (share !== 'site') return 'it is shared, and every layer has its own core';
  if (!isChain(term)) return 'the factors are not a chain of matrices';
  const isOf = (k: number, part: 'in' | 'out') => isPart(spec.factors[k]!.init, part);
  const before = index === 0 || (index === 1 && isOf(0, 'in'));
  const after = index === operands.length - 1 || (index === operands.length - 2 && isOf(index + 1, 'out'));
  return before && after ? null : 'the factors next to it are not the singular vectors that belong to it';
}

/** Singular vectors times powers of their values have signs and scales of their own, which no core or residual takes back. */
function powerProblem(spec: AdapterSpec, index: number): string | null {
  const { init } = spec.factors[index]!;
  if (typeof init === 'string' || !('svd' in init) || init.power === undefined) return null;
  if (init.svd === 'core') return 'a core has no power';
  const decomposed = spec.factors.some(({ init: other }) => isPart(other, 'core'));
  return decomposed || (needsResidual(spec) && !isLeadingPart(spec))
    ? 'next to a core, and where a product other than that of vectors of one layer is taken out of the weight, vectors have no power'
    : null;
}

const isPart = (init: Init, part: 'in' | 'out' | 'core'): boolean =>
  typeof init === 'object' && 'svd' in init && init.svd === part;

/**
 * Whether the two factors of a method are the singular vectors of a layer with powers of their values: their product times the
 * scale is then taken out of the weight, and the vectors of one side are made from those of the other.
 */
export function isLeadingPart(spec: AdapterSpec): boolean {
  const [first, last] = spec.factors;
  const powers = isPairOf(
    spec,
    ({ init }) => typeof init === 'object' && 'svd' in init && init.power !== undefined,
  );
  return powers && isPart(first!.init, 'in') && isPart(last!.init, 'out');
}

/** Whether a method is a product of two matrices that each layer has for itself, and both are as is asked. */
function isPairOf({ delta, factors }: AdapterSpec, is: (factor: FactorSpec) => boolean): boolean {
  if (factors.length !== 2 || !isChain(deltaTerm(delta))) return false;
  return factors.every((factor) => factor.share === 'site' && is(factor));
}
