/** Our records as JupyterLab shows them: the same view while a cell runs, afterwards, and with no kernel. */

import type { IRenderMime, IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { h, icon } from '../dom.js';
import { errorParts } from '../format.js';
import type { Host, Live, Order } from '../host.js';
import type { Growing, News } from '../live.js';
import {
  emptyRecord,
  type Kept,
  pathTokens,
  type Rec,
  readKept,
  type Token,
  withGrowing,
  withMore,
} from '../record.js';
import { banner, shell } from '../views/shell.js';
import { Strip } from '../views/strip.js';
import { Below } from './below.js';
import { SILENCE_MS, startJob, waiting } from './job.js';
import { type Place, writeOnce, writeOutput } from './place.js';
import { Prose } from './prose.js';

export const MIME = 'application/vnd.llm-magics.generation+json';
const QUESTIONS = 3;

export class RecordView extends Widget implements IRenderMime.IRenderer {
  private strip: Strip | undefined;
  private model: IRenderMime.IMimeModel | undefined;
  private record: Rec | undefined;
  /** What the kernel makes more of: with `grown`, what the record is with the tokens so far. */
  private job: { id: string; live: Live; grown: (tokens: Token[]) => Rec } | undefined;
  private shownId = '';
  private settledId = '';
  private readonly seen: IntersectionObserver;
  private near = false;
  private below: Below | undefined;
  private readonly prose: Prose; // the answer as Markdown
  private off: (() => void)[] = [];
  /** Questions about an answer that was not finished: how many, and whether one is on its way. */
  private asked = 0;
  private asking = false;

  constructor(
    private readonly place: Place | undefined,
    registry: IRenderMimeRegistry,
  ) {
    super();
    this.prose = new Prose(registry, this.node, 'markdown');
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
    this.prose.dispose();
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
    this.job = undefined;
    this.listenOn(kept.run?.id);
    this.draw(kept, record, undefined);
  }

  /** Of an answer that is done the kernel says when a turn before it was asked anew. */
  private listenOn(id: string | undefined): void {
    if (!this.place || !id || id === this.settledId) return;
    this.settledId = id;
    const hear = (news: News) => {
      const { kept } = this;
      if (news.do !== 'stale' || kept.run?.id !== id || !this.model || !this.place) return;
      const conversation = { ...(kept.conversation as object), stale: news.turn };
      const wanted = () => (this.kept.conversation as { stale?: number } | undefined)?.stale !== news.turn;
      writeOnce(this.place, wanted, () =>
        this.write({ ...this.model!.data, [MIME]: { ...kept, conversation } }),
      );
    };
    this.off.push(this.place.connection.answers.listen(id, hear));
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
    const more = (path: number) => this.more(path);
    const look = (view: string, path: number) => {
      this.below?.dispose();
      this.below = new Below(connection!);
      this.node.append(this.below.node);
      this.below.open(kept, { do: 'open', view, path });
    };
    return {
      markdown: element => this.markdown(element),
      stop: connection && (() => connection.stop(this.job?.id ?? id)),
      // Asked when it is needed: at load, outputs are drawn before there is a kernel.
      get branch() {
        return connection && canBranch(kept) && connection.reach !== 'none' ? branch : undefined;
      },
      get more() {
        return connection && canBranch(kept) && kept.data && connection.reach !== 'none' ? more : undefined;
      },
      get look() {
        return connection && kept.data && connection.reach !== 'none' ? look : undefined;
      },
    };
  }

  private markdown(element: HTMLElement): boolean {
    const type = 'text/markdown';
    const { model, kept } = this;
    const whole = model?.data[type];
    // What the kernel goes on with has no Markdown before it is done.
    if (!model || typeof whole !== 'string' || whole === '…' || this.job) return false;
    // What stands below it, the view says in its own way.
    this.prose.show(element, whole.slice(0, kept.prose), model.trusted);
    return true;
  }

  // --- what the kernel makes more of

  private branch(parent: number, at: number, token: number | string): void {
    const { record } = this;
    if (!record) return;
    const most = Math.max(record.options.max_tokens ?? 0, at + 1);
    const known = pathTokens(record, parent)[at]?.alternatives.find(each => each.id === token);
    const first = known ? [{ ...known, entropy: 0, rank: 0, alternatives: [], time: 0 }] : [];
    const grown = (tokens: Token[]) => withGrowing(record, parent, at, tokens.length ? tokens : first);
    this.start(id => ({ do: 'branch', id, record: this.kept, parent, at, token }), most, grown);
  }

  private more(path: number): void {
    const { record } = this;
    if (!record) return;
    const grown = (tokens: Token[]) => withMore(record, path, tokens);
    const most = pathTokens(record, path).length;
    this.start(id => ({ do: 'more', id, record: this.kept, path }), most, grown);
  }

  private start(order: (id: string) => Order, most: number, grown: (tokens: Token[]) => Rec): void {
    const { connection } = this.place!;
    if (this.job) return;
    const { kept, record } = this;
    const id = startJob(connection, order, {
      heard: (news, growing, done) => {
        if (news.do === 'failed') {
          done();
          this.job = undefined;
          this.draw(kept, record!, undefined);
          this.fail(news.what, true);
        } else if (news.do === 'record') {
          done();
          this.job = undefined;
          this.write(news.bundle);
        } else if (this.job && !growing.ended) {
          const { live } = this.job;
          live.status = undefined;
          live.most = growing.most || most;
          this.draw(kept, grown(growing.tokens), live);
        }
      },
      silent: (what, hint) => {
        this.job = undefined;
        this.fail(`${what} ${hint}`, true);
        void this.refresh();
      },
    });
    this.job = { id, live: { most, status: waiting(connection) }, grown };
    this.draw(kept, grown([]), this.job.live);
  }

  /** Put what the kernel made in the notebook: it is saved with it, and every view of the output shows it. */
  private write(bundle: Record<string, unknown>): void {
    const { kept } = this;
    writeOutput(this.place!, this.model, data => same((data?.[MIME] ?? {}) as Kept, kept), bundle);
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

function same(one: Kept, other: Kept): boolean {
  return one.run?.id ? one.run.id === other.run?.id : !!one.data && one.data === other.data;
}

function canBranch(kept: Kept): boolean {
  return kept.kind !== 'trace' && (kept.schema ?? 1) > 1;
}
