/** What a file is by its first bytes, and what the user can do: for files that were given in place of an ONNX model. */
export interface FileKind {
  /** with its article: `a zip archive` */
  readonly what: string;
  readonly hint: string;
  /** it holds neither text nor tensors in any form that lotrc reads, so the hint fits whatever was wanted */
  readonly never?: true;
}

const ascii = (text: string) => [...text].map((char) => char.charCodeAt(0));

const PAGE: FileKind = {
  what: 'an HTML page',
  hint: 'the download gave a page instead of the file; download it again',
};

const EXPORT = 'export the model with torch.onnx.export (or tf2onnx, optimum) and give the .onnx file';

/** Offset of the signature, the signature, what it says. */
const SIGNATURES: readonly (readonly [number, readonly number[], FileKind])[] = [
  [
    0,
    ascii('PK\x03\x04'),
    {
      what: 'a zip archive (a PyTorch checkpoint, an .npz file, or a zipped model)',
      hint: `unpack it, or ${EXPORT}`,
      never: true,
    },
  ],
  [0, [0x1f, 0x8b], { what: 'a gzip archive', hint: 'unpack it first: gzip -d, or tar -xzf', never: true }],
  ...[2, 3, 4, 5].map((version): readonly [number, readonly number[], FileKind] => [
    0,
    [0x80, version],
    { what: 'a Python pickle (a PyTorch checkpoint)', hint: EXPORT, never: true },
  ]),
  [0, ascii('GGUF'), { what: 'a GGUF file of llama.cpp', hint: EXPORT, never: true }],
  [0, ascii('\x89HDF'), { what: 'an HDF5 file (a Keras model)', hint: EXPORT, never: true }],
  [4, ascii('TFL3'), { what: 'a TensorFlow Lite model', hint: EXPORT, never: true }],
  [
    4,
    ascii('ORTM'),
    {
      what: "a model in ONNX Runtime's own format (.ort)",
      hint: 'give the .onnx file it was made from',
      never: true,
    },
  ],
  [
    0,
    ascii('version https://git-lfs'),
    {
      what: 'a Git LFS pointer, not the file itself',
      hint: 'run `git lfs pull` in the repository',
      never: true,
    },
  ],
  [0, ascii('<?xml'), { what: 'an XML file (an OpenVINO model, or an error page)', hint: EXPORT }],
  [0, ascii('<!DOCTYPE'), PAGE],
  [0, ascii('<!doctype'), PAGE],
  [0, ascii('<html'), PAGE],
];

const SAFETENSORS: FileKind = {
  what: 'a safetensors file',
  hint: 'give the .onnx model here; an adapter goes after the model (`lotrc apply MODEL ADAPTER`) or to --adapter',
};

/** Also folders, by their endings .mlpackage and .mlmodelc. */
export const CORE_ML: FileKind = { what: 'a Core ML model', hint: EXPORT, never: true };

/** Core ML: a version, then a message that begins with a message, where ONNX has the name of the producer. */
function isCoreMl(start: Uint8Array): boolean {
  if (start[0] !== 0x08 || start[2] !== 0x12) return false;
  let at = 3;
  while ((start[at] ?? 0) >= 0x80) at++;
  return start[at + 1] === 0x0a;
}

/**
 * The kind of a file that is known not to be ONNX, from its first 32 bytes or more; null when they are of no known
 * kind.
 */
export function fileKind(start: Uint8Array): FileKind | null {
  for (const [offset, signature, kind] of SIGNATURES) {
    if (signature.every((byte, index) => start[offset + index] === byte)) return kind;
  }
  if (isCoreMl(start)) return CORE_ML;
  // safetensors: the length of the JSON header in eight bytes, then the header
  const brace = start[8] === 0x7b && start[5] === 0 && start[6] === 0 && start[7] === 0;
  if (brace && (start[9] === 0x22 || start[9] === 0x7d || start[9] === 0x20)) return SAFETENSORS;
  const [first] = new TextDecoder('latin1').decode(start).trimStart();
  if (first === '{' || first === '[') return { what: 'a JSON file', hint: 'give the .onnx model here' };
  return null;
}
