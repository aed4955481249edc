import { expect, test } from 'vitest';
import { LotrcError } from '../../../src/ir/diagnostics.js';
import { fileKind } from '../../../src/ir/files/file-kind.js';
import { readModelBytes } from '../../../src/ir/onnx/reader.js';

const latin1 = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

test.each([
  ['PK\x03\x04\x14\0\0\0', /zip archive \(a PyTorch checkpoint/],
  ['\x1f\x8b\x08\0', /gzip/],
  ['\x80\x02}q\0', /pickle/],
  ['\x80\x04\x95\0', /pickle/],
  ['\x08\x07\x12\x40\x0a\x1e\x0a\x05image', /Core ML/],
  ['GGUF\x03\0\0\0', /GGUF/],
  ['\x89HDF\r\n\x1a\n', /HDF5/],
  ['\x1c\0\0\0TFL3', /TensorFlow Lite/],
  ['\x18\0\0\0ORTM', /\.ort/],
  ['version https://git-lfs.github.com/spec/v1\n', /Git LFS pointer/],
  ['<!DOCTYPE html>', /HTML page/],
  ['<?xml version="1.0"?>', /XML/],
  ['\x40\0\0\0\0\0\0\0{"w":{}}', /safetensors/],
  ['\n{"version": "1.0"}', /JSON/],
])('%j', (start, what) => {
  const bytes = latin1(start.padEnd(64, '\0'));
  expect(fileKind(bytes)!.what).toMatch(what);
  try {
    readModelBytes(bytes);
  } catch (error) {
    const [diagnostic] = (error as LotrcError).diagnostics;
    expect(error).toBeInstanceOf(LotrcError);
    expect(diagnostic).toMatchObject({
      code: 'LOTR1001',
      message: expect.stringMatching(what),
      hint: expect.any(String),
    });
    return;
  }
  throw new Error('it was read as a model');
});

test('other bytes say nothing', () => {
  expect(fileKind(latin1('\x08\x08\x12\x07pytorch'))).toBeNull();
  expect(fileKind(latin1('\x08\x08\x12\x0apytorch 2.'))).toBeNull();
  expect(fileKind(new Uint8Array(0))).toBeNull();
});
