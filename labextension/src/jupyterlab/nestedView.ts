/** A view that is opened from another one: below it, and not saved with the notebook. */

import type { InspectionHost } from '../inspect/inspectionView.js';
import { InspectionMount } from '../inspect/registry.js';
import type { InspectionPayload, InspectionRequest } from '../protocol/inspection.js';
import { INSPECTION_MIME } from '../protocol/mime.js';
import { CONTROLS_STYLE } from '../ui/controls.css.js';
import { busyLine } from '../ui/controls.js';
import { h, icon } from '../ui/dom.js';
import { banner, shell } from '../ui/shell.js';
import { InspectionClient } from './inspectionRequests.js';
import type { KernelConnection } from './kernelConnection.js';

export class NestedView {
  readonly node = h('div', { class: 'llm-magics-below' });
  private readonly bar = h('div');
  private readonly main = h('div');
  private readonly opened = new InspectionMount(this.main, () => '');
  private readonly client: InspectionClient;
  private payload: InspectionPayload = {};

  constructor(connection: KernelConnection) {
    this.client = new InspectionClient(connection);
    this.node.append(this.bar, this.main);
  }

  /** Have the kernel make a view of a record, and show it. */
  open(record: unknown, act: InspectionRequest): void {
    this.client.ask(record, act, {
      busy: () => this.draw(),
      failed: (what, hint) => this.draw(banner(what, hint, icon('error'))),
      onBundle: bundle => {
        this.payload = (bundle[INSPECTION_MIME] ?? {}) as InspectionPayload;
        this.draw();
      },
    });
  }

  dispose(): void {
    this.opened.dispose();
    this.node.remove();
  }

  private draw(error?: HTMLElement): void {
    const host: InspectionHost = {
      ask: act => this.open(this.payload, act),
      busy: this.client.busy,
      stop: () => this.client.stop(),
    };
    this.bar.replaceChildren();
    const { root } = shell(this.bar, CONTROLS_STYLE);
    const close = h(
      'button',
      { class: 'button plain', type: 'button', onclick: () => this.dispose() },
      'Close',
    );
    const line = busyLine(host);
    root.append(
      h('div', { class: 'row' }, line || null, error ?? null, h('span', { class: 'right' }, close)),
    );
    if (this.payload.data) void this.opened.show(this.payload, { ...host, busy: undefined });
  }
}
