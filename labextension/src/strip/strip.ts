/** The token strip: text that shows what the model weighed at each of its tokens. */

import { type GenerationRecord, pathTokens } from '../protocol/record.js';
import type { Token } from '../protocol/token.js';
import { copy, h, icon, perFrame } from '../ui/dom.js';
import { keepFloating } from '../ui/floating.js';
import { count, percent, probability, tokenWord, visible } from '../ui/format.js';
import { hasMode, MEASURES, MODES, type Mode, rankWords, stepOf } from '../ui/measures.js';
import { returnFocus, shell } from '../ui/shell.js';
import { BranchTree, pathName } from './branchTree.js';
import type { StreamStatus, StripHost } from './host.js';
import { followHover } from './hover.js';
import { Minimap } from './minimap.js';
import { search } from './search.js';
import { SplitText } from './splitText.js';
import { STRIP_STYLE } from './strip.css.js';
import { summary } from './summary.js';
import { TokenCard } from './tokenCard.js';
import { promptText, type TokenStyle } from './tokenText.js';
import { Toolbar } from './toolbar.js';
import { fieldsTable } from './valueFields.js';

const LONG = 1500; // tokens; more of them scroll in a window of their own

export interface StripOptions {
  mode?: Mode;
  /** Without its own row and the model's name: inside another view. */
  bare?: boolean;
}

/** What else can be seen of an answer. */
const LOOKS = [
  ['Lens', 'lens'],
  ['Attention', 'attention'],
  ['Attribution', 'causes'],
  ['Replay sampling', 'replay'],
  ['Tokenizer', 'tokenizers'],
] as const;

/** A forced token of less probability than this was written against the model. */
const AGAINST = 0.11;

export class Strip {
  private readonly shell;
  private readonly text = new SplitText();
  private readonly card = new TokenCard();
  private readonly map: Minimap;
  private readonly rail: BranchTree;
  private readonly rendered = h('div', { class: 'markdown', hidden: true });
  private readonly note = h('div');
  private readonly prompt = h('div', { class: 'prompt', hidden: true });
  private readonly summary = h('div', { class: 'summary' });
  private readonly fields = h('div');
  private readonly ends = h('div', { class: 'ends', hidden: true });
  private readonly toolbar: Toolbar;
  private readonly spoken = h('div', { class: 'spoken', role: 'log' });
  private wanted: Mode;
  private path = 0;
  private tokens: readonly Token[] = [];
  private cursor: number | undefined;
  /** The cursor is in the column of what the branch turned off from. */
  private isSplit = false;
  private hits: number[] = [];
  private hit = -1;
  private liveRegion = 0;
  private summaryAt = 0;
  private readonly off: (() => void)[] = [];
  private readonly afloat;
  private readonly scrolled = perFrame(() => this.showWindow());

  constructor(
    private record: GenerationRecord,
    element: HTMLElement,
    private host: StripHost = {},
    private live: StreamStatus | undefined = undefined,
    private readonly options: StripOptions = {},
  ) {
    this.wanted = options.mode ?? 'surprisal';
    this.shell = shell(element, STRIP_STYLE);
    this.map = new Minimap(
      place => this.go(place, true),
      this.shell.color,
      place => this.text.scrollTo(place),
    );
    this.rail = new BranchTree(path => this.walk(path));
    this.toolbar = new Toolbar({
      mode: mode => this.setMode(mode),
      search: () => this.search(),
      next: by => this.nextHit(by),
      leave: () => this.focus(),
      menu: [
        ['Copy text', () => copy(this.tokens.map(token => token.text).join(''))],
        ['Copy JSON', () => copy(JSON.stringify(asJson(this.record), null, 1))],
        ['Show the prompt', () => this.togglePrompt()],
        ...LOOKS.map(([name, view]): [string, () => void, () => boolean] => [
          name,
          () => this.host.inspect?.(view, this.path),
          () => !!this.host.inspect && !this.live,
        ]),
      ],
    });
    const main = h('div', { class: 'main' }, this.prompt, this.text.element, this.rendered);
    const body = h('div', { class: 'with-rail' }, this.rail.element, main);
    this.toolbar.element.hidden = !!options.bare;
    this.shell.root.append(
      this.toolbar.element,
      this.note,
      body,
      this.map.element,
      this.ends,
      this.fields,
      this.summary,
      this.spoken,
      this.card.element,
    );
    this.afloat = keepFloating(this.shell.root, this.summary);
    this.listen();
    this.draw();
  }

