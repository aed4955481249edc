// The page of test/runtime/browser.test.ts: runs the examples as they are, and tells where results of graphs lay.
import * as ort from 'onnxruntime-web/webgpu';
import { swap } from '../../examples/browser-swap/swap.js';
import { train } from '../../examples/browser-train/train.js';

// a page without cross-origin isolation has one thread
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = '/ort/';
ort.env.logLevel = 'error';

/** ONNX Runtime, whose sessions note where their results are and how large they are. */
const noted = new Set();
const spied = {
  Tensor: ort.Tensor,
  InferenceSession: {
    create: async (model, options) => {
      const session = await ort.InferenceSession.create(model, options);
      const run = session.run.bind(session);
      session.run = async (...given) => {
        const results = await run(...given);
        for (const { location, size } of Object.values(results)) if (size > 1) noted.add(location);
        return results;
      };
      return session;
    },
  },
};

async function answer() {
  const { ep, batches, feeds, adapters } = await (await fetch('/job')).json();
  if (batches) {
    const losses = [];
    const show = ({ loss }) => losses.push(loss);
    const file = await train({ ort: spied, ep, folder: '/train/', batches, show });
    return { losses, adapter: [...new Uint8Array(await file.arrayBuffer())], locations: [...noted] };
  }
  const tensors = Object.fromEntries(
    Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      new ort.Tensor(type, type === 'int64' ? data.map(BigInt) : Float32Array.from(data), dims),
    ]),
  );
  const outputs = await swap({ ort, ep, model: '/model.onnx', adapters, feeds: tensors });
  return Object.fromEntries(Object.entries(outputs).map(([name, { logits }]) => [name, [...logits.data]]));
}

const body = await answer().catch((error) => ({ failed: String(error?.stack ?? error) }));
await fetch('/answer', { method: 'POST', body: JSON.stringify(body) });
