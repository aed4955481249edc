import { allDTypes } from '../ir/dtype.js';
import {
  either,
  fits,
  flag,
  later,
  list,
  nullable,
  number,
  object,
  oneOf,
  optional,
  record,
  type Schema,
  text,
  where,
  whole,
} from '../ir/files/schema.js';
import { entryFault, type SessionEntries } from '../ir/ops/core/session-entries.js';
import { RATE_SCHEDULES } from '../options/words.js';
import { LOSS_KINDS, lossFacts } from './losses/facts.js';
import type { LossNumberName, LossNumbers } from './losses/index.js';
import { CORRECTIONS_OF, OPTIMIZER_KINDS } from './optimizers/facts.js';
import {
  type BaseFile,
  type BaseProducts,
  type ChangeRow,
  type GraphName,
  type GraphSignature,
  type GroupMultiple,
  type GroupRate,
  type LossSignature,
  type LossTerm,
  type ParamRow,
  type Port,
  SCALAR_KINDS,
  type Signature,
  type SiteSignature,
  TENSOR_ROLES,
  type TensorRole,
  TRAINING_EPS,
} from './signature.js';

/** `signature.json` of a training directory, field by field, and what its parts must have in common. */

const extents = list(either('a whole number from 0, or a name', whole(), text));

const port: Schema<Port> = where(
  object<Port>({
    name: text,
    role: oneOf(TENSOR_ROLES),
    dtype: oneOf(allDTypes()),
    shape: extents,
    rows: optional(whole()),
    param: optional(text),
    slot: optional(text),
    term: optional(whole()),
    scalar: optional(oneOf(SCALAR_KINDS)),
    rate: optional(whole()),
    next: optional(text),
  }),
  ({ name, role, param, scalar, term }) => {
    if ((role === 'param' || role === 'change' || role === 'grad' || role === 'state') && param === undefined)
      return `port ${JSON.stringify(name)} names no parameter`;
    if (role === 'scalar' && scalar === undefined)
      return `port ${JSON.stringify(name)} does not say which scalar`;
    return scalar === 'divisor' && term === undefined ? `port ${JSON.stringify(name)} names no loss` : null;
  },
);

const graph: Schema<GraphSignature> = where(
  object<GraphSignature>({
    file: text,
    inputs: list(port),
    outputs: list(port),
    onCpu: optional(list(text)),
  }),
  ({ inputs, outputs }) => {
    for (const ports of [inputs, outputs]) {
      const seen = new Set<string>();
      for (const { name } of ports) {
        if (seen.has(name)) return `two ports are called ${JSON.stringify(name)}`;
        seen.add(name);
      }
    }
    const made = new Set(outputs.map(({ name }) => name));
    const lost = inputs.find(({ next }) => next !== undefined && !made.has(next));
    return lost
      ? `input ${JSON.stringify(lost.name)} is followed by "${lost.next}", which is not an output`
      : null;
  },
);

const param = object<ParamRow>({
  name: text,
  factor: text,
  group: nullable(text),
  site: nullable(text),
  shape: list(whole()),
  dtype: oneOf(['f32']),
  init: text,
  lrMultiplier: number,
  weightDecay: optional(number),
  rate: optional(whole()),
  trainable: flag,
});

const extent = whole(1);
const change = where(
  object<ChangeRow>({
    name: text,
    shape: (value, field) => list(extent)(value, field) as ChangeRow['shape'] & number[],
    factors: list(text),
    scale: fits<number>('a number that is not 0', (value) => Number.isFinite(value) && value !== 0),
    lrMultiplier: number,
    weightDecay: optional(number),
    rate: optional(whole()),
  }),
  ({ name, shape, factors }) =>
    shape.length === 2 && (factors.length === 2 || factors.length === 3)
      ? null
      : `${JSON.stringify(name)} is not a product of two or three matrices`,
);

const rate = object<GroupRate>({
  pattern: text,
  lr: optional(fits<number>('a number above 0', (value) => Number.isFinite(value) && (value as number) > 0)),
  schedule: optional(oneOf(RATE_SCHEDULES)),
});

const multiple = object<GroupMultiple>({
  pattern: text,
  times: fits<number>('a number above 0', (value) => Number.isFinite(value) && (value as number) > 0),
  rate: optional(whole()),
});

const site = object<SiteSignature>({
  id: text,
  modulePath: nullable(text),
  nameFrom: text,
  nodes: list(text),
  weights: list(text),
  layout: list(oneOf(['io', 'oi'])),
  in: whole(),
  out: whole(),
  group: text,
});

/** What losses have; of their numbers those that are wanted. */
function lossSchema(numbers: readonly LossNumberName[]): Schema<LossSignature> {
  const lossNumbers = Object.fromEntries(numbers.map((name) => [name, optional(number)])) as {
    readonly [N in keyof LossNumbers]-?: Schema<number | undefined>;
  };
  const termFields = {
    ignoreIndex: nullable(whole(Number.MIN_SAFE_INTEGER)),
    ignoreValue: optional(number),
    ...lossNumbers,
    labelSmoothing: number,
    reduction: oneOf(['mean', 'sum']),
    shift: flag,
    classWeights: optional(list(number)),
    pairs: optional(oneOf(['halves'])),
  } as const;
  const single = object<LossTerm>({ ...termFields, kind: oneOf(LOSS_KINDS) });
  type Sum = Extract<LossSignature, { kind: 'sum' }>;
  const term = { ...termFields, kind: oneOf(LOSS_KINDS), output: text, weight: number };
  const sum = object<Sum>({
    ...termFields,
    kind: oneOf(['sum']),
    terms: where(list(object<Sum['terms'][number]>(term)), ({ length }) =>
      length > 0 ? null : 'it is empty',
    ),
  });
  return (value, field) =>
    value instanceof Map && value.get('kind') === 'sum' ? sum(value, field) : single(value, field);
}

