/** The words of --ep: ONNX Runtime's execution providers. */

/** Execution providers that training graphs are written for; the last only runs in browsers. */
export const TRAINING_EPS = ['cpu', 'cuda', 'webgpu', 'wasm'] as const;
export type TrainingEp = (typeof TRAINING_EPS)[number];

/** Execution providers that run in Node. */
export const NODE_EPS = ['cpu', 'cuda', 'webgpu'] as const satisfies readonly TrainingEp[];
export type NodeEp = (typeof NODE_EPS)[number];
