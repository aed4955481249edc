import { defineCode } from '../diagnostics.js';

/** Diagnostics 41xx (shape inference). Warnings: what is not understood stays unknown, and the model is carried. */

interface At {
  readonly path: readonly string[];
  readonly op: string;
  readonly input?: number | undefined;
}

const place = ({ path, op, input }: At) =>
  ({ kind: 'node', path, op, ...(input === undefined ? {} : { input }) }) as const;

export const shapeContradiction = defineCode<At & { why: string }>({
  code: 'LOTR4101',
  severity: 'warning',
  title: 'the inputs of a node cannot have these shapes or types',
  explain:
    'The operator requires ranks, extents or element types that fit together, and what is known about the inputs of ' +
    'this node contradicts it. The model will most likely fail when it runs. lotrc leaves the outputs unknown and goes ' +
    'on; layers that depend on them may be refused.',
  make: (p) => ({
    message: `"${p.path.at(-1) ?? ''}": ${p.why}`,
    at: place(p),
    hint: 'run the model with the input shapes that it declares, and export it again if it fails there too',
  }),
});

export const declaredContradiction = defineCode<{ name: string; declared: string; inferred: string }>({
  code: 'LOTR4102',
  severity: 'warning',
  title: 'a declared type contradicts the type that follows from the graph',
  explain:
    'The file states a type for this value (as output or in value_info), but the types of the inputs lead to another ' +
    'one. Often a tool changed the inputs of the model and kept the old value_info. lotrc uses the type that follows ' +
    'from the graph.',
  make: ({ name, declared, inferred }) => ({
    message: `"${name}" is declared as ${declared} and is ${inferred}`,
    at: { kind: 'value', name },
    hint: 'remove the stale value_info, or run the shape inference of the tool that wrote the file again',
  }),
});

export const attributeKind = defineCode<At & { attr: string; found: string; wanted: string }>({
  code: 'LOTR4103',
  severity: 'warning',
  title: 'an attribute has another type than the operator defines',
  explain:
    'The ONNX schema of the operator gives the attribute a type (int, float, ints, ...), and the file holds a value ' +
    'of another type there. No runtime will accept the node as it is.',
  make: (p) => ({
    message: `attribute "${p.attr}" of "${p.path.at(-1) ?? ''}" is of type ${p.found}, the operator requires ${p.wanted}`,
    at: place(p),
    hint: 'correct the attribute in the exporter',
  }),
});

export const incompleteNode = defineCode<At & { why: string }>({
  code: 'LOTR4104',
  severity: 'warning',
  title: 'a node lacks an input or an attribute that its operator requires',
  explain:
    'In the version of the operator set that the model imports, the operator needs more inputs than the node has, or ' +
    'an attribute that is absent. Often the model states a wrong version of the operator set.',
  make: (p) => ({
    message: `"${p.path.at(-1) ?? ''}" ${p.why}`,
    at: place(p),
    hint: 'check the operator set version that the model imports, or correct the node in the exporter',
  }),
});

export const badlyTyped = defineCode<At & { why: string }>({
  code: 'LOTR4105',
  severity: 'error',
  title: 'the model that was about to be written has contradicting types',
  explain:
    'Before a model is renamed into its place, lotrc infers the types and shapes of all its values and compares them with ' +
    'what the operators take. Here a node of the result would read inputs that no runtime accepts together, and the model ' +
    'that was read did not have this fault. Nothing was written. This is a bug in lotrc, or passes ran in an unusual order.',
  make: (p) => ({
    message: `no model was written, it would not load: ${p.why}`,
    at: place(p),
    hint: 'leave the layer out with --exclude, and please report the model and the command',
  }),
});
