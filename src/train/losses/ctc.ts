import { attrInt, attrInts } from '../../ir/attr.js';
import type { Node, Value } from '../../ir/model.js';
import { shapeOf, tensorType } from '../../ir/shape.js';
import type { TrainBuilder } from './builder.js';
import { defineLoss, type Loss } from './define.js';
import { areClasses, asF32, classCount, classesOf, classRange, softmaxParts } from './parts.js';

export interface CtcOptions {
  /** the class that means "no label" */
  readonly blank: number;
  /** labels of this value fill up rows; a row of nothing else does not count */
  readonly ignoreIndex: number;
  /** number of classes; null: only a run knows */
  readonly classes: number | null;
}

/** Logarithm of the probability 0: finite, so that differences of two of them are numbers. */
const NEVER = -1e30;
/** Losses above this are those of rows whose labels do not fit into their frames. */
const IMPOSSIBLE = 1e29;
/** GatherElements exists from this operator set on. */
const OPSET = 11;

export const ctc = defineLoss({
  kind: 'ctc',
  doc: 'connectionist temporal classification (torch.nn.functional.ctc_loss, reduction mean)',
  takes: {
    output: 'logits [batch, time, classes]',
    labels: 'i32 [batch, labels], filled up with `--ignore-index`',
  },
  reads: ['--labels', '--ignore-index', '--frames'],
  numbers: { blank: { default: 0, least: 0, whole: true, doc: 'the class that means "no label"' } },
  problem: (output, _, { blank }, opset) => {
    const shape = shapeOf(output);
    if (shape?.length !== 3) return 'CTC needs logits [batch, time, classes]';
    const classes = shape[2];
    if (typeof classes === 'number' && blank >= classes) return `it has no class ${blank} for --blank`;
    return opset < OPSET ? `CTC needs operator set ${OPSET}, and the model uses ${opset}` : null;
  },
  labelType: (shape) => tensorType('i32', [shape?.[0] ?? null, 'labels']),
  build: (b, { output, labels, frames, options: { ignoreIndex }, numbers: { blank } }) =>
    ctcLoss(b, output, labels!, frames, { blank, ignoreIndex, classes: classesOf(output) }),
  signature: ({ ignoreIndex }) => ({ ignoreIndex }),
});

/**
 * Connectionist temporal classification (Graves et al., ICML 2006), as torch.nn.functional.ctc_loss with the reduction
 * `mean`: for each row the negative logarithm of the probability of its labels, over all alignments to its frames, divided
 * by the number of its labels; the mean over rows. Logits [batch, time, classes], labels i32 [batch, labels]; `frames`
 * i32 [batch] says how many frames of each row count (null: all). The states of a row with labels l are blank, l1, blank,
 * l2, ..., blank. Two Scans compute the forward and the backward variables; the gradient follows from both. A row whose
 * labels do not fit into its frames has the loss infinity, and a label that is not a class, or is the blank, NaN.
 */