  /** What colour shows: what was chosen, where the record has it. */
  private get mode(): Mode {
    const { missing } = this.record;
    if (hasMode(this.wanted, missing)) return this.wanted;
    return missing.includes('logprob') ? 'text' : 'surprisal';
  }

  /** Show the record as it is now; tokens that stand already are not touched. */
  update(record: GenerationRecord, live?: StreamStatus, host?: StripHost): void {
    const reason = this.pathInfo().stop_reason;
    const before = this.record.branches.length;
    const missing = String(this.record.missing);
    const wasLive = this.live;
    this.record = record;
    this.live = live;
    if (host) this.host = host;
    // A branch that begins is what one wants to see.
    if (record.branches.length > before) this.path = record.branches.length;
    this.path = Math.min(this.path, record.branches.length);
    const tokens = pathTokens(record, this.path);
    const grown =
      tokens.length >= this.tokens.length && this.tokens.every((token, n) => token.id === tokens[n]!.id);
    const same =
      grown &&
      !wasLive === !live &&
      missing === String(record.missing) &&
      reason === this.pathInfo().stop_reason &&
      before === record.branches.length &&
      !this.hits.length;
    this.tokens = tokens;
    if (same) this.grow();
    else this.draw();
  }

  focus(): void {
    this.map.element.focus();
  }

  dispose(): void {
    this.scrolled.cancel();
    this.afloat.dispose();
    for (const off of this.off.splice(0)) off();
    this.card.hide();
    this.map.dispose();
    this.shell.dispose();
  }

  // --- drawing

  private tokenStyles(tokens: readonly Token[]): TokenStyle {
    const { record, live } = this;
    const measure = this.mode === 'text' ? undefined : MEASURES[this.mode];
    const hits = new Set(tokens === this.tokens ? this.hits : []);
    const stopped = this.pathInfo().stop_reason === 'stop' && !live;
    return {
      step: place =>
        measure && place >= record.predicted_from
          ? stepOf(measure, measure.of(tokens[place]!, place, tokens))
          : 0,
      hit: place => hits.has(place),
      forced: place => {
        const token = tokens[place]!;
        if (token.allowed !== 1) return undefined;
        return probability(token.logprob) < AGAINST ? 'against' : 'forced';
      },
      special: place => {
        const token = tokens[place]!;
        if (token.text) return undefined;
        if (stopped && place === tokens.length - 1) return 'end';
        return record.specials.get(token.id);
      },
    };
  }

  /** A branch stands next to what it turned off from; what they have in common, above both. */
  private drawColumns(long: boolean): void {
    const branch = this.record.branches[this.path - 1];
    const parent = branch && pathTokens(this.record, branch.parent);
    if (!branch || !parent || long || this.hits.length || branch.at >= parent.length)
      return this.text.single();
    const heads = [branch.parent, this.path].map((path, n) => {
      const tokens = n ? this.tokens : parent;
      const first = tokens[branch.at];
      const p = first ? percent(probability(first.logprob)) : '–';
      return `${pathName(path)}  ${p} at token ${count(branch.at + 1)}`;
    });
    this.text.split(branch.at, heads as [string, string], parent, this.tokenStyles(parent));
  }

  private pathInfo(): { stop_reason: string; timing: GenerationRecord['timing'] } {
    return this.record.branches[this.path - 1] ?? this.record;
  }

