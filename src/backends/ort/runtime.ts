import type * as Ort from 'onnxruntime-node';

/**
 * Loads ONNX Runtime's JavaScript interface. From 1.29 on its official builds report on models (file name, digests, operators)
 * to Microsoft, and leave a log for that in the folder for temporary files. It is asked not to, unless the user has set
 * ORT_DISABLE_TELEMETRY: what lotrc opens is nobody else's business.
 */
export function loadRuntime(): Promise<typeof Ort> {
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
  return import('onnxruntime-node');
}
