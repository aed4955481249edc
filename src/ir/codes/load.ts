import { defineCode, type Place } from '../diagnostics.js';

/** The file name of `file` in the folder of `base`. */
function beside(base: string, file: string): string {
  return `${base.slice(0, base.search(/[^/\\]*$/))}${file.slice(file.search(/[^/\\]*$/))}`;
}

/** Diagnostics 10xx-13xx (reading and writing ONNX). */

export const malformed = defineCode<
  { file: string; offset: number } & ({ why: string } | { what: string; hint: string })
>({
  code: 'LOTR1001',
  severity: 'error',
  title: 'the file is not a well-formed ONNX (protobuf) file',
  explain:
    'The bytes at the given offset cannot be read as the protobuf message that ONNX defines there. The file may be ' +
    'cut short, may not be an ONNX file at all (for example a Git LFS pointer, an HTML page or a zip archive), or may ' +
    'have been damaged. Compare its size with the original, download it again, and check that the exporter finished.',
  make: ({ file, offset, ...found }) =>
    'what' in found
      ? { message: `not an ONNX file but ${found.what}`, at: { kind: 'file', file }, hint: found.hint }
      : {
          message: `not a well-formed ONNX file: ${found.why}`,
          at: { kind: 'bytes', file, offset },
          hint: 'check that the download or export finished; `lotrc explain LOTR1001` lists the usual causes',
        },
});

export const cannotRead = defineCode<{ file: string; why: string; hint?: string }>({
  code: 'LOTR1002',
  severity: 'error',
  title: 'a file cannot be read',
  explain:
    'The operating system refused to open or read the file: it does not exist, is a folder, or may not be read by ' +
    "this user. The reason is the system's own.",
  make: ({ file, why, hint }) => ({
    message: `cannot read the file: ${why}`,
    at: { kind: 'file', file },
    hint: hint ?? 'check the path and its permissions',
  }),
});

export const duplicateDefinition = defineCode<{ name: string; graph: string; what: string }>({
  code: 'LOTR1003',
  severity: 'error',
  title: 'two graph inputs, or two initializers, or two functions have one name',
  explain:
    'ONNX names are unique within a graph. Here the list of inputs, initializers or functions itself holds the same ' +
    'name twice, so a reader could only guess which one is meant. Rename one of them in the exporter.',
  make: ({ name, graph, what }) => ({
    message: `${what} "${name}" is defined twice in ${graph === '' ? 'the graph' : `graph "${graph}"`}`,
    at: { kind: 'value', name },
    hint: 'export the model again with unique names; nothing can be read safely from this one',
  }),
});

export const limitExceeded = defineCode<{ file: string; offset: number; what: string; limit: string }>({
  code: 'LOTR1004',
  severity: 'error',
  title: 'the file exceeds a limit that protects against damaged or hostile input',
  explain:
    'Nesting of graphs, length of names, number of dimensions and size of dimensions are limited. The limits lie far ' +
    'above what exporters write, so a file beyond them is damaged or made to exhaust memory.',
  make: ({ file, offset, what, limit }) => ({
    message: `${what} exceeds the limit of ${limit}`,
    at: { kind: 'bytes', file, offset },
    hint: 'if the file is genuine, please report it with the number above',
  }),
});

export const badTensor = defineCode<{ name: string; file: string; why: string }>({
  code: 'LOTR1005',
  severity: 'error',
  title: "a tensor's stored data does not fit its type and shape",
  explain:
    'The tensor declares an element type and dimensions, and its data (raw_data, a typed field or an external file) ' +
    'has another length, or a dimension is negative. Tools that strip weights leave such tensors behind: get the file ' +
    'with its weights.',
  make: ({ name, file, why }) => ({
    message: `tensor "${name}" in ${file}: ${why}`,
    at: { kind: 'tensor', name },
    hint: 'the weights may have been stripped or damaged; get the complete file',
  }),
});

export const fileChanged = defineCode<{ file: string }>({
  code: 'LOTR1006',
  severity: 'error',
  title: 'a file changed while it was in use',
  explain:
    'lotrc reads weights when they are needed, not in advance. The file was replaced or changed in between, so what ' +
    'was read before no longer belongs to what is there now. Run the command again when nothing writes to the file.',
  make: ({ file }) => ({
    message: 'the file changed while it was being read',
    at: { kind: 'file', file },
    hint: 'run again when no other program writes to it',
  }),
});

export const unknownFieldsTravel = defineCode<{ what: string; at: Place; fields: readonly number[] }>({
  code: 'LOTR1007',
  severity: 'remark',
  title: 'an edited object carries fields that lotrc does not understand',
  explain:
    'The object was changed, and it holds protobuf fields unknown to this version of lotrc. They are kept byte for ' +
    'byte, but if their meaning depends on what was changed they may now be wrong.',
  make: ({ what, at, fields }) => ({
    message: `${what} was changed and keeps unknown field${fields.length === 1 ? '' : 's'} ${fields.join(', ')} as they were`,
    at,
    hint: 'check that what these fields say still holds, or remove them before running lotrc',
  }),
});