export function ctcLoss(
  b: TrainBuilder,
  logits: Value,
  labels: Value,
  frames: Value | null,
  { blank, ignoreIndex, classes }: CtcOptions,
): Loss {
  const at = asF32(b, logits);
  const { shifted, exp, sum, logSum: log } = softmaxParts(b, at);
  const logp = b.one('Sub', [shifted, log]);
  const last = classCount(b, at, classes);

  const given = b.one('Not', [b.one('Equal', [labels, b.i32(ignoreIndex)])], {}, 'ctc/given');
  const lengths = b.reduce('ReduceSum', b.one('Cast', [given], { to: attrInt(1) }), -1, true); // [B, 1]
  const counted = b.one('Greater', [lengths, b.f32(0)]);
  const isClass = b.one('And', [
    areClasses(b, labels, last),
    b.one('Not', [b.one('Equal', [labels, b.i32(blank)])]),
  ]);
  const odd = b.one('Cast', [b.one('And', [given, b.one('Not', [isClass])])], { to: attrInt(1) });
  const wrong = b.one('Greater', [b.reduce('ReduceSum', odd, -1, true), b.f32(0)]); // [B, 1]
  const safe = b.one('Where', [b.one('And', [given, isClass]), labels, b.i32(blank)]);

  // states [B, S], S = 2 L + 1: blanks between the labels, and one at each end
  const none = b.one('Cast', [b.one('Mul', [lengths, b.f32(0)])], { to: attrInt(6) }); // zeros [B, 1]
  const blanks = b.one('Add', [none, b.i32(blank)]);
  const spaces = b.one('Add', [b.one('Mul', [safe, b.i32(0)]), b.i32(blank)]);
  const woven = b.one('Reshape', [
    b.one('Concat', [b.unsqueeze(spaces, 2), b.unsqueeze(safe, 2)], { axis: attrInt(2) }),
    b.i64([0, -1]),
  ]);
  const states = b.one('Concat', [woven, blanks], { axis: attrInt(1) }, 'ctc/states');
  const total = b.one('Cast', [b.lastExtent(states)], { to: attrInt(6) });
  const numbers = b.one('Cast', [b.one('Range', [b.i32(0), total, b.i32(1)])], { to: attrInt(1) }); // [S]
  const twice = b.one('Mul', [lengths, b.f32(2)]);
  const isEnd = b.one('Or', [
    b.one('Equal', [numbers, twice]),
    b.one('Equal', [numbers, b.one('Sub', [twice, b.f32(1)])]),
  ]);
  const never = b.f32(NEVER);
  const column = b.one('Add', [b.one('Mul', [lengths, b.f32(0)]), never]); // [B, 1]
  const columns = b.one('Concat', [column, column], { axis: attrInt(1) });
  // from state s - 2 to s: over a blank, between different labels
  const earlier = shiftRight(b, states, b.one('Concat', [blanks, blanks], { axis: attrInt(1) }), 2);
  const jump = b.one('And', [
    b.one('Not', [b.one('Equal', [states, b.i32(blank)])]),
    b.one('Not', [b.one('Equal', [states, earlier])]),
  ]);
  const toJump = b.one('Where', [jump, b.f32(0), never], {}, 'ctc/jump');

  // log-probabilities of the states [T, B, S]
  const byTime = b.one('Transpose', [logp], { perm: attrInts([1, 0, 2]) });
  const shape = b.one('Concat', [b.extents(byTime, 0, 1), b.one('Shape', [states])], { axis: attrInt(0) });
  const indices = b.one('Expand', [b.one('Cast', [states], { to: attrInt(7) }), shape]);
  const scores = b.one('GatherElements', [byTime, indices], { axis: attrInt(2) }, 'ctc/scores');
  scores.setType(tensorType('f32', [null, null, null]));
  const active = frames && isActive(b, at, frames);

  const first = b.one('Equal', [numbers, b.f32(0)]);
  const start = b.one('Where', [first, b.f32(0), b.one('Expand', [never, b.one('Shape', [states])])]);
  const forward = scan(b, { state: start, scores, active, reversed: false }, (inner, alpha, score) => {
    const one = shiftRight(inner, alpha, column, 1);
    const two = inner.one('Add', [shiftRight(inner, alpha, columns, 2), toJump]);
    const next = inner.one('Add', [logSum(inner, [alpha, one, two]), score]);
    return { next, seen: next };
  });
  const ended = b.one('Where', [isEnd, forward.last, never]);
  const top = b.reduce('ReduceMax', ended, 1, true);
  const ends = b.reduce('ReduceSum', b.one('Exp', [b.one('Sub', [ended, top])]), 1, true);
  const nll = b.one('Neg', [b.one('Add', [top, b.one('Log', [ends])])], {}, 'ctc/nll'); // [B, 1]

  const impossible = b.one('Greater', [nll, b.f32(IMPOSSIBLE)]);
  const divided = b.one('Div', [nll, b.one('Max', [lengths, b.f32(1)])]);
  const known = b.one('Where', [impossible, b.f32(Number.POSITIVE_INFINITY), divided]);
  const each = b.one('Where', [wrong, b.f32(Number.NaN), known]);
  const rows = b.one('Where', [counted, each, b.f32(0)]);
  const count = b.sumAll(b.one('Cast', [counted], { to: attrInt(1) }), 'loss/count');
  const divisor = b.one('Max', [count, b.f32(1)]);
  const loss = b.one('Div', [b.sumAll(rows), divisor]);

  const gradient = (scale: Value | null): Value => {
    const end = b.one('Where', [isEnd, b.f32(0), never]);
    const backward = scan(b, { state: end, scores, active, reversed: true }, (inner, beta, score) => {
      const after = inner.one('Add', [beta, score]);
      const one = shiftLeft(inner, after, column, 1);
      const two = shiftLeft(inner, inner.one('Add', [after, toJump]), columns, 2);
      return { next: logSum(inner, [after, one, two]), seen: beta };
    });
    const through = b.one('Add', [b.one('Add', [forward.all, backward.all]), nll]);
    const occupied = b.one('Transpose', [b.one('Exp', [through])], { perm: attrInts([1, 0, 2]) });
    const isClassOf = b.one('Equal', [b.unsqueeze(states, 2), classRange(b, at, classes)]);
    const found = b.one('MatMul', [occupied, b.one('Cast', [isClassOf], { to: attrInt(1) })]);
    const p = b.one('Div', [exp, sum]);
    const factor = b.one('Div', [
      b.one('Div', [scale ?? b.f32(1), divisor]),
      b.one('Max', [lengths, b.f32(1)]),
    ]);
    const raw = b.one('Mul', [b.one('Sub', [p, found]), b.unsqueeze(factor, 2)]);
    const broken = b.unsqueeze(b.one('Or', [wrong, impossible]), 2);
    const told = b.one('Where', [broken, b.f32(Number.NaN), raw]);
    const counts = b.unsqueeze(counted, 2);
    const here = active && b.one('Transpose', [active], { perm: attrInts([1, 0, 2]) });
    const used = here ? b.one('And', [counts, here]) : counts;
    return b.one('Where', [used, told, b.f32(0)], {}, 'loss/gradient');
  };
  return { loss, count, at, gradient };
}

