/** Where a renderer stands: the notebook, and its way to the kernel. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Connection } from './connection.js';

export interface Place {
  panel: NotebookPanel;
  connection: Connection;
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

/** Replace an output: it is saved with the notebook, and every view of it shows what is new. */
export function writeOutput(
  place: Place,
  model: unknown,
  same: (data: Output['data']) => boolean,
  bundle: Record<string, unknown>,
): void {
  for (const cell of place.panel.content.widgets) {
    const outputs = (cell.model as { outputs?: Outputs }).outputs;
    for (let n = 0; n < (outputs?.length ?? 0); n++) {
      const output = outputs!.get(n);
      if (output !== model && !same(output.data)) continue;
      outputs!.set(n, { ...output.toJSON(), data: bundle });
      return;
    }
  }
}