export const externalEscapes = defineCode<{ name: string; location: string; why: string }>({
  code: 'LOTR1101',
  severity: 'error',
  title: "external data lies outside the model's folder",
  explain:
    'A tensor names a file for its data that is absolute, climbs out with "..", or is reached through a symbolic ' +
    "link that leaves the model's folder. Reading it would let a model file read any file of the machine, so lotrc " +
    'refuses, as ONNX Runtime does. Where the model itself is a link, as in the cache of Hugging Face, data in the folder ' +
    'that it leads to is accepted.',
  make: ({ name, location, why }) => ({
    message: `the data of tensor "${name}" is at ${JSON.stringify(location)}, ${why}`,
    at: { kind: 'tensor', name },
    hint: 'put the data file into the folder of the model and name it by a relative path',
  }),
});

export const externalMissing = defineCode<{ name: string; location: string; why: string; hint?: string }>({
  code: 'LOTR1102',
  severity: 'error',
  title: 'an external data file is missing or too short',
  explain:
    'A tensor keeps its data in another file, and that file is not there or ends before the data does. ONNX models ' +
    'with external data consist of several files that must stay together. `lotrc inspect` and `lotrc rewrite --without-data` ' +
    'work without the weights; the latter only prints the plan.',
  make: ({ name, location, why, hint }) => ({
    message: `the data of tensor "${name}" should be in ${JSON.stringify(location)}: ${why}`,
    at: { kind: 'tensor', name },
    hint: hint ?? 'copy the data files into the folder of the model, under the names that it uses',
  }),
});

export const cannotWrite = defineCode<{ file: string; why: string }>({
  code: 'LOTR1201',
  severity: 'error',
  title: 'an output file cannot be written',
  explain:
    'The operating system refused to create, write or rename the output, or the path is a folder, a symbolic link, a device or ' +
    'a pipe. Nothing was left behind: outputs are written under temporary names and appear only when all are ' +
    'complete.',
  make: ({ file, why }) => ({
    message: `cannot write the file: ${why}`,
    at: { kind: 'file', file },
    hint: 'choose another path with -o, or check that the folder may be written and has room',
  }),
});

export const fileIsThere = defineCode<{ file: string }>({
  code: 'LOTR1206',
  severity: 'error',
  title: 'an output is there already',
  explain:
    'With --no-clobber a command replaces no file. One of its outputs is there, so it wrote none of them. Without the option a file is ' +
    'replaced whole, and the command says so.',
  make: ({ file }) => ({
    message: 'the file is there already, and was not replaced',
    at: { kind: 'file', file },
    hint: 'choose another place with -o, or leave --no-clobber out',
  }),
});

export const wouldOverwriteInput = defineCode<{ file: string; input: string }>({
  code: 'LOTR1202',
  severity: 'error',
  title: 'the output would overwrite an input',
  explain:
    'The output path is the model itself or one of its data files, possibly through a link. lotrc never changes its ' +
    'input: weights are read from it while the output is written, and outputs may go on referring to it.',
  make: ({ file, input }) => ({
    message: `the output is the same file as the input ${input}`,
    at: { kind: 'file', file },
    hint: 'choose another output path with -o',
  }),
});

export const linkOutside = defineCode<{ file: string; base: string }>({
  code: 'LOTR1203',
  severity: 'error',
  title: 'linked weights must lie in or below the folder of the output',
  explain:
    'With --weights link the output refers to the weights in the base file. ONNX Runtime follows such references ' +
    "only within the output's own folder, so the base must lie there or below it.",
  make: ({ file, base }) => ({
    message: `cannot refer to the weights in ${base}: they do not lie in or below the folder of the output`,
    at: { kind: 'file', file },
    hint: `write the output into the folder of the base, with -o ${beside(base, file)}, or leave --weights link out`,
  }),
});

export const tooLargeToInline = defineCode<{ file: string; bytes: number }>({
  code: 'LOTR1204',
  severity: 'error',
  title: 'the model does not fit into one protobuf file',
  explain:
    'A protobuf message, and so a single-file ONNX model, ends at 2 GiB. Larger models keep their weights in a ' +
    'separate data file.',
  make: ({ file, bytes }) => ({
    message: `the file would have ${bytes} bytes; protobuf allows 2147483647`,
    at: { kind: 'file', file },
    hint: 'use --weights copy (weights go into a .data file) or --weights link',
  }),
});

export const heldByOther = defineCode<{
  file: string;
  lock: string;
  /** `host`: null for a process of this machine; a holder of null: the lock does not say */
  holder: { pid: number; host: string | null; since: string; command: string } | null;
}>({
  code: 'LOTR1205',
  severity: 'error',
  title: 'another process is writing the output',
  explain:
    'While a command writes a file, and while a training run uses its folder, a small lock file (`.NAME.lotrc.lock`) says which ' +
    'process does so. Here another process holds the lock: two writers would replace what the other wrote. Lock files go ' +
    'when their command ends, and those of processes that were killed are taken over without a word. A process of another ' +
    'machine or container cannot be seen from here: when it has ended without removing its lock file, remove it by hand.',
  make: ({ file, lock, holder }) => {
    const at = { kind: 'file', file } as const;
    if (holder === null) {
      const message = `${lock} is where lotrc makes a lock file, and does not say which process holds it`;
      return { message, at, hint: 'remove that file if no other lotrc writes to the output' };
    }
    const { pid, host, since, command } = holder;
    const where = host === null ? '' : ` of the machine or container ${JSON.stringify(host)}`;
    const message = `process ${pid}${where} is writing it, since ${since}: ${command}`;
    const hint =
      host === null
        ? 'wait until that process has ended, or choose another path with -o'
        : `wait until that process has ended; if it was killed, remove ${lock}`;
    return { message, at, hint };
  },
});