/** Which frames count: [T, B, 1]. */
function isActive(b: TrainBuilder, logits: Value, frames: Value): Value {
  const extent = b.one('Gather', [b.one('Shape', [logits]), b.index(1)], { axis: attrInt(0) });
  const times = b.one('Range', [b.i32(0), b.one('Cast', [extent], { to: attrInt(6) }), b.i32(1)]);
  const active = b.one('Less', [
    b.one('Reshape', [times, b.i64([-1, 1, 1])]),
    b.one('Reshape', [frames, b.i64([1, -1, 1])]),
  ]);
  active.setType(tensorType('bool', [null, null, 1]));
  return active;
}

interface Walk {
  /** [B, S] before the first frame that is visited */
  readonly state: Value;
  /** [T, B, S] */
  readonly scores: Value;
  /** [T, B, 1]: other frames leave the state as it is; null: all count */
  readonly active: Value | null;
  /** from the last frame to the first */
  readonly reversed: boolean;
}

/** A Scan over frames: `step` makes the next state, and what is kept of the frame, of a state and the frame's scores. */
function scan(
  b: TrainBuilder,
  { state, scores, active, reversed }: Walk,
  step: (inner: TrainBuilder, state: Value, score: Value) => { readonly next: Value; readonly seen: Value },
): { readonly last: Value; readonly all: Value } {
  const { graph: body, inner } = b.body('frame', 'ctc');
  const { names } = b.graph;
  const inputs = active ? [state, scores, active] : [state, scores];
  const count = inputs.length - 1;
  const direction = Array.from({ length: count }, () => (reversed ? 1 : 0));
  const node: Node = b.graph.append({
    op: 'Scan',
    name: names.freshNode('ctc/scan'),
    inputs,
    outputs: [names.freshValue('ctc/last'), names.freshValue('ctc/all')],
    attrs: [
      ['body', { kind: 'graph', value: body }],
      ['num_scan_inputs', attrInt(count)],
      ['scan_input_directions', attrInts(direction)],
      ['scan_output_directions', attrInts([reversed ? 1 : 0])],
    ],
    origin: { from: [], pass: 'onnx-train' },
  });
  const input = (hint: string, dtype: 'f32' | 'bool') =>
    body.addInput(names.freshValue(`ctc/${hint}`), tensorType(dtype, [null, null]));
  const held = input('state', 'f32');
  const score = input('score', 'f32');
  const counts = active ? input('active', 'bool') : null;
  const { next, seen } = step(inner, held, score);
  const after = counts ? inner.one('Where', [counts, next, held]) : inner.one('Identity', [next]);
  const kept = seen === next ? inner.one('Identity', [after]) : inner.one('Identity', [seen]);
  for (const output of [after, kept]) {
    output.setType(tensorType('f32', [null, null]));
    body.addOutput(output);
  }
  const [last, all] = node.outputs as [Value, Value];
  last.setType(tensorType('f32', [null, null]));
  all.setType(tensorType('f32', [null, null, null]));
  return { last, all };
}

/** Logarithm of the sum of exponentials, element by element. */
function logSum(b: TrainBuilder, terms: readonly Value[]): Value {
  const max = b.one('Max', [...terms]);
  const exps = terms.map((term) => b.one('Exp', [b.one('Sub', [term, max])]));
  return b.one('Add', [max, b.one('Log', [exps.reduce((a, c) => b.one('Add', [a, c]))])]);
}

/** Columns moved to the right by `by`; `fill`, [B, by], comes in. */
function shiftRight(b: TrainBuilder, x: Value, fill: Value, by: number): Value {
  const longer = b.one('Concat', [fill, x], { axis: attrInt(1) });
  return b.one('Slice', [longer, b.i64([0]), b.i64([-by]), b.i64([1])]);
}

/** Columns moved to the left by `by`; `fill`, [B, by], comes in. */
function shiftLeft(b: TrainBuilder, x: Value, fill: Value, by: number): Value {
  const longer = b.one('Concat', [x, fill], { axis: attrInt(1) });
  return b.one('Slice', [longer, b.i64([by]), b.i64([Number.MAX_SAFE_INTEGER]), b.i64([1])]);
}
