import { listed } from '../../ir/codes/listed.js';
import { defineCode, type Place } from '../../ir/diagnostics.js';

/** Diagnostics 50xx (training back end). */

export const noLogits = defineCode<{ found: readonly string[]; wanted: string | null }>({
  code: 'LOTR5001',
  severity: 'error',
  title: 'it is not clear which output to compute the loss from',
  explain:
    'A loss needs one floating-point output of the model: logits for cross-entropy, predictions for mean squared error. ' +
    'When the model has exactly one such output it is taken; otherwise name it.',
  make: ({ found, wanted }) => ({
    message:
      wanted === null
        ? `the model has ${found.length} floating-point outputs`
        : `the model has no floating-point output "${wanted}"`,
    hint:
      found.length === 0
        ? 'adapt the model that computes logits: one that ends in a search or in ArgMax has no gradient'
        : `--logits takes one of ${found.join(', ')}`,
  }),
});

export const logitsRank = defineCode<{ name: string; why: string }>({
  code: 'LOTR5002',
  severity: 'error',
  title: 'the loss does not fit the shape of the output',
  explain:
    'Cross-entropy takes logits [batch, classes] or [batch, seq, vocabulary] whose rank is known; shifting for next-token ' +
    'prediction needs the latter. The losses on embeddings take [rows, width] or [rows, seq, width], an even number of rows.',
  make: ({ name, why }) => ({
    message: `output "${name}": ${why}`,
    at: { kind: 'value', name },
    hint: 'choose another output with --logits or another loss with --loss',
  }),
});

export const noInfluence = defineCode<{ names: readonly string[]; logits: string }>({
  code: 'LOTR5003',
  severity: 'error',
  title: 'a parameter has no influence on the loss',
  explain:
    'The loss does not depend on these parameters, so their gradient would be zero: the ' +
    'layers lie on a path to another output. Choose the output that depends on them, or leave the layers out.',
  make: ({ names, logits }) => ({
    message: `"${logits}" does not depend on ${names.length} parameters: ${listed(names, 3)}`,
    hint: 'choose another output with --logits, or leave these layers out when rewriting',
  }),
});

export const nothingToTrain = defineCode<{ train: readonly string[]; factors: readonly string[] }>({
  code: 'LOTR5004',
  severity: 'error',
  title: 'no parameter is left to train',
  explain: '--train names the factors that are trained; the others stay frozen. Here it leaves none.',
  make: ({ train, factors }) => ({
    message: `--train ${train.join(',')} names no factor of the adapters`,
    hint: `the factors are ${factors.join(', ')}`,
  }),
});

export const alsoTrain = defineCode<{ pattern: string; why: string; near: readonly string[] }>({
  code: 'LOTR5005',
  severity: 'error',
  title: '--also-train names nothing that can be trained',
  explain:
    '--also-train takes a regular expression that is searched in the names of float32 initializers and in the module ' +
    'paths of linear layers; what it finds is trained in full and stored with the adapter state.',
  make: ({ pattern, why, near }) => ({
    message: `--also-train ${JSON.stringify(pattern)}: ${why}`,
    hint: near.length > 0 ? `names that exist: ${near.join(', ')}` : '`lotrc inspect` lists the layers',
  }),
});

export const trainedAsOne = defineCode<{ names: readonly string[] }>({
  code: 'LOTR5041',
  severity: 'remark',
  title: 'weights of equal content are trained as one parameter',
  explain:
    'Exporters write a tied weight, such as an embedding that is the output head too, as two tensors, one of them ' +
    'transposed. lotrc takes weights of equal content for one, as it does for adapters: one parameter, whose gradient is ' +
    'the sum over all uses. With --tie initializer only a weight that is stored once is one.',
  make: ({ names }) => ({
    message: `${names.join(', ')} have equal content and are trained as one parameter`,
    hint: 'if they are different weights with equal initial values, use --tie initializer',
  }),
});

export const illegalOp = defineCode<{ op: string; ep: string; at: Place; why: string }>({
  code: 'LOTR5006',
  severity: 'error',
  title: 'an op has no kernel on the chosen execution provider',
  explain:
    'ONNX Runtime would place the node on the CPU and copy its data back and forth in every step. lotrc reports this when it writes ' +
    'the graph. The tables are read from ONNX Runtime 1.30.',
  make: ({ op, ep, at, why }) => ({
    message: `${op} does not run on the ${ep} provider: ${why}`,
    at,
    hint:
      ep === 'cpu' || ep === 'wasm'
        ? 'choose another --ep, or convert the model to types and operators that this provider has'
        : `choose another --ep, or accept the copies with --allow-fallback ${op}`,
  }),
});