  /** Everything anew: another measure, other hits, another path, or the end. */
  private draw(): void {
    this.tokens = pathTokens(this.record, this.path);
    const { tokens, live } = this;
    this.toolbar.show(this.mode, this.record.missing);
    // Of an answer that was cut off there may be a text and no tokens.
    const bare = !tokens.length && !live && !!this.record.text;
    const isMarkdown = this.drawMarkdown(bare);
    if (bare && !isMarkdown)
      this.rendered.replaceChildren(h('p', { class: 'plain' }, visible(this.record.text)));
    this.rendered.hidden = !isMarkdown && !bare;
    this.text.element.hidden = isMarkdown || bare;
    const { scrollTop } = this.text.element;
    this.text.clear();
    this.text.element.classList.toggle('long', tokens.length > LONG);
    this.text.element.classList.toggle('prose', this.mode === 'text');
    this.text.element.classList.toggle('finding', this.hits.length > 0);
    this.drawColumns(tokens.length > LONG);
    this.text.append(tokens, this.tokenStyles(tokens), !!live);
    this.text.element.scrollTop = scrollTop;
    this.rail.show(this.record, this.path);
    this.drawNote();
    this.drawPrompt();
    this.summaryAt = 0;
    this.drawAround();
    this.mark();
  }

  /** As text, an answer is Markdown: while it grows by the same rules as at its end. */
  private drawMarkdown(bare: boolean): boolean {
    const { tokens, live } = this;
    const wanted = (this.mode === 'text' || bare) && this.path === 0 && !this.hits.length;
    return wanted && (!live || tokens.length > 0) && !!this.host.markdown?.(this.rendered, this.record);
  }

  /** New tokens at the end. */
  private grow(): void {
    const { element } = this.text;
    const long = this.tokens.length > LONG;
    const atEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - 30;
    element.classList.toggle('long', long);
    this.text.append(this.tokens, this.tokenStyles(this.tokens), !!this.live);
    if (long && atEnd) element.scrollTop = element.scrollHeight;
    const isMarkdown = this.drawMarkdown(false);
    this.rendered.hidden = !isMarkdown;
    element.hidden = isMarkdown;
    this.rail.show(this.record, this.path);
    this.drawAround();
    this.announce();
  }

  private drawAround(): void {
    const { tokens, live } = this;
    // As text it is text: nothing else.
    this.map.element.hidden = this.mode === 'text' || (!tokens.length && !live);
    const hits = this.toolbar.query ? new Set(this.hits) : undefined;
    const measure = MEASURES[this.mode === 'text' ? 'surprisal' : this.mode];
    this.map.show(tokens.slice(0), Math.max(live?.maxTokens ?? 0, tokens.length), measure, hits);
    this.showWindow();
    this.drawFields();
    const now = performance.now();
    // Numbers that change twenty times a second can't be read.
    if (!live || now - this.summaryAt > 500 || tokens.length < 3) {
      this.summaryAt = now;
      this.drawSummary();
    }
  }

  /** The values of an answer of a given form, behind its tokens. */
  private drawFields(): void {
    const { record, tokens, live, mode, options } = this;
    const form = record.options.grammar as { kind?: unknown } | undefined;
    const isShown = form?.kind === 'json' && mode !== 'text' && !live && !options.bare;
    const known = !record.missing.includes('logprob') && this.pathInfo().stop_reason === 'stop';
    const table = isShown && known ? fieldsTable(tokens) : undefined;
    this.fields.replaceChildren(...(table ? [table] : []));
  }

  private drawSummary(): void {
    const { record, tokens, path, live, host } = this;
    const shown = { record, tokens, path, info: this.pathInfo(), live, host };
    this.summary.replaceChildren(...summary(shown, !this.options.bare));
    this.afloat.update(!!live);
  }

