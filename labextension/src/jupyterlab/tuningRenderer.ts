/** A tuning run as an output of JupyterLab and Notebook 7. */

import type { IRenderMime } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { TUNING_MIME } from '../protocol/mime.js';
import { readTuning, type TuningCommand, type TuningHost } from '../protocol/tuning.js';
import { Tuning } from '../tuning/tuningView.js';
import { clearErrors, showError } from '../ui/shell.js';
import { type NotebookContext, writeOnce, writeOutput } from './notebookOutput.js';

export class TuningRenderer extends Widget implements IRenderMime.IRenderer {
  private view: Tuning | undefined;
  private shown = '';
  private model: IRenderMime.IMimeModel | undefined;
  private off: (() => void)[] = [];
  private asked = '';
  /** The kernel has this run; what it has lost takes no orders. */
  private known = false;
  private pressed = false;

  constructor(private readonly place: NotebookContext | undefined) {
    super();
    this.addClass('llm-magics-tuning');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.model = model;
    const record = readTuning(model.data[TUNING_MIME]);
    if (record.id !== this.shown) this.listen(record.id);
    if (this.view) this.view.update(record, this.host());
    else this.view = new Tuning(record, this.node, this.host());
  }

  override dispose(): void {
    for (const off of this.off.splice(0)) off();
    this.view?.dispose();
    super.dispose();
  }

  private listen(id: string): void {
    for (const off of this.off.splice(0)) off();
    this.shown = id;
    const { place } = this;
    if (!place || !id) return;
    this.off.push(
      place.connection.answers.listen(id, message => {
        if (message.type === 'record') this.hear(place, message.bundle);
        if (message.type === 'failed') showError(this.node, message.what, message.hint);
        if (message.type === 'gone' && this.pressed)
          showError(this.node, 'The kernel no longer has this run.', 'Run the cell again to change it.');
        if (message.type === 'gone' || message.type === 'known') this.know(message.type === 'known');
      }),
      place.connection.onAvailability(() => {
        if (place.connection.availability === 'none') {
          this.known = false;
          this.asked = '';
        }
        this.redraw();
        this.recover(place);
      }),
      place.connection.onLoad(() => {
        this.asked = '';
        this.known = false;
        this.recover(place);
      }),
    );
    this.recover(place);
  }

  private know(known: boolean): void {
    this.known = known;
    this.redraw();
  }

  private redraw(): void {
    this.view?.update(readTuning(this.model?.data[TUNING_MIME]), this.host());
  }

  private hear(place: NotebookContext, bundle: Record<string, unknown>): void {
    this.known = true;
    const before = this.model?.data[TUNING_MIME];
    writeOnce(
      place,
      () => this.model?.data[TUNING_MIME] === before,
      () => this.write(bundle),
    );
  }

  /**
   * Ask the kernel once, when it is idle. Is the run still there? And where the end of the cell was not heard,
   * because the page was loaded again in the middle: how did it end?
   */
  private recover(place: NotebookContext): void {
    const record = readTuning(this.model?.data[TUNING_MIME]);
    const status = place.panel.sessionContext.session?.kernel?.status;
    if (status !== 'idle' || this.asked === record.id) return;
    this.asked = record.id;
    place.connection.send({ type: record.final ? 'tuning.query' : 'tuning.show', id: record.id });
  }

  private host(): TuningHost {
    const connection = this.place?.connection;
    if (!connection || connection.availability === 'none') return {};
    const { shown } = this;
    if (!this.known && readTuning(this.model?.data[TUNING_MIME]).final) return {};
    return {
      order: (order: TuningCommand) => {
        this.pressed = true;
        clearErrors(this.node);
        if (order.type === 'tuning.stop' && connection.availability === 'queued') connection.stop(shown);
        else connection.send({ id: shown, ...order });
      },
    };
  }

  private write(bundle: Record<string, unknown>): void {
    const same = (data: Record<string, unknown> | undefined) =>
      (data?.[TUNING_MIME] as { id?: string } | undefined)?.id === this.shown;
    if (this.place) writeOutput(this.place, this.model, same, bundle);
  }
}