export const cannotLinkBase = defineCode<{ file: string; why: string }>({
  code: 'LOTR5007',
  severity: 'error',
  title: 'the base weights cannot be put into the training directory',
  explain:
    'ONNX Runtime follows references to weights only within the folder of the graph, so the base file is cloned or copied ' +
    'into the training directory. With --link it becomes a hard link, which needs one file system for both.',
  make: ({ file, why }) => ({
    message: `cannot link the base file: ${why}`,
    at: { kind: 'file', file },
    hint: "leave out --link, or choose a directory on the model's file system with -o",
  }),
});

export const uselessOption = defineCode<{ option: string; why: string; hint: string }>({
  code: 'LOTR5008',
  severity: 'error',
  title: 'an option has no effect on these training graphs',
  explain:
    'Shifting, label smoothing and the label to ignore belong to cross-entropy, the temperature to the contrastive loss, ' +
    'and the mask to the losses on embeddings; factors are called by their names in the plan. lotrc refuses options that it ' +
    'would have to ignore.',
  make: ({ option, why, hint }) => ({ message: `${option}: ${why}`, hint }),
});

export const unsureKernel = defineCode<{ ep: string; count: number; ops: readonly string[] }>({
  code: 'LOTR5009',
  severity: 'remark',
  title: 'whether an execution provider runs these nodes depends on the version of ONNX Runtime',
  explain:
    'ONNX Runtime registers kernels for versions of an op. Its published list of CUDA kernels does not say whether those ' +
    'of an older version serve the one in the model; where they do not, the node runs on the CPU and its data is copied in ' +
    'every step. The verbose log of a session says where each node was placed.',
  make: ({ ep, count, ops }) => ({
    message: `${count} nodes may run on the CPU instead of ${ep}: ${ops.join(', ')}`,
    hint: 'load the graph with log severity 0 and look for "Node(s) placed on"',
  }),
});

export const oldTrainingOpset = defineCode<{ opset: number; needed: number }>({
  code: 'LOTR5010',
  severity: 'error',
  title: 'the operator set of the model is too old for training graphs',
  explain:
    'Loss, gradients and optimizer are written in operators of the set that the model uses. Before version 9 it lacks ' +
    'Where and ConstantOfShape. Inference with adapters works from version 7 on.',
  make: ({ opset, needed }) => ({
    message: `the model uses operator set ${opset}; training graphs need ${needed} or newer`,
    hint: 'export the model with a newer opset, or convert it (onnx.version_converter)',
  }),
});

export const cannotMeasure = defineCode<{ why: string }>({
  code: 'LOTR5024',
  severity: 'error',
  title: 'ONNX Runtime is needed to choose the faster products',
  explain:
    '--base-dtype auto runs a product of the model in float32 and in 8 bits, for about a second, and takes the faster form. That ' +
    'needs the package onnxruntime-node, which lotrc does not install by itself.',
  make: ({ why }) => ({
    message: `--base-dtype auto has nothing to measure with: ${why}`,
    hint: 'run `npm install onnxruntime-node`, or write --base-dtype float32 or --base-dtype int8',
  }),
});

export const chosenBaseDtype = defineCode<{
  because: string | null;
  times:
    | (Readonly<Record<'float32' | 'int8' | 'rows', number>> & {
        readonly shape: readonly [number, number];
        readonly baseDtype: string;
      })
    | null;
}>({
  code: 'LOTR5025',
  severity: 'remark',
  title: 'what products of the base compute in was chosen here',
  explain:
    '--base-dtype auto takes int8 where a product of the shape that most of the arithmetic has takes at most four fifths of its ' +
    'time in float32, and float32 elsewhere and where 8 bits are not possible. Another machine, or another day, may choose ' +
    'otherwise: where the same bytes must come out again, write the choice out.',
  make: ({ because, times }) => {
    const chosen = times?.baseDtype ?? 'float32';
    const ms = (seconds: number) => `${(1000 * seconds).toFixed(1)} ms`;
    const why = times
      ? `[${times.rows},${times.shape[0]}] x [${times.shape.join(',')}] takes ${ms(times.float32)} in float32 and ${ms(times.int8)} in int8`
      : because;
    return {
      message: `--base-dtype auto is ${chosen} here: ${why}`,
      hint: `for the same bytes on every machine: --base-dtype ${chosen}`,
    };
  },
});
