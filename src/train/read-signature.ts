import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { badTrainingFolder } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import { hasDigest } from '../ir/files/file-digest.js';
import { leadsOut } from '../ir/files/folders.js';
import { readJsonFile } from '../ir/files/json-file.js';
import { changeFault } from './change-fault.js';
import { LOSS_NUMBERS } from './losses/index.js';
import type { Signature } from './signature.js';
import { signatureSchemaOf } from './signature-schema.js';

export const signatureSchema = signatureSchemaOf(LOSS_NUMBERS);

/**
 * Reads and checks `signature.json` of a training directory, that every file that it names lies in the directory, and that
 * the base files have the lengths and digests they had (`fileDigest`). Throws LOTR8201.
 */
export function readSignature(folder: string): Signature {
  const file = join(folder, 'signature.json');
  const refuse = (why: string): never => fail(badTrainingFolder({ file, why }));
  const signature = readJsonFile(file, signatureSchema, refuse);
  for (const [name, graph] of Object.entries(signature.graphs)) {
    const why = /[/\\]/.test(graph.file)
      ? `${JSON.stringify(graph.file)} is not the name of a file in this folder`
      : leadsOut(folder, graph.file);
    if (why !== null) refuse(`field "graphs.${name}.file": ${why}`);
  }
  const fault = changeFault(signature);
  if (fault !== null) refuse(fault);
  const state = leadsOut(folder, 'state.safetensors');
  if (state !== null) refuse(state);
  for (const [index, { location }] of signature.base.entries()) {
    const why = leadsOut(folder, location);
    if (why !== null) refuse(`field "base[${index}].location": ${why}`);
  }
  for (const { location, byteLength, digest } of signature.base) {
    const path = join(folder, location);
    if (!existsSync(path)) fail(badTrainingFolder({ file: path, why: 'the base weights are missing' }));
    const { size } = statSync(path);
    if (!statSync(path).isFile()) fail(badTrainingFolder({ file: path, why: 'it is not a regular file' }));
    if (size !== byteLength) {
      const lengths = `it has ${size} bytes, and ${byteLength} when the graphs were written`;
      fail(badTrainingFolder({ file: path, why: `the base weights were changed: ${lengths}` }));
    }
    if (!hasDigest(path, digest)) {
      const why = 'the base weights were changed: their digest is not the one in signature.json';
      fail(badTrainingFolder({ file: path, why }));
    }
  }
  return signature;
}
