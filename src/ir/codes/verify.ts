import { defineCode, type Place } from '../diagnostics.js';

/** Diagnostics 2xxx (verifier). */

export const duplicateValue = defineCode<{ name: string; at: Place; other: string }>({
  code: 'LOTR2001',
  severity: 'error',
  title: 'two values have one name',
  explain:
    'ONNX is in single-assignment form: in a graph and everything nested in it, a name is defined once. With two ' +
    'definitions it is not defined which one a node reads.',
  make: ({ name, at, other }) => ({
    message: `value "${name}" is defined twice; the other definition is ${other}`,
    at,
    hint: 'remove or rename one of the two; of two constants that differ ONNX Runtime takes the last, meant or not',
  }),
});

export const undefinedValue = defineCode<{ name: string; at: Place; near: readonly string[] }>({
  code: 'LOTR2002',
  severity: 'error',
  title: 'a name is used that nothing defines',
  explain:
    'A node input or a graph output names a value that neither this graph nor an enclosing graph defines: it is not a ' +
    'graph input, an initializer or a node output. The model was cut or edited by hand.',
  make: ({ name, at, near }) => ({
    message: `"${name}" is used here and defined nowhere`,
    at,
    hint:
      near.length > 0 ? `names that exist: ${near.join(', ')}` : 'add the missing input, initializer or node',
  }),
});

export const cycle = defineCode<{ at: Place; through: readonly string[] }>({
  code: 'LOTR2003',
  severity: 'error',
  title: 'the graph has a cycle',
  explain:
    'A graph must be acyclic: every node can run once all that it reads has been computed. Nodes may be in any order ' +
    'in the file, but must not depend on each other in a cycle.',
  make: ({ at, through }) => ({
    message: `these nodes depend on each other: ${through.join(' -> ')}`,
    at,
    hint: 'loops are written with the Loop or Scan operator',
  }),
});

export const outOfScope = defineCode<{ name: string; at: Place }>({
  code: 'LOTR2004',
  severity: 'error',
  title: 'a node reads a value of a graph that does not enclose it',
  explain:
    'A node sees the values of its own graph and of the graphs around it. A value made inside another branch or ' +
    'function cannot be read from outside.',
  make: ({ name, at }) => ({
    message: `"${name}" belongs to a graph that does not enclose this node`,
    at,
    hint: 'make the value an output of its graph',
  }),
});

export const tensorSize = defineCode<{ name: string; wanted: number; found: number; at?: Place }>({
  code: 'LOTR2005',
  severity: 'error',
  title: 'a tensor has more or fewer bytes than its type and shape need',
  explain:
    'The data of a tensor must hold exactly one element per position of its shape. Files whose weights were stripped ' +
    'keep the names and shapes and lose the data: lotrc can inspect them but not run or rewrite them.',
  make: ({ name, wanted, found, at }) => ({
    message: `${at ? 'attribute' : 'initializer'} "${name}" needs ${wanted} bytes and has ${found}`,
    at: at ?? { kind: 'tensor', name },
    hint: 'get the file with its weights',
  }),
});

export const noOpset = defineCode<{ at: Place }>({
  code: 'LOTR2006',
  severity: 'error',
  title: 'the model does not import the standard operator set',
  explain:
    'opset_import says which version of each operator domain a model is written in. Without it an operator has no ' +
    'meaning, for its semantics changed between versions.',
  make: ({ at }) => ({
    message: 'standard operators are used and no version of their operator set is imported',
    at,
    hint: 'add the domain to opset_import when exporting',
  }),
});

export const badFunction = defineCode<{ name: string; why: string }>({
  code: 'LOTR2007',
  severity: 'error',
  title: 'a model-local function is not valid',
  explain:
    'Functions must not call themselves, directly or in a circle, and attribute references stand only in bodies. ' +
    'A call has no more inputs and outputs than its function.',
  make: ({ name, why }) => ({
    message: `${name}: ${why}`,
    hint: 'correct the function in the exporter',
  }),
});

export const namelessOp = defineCode<{ at: Place }>({
  code: 'LOTR2008',
  severity: 'error',
  title: 'a node has no operator',
  explain: 'Every node names its operator in op_type. This one leaves it empty, so it cannot mean anything.',
  make: ({ at }) => ({
    message: 'the node names no operator',
    at,
    hint: 'the file is damaged or was made by hand',
  }),
});

export const irVersion = defineCode<{ version: number }>({
  code: 'LOTR2009',
  severity: 'warning',
  title: 'lotrc does not know this IR version',
  explain:
    'lotrc reads IR versions 1 to 13. Fields of newer versions are carried byte for byte, but a rule that changed with ' +
    'the version is not known here.',
  make: ({ version }) => ({
    message: `IR version ${version} is not between 1 and 13`,
    hint: 'use a newer lotrc, or export with an older ONNX',
  }),
});

export const repeatedConstant = defineCode<{ name: string; at: Place }>({
  code: 'LOTR2010',
  severity: 'warning',
  title: 'a constant is defined twice with the same contents',
  explain:
    'Two Constant nodes deliver one name with equal contents. That is not valid ONNX, but harmless: whichever a node ' +
    'reads, it reads the same numbers. lotrc keeps both as they are.',
  make: ({ name, at }) => ({
    message: `constant "${name}" is defined twice with the same contents`,
    at,
    hint: 'drop one of the two in the exporter',
  }),
});

export const shadowed = defineCode<{ name: string; at: Place }>({
  code: 'LOTR2011',
  severity: 'warning',
  title: 'a subgraph defines a name of a graph around it again',
  explain:
    'ONNX asks for names that are unique in a graph and everything nested in it. Here a branch or loop body uses a name ' +
    'of the graph around it for a value of its own; nodes in the body read their own. Some runtimes refuse such files.',
  make: ({ name, at }) => ({
    message: `"${name}" is also the name of a value around this graph`,
    at,
    hint: 'export with unique names if a runtime refuses the file',
  }),
});

export const noDomain = defineCode<{ domain: string; at: Place }>({
  code: 'LOTR2012',
  severity: 'warning',
  title: 'an operator domain is used and not imported',
  explain:
    'opset_import lacks the domain of an operator. ONNX Runtime fills in its own domains; other tools may refuse. lotrc ' +
    'carries the operator unchanged.',
  make: ({ domain, at }) => ({
    message: `domain "${domain}" is used and not imported`,
    at,
    hint: 'add the domain to opset_import when exporting',
  }),
});

export const notFinite = defineCode<{
  name: string;
  dtype: string;
  shape: readonly number[];
  nan: number;
  infinite: number;
  first: number;
}>({
  code: 'LOTR2013',
  severity: 'warning',
  title: 'a stored tensor holds NaN or infinite elements',
  explain:
    'A NaN in a weight makes everything that depends on it NaN, in training and in inference. Exports of a ' +
    'diverged run and damaged files have such weights. Infinite elements may be intended: attention masks are often written ' +
    'with minus infinity. `lotrc inspect --check-weights` reads all weights to look for them.',
  make: ({ name, dtype, shape, nan, infinite, first }) => ({
    message:
      `${dtype}[${shape.join(',')}] holds ` +
      [nan > 0 ? `${nan} NaN` : '', infinite > 0 ? `${infinite} infinite` : '']
        .filter(Boolean)
        .join(' and ') +
      ` element${nan + infinite === 1 ? '' : 's'}, the first at index ${first}`,
    at: { kind: 'tensor', name },
    hint:
      nan > 0
        ? 'export the model again from a checkpoint whose weights are finite'
        : 'this is normal if the tensor is an attention mask',
  }),
});