  private drawNote(): void {
    const { note } = this.record;
    const shown = h('div', { class: 'banner warn', role: 'note' }, icon('warning'), visible(note));
    this.note.replaceChildren(...(note ? [shown] : []));
  }

  private drawPrompt(): void {
    if (!this.prompt.hidden) this.prompt.replaceChildren(promptText(this.record));
  }

  private togglePrompt(): void {
    this.prompt.hidden = !this.prompt.hidden;
    this.drawPrompt();
  }

  private showWindow(): void {
    const { tokens } = this;
    const long = tokens.length > LONG;
    this.ends.hidden = this.mode === 'text' || (!long && this.map.group === 1);
    const view = long ? this.text.inView() : undefined;
    this.map.window(view);
    if (this.ends.hidden) return;
    const middle = [
      view ? `tokens ${count(view[0] + 1)}–${count(view[1] + 1)}` : '',
      this.map.group > 1 ? `each bar is the most unexpected of ${this.map.group}` : '',
    ];
    this.ends.replaceChildren(
      h('span', {}, '1'),
      h('span', {}, middle.filter(Boolean).join(' · ')),
      h('span', {}, count(tokens.length)),
    );
  }

  /** Whole sentences for screen readers, as they are done. */
  private announce(): void {
    const whole = this.tokens
      .slice(this.liveRegion)
      .map(token => token.text)
      .join('');
    if (!/[.!?:\n]\s*$/.test(whole)) return;
    this.liveRegion = this.tokens.length;
    this.spoken.append(h('div', {}, visible(whole)));
  }

  // --- the cursor and the card

  private mark(): void {
    const { cursor, isSplit } = this;
    const token = cursor === undefined ? undefined : this.tokens[cursor];
    this.text.mark(token || isSplit ? cursor : undefined, isSplit);
    if (isSplit) return this.map.mark(undefined);
    this.map.mark(
      token ? cursor : undefined,
      token &&
        `${tokenWord(token.text)}, ${percent(probability(token.logprob))}, ${rankWords(token, this.record.missing)}`,
    );
  }

  /** Move to a token; its card opens. */
  private go(place: number, pin: boolean): void {
    if (this.record.missing.includes('logprob')) return;
    if (this.mode === 'text') this.setMode('surprisal');
    this.isSplit = false;
    this.cursor = Math.max(0, Math.min(place, this.tokens.length - 1));
    if (!this.tokens.length) return;
    this.text.reveal(this.cursor);
    this.card.pinned = pin;
    this.mark();
    this.openCard();
  }

  private openCard(): void {
    const { cursor, isSplit } = this;
    const path = isSplit ? this.record.branches[this.path - 1]!.parent : this.path;
    const tokens = isSplit ? pathTokens(this.record, path) : this.tokens;
    if (cursor === undefined || !tokens[cursor]) return;
    const anchor = this.text.rects(cursor, isSplit)[0] ?? this.map.element.getBoundingClientRect();
    const can = this.host.branch && this.record.kind === 'generation' && !this.live;
    this.card.show(this.record, tokens, cursor, anchor, {
      branch: can ? (at, token) => this.branch(path, at, token) : undefined,
    });
  }

  private close(): void {
    this.card.hide();
    this.cursor = undefined;
    this.isSplit = false;
    this.mark();
  }

  /** The path that the place belongs to may be an earlier one. */
  private branch(from: number, at: number, token: number | string): void {
    let path = from;
    while (path > 0 && at < this.record.branches[path - 1]!.at) path = this.record.branches[path - 1]!.parent;
    this.close();
    this.host.branch?.(path, at, token);
  }

  private walk(path: number): void {
    this.path = Math.max(0, Math.min(path, this.record.branches.length));
    this.host.onPath?.(this.path);
    this.close();
    this.search();
  }

  // --- what one does

