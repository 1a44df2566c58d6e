/** Where a renderer stands: the notebook, and its way to the kernel. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { NotebookCells } from '../inspect/inspectionView.js';
import type { KernelConnection } from './kernelConnection.js';

export interface NotebookContext {
  panel: NotebookPanel;
  connection: KernelConnection;
}

export interface Output {
  type?: string;
  data?: Record<string, unknown>;
  toJSON(): object;
}

export interface Outputs {
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

/** The cells of a notebook, for a view in one of its outputs. */
export function notebookCells(panel: NotebookPanel, output: Node): NotebookCells {
  const find = (number: number) =>
    panel.content.widgets.filter(
      cell => (cell.model as { executionCount?: number | null }).executionCount === number,
    );
  const source = (cell: { model: { sharedModel: { getSource(): string } } }) =>
    cell.model.sharedModel.getSource();
  return {
    insert: sources => void insertCells(panel, output, sources),
    state: (number, before) => {
      const all = find(number);
      return all.some(cell => source(cell) === before) ? 'same' : all.length ? 'changed' : 'gone';
    },
    replace: (number, before, after) => {
      const cell = find(number).find(item => source(item) === before);
      cell?.model.sharedModel.setSource(after);
      return !!cell;
    },
  };
}

/** Put cells behind the one that an output stands in, without running them; gives what takes them away again. */
export function insertCells(panel: NotebookPanel, output: Node, sources: string[]): () => void {
  const cells = panel.content.widgets;
  const at = cells.findIndex(cell => cell.node.contains(output));
  const shared = panel.content.model?.sharedModel;
  const first = (at < 0 ? cells.length - 1 : at) + 1;
  const ids = sources.map(
    (source, n) =>
      shared?.insertCell(first + n, {
        cell_type: 'code',
        source,
        metadata: {}, // not trusted: the notebook's file may come from anybody
      }).id,
  );
  panel.content.activeCellIndex = first;
  const cell = panel.content.widgets[first];
  if (cell) void panel.content.scrollToCell(cell, 'center');
  return () => {
    for (let n = (shared?.cells.length ?? 0) - 1; n >= 0; n--)
      if (ids.includes(shared!.getCell(n).id)) shared!.deleteCell(n);
  };
}