const session: Schema<SessionEntries> = where(record(text) as Schema<SessionEntries>, (entries) => {
  for (const [key, value] of Object.entries(entries)) {
    const fault = entryFault(key, value);
    if (fault !== null) return fault;
  }
  return null;
});

const base = object<BaseFile>({ location: text, digest: text, byteLength: whole() });

const optimizer = where(
  object<Signature['optimizer']>({
    kind: oneOf(OPTIMIZER_KINDS),
    constants: record(number),
    slots: list(text),
  }),
  ({ kind, constants }) => {
    const needed: readonly string[] = Object.values(CORRECTIONS_OF[kind]);
    const lost = needed.filter((name) => !Object.hasOwn(constants, name));
    return lost.length > 0 ? `the constants of ${kind} lack ${lost.join(' and ')}` : null;
  },
);

const version: Schema<1> = (value, field) =>
  fits<1>(`1: this lotrc reads version 1, and the file has ${JSON.stringify(value)}`, (v) => v === 1)(
    value,
    field,
  );

/** `numbers`: of losses, those that the program reads; others are left out. */
export function signatureSchemaOf(numbers: readonly LossNumberName[]): Schema<Signature> {
  return where(
    object<Signature>({
      version,
      opset: whole(1),
      ep: list(oneOf(TRAINING_EPS)),
      graphs: object<Signature['graphs']>({
        step: optional(graph),
        grad: optional(graph),
        apply: optional(graph),
        eval: optional(graph),
        infer: optional(graph),
        stepLoop: optional(graph),
      }),
      params: list(param),
      sites: list(site),
      optimizer,
      rates: optional(list(rate)),
      multiples: optional(list(multiple)),
      changes: optional(list(change)),
      loss: lossSchema(numbers),
      draws: optional(whole(1)),
      session: later(session, {}),
      baseProducts: optional(
        object<BaseProducts>({ dtype: oneOf(['int8']), rounded: whole(), float32: whole() }),
      ),
      base: list(base),
    }),
    partsFault,
  );
}

/** What the host reads from the results of each graph, once for each loss where `each` says so. */
const RESULTS: Readonly<
  Record<GraphName, { readonly once: readonly TensorRole[]; readonly each: readonly TensorRole[] }>
> = {
  step: { once: ['loss', 'norm', 'finite'], each: [] },
  stepLoop: { once: ['loss', 'norm', 'finite'], each: [] },
  grad: { once: ['loss'], each: [] },
  apply: { once: ['norm', 'finite'], each: [] },
  eval: { once: [], each: ['loss', 'count'] },
  infer: { once: [], each: [] },
};

/** What is wrong between the parts of a signature, or null. */
function partsFault({
  graphs,
  params,
  rates = [],
  multiples = [],
  changes = [],
  loss: held,
}: Signature): string | null {
  const unrated = [...params, ...changes].find(({ rate = -1 }) => rate >= rates.length);
  if (unrated)
    return `field "params": ${JSON.stringify(unrated.name)} has rate ${unrated.rate} of ${rates.length}`;
  const odd = multiples.find(({ rate = -1 }) => rate >= rates.length);
  if (odd) return `field "multiples": ${JSON.stringify(odd.pattern)} has rate ${odd.rate} of ${rates.length}`;
  if (!graphs.step && !graphs.eval) return 'field "graphs": there is neither "step" nor "eval"';
  const rows = new Map<string, Pick<ParamRow, 'name' | 'shape'>>(
    [...params, ...changes].map((row) => [row.name, row]),
  );
  if (rows.size < params.length + changes.length) return 'field "params": two parameters have one name';
  const terms = held.kind === 'sum' ? held.terms.length : 1;
  const pairs = (held.kind === 'sum' ? held.terms : [held]).some(({ kind }) => lossFacts(kind).pairs);
  for (const name of Object.keys(RESULTS) as GraphName[]) {
    const own = graphs[name];
    if (!own) continue;
    const refuse = (why: string) => `field "graphs.${name}": ${why}`;
    for (const { name: called, role, param: of, shape, term = 0, rate = -1 } of [
      ...own.inputs,
      ...own.outputs,
    ]) {
      const [height] = shape;
      const odd =
        role === 'batch' && typeof height === 'number' && (height === 0 || (pairs && height % 2 > 0));
      if (odd) return refuse(`port ${JSON.stringify(called)} takes batches of ${height} rows`);
      const row = of === undefined ? null : rows.get(of);
      if (row === undefined)
        return refuse(`port ${JSON.stringify(called)} names a parameter that is not in "params"`);
      if (row && role === 'grad' && shape.join() !== row.shape.join())
        return refuse(
          `port ${JSON.stringify(called)} is [${shape.join(',')}], and its parameter [${row.shape.join(',')}]`,
        );
      if (rate >= rates.length)
        return refuse(`port ${JSON.stringify(called)} names rate ${rate} of ${rates.length}`);
      if (term >= terms) return refuse(`port ${JSON.stringify(called)} names loss ${term} of ${terms}`);
    }
    const { once, each } = RESULTS[name];
    const counted = name === 'grad' && held.kind !== 'sum' && held.reduction === 'mean';
    const missing = [...once, ...(counted ? (['count'] as const) : [])].find(
      (role) => !own.outputs.some((port) => port.role === role),
    );
    if (missing) return refuse(`no output has the role "${missing}"`);
    for (let index = 0; index < terms; index++) {
      const term = held.kind === 'sum' ? index : undefined;
      const lost = each.find((role) => !own.outputs.some((port) => port.role === role && port.term === term));
      if (lost) return refuse(`no output has the role "${lost}" of loss ${index}`);
    }
  }
  return null;
}
