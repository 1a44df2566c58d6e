/** What every view of the inside holds: its root, its record, its place, and how it takes another record. */

import type { InspectionRecord, InspectionRequest } from '../protocol/inspection.js';
import { CONTROLS_STYLE } from '../ui/controls.css.js';
import { busyLine } from '../ui/controls.js';
import { h } from '../ui/dom.js';
import { type Shell, shell } from '../ui/shell.js';

export abstract class BaseInspectionView implements InspectionView {
  protected readonly shell: Shell;
  protected readonly busy = h('div');
  protected readonly footer = h('div');
  protected record!: InspectionRecord;
  protected host: InspectionHost = {};

  constructor(element: HTMLElement, style: string) {
    this.shell = shell(element, CONTROLS_STYLE + style);
  }

  abstract update(record: InspectionRecord, host: InspectionHost): void;

  /** Whether it is another record than before. */
  protected setRecord(record: InspectionRecord, host: InspectionHost = {}): boolean {
    const other = record !== this.record;
    this.record = record;
    this.host = host;
    this.busy.replaceChildren(busyLine(host));
    return other;
  }

  dispose(): void {
    this.shell.dispose();
  }
}

/** What a view may ask of its place. A view knows no host. */

/** Whether the cell of a number is still what it was when it ran. */
export type CellState = 'same' | 'changed' | 'gone';

/** What a view may do with cells. None of it runs anything. */
export interface NotebookCells {
  /** Put cells below the one that the view stands in. */
  insert(sources: string[]): void;
  /** Replace the source of the cell of that number, where it is still `before`; gives whether it did. */
  replace(number: number, before: string, after: string): boolean;
  state(number: number, before: string): CellState;
}

export interface InspectionHost {
  /** Have the kernel make another record of this one; absent where there is no kernel. */
  ask?: (act: InspectionRequest) => void;
  /** What the kernel is doing for this view, while it does. */
  busy?: string;
  stop?: () => void;
  /** The cells of the notebook that the view stands in; absent on other pages. */
  cells?: NotebookCells;
  /** Interrupt the cell that runs, such as the one that fills this record. */
  interrupt?: () => void;
}
/** A view of one kind. */

export interface InspectionView {
  update(record: InspectionRecord, host: InspectionHost): void;
  dispose(): void;
}
export type CreateView = (
  record: InspectionRecord,
  element: HTMLElement,
  host: InspectionHost,
) => InspectionView;
