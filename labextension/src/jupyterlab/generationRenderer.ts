/** Our records as JupyterLab shows them: the same view while a cell runs, afterwards, and with no kernel. */

import type { IRenderMime, IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { branchFrom, type Continuation, canContinue, extensionOf } from '../protocol/continuation.js';
import type { KernelMessage } from '../protocol/messages.js';
import { GENERATION_MIME } from '../protocol/mime.js';
import { emptyRecord, type GenerationRecord, type RecordPayload, readRecord } from '../protocol/record.js';
import type { StreamState } from '../protocol/streams.js';
import type { Token } from '../protocol/token.js';
import type { StreamStatus, StripHost } from '../strip/host.js';
import { Strip } from '../strip/strip.js';
import { h, icon } from '../ui/dom.js';
import { errorParts } from '../ui/format.js';
import { banner, shell } from '../ui/shell.js';
import { MarkdownText } from './markdownText.js';
import { NestedView } from './nestedView.js';
import { type NotebookContext, writeOnce, writeOutput } from './notebookOutput.js';
import { SILENCE_MS, startRequest, waitingText } from './request.js';

const QUESTIONS = 3;
/** After its last token, the end of a cell is waited for so long before the kernel is asked for the record. */
const SETTLE_MS = 1500;

export class GenerationRenderer extends Widget implements IRenderMime.IRenderer {
  private strip: Strip | undefined;
  private model: IRenderMime.IMimeModel | undefined;
  private record: GenerationRecord | undefined;
  /** What the kernel makes more of: with `grown`, what the record is with the tokens so far. */
  private job: { id: string; live: StreamStatus; grown: (tokens: Token[]) => GenerationRecord } | undefined;
  private shownId = '';
  private settledId = '';
  private readonly seen: IntersectionObserver;
  private isNear = false;
  private nested: NestedView | undefined;
  private shownMode = '';
  private readonly markdownText: MarkdownText; // the answer as Markdown
  private disposers: (() => void)[] = [];
  /** Questions about an answer that was not finished: how many, and whether one is on its way. */
  private asked = 0;
  private asking = false;
  /** When the kernel last said something of an answer that is being made. */
  private heardAt = 0;
  private later = 0;

  constructor(
    private readonly place: NotebookContext | undefined,
    registry: IRenderMimeRegistry,
  ) {
    super();
    this.markdownText = new MarkdownText(registry, this.node, 'markdown');
    this.addClass('llm-magics-record');
    // All outputs of a notebook are made when it is opened: the work is done for those that are seen.
    this.seen = new IntersectionObserver(
      entries => entries.some(item => item.isIntersecting) && this.onVisible(),
      {
        rootMargin: '400px',
      },
    );
    this.seen.observe(this.node);
    addEventListener('beforeprint', this.onVisible);
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.model = model;
    if (this.isNear) await this.refresh();
    else this.node.style.minHeight = '60px';
  }

  override dispose(): void {
    removeEventListener('beforeprint', this.onVisible);
    this.seen.disconnect();
    for (const off of this.disposers.splice(0)) off();
    this.markdownText.dispose();
    this.strip?.dispose();
    this.nested?.dispose();
    super.dispose();
  }

  private readonly onVisible = (): void => {
    if (this.isNear) return;
    this.isNear = true;
    this.node.style.minHeight = '';
    void this.refresh();
  };

  private get payload(): RecordPayload {
    return (this.model?.data[GENERATION_MIME] ?? {}) as RecordPayload;
  }

  private async refresh(): Promise<void> {
    const { payload } = this;
    try {
      if (payload.final === false) this.follow(payload);
      else await this.showFinal(payload);
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
    }
  }

  /** A record that is whole. */
  private async showFinal(payload: RecordPayload): Promise<void> {
    const { model } = this;
    const record = await readRecord(payload);
    if (this.isDisposed || model !== this.model) return; // another came meanwhile
    this.record = record;
    this.job = undefined;
    this.listenOn(payload.run?.id);
    this.draw(payload, record, undefined);
  }

  /** Of an answer that is done the kernel says when a turn before it was asked anew. */
  private listenOn(id: string | undefined): void {
    if (!this.place || !id || id === this.settledId) return;
    this.settledId = id;
    const onMessage = (message: KernelMessage) => {
      const { payload } = this;
      if (message.type !== 'stale' || payload.run?.id !== id || !this.model || !this.place) return;
      const conversation = { ...(payload.conversation as object), stale: message.turn };
      const wanted = () =>
        (this.payload.conversation as { stale?: number } | undefined)?.stale !== message.turn;
      writeOnce(this.place, wanted, () =>
        this.write({ ...this.model!.data, [GENERATION_MIME]: { ...payload, conversation } }),
      );
    };
    this.disposers.push(this.place.connection.answers.listen(id, onMessage));
  }

  /** An answer that is being made. */
  private follow(payload: RecordPayload): void {
    const id = payload.run?.id ?? '';
    if (!this.place) return this.unfinished();
    const { connection } = this.place;
    const growing = connection.answers.stream(id);
    this.record = { ...emptyRecord(payload), tokens: growing.tokens };
    if (id !== this.shownId) {
      this.shownId = id;
      this.asked = 0;
      this.disposers.push(connection.answers.listen(id, (message, now) => this.hear(payload, message, now)));
      this.disposers.push(connection.onAvailability(() => this.recover(id)));
      this.recover(id);
    }
    this.draw(payload, this.record, this.liveOf(payload, growing));
  }

  /** There is no notebook to ask: the text as it was kept. */
  private unfinished(): void {
    this.draw(
      this.payload,
      { ...emptyRecord(this.payload), text: this.text(), stop_reason: 'interrupted' },
      undefined,
    );
  }

  private liveOf(payload: RecordPayload, growing: StreamState): StreamStatus | undefined {
    if (growing.ended) return undefined;
    const late = growing.from > 0 ? `from token ${growing.from + 1} on; the beginning follows` : undefined;
    const status = growing.tokens.length ? late : (payload as { status?: string }).status;
    return { maxTokens: growing.most || payload.max_tokens || 1, status };
  }

  private hear(payload: RecordPayload, message: KernelMessage, growing: StreamState): void {
    if (this.payload.final !== false) return;
    if (message.type === 'record')
      return writeOnce(
        this.place!,
        () => this.payload.final === false,
        () => this.write(message.bundle),
      );
    if (message.type === 'gone') {
      this.asked = QUESTIONS; // it knows nothing of it, and never will
      return this.onConnectionLost();
    }
    this.heardAt = Date.now();
    if (message.type === 'known') {
      this.asked = 0; // it is being made: what was asked does not count
      this.asking = false;
      return;
    }
    if (growing.ended) {
      this.asked = 0;
      this.recoverLater(payload.run?.id ?? '');
    }
    this.record = { ...emptyRecord(payload), tokens: growing.tokens };
    this.draw(payload, this.record, this.liveOf(payload, growing));
  }

  /** The page that ran the cell writes the end of it; where it is gone, this one does. */
  private recoverLater(id: string): void {
    clearTimeout(this.later);
    this.later = window.setTimeout(() => this.isDisposed || this.recover(id), SETTLE_MS);
  }

  /** The page was loaded again in the middle, and the end of the cell was not heard: ask once it is done.
   *
   * A question makes the kernel busy and idle again, which is when this is called: there are a few questions,
   * further and further apart, and then an end. */
  private recover(id: string): void {
    const { connection, panel } = this.place!;
    if (this.payload.final !== false) return;
    if (connection.availability === 'none' && panel.sessionContext.isReady) return this.onConnectionLost();
    if (this.asking) return;
    if (Date.now() - this.heardAt < SETTLE_MS - 100) return this.recoverLater(id);
    const status = panel.sessionContext.session?.kernel?.status;
    if (status !== 'idle' || this.asked >= QUESTIONS || connection.elsewhere) return;
    this.asking = true;
    const pause = 300 * 10 ** this.asked++;
    const open = () => !this.isDisposed && this.payload.final === false && this.payload.run?.id === id;
    setTimeout(() => {
      if (!open()) return;
      connection.send({ type: 'stream.record', id });
      setTimeout(() => {
        this.asking = false;
        const silent = Date.now() - this.heardAt >= SILENCE_MS;
        if (open() && silent && !connection.answers.stream(id).ended) this.onConnectionLost();
      }, SILENCE_MS);
    }, pause);
  }

  /** The answer was cut off: what there is of it, in the tokens or in the output's own text. */
  private onConnectionLost(): void {
    if (this.payload.final !== false) return;
    const { tokens = [] } = this.record ?? {};
    const text = tokens.map(token => token.text).join('') || this.text();
    const record = { ...emptyRecord(this.payload), tokens, text, stop_reason: 'interrupted' };
    this.draw(this.payload, record, undefined);
    this.fail('The kernel was restarted before this answer was done. Run the cell again.', true);
  }

  private text(): string {
    const text = this.model?.data['text/plain'];
    return typeof text === 'string' && text !== '…' ? text : '';
  }

  private draw(payload: RecordPayload, record: GenerationRecord, live: StreamStatus | undefined): void {
    const host = this.host(payload);
    const mode = payload.view === 'tokens' ? 'surprisal' : 'text';
    if (this.strip) {
      this.strip.update(record, live, host);
      if (mode !== this.shownMode && !live) this.strip.setMode(mode);
      this.shownMode = mode;
      return;
    }
    this.shownMode = mode;
    this.node.replaceChildren();
    this.strip = new Strip(record, this.node, host, live, { mode });
  }

  private host(payload: RecordPayload): StripHost {
    const id = payload.run?.id ?? '';
    const connection = this.place?.connection;
    const branch = (parent: number, at: number, token: number | string) => this.branch(parent, at, token);
    const more = (path: number) => this.more(path);
    const openView = (view: string, path: number) => {
      this.nested?.dispose();
      this.nested = new NestedView(connection!);
      this.node.append(this.nested.node);
      this.nested.open(payload, { type: 'inspection.open', view, path });
    };
    return {
      markdown: element => this.markdown(element),
      stop: connection && (() => connection.stop(this.job?.id ?? id)),
      // Asked when it is needed: at load, outputs are drawn before there is a kernel.
      get branch() {
        return connection && canContinue(payload) && connection.availability !== 'none' ? branch : undefined;
      },
      get extend() {
        return connection && canContinue(payload) && payload.data && connection.availability !== 'none'
          ? more
          : undefined;
      },
      get inspect() {
        const isHere = canContinue(payload) || payload.kind === 'trace';
        return connection && isHere && payload.data && connection.availability !== 'none'
          ? openView
          : undefined;
      },
    };
  }

  private markdown(element: HTMLElement): boolean {
    const type = 'text/markdown';
    const { model, payload } = this;
    const whole = model?.data[type];
    // What the kernel goes on with has no Markdown before it is done.
    if (!model || typeof whole !== 'string' || whole === '…' || this.job) return false;
    // What stands below it, the view says in its own way.
    this.markdownText.show(element, whole.slice(0, payload.prose), model.trusted);
    return true;
  }

  // --- what the kernel makes more of

  private branch(parent: number, at: number, token: number | string): void {
    if (this.record) this.start(branchFrom(this.payload, this.record, parent, at, token));
  }

  private more(path: number): void {
    if (this.record) this.start(extensionOf(this.payload, this.record, path));
  }

  private start({ order, most, grown }: Continuation): void {
    const { connection } = this.place!;
    if (this.job) return;
    const { payload, record } = this;
    const id = startRequest(connection, order, {
      heard: (message, growing, done) => {
        if (message.type === 'failed') {
          done();
          this.job = undefined;
          this.draw(payload, record!, undefined);
          this.fail(message.what, true);
        } else if (message.type === 'record') {
          done();
          this.job = undefined;
          this.write(message.bundle);
        } else if (this.job && !growing.ended) {
          const { live } = this.job;
          live.status = undefined;
          live.maxTokens = growing.most || most;
          this.draw(payload, grown(growing.tokens), live);
        }
      },
      silent: (what, hint) => {
        this.job = undefined;
        this.fail(`${what} ${hint}`, true);
        void this.refresh();
      },
    });
    this.job = { id, live: { maxTokens: most, status: waitingText(connection) }, grown };
    this.draw(payload, grown([]), this.job.live);
  }

  /** Put what the kernel made in the notebook: it is saved with it, and every view of the output shows it. */
  private write(bundle: Record<string, unknown>): void {
    const { payload } = this;
    writeOutput(
      this.place!,
      this.model,
      data => same((data?.[GENERATION_MIME] ?? {}) as RecordPayload, payload),
      bundle,
    );
  }

  private fail(what: string, keep = false): void {
    const element = h('div');
    const { root } = shell(element, '');
    root.append(banner(...errorParts(what), icon('error')));
    for (const old of this.node.querySelectorAll(':scope > .llm-magics-failure')) old.remove();
    element.className = 'llm-magics-failure';
    if (keep) {
      this.node.append(element);
      setTimeout(() => element.remove(), 20_000);
      return;
    }
    this.strip?.dispose();
    this.strip = undefined;
    this.node.replaceChildren(element);
    const text = this.model?.data['text/plain'];
    if (typeof text === 'string') this.node.append(h('pre', {}, text));
  }
}

function same(one: RecordPayload, other: RecordPayload): boolean {
  return one.run?.id ? one.run.id === other.run?.id : !!one.data && one.data === other.data;
}
