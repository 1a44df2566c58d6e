/** Our records as JupyterLab shows them: the same view while a cell runs, afterwards, and with no kernel. */

import type { IRenderMime, IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { h, icon } from '../dom.js';
import type { Host, Live } from '../host.js';
import type { Growing, News } from '../live.js';
import { emptyRecord, type Kept, type Rec, readKept, withGrowing } from '../record.js';
import { banner, shell } from '../views/shell.js';
import { Strip } from '../views/strip.js';
import { Below } from './below.js';
import { SILENCE_MS, startJob, waiting } from './job.js';
import { type Place, writeOnce, writeOutput } from './place.js';

export const MIME = 'application/vnd.llm-magics.generation+json';
const QUESTIONS = 3;

export class RecordView extends Widget implements IRenderMime.IRenderer {
  private strip: Strip | undefined;
  private model: IRenderMime.IMimeModel | undefined;
  private record: Rec | undefined;
  private branching: { job: string; parent: number; at: number; live: Live } | undefined;
  private shownId = '';
  private readonly seen: IntersectionObserver;
  private near = false;
  private below: Below | undefined;
  private prose: IRenderMime.IRenderer | undefined; // the answer as Markdown
  private off: (() => void)[] = [];
  /** Questions about an answer that was not finished: how many, and whether one is on its way. */
  private asked = 0;
  private asking = false;

  constructor(
    private readonly place: Place | undefined,
    private readonly registry: IRenderMimeRegistry,
  ) {
    super();
    this.addClass('llm-magics-record');
    // All outputs of a notebook are made when it is opened: the work is done for those that are seen.
    this.seen = new IntersectionObserver(entries => entries.some(each => each.isIntersecting) && this.see(), {
      rootMargin: '400px',
    });
    this.seen.observe(this.node);
    addEventListener('beforeprint', this.see);
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.model = model;
    if (this.near) await this.refresh();
    else this.node.style.minHeight = '60px';
  }

  override dispose(): void {
    removeEventListener('beforeprint', this.see);
    this.seen.disconnect();
    for (const off of this.off.splice(0)) off();
    discard(this.prose);
    this.strip?.dispose();
    this.below?.dispose();
    super.dispose();
  }

  private readonly see = (): void => {
    if (this.near) return;
    this.near = true;
    this.node.style.minHeight = '';
    void this.refresh();
  };

  private get kept(): Kept {
    return (this.model?.data[MIME] ?? {}) as Kept;
  }

  private async refresh(): Promise<void> {
    const { kept } = this;
    try {
      if (kept.final === false) this.follow(kept);
      else await this.settle(kept);
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
    }
  }

  /** A record that is whole. */
  private async settle(kept: Kept): Promise<void> {
    const { model } = this;
    const record = await readKept(kept);
    if (this.isDisposed || model !== this.model) return; // another came meanwhile
    this.record = record;
    this.branching = undefined;
    this.draw(kept, record, undefined);
  }

  /** An answer that is being made. */
  private follow(kept: Kept): void {
    const id = kept.run?.id ?? '';
    if (!this.place) return this.unfinished();
    const { connection } = this.place;
    const growing = connection.answers.growing(id);
    this.record = { ...emptyRecord(kept), tokens: growing.tokens };
    if (id !== this.shownId) {
      this.shownId = id;
      this.asked = 0;
      this.off.push(connection.answers.listen(id, (news, now) => this.hear(kept, news, now)));
      this.off.push(connection.onReach(() => this.recover(id)));
      this.recover(id);
    }
    this.draw(kept, this.record, this.liveOf(kept, growing));
  }

  /** There is no notebook to ask: the text as it was kept. */
  private unfinished(): void {
    this.draw(
      this.kept,
      { ...emptyRecord(this.kept), text: this.text(), stop_reason: 'interrupted' },
      undefined,
    );
  }

  private liveOf(kept: Kept, growing: Growing): Live | undefined {
    if (growing.ended) return undefined;
    const late = growing.from > 0 ? `from token ${growing.from + 1} on; the beginning follows` : undefined;
    const status = growing.tokens.length ? late : (kept as { status?: string }).status;
    return { most: growing.most || kept.max_tokens || 1, status };
  }

  private hear(kept: Kept, news: News, growing: Growing): void {
    if (this.kept.final !== false) return;
    if (news.do === 'record')
      return writeOnce(
        this.place!,
        () => this.kept.final === false,
        () => this.write(news.bundle),
      );
    if (news.do === 'gone') {
      this.asked = QUESTIONS; // it knows nothing of it, and never will
      return this.lost();
    }
    this.record = { ...emptyRecord(kept), tokens: growing.tokens };
    this.draw(kept, this.record, this.liveOf(kept, growing));
  }

  /** The page was loaded again in the middle, and the end of the cell was not heard: ask once it is done.
   *
   * A question makes the kernel busy and idle again, which is when this is called: there are a few questions,
   * further and further apart, and then an end. */
  private recover(id: string): void {
    const { connection, panel } = this.place!;
    if (this.kept.final !== false || this.asking) return;
    if (connection.reach === 'none' && panel.sessionContext.isReady) return this.lost();
    const status = panel.sessionContext.session?.kernel?.status;
    if (status !== 'idle' || this.asked >= QUESTIONS || connection.elsewhere) return;
    this.asking = true;
    const pause = 300 * 10 ** this.asked++;
    const open = () => !this.isDisposed && this.kept.final === false && this.kept.run?.id === id;
    setTimeout(() => {
      if (!open()) return;
      connection.send({ do: 'record', id });
      setTimeout(() => {
        this.asking = false;
        if (open() && !connection.answers.growing(id).ended) this.lost();
      }, SILENCE_MS);
    }, pause);
  }

  /** The answer was cut off: what there is of it, in the tokens or in the output's own text. */
  private lost(): void {
    if (this.kept.final !== false) return;
    const { tokens = [] } = this.record ?? {};
    const text = tokens.map(token => token.text).join('') || this.text();
    const record = { ...emptyRecord(this.kept), tokens, text, stop_reason: 'interrupted' };
    this.draw(this.kept, record, undefined);
    this.fail('The kernel was restarted before this answer was done. Run the cell again.', true);
  }

  private text(): string {
    const text = this.model?.data['text/plain'];
    return typeof text === 'string' && text !== '…' ? text : '';
  }

  private draw(kept: Kept, record: Rec, live: Live | undefined): void {
    const host = this.host(kept);
    if (this.strip) return this.strip.update(record, live, host);
    this.node.replaceChildren();
    this.strip = new Strip(record, this.node, host, live, {
      mode: kept.view === 'tokens' ? 'surprisal' : 'text',
    });
  }

  private host(kept: Kept): Host {
    const id = kept.run?.id ?? '';
    const connection = this.place?.connection;
    const branch = (parent: number, at: number, token: number | string) => this.branch(parent, at, token);
    const look = (view: string) => {
      this.below?.dispose();
      this.below = new Below(connection!);
      this.node.append(this.below.node);
      this.below.open(kept, { do: 'open', view });
    };
    return {
      markdown: element => this.markdown(element),
      stop: connection && (() => connection.stop(this.branching?.job ?? id)),
      // Asked when it is needed: at load, outputs are drawn before there is a kernel.
      get branch() {
        return connection && canBranch(kept) && connection.reach !== 'none' ? branch : undefined;
      },
      get look() {
        return connection && kept.data && connection.reach !== 'none' ? look : undefined;
      },
    };
  }

  private markdown(element: HTMLElement): boolean {
    const type = 'text/markdown';
    if (typeof this.model?.data[type] !== 'string') return false;
    // A slot, so that the page's own style for Markdown reaches it.
    const slot = h('slot', { name: 'markdown' });
    const holder = this.node.firstElementChild as HTMLElement;
    discard(this.prose);
    const renderer = this.registry.createRenderer(type);
    this.prose = renderer;
    renderer.node.slot = 'markdown';
    // JupyterLab typesets formulas of widgets that are attached; what is appended as a bare node never is.
    if (holder.isConnected) Widget.attach(renderer, holder);
    else holder.append(renderer.node);
    void renderer.renderModel(this.model);
    element.replaceChildren(slot);
    return true;
  }

  // --- branches

  private branch(parent: number, at: number, token: number | string): void {
    const { connection } = this.place!;
    const { record } = this;
    if (!record || this.branching) return;
    const kept = this.kept;
    const most = Math.max(record.options.max_tokens ?? 0, at + 1);
    const job = startJob(connection, id => ({ do: 'branch', id, record: kept, parent, at, token }), {
      heard: (news, growing, done) => {
        if (news.do === 'failed') {
          done();
          this.branching = undefined;
          this.draw(kept, record, undefined);
          this.fail(news.what, true);
        } else if (news.do === 'record') {
          done();
          this.branching = undefined;
          this.write(news.bundle);
        } else if (this.branching && !growing.ended) {
          this.branching.live.status = undefined;
          this.drawBranch(kept, record, growing);
        }
      },
      silent: (what, hint) => {
        this.branching = undefined;
        this.fail(`${what} ${hint}`, true);
        void this.refresh();
      },
    });
    this.branching = { job, parent, at, live: { most, status: waiting(connection) } };
    this.drawBranch(kept, record, { tokens: [], most, from: 0, ended: false });
  }

  private drawBranch(kept: Kept, record: Rec, growing: Growing): void {
    const { parent, at, live } = this.branching!;
    this.draw(kept, withGrowing(record, parent, at, growing.tokens), live);
  }

  /** Put what the kernel made in the notebook: it is saved with it, and every view of the output shows it. */
  private write(bundle: Record<string, unknown>): void {
    const { kept } = this;
    writeOutput(this.place!, this.model, data => same((data?.[MIME] ?? {}) as Kept, kept), bundle);
  }

  private fail(what: string, keep = false): void {
    const element = h('div');
    const { root } = shell(element, '');
    const [first, ...rest] = what.split('\n');
    root.append(banner(first!, rest.join(' ').replace(/^\s*→\s*/, ''), icon('error')));
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

/** Dispose of an attached widget, also where its node has left the page already: Lumino insists on detaching. */
function discard(widget: Widget | undefined): void {
  if (widget?.isAttached && !widget.node.isConnected) document.body.append(widget.node);
  widget?.dispose();
}

function same(one: Kept, other: Kept): boolean {
  return one.run?.id ? one.run.id === other.run?.id : !!one.data && one.data === other.data;
}

function canBranch(kept: Kept): boolean {
  return kept.kind !== 'trace' && (kept.schema ?? 1) > 1;
}
