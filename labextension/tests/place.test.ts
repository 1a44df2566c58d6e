/** Which output is written, and by whom. */

import { expect, test, vi } from 'vitest';
import { type NotebookContext, writeOnce, writeOutput } from '../src/jupyterlab/notebookOutput.js';

const output = (id: string) => ({ data: { id }, toJSON: () => ({ output_type: 'display_data' }) });

function place(
  outputs: object[][],
  clientID = 1,
  clients = [clientID],
): { place: NotebookContext; written: unknown[] } {
  const written: unknown[] = [];
  const widgets = outputs.map((list, cell) => ({
    model: {
      outputs: {
        length: list.length,
        get: (n: number) => list[n],
        set: (n: number, value: unknown) => written.push([cell, n, value]),
      },
    },
  }));
  const awareness = { clientID, getStates: () => new Map(clients.map(item => [item, {}])) };
  const panel = {
    content: { widgets },
    context: { model: { sharedModel: { awareness } } },
    isDisposed: false,
  };
  return { place: { panel, connection: {} } as unknown as NotebookContext, written };
}

test("a view's own output goes before one that is alike", () => {
  const [one, copy] = [output('a'), output('a')];
  const { place: here, written } = place([[one], [copy]]);
  const same = (data: Record<string, unknown> | undefined) => data?.id === 'a';
  writeOutput(here, copy, same, { new: 1 });
  expect(written).toEqual([[1, 0, { output_type: 'display_data', data: { new: 1 } }]]);
  writeOutput(here, {}, same, { new: 2 });
  expect(written[1]).toEqual([0, 0, { output_type: 'display_data', data: { new: 2 } }]);
});

test('of several people at one notebook one writes; the others look again', () => {
  vi.useFakeTimers();
  const write = vi.fn();
  writeOnce(place([], 7).place, () => true, write);
  expect(write).toHaveBeenCalledTimes(1);
  writeOnce(place([], 3, [3, 7, 9]).place, () => true, write);
  expect(write).toHaveBeenCalledTimes(2);
  let wanted = true;
  writeOnce(place([], 7, [3, 7, 9]).place, () => wanted, write);
  expect(write).toHaveBeenCalledTimes(2);
  vi.advanceTimersByTime(7000);
  expect(write).toHaveBeenCalledTimes(3); // the first one has gone
  writeOnce(place([], 7, [3, 7, 9]).place, () => wanted, write);
  wanted = false;
  vi.advanceTimersByTime(7000);
  expect(write).toHaveBeenCalledTimes(3);
  vi.useRealTimers();
});
