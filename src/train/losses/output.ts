import { attrInt, attrText } from '../../ir/attr.js';
import { dtypeToOnnx } from '../../ir/dtype.js';
import type { Node, Value } from '../../ir/model.js';
import { shapeOf, tensorType } from '../../ir/shape.js';
import type { TrainBuilder } from './builder.js';
import { defineLoss, type Loss } from './define.js';
import { rowsOf } from './parts.js';

export const output = defineLoss({
  kind: 'output',
  doc: 'an output of the model is the loss',
  takes: {
    output: 'one element: the loss itself',
    labels: 'what the model takes; its input `labels` (or `--labels NAME`) has the role label',
  },
  reads: ['--labels'],
  numbers: {},
  problem: (value) => {
    const shape = shapeOf(value);
    if (!shape) return 'its rank is unknown';
    return shape.every((dim) => dim === 1) ? null : 'a loss has one element';
  },
  labelType: () => null,
  build: (b, { output: value }) => outputLoss(b, value, ownLossOf(value)),
  signature: (_, value) => {
    const own = ownLossOf(value);
    return { ignoreIndex: own?.ignoreIndex ?? null, reduction: own?.reduction ?? 'mean' };
  },
});

/** How a loss that the model computes itself is made, as far as the graph says. */
interface OwnLoss {
  readonly labels: Value;
  /** one weight for each class, by which labels count */
  readonly weights: Value | null;
  readonly ignoreIndex: number | null;
  readonly reduction: 'mean' | 'sum';
}

/** As `elements: "kept"` says in the declarations of ops, which help texts must not load. */
const CHANGES_SHAPE: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Reshape', 'Squeeze', 'Unsqueeze']);

/**
 * The SoftmaxCrossEntropyLoss or NegativeLogLikelihoodLoss whose result an output is, after operators that change nothing
 * but type and shape; null when the loss is made in another way.
 */
function ownLossOf(output: Value): OwnLoss | null {
  let node: Node | null = output.producer;
  while (node && CHANGES_SHAPE.has(node.opKey)) node = node.inputs[0]?.producer ?? null;
  if (node?.opKey !== 'SoftmaxCrossEntropyLoss' && node?.opKey !== 'NegativeLogLikelihoodLoss') return null;
  // both have the default "mean"
  const given = node.attrs.get('reduction');
  const reduction = given?.kind === 'string' ? attrText(given.value) : 'mean';
  if (reduction === 'none') return null;
  const ignored = node.attrs.get('ignore_index');
  return {
    labels: node.inputs[1]!,
    weights: node.inputs[2] ?? null,
    ignoreIndex: ignored?.kind === 'int' ? Number(ignored.value) : null,
    reduction: reduction === 'sum' ? 'sum' : 'mean',
  };
}

/**
 * An output of the model as the loss. `count` is the number (or summed weight) of the labels that it is a mean over where
 * `own` says so, and else the number of rows of the batch.
 */
function outputLoss(b: TrainBuilder, output: Value, own: OwnLoss | null): Loss {
  const type = output.type?.kind === 'tensor' ? output.type : null;
  const rank = type?.shape?.length ?? 0;
  const cast = type?.dtype === 'f32' ? output : b.one('Cast', [output], { to: attrInt(1) });
  const loss = rank === 0 ? b.one('Identity', [cast]) : b.one('Reshape', [cast, b.i64([])]);
  loss.setType(tensorType('f32', []));
  const gradient = (scale: Value | null): Value => {
    const one = scale ?? b.f32(1);
    const typed =
      type?.dtype === 'f32' ? one : b.one('Cast', [one], { to: attrInt(dtypeToOnnx(type!.dtype)) });
    return rank === 0 ? typed : b.one('Reshape', [typed, b.i64(Array.from({ length: rank }, () => 1))]);
  };
  return { loss, count: own ? countOf(b, own) : rowsOf(b, output.graph!), at: output, gradient };
}

function countOf(b: TrainBuilder, { labels, weights, ignoreIndex }: OwnLoss): Value {
  const typed = b.one('Cast', [labels], { to: attrInt(6) });
  if (ignoreIndex === null && !weights) return b.elementCount(typed);
  const ignored = b.one('Equal', [typed, b.i32(ignoreIndex ?? -1)]);
  const zero = b.f32(0);
  if (!weights) return b.sumAll(b.one('Where', [ignored, zero, b.f32(1)]));
  const safe = ignoreIndex === null ? typed : b.one('Where', [ignored, b.i32(0), typed]);
  const each = b.one('Gather', [b.one('Cast', [weights], { to: attrInt(1) }), safe], { axis: attrInt(0) });
  return b.sumAll(ignoreIndex === null ? each : b.one('Where', [ignored, zero, each]));
}
