import { TrainingRun } from 'lotrc/runtime';

/** Takes a step for each batch, and gives the file of the adapter; `show` is told of each step. */
export async function train({ ort, ep, folder, batches, show }) {
  const run = await TrainingRun.open(folder, { ort, ep });
  for (const batch of batches) show(await run.step(batch, { lr: 1e-2 }));
  const adapter = await run.adapter();
  await run.close();
  return new Blob([adapter]);
}
