import { badTrainingFolder } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import type { GraphName, GraphSignature, Signature } from './signature.js';

/** What messages call a file of a training directory. */
export function fileIn(folder: string, name: string): string {
  return folder === '' ? name : `${folder.replace(/[/\\]+$/, '')}/${name}`;
}

/** The graph of that name. Throws LOTR8201 when the directory lacks it. */
export function graphOf(signature: Signature, folder: string, name: GraphName): GraphSignature {
  return (
    signature.graphs[name] ??
    fail(badTrainingFolder({ file: fileIn(folder, 'signature.json'), why: `there is no graph "${name}"` }))
  );
}
