/** Errors of this package in JupyterLab and Notebook 7. Errors of other code are shown by the host as always. */

import type { IRenderMime, IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Panel } from '@lumino/widgets';
import { type ErrorText, readError } from '../errors/errorText.js';
import { ErrorView } from '../errors/errorView.js';
import { insertCells, type NotebookContext } from './notebookOutput.js';
import { startRequest } from './request.js';

export const ERROR_MIME = 'application/vnd.jupyter.error';
const PLAIN = 'application/vnd.jupyter.stderr';
const FRESH_MS = 3000;

/** Opening a notebook draws all its outputs: what is drawn while a cell runs has just happened. */
export class ErrorRenderer extends Panel implements IRenderMime.IRenderer {
  private view: ErrorView | undefined;
  private error: ErrorText | undefined;
  private shown = '';
  private cell: string | undefined;
  private fresh = false;
  private asking = false;
  private off: (() => void) | undefined;

  constructor(
    private readonly place: NotebookContext | undefined,
    private readonly registry: IRenderMimeRegistry,
  ) {
    super();
    this.addClass('llm-magics-error');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const output = model.data[ERROR_MIME] as { evalue?: string } | undefined;
    this.error = readError(output);
    if (!this.error) return this.showPlain(model);
    this.shown = output?.evalue ?? '';
    const status = this.place?.panel.sessionContext.session?.kernel?.status;
    this.fresh = status === 'busy';
    if (this.fresh) setTimeout(() => this.settle(), FRESH_MS);
    this.draw();
    const { place } = this;
    if (!place) return;
    this.off = place.connection.onAvailability(() => {
      this.ask();
      this.draw();
    });
    this.ask();
  }

  override dispose(): void {
    this.off?.();
    this.view?.dispose();
    super.dispose();
  }

  private async showPlain(model: IRenderMime.IMimeModel): Promise<void> {
    const renderer = this.registry.createRenderer(PLAIN);
    this.addWidget(renderer);
    await renderer.renderModel(model);
  }

  /** Ask the kernel for the corrected cell; it has one for some errors of this session. */
  private ask(): void {
    const { connection } = this.place!;
    if (this.asking || this.cell !== undefined || this.isDisposed || connection.availability !== 'ready')
      return;
    this.asking = true;
    startRequest(connection, id => ({ type: 'error.correction', id, what: this.shown }), {
      heard: (message, _, done) => {
        done();
        if (message.type !== 'correction' || this.isDisposed) return;
        this.cell = message.cell;
        this.draw();
      },
      silent: () => {}, // a kernel without the extension has no correction
    });
  }

  private settle(): void {
    this.fresh = false;
    if (!this.isDisposed) this.draw();
  }

  private draw(): void {
    const { error, place, cell } = this;
    if (!error) return;
    const can = place && cell !== undefined && place.connection.availability !== 'none';
    const correct = can ? () => void insertCells(place.panel, this.node, [cell]) : undefined;
    const host = { correct, fresh: this.fresh };
    if (this.view) this.view.update(error, host);
    else this.view = new ErrorView(this.node, error, host);
  }
}
