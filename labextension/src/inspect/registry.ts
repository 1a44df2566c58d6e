/** A kept record of the inside → its view. */

import { type InspectionPayload, type InspectionRecord, readInspection } from '../protocol/inspection.js';
import { h, icon } from '../ui/dom.js';
import { banner, shell } from '../ui/shell.js';
import type { InspectionHost, InspectionView } from './inspectionView.js';

/** Keeps the view of an element as its record is. */
export class InspectionMount {
  private view: InspectionView | undefined;
  private record: InspectionRecord | undefined;
  private data = '';
  private host: InspectionHost = {};
  private generation = 0;

  constructor(
    private readonly element: HTMLElement,
    private readonly fallback: () => string,
  ) {}

  async show(payload: InspectionPayload, host: InspectionHost): Promise<void> {
    if (this.view && this.record && payload.data === this.data) {
      // A kernel's status changes often, and means something only now and then.
      const { busy, ask } = this.host;
      this.host = host;
      if (busy !== host.busy || !ask !== !host.ask) this.view.update(this.record, host);
      return;
    }
    const turn = ++this.generation;
    try {
      const record = await readInspection(payload);
      if (turn !== this.generation) return;
      // In JupyterLab the views are a part of their own, which is fetched when the first one is drawn.
      const { VIEWS } = await import('./views.js');
      if (turn !== this.generation) return;
      const make = Object.hasOwn(VIEWS, record.view) ? VIEWS[record.view] : undefined;
      if (!make) throw new Error(`This version has no view called ${record.view.slice(0, 40)}.`);
      const { view } = this;
      const same = this.record?.view === record.view;
      this.record = record;
      this.host = host;
      this.data = payload.data ?? '';
      if (view && same) return view.update(record, host);
      this.clear();
      this.view = make(record, this.element, host);
    } catch (error) {
      if (turn === this.generation) this.fail(error instanceof Error ? error.message : String(error));
    }
  }

  dispose(): void {
    this.generation++;
    this.clear();
  }

  private clear(): void {
    this.view?.dispose();
    this.view = undefined;
    this.element.replaceChildren();
  }

  /** A renderer that throws leaves its output blank: what is wrong, then the text. */
  private fail(what: string): void {
    this.clear();
    shell(this.element, '').root.append(banner(what, 'Run the cell again.', icon('error')));
    this.element.append(h('pre', {}, this.fallback()));
  }
}
