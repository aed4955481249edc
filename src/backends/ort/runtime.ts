import type * as Ort from 'onnxruntime-node';
import { hostMissing } from '../../ir/codes/cli.js';
import { fail } from '../../ir/diagnostics.js';

/**
 * Loads ONNX Runtime's JavaScript interface. From 1.29 on its official builds report on models (file name, digests, operators)
 * to Microsoft, and leave a log for that in the folder for temporary files. It is asked not to, unless the user has set
 * ORT_DISABLE_TELEMETRY: what lotrc opens is nobody else's business. Throws LOTR8003.
 */
export async function loadRuntime(): Promise<typeof Ort> {
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  try {
    return await import('onnxruntime-node');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const absent = code === 'ERR_MODULE_NOT_FOUND' && message.includes("'onnxruntime-node'");
    return fail(hostMissing({ why: absent ? null : message.split('\n')[0]! }));
  }
}
