/** A view of the inside as an output of JupyterLab and Notebook 7. */

import type { IRenderMime } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import type { InspectionHost } from '../inspect/inspectionView.js';
import { InspectionMount } from '../inspect/registry.js';
import type { InspectionPayload, InspectionRequest } from '../protocol/inspection.js';
import { INSPECTION_MIME } from '../protocol/mime.js';
import { h } from '../ui/dom.js';
import { clearErrors, showError } from '../ui/shell.js';
import { InspectionClient } from './inspectionRequests.js';
import { type NotebookContext, notebookCells, writeOutput } from './notebookOutput.js';

export class InspectionRenderer extends Widget implements IRenderMime.IRenderer {
  private readonly main = h('div');
  private readonly below = h('div');
  private readonly opened = new InspectionMount(this.main, () => this.text());
  private readonly full = new InspectionMount(this.below, () => '');
  private model: IRenderMime.IMimeModel | undefined;
  private payload: InspectionPayload = {};
  private readonly client: InspectionClient | undefined;
  private off: (() => void)[] = [];

  constructor(private readonly place: NotebookContext | undefined) {
    super();
    this.addClass('llm-magics-inside');
    this.node.append(this.main, this.below);
    this.client = place && new InspectionClient(place.connection);
    if (place) this.off.push(place.connection.onAvailability(() => void this.draw()));
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.model = model;
    this.payload = (model.data[INSPECTION_MIME] ?? {}) as InspectionPayload;
    await this.draw();
  }

  override dispose(): void {
    for (const off of this.off.splice(0)) off();
    this.opened.dispose();
    this.full.dispose();
    super.dispose();
  }

  private draw(): Promise<void> {
    return this.opened.show(this.payload, this.host(this.payload, false));
  }

  private text(): string {
    const text = this.model?.data['text/plain'];
    return typeof text === 'string' ? text : '';
  }

  /** What views may ask; those of `nested` records change what stands below. */
  private host(payload: InspectionPayload, nested: boolean): InspectionHost {
    const connection = this.place?.connection;
    const cells = this.place && notebookCells(this.place.panel, this.node);
    if (!connection || connection.availability === 'none') return { cells };
    return {
      cells,
      ask: act => this.ask(payload, act, nested),
      busy: this.client?.busy,
      stop: () => this.client?.stop(),
      interrupt: () => connection.interrupt(),
    };
  }

  private ask(payload: InspectionPayload, act: InspectionRequest, nested: boolean): void {
    clearErrors(this.node);
    this.client!.ask(payload, act, {
      busy: () => void this.draw(),
      failed: (what, hint) => {
        void this.draw();
        showError(this.node, what, hint);
      },
      onBundle: bundle => {
        const answer = (bundle[INSPECTION_MIME] ?? {}) as InspectionPayload;
        if (nested || act.type === 'inspection.open') void this.full.show(answer, this.host(answer, true));
        else this.write(bundle);
        void this.draw();
      },
    });
  }

  private write(bundle: Record<string, unknown>): void {
    const { data } = this.payload;
    const same = (item: Record<string, unknown> | undefined) =>
      !!data && (item?.[INSPECTION_MIME] as InspectionPayload | undefined)?.data === data;
    if (this.place) writeOutput(this.place, this.model, same, bundle);
  }
}
