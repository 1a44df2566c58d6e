/** Where a renderer stands: the notebook, and its way to the kernel. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { KernelConnection } from './kernelConnection.js';

export interface NotebookContext {
  panel: NotebookPanel;
  connection: KernelConnection;
}

interface Output {
  data?: Record<string, unknown>;
  toJSON(): object;
}

interface Outputs {
  length: number;
  get(n: number): Output;
  set(n: number, value: object): void;
}

interface Awareness {
  clientID: number;
  getStates(): Map<number, unknown>;
}

/** Replace an output: it is saved with the notebook, and every view of it shows what is new.
 *
 * A cell that was copied has the same record: the view's own output goes before one that is alike. */
export function writeOutput(
  place: NotebookContext,
  model: unknown,
  same: (data: Output['data']) => boolean,
  bundle: Record<string, unknown>,
): void {
  for (const fits of [(output: Output) => output === model, (output: Output) => same(output.data)])
    for (const cell of place.panel.content.widgets) {
      const outputs = (cell.model as { outputs?: Outputs }).outputs;
      for (let n = 0; n < (outputs?.length ?? 0); n++) {
        const output = outputs!.get(n);
        if (!fits(output)) continue;
        outputs!.set(n, { ...output.toJSON(), data: bundle });
        return;
      }
    }
}

/** Write what every page hears. Of several people at one notebook one writes: two that write at once make the
 * output twice. The others look again a little later, should that one be gone. */
export function writeOnce(place: NotebookContext, wanted: () => boolean, write: () => void): void {
  const shared = place.panel.context.model.sharedModel as { awareness?: Awareness } | undefined;
  const others = [...(shared?.awareness?.getStates().keys() ?? [])];
  const first = others.length < 2 || shared!.awareness!.clientID === Math.min(...others);
  if (first) return write();
  setTimeout(() => wanted() && !place.panel.isDisposed && write(), 2000 + 4000 * Math.random());
}
