// The page of test/runtime/hybrid.test.ts: runs the example as it is, and tells how files and batches that do not fit are refused.
import { openModel } from 'emitted-model';
import * as ort from 'onnxruntime-web/webgpu';
import { hybrid } from '../../examples/browser-hybrid/hybrid.js';

// a page without cross-origin isolation has one thread
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = '/ort/';
ort.env.logLevel = 'error';

const bytes = async (path) => (await fetch(path)).arrayBuffer();
const why = (error) => String(error?.message ?? error);

async function answer() {
  const { tokens, adapter, others, feeds: given } = await (await fetch('/job')).json();
  const feeds = Object.fromEntries(
    Object.entries(given).map(([name, { type, data, dims }]) => [
      name,
      new ort.Tensor(type, type === 'int64' ? data.map(BigInt) : Float32Array.from(data), dims),
    ]),
  );
  const found = await hybrid({ openModel, ort, folder: '/gpu/', tokens, adapter, feeds });
  const outputs = Object.fromEntries(
    Object.entries(found).map(([name, { logits }]) => [name, { logits: { data: [...logits.data] } }]),
  );
  const model = await openModel({ ort, tokens: 2, read: (path) => bytes(`/gpu/${path}`) });
  const refused = { rows: await model.run(feeds).catch(why) };
  for (const path of others) {
    try {
      model.use(await bytes(path));
    } catch (error) {
      refused[path] = why(error);
    }
  }
  await model.close();
  return { outputs, refused };
}

const body = await answer().catch((error) => ({ failed: String(error?.stack ?? error) }));
await fetch('/answer', { method: 'POST', body: JSON.stringify(body) });
