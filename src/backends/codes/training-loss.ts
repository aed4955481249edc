import { defineCode, type Place } from '../../ir/diagnostics.js';

/** Diagnostics 502x (training back end: random numbers, losses, optimizers). */

export const seededDropout = defineCode<{ count: number; off: boolean }>({
  code: 'LOTR5020',
  severity: 'remark',
  title: 'the model has Dropout in training mode',
  explain:
    'Masks that ONNX Runtime draws cannot be repeated, and on the CPU they are correlated between steps. step, grad and ' +
    'step-loop graphs therefore compute the masks from the input `draw`, a number that the host changes in each run: the ' +
    'same number gives the same masks. eval and infer graphs run without dropout. --dropout off leaves it out everywhere.',
  make: ({ count, off }) => ({
    message: off
      ? `${count} Dropout nodes in training mode are left out of all graphs`
      : `${count} Dropout nodes are in training mode: step and grad compute their masks from the input "draw", eval and infer leave them out`,
    hint: off ? undefined : 'to train without dropout: --dropout off',
  }),
});

export const dropoutInLoop = defineCode<{ count: number; at: Place }>({
  code: 'LOTR5021',
  severity: 'error',
  title: 'Dropout in training mode is in a loop',
  explain:
    'A Dropout in the body of Loop or Scan, or in a function that cannot be inlined, draws several masks in one run. lotrc ' +
    'computes one mask for each node, and does not use one mask for all iterations without being told.',
  make: ({ count, at }) => ({
    message: `${count} Dropout nodes in training mode are in loops or in functions that cannot be inlined`,
    at,
    hint: 'train without dropout (--dropout off), or export the model in evaluation mode',
  }),
});

export const drawsRandomly = defineCode<{ count: number; ops: readonly string[] }>({
  code: 'LOTR5022',
  severity: 'warning',
  title: 'the model draws random numbers that no seed repeats',
  explain:
    'Bernoulli, Multinomial, RandomNormal, RandomUniform and their Like forms get new numbers from ONNX Runtime in every run. ' +
    'Two training runs with the same seed then differ, and so does a run that was stopped and resumed.',
  make: ({ count, ops }) => ({
    message: `${count} nodes draw random numbers in every run: ${ops.join(', ')}`,
    hint: 'export the model in evaluation mode, if they are there for training only',
  }),
});

export const matrixOptimizer = defineCode<{ kind: string; param: string; shape: readonly number[] }>({
  code: 'LOTR5023',
  severity: 'error',
  title: 'the optimizer is for matrices, and a parameter is none',
  explain:
    'Muon moves the singular values of the gradient of a matrix. A bias, the weight of a norm and other parameters that do ' +
    'not have two axes have no singular values; PyTorch refuses them too.',
  make: ({ kind, param, shape }) => ({
    message: `${kind} trains matrices, and the parameter ${JSON.stringify(param)} is [${shape.join(', ')}]`,
    hint: 'train with --optimizer adamw, or leave the parameter out (--train, --also-train)',
  }),
});

export const noWholeChange = defineCode<{ kind: string; why: string; hint: string }>({
  code: 'LOTR5026',
  severity: 'error',
  title: 'the optimizer cannot step the changes of the weights as a whole',
  explain:
    'lowrank-adamw, lowrank-sgd, lotr-adamw and lotr-sgd step the whole change that an adapter makes to a weight, and project ' +
    'it to the form of the adapter after each step. They need adapters of that form, and memory for a matrix of the size of each ' +
    'adapted weight several times.',
  make: ({ kind, why, hint }) => ({ message: `--optimizer ${kind}: ${why}`, hint }),
});
