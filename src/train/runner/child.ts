import { answerRequests } from '../../backends/ort/answer.js';
import { projectedApply } from '../projection.js';
import { LocalRunner } from './local.js';
import { type RunnerCall, received, sent } from './messages.js';
import { nodeSessions } from './node-sessions.js';
import { TensorRow } from './tensor-row.js';

/** The program of the process that runs the graphs of a training directory; see remote.ts. */

let runner: LocalRunner | null = null;

answerRequests<RunnerCall>(async (request) => {
  if (request.call === 'open') {
    runner = new LocalRunner(request.job, nodeSessions(request.job), projectedApply(request.job.signature));
    return null;
  }
  if (!runner) throw new Error('no training directory was opened');
  switch (request.call) {
    case 'load':
      return runner.load(TensorRow.zeros(request.shapes).tensors);
    case 'write':
      return new TensorRow(await runner.save(request.names)).write(request.start, request.values);
    case 'shapes':
      return new TensorRow(await runner.save(request.names)).shapes;
    case 'read':
      return new TensorRow(await runner.save(request.names)).read(request.start, request.end);
    case 'run':
      return sent(await runner.run(request.graph, received(request.feeds), request.outputs));
    case 'addUp':
      return runner.addUp(request.batches.map(received));
    case 'readSum':
      return runner.readSum();
    case 'writeSum':
      return runner.writeSum(request.values.slice());
    case 'apply':
      return sent(await runner.apply(request.weight, received(request.scalars), request.outputs));
    case 'close':
      return runner.close();
  }
});
