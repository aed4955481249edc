import { defineCode } from '../diagnostics.js';

/** Diagnostics 10xx-13xx (reading and writing ONNX). */

export const malformed = defineCode<{ file: string; offset: number; why: string }>({
  code: 'LOTR1001',
  severity: 'error',
  title: 'the file is not a well-formed ONNX (protobuf) file',
  explain:
    'The bytes at the given offset cannot be read as the protobuf message that ONNX defines there. The file may be ' +
    'cut short, may not be an ONNX file at all (for example a Git LFS pointer, an HTML page or a zip archive), or may ' +
    'have been damaged. Compare its size with the original, download it again, and check that the exporter finished.',
  make: ({ file, offset, why }) => ({
    message: `not a well-formed ONNX file: ${why}`,
    at: { kind: 'bytes', file, offset },
    hint: 'check that the download or export finished; `lotrc explain LOTR1001` lists the usual causes',
  }),
});
