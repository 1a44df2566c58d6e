/** The tokens of an answer as a widget: it branches and goes on by the widget's own comm (VS Code, Colab). */

import { branchFrom, type Continuation, canContinue, extensionOf } from '../protocol/continuation.js';
import type { KernelMessage } from '../protocol/messages.js';
import { GENERATION_MIME } from '../protocol/mime.js';
import { emptyRecord, type GenerationRecord, type RecordPayload, readRecord } from '../protocol/record.js';
import { type Buffers, StreamStore } from '../protocol/streams.js';
import type { StreamStatus, StripHost } from '../strip/host.js';
import { Strip } from '../strip/strip.js';
import { h, icon } from '../ui/dom.js';
import { errorParts } from '../ui/format.js';
import { banner, shell } from '../ui/shell.js';

const SILENCE_MS = 10_000;

/** As much of anywidget's model as the views use. */
export interface WidgetModel {
  get(name: string): unknown;
  send(content: unknown): void;
  on(name: 'msg:custom', listener: (content: unknown, buffers: Buffers) => void): void;
  off(name: 'msg:custom', listener: (content: unknown, buffers: Buffers) => void): void;
}

export class WidgetStrip {
  private readonly strip: Strip;
  private readonly answers: StreamStore;
  private readonly failure = h('div');
  private record: GenerationRecord;
  private job: { id: string; live: StreamStatus } | undefined;
  private readonly hear = (content: unknown, buffers: Buffers) => {
    const message = content as KernelMessage;
    if (message && 'id' in message) this.answers.onMessage(message, buffers);
  };

  constructor(
    private readonly model: WidgetModel,
    el: HTMLElement,
    private payload: RecordPayload,
  ) {
    this.answers = new StreamStore({ send: order => model.send(order) });
    this.record = emptyRecord(payload);
    this.strip = new Strip(this.record, el, {}, undefined, { mode: 'surprisal' });
    el.append(this.failure);
    model.on('msg:custom', this.hear);
    void this.show(payload);
  }

  dispose(): void {
    this.model.off('msg:custom', this.hear);
    this.strip.dispose();
    this.failure.remove();
  }

  private async show(payload: RecordPayload): Promise<void> {
    this.payload = payload;
    try {
      this.record = await readRecord(payload);
    } catch (error) {
      return this.fail(String(error));
    }
    this.strip.update(this.record, undefined, this.host());
  }

  /** A record of the kernel's own model can be branched; one that was read, or of a server, cannot. */
  private host(): StripHost {
    const { payload, model } = this;
    if (model.get('live') !== true || !canContinue(payload)) return {};
    return {
      stop: () => this.job && model.send({ type: 'stream.stop', id: this.job.id }),
      branch: (parent, at, token) => this.start(branchFrom(payload, this.record, parent, at, token)),
      extend: path => this.start(extensionOf(payload, this.record, path)),
    };
  }

  private start({ order, most, grown }: Continuation): void {
    if (this.job) return;
    const id = Math.random().toString(36).slice(2);
    const live: StreamStatus = { maxTokens: most };
    this.job = { id, live };
    this.failure.replaceChildren();
    const timer = setTimeout(() => {
      end();
      this.fail('The kernel does not answer.\nRun %load_ext llm_magics in a cell, then try again.');
    }, SILENCE_MS);
    const off = this.answers.listen(id, (message, growing) => {
      clearTimeout(timer);
      if (message.type === 'record') {
        end();
        void this.show((message.bundle[GENERATION_MIME] ?? this.payload) as RecordPayload);
      } else if (message.type === 'failed') {
        end();
        this.fail(`${message.what}\n${message.hint}`);
      } else if (!growing.ended) {
        live.maxTokens = growing.most || most;
        this.strip.update(grown(growing.tokens), live, this.host());
      }
    });
    const end = () => {
      off();
      clearTimeout(timer);
      this.job = undefined;
      this.strip.update(this.record, undefined, this.host());
    };
    this.strip.update(grown([]), live, this.host());
    this.model.send(order(id));
  }

  private fail(text: string): void {
    this.failure.replaceChildren();
    shell(this.failure, '').root.append(banner(...errorParts(text), icon('error')));
  }
}