  setMode(mode: Mode): void {
    if (mode === this.mode || !hasMode(mode, this.record.missing)) return;
    this.wanted = mode;
    this.draw();
  }

  private search(): void {
    const { query } = this.toolbar;
    this.hits = query ? search(query, pathTokens(this.record, this.path)) : [];
    this.hit = -1;
    this.toolbar.setStatus(!query ? '' : this.hits.length ? `${count(this.hits.length)} found` : 'none');
    this.draw();
  }

  private nextHit(by: number): void {
    if (!this.hits.length) return;
    this.hit = (this.hit + by + this.hits.length + (this.hit < 0 && by < 0 ? 1 : 0)) % this.hits.length;
    this.toolbar.setStatus(`${this.hit + 1} of ${count(this.hits.length)}`);
    this.cursor = this.hits[this.hit]!;
    this.text.reveal(this.cursor);
    this.mark();
  }

  private listen(): void {
    const { root } = this.shell;
    this.text.element.addEventListener('scroll', () => this.scrolled.ask());
    root.addEventListener('keydown', event => this.key(event));
    this.shell.onColors(() => this.map.redraw());
    this.off.push(
      ...[false, true].map(isSplit =>
        followHover(root, this.text.pointed(isSplit), this.card, {
          over: place => this.hover(place, isSplit),
          pick: place => {
            this.map.element.focus({ preventScroll: true });
            if (!isSplit) return this.go(place, true);
            this.card.pinned = true;
            this.card.hide();
            this.hover(place, true);
          },
          leave: () => {
            if (this.isSplit === isSplit) this.close();
          },
        }),
      ),
    );
  }

  private hover(place: number, isSplit: boolean): void {
    if (place === this.cursor && isSplit === this.isSplit && this.card.open) return;
    this.cursor = place;
    this.isSplit = isSplit;
    this.mark();
    this.openCard();
  }

  private key(event: KeyboardEvent): void {
    const target = event.composedPath()[0];
    if (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement) {
      event.stopPropagation();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.cursor;
    const keys: Record<string, () => void> = {
      ArrowLeft: () => this.go((at ?? 1) - 1, true),
      ArrowRight: () => this.go((at ?? -1) + 1, true),
      ArrowUp: () => (this.card.open ? this.card.step(-1) : this.walk(this.path - 1)),
      ArrowDown: () => (this.card.open ? this.card.step(1) : this.walk(this.path + 1)),
      Home: () => this.go(0, true),
      End: () => this.go(this.tokens.length - 1, true),
      Enter: () => {
        const other = this.card.open ? this.card.selected : undefined;
        if (other && this.host.branch && at !== undefined && other.id !== this.tokens[at]!.id)
          this.branch(this.path, at, other.id);
        else this.go(at ?? 0, true);
      },
      Escape: () => {
        if (this.card.open || this.cursor !== undefined) this.close();
        else if (this.live) this.host.stop?.();
        else if (target instanceof HTMLElement) returnFocus(target);
      },
      p: () => {
        this.card.pinned = !this.card.pinned;
        if (at !== undefined) this.openCard();
      },
      '/': () => this.toolbar.focus(),
      n: () => this.nextHit(1),
      N: () => this.nextHit(-1),
    };
    for (const [n, mode] of MODES.entries()) keys[String(n + 1)] = () => this.setMode(mode);
    // A button's own keys stay its own.
    if (target instanceof HTMLButtonElement && ['Enter', ' '].includes(event.key)) {
      event.stopPropagation();
      return;
    }
    const act = keys[event.key] ?? keys[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }
}

/** The record as plain JSON. */
function asJson(record: GenerationRecord): object {
  const hex = (data: Uint8Array) => Array.from(data, byte => byte.toString(16).padStart(2, '0')).join('');
  return {
    ...record,
    specials: Object.fromEntries(record.specials),
    pieces: Object.fromEntries([...record.pieces].map(([id, data]) => [id, hex(data)])),
  };
}
