/** One question of a playground, and its answer. */

import { InspectionMount } from '../inspect/registry.js';
import type { InspectionPayload } from '../protocol/inspection.js';
import type { PlaygroundState, PlaygroundTurn } from '../protocol/playground.js';
import {
  emptyRecord,
  type GenerationRecord,
  type RecordPayload,
  withExtension,
  withGrowing,
} from '../protocol/record.js';
import type { StreamState } from '../protocol/streams.js';
import type { StreamStatus, StripHost } from '../strip/host.js';
import { Strip } from '../strip/strip.js';
import { copy, h, icon } from '../ui/dom.js';
import { errorParts, visible } from '../ui/format.js';
import type { Mode } from '../ui/measures.js';
import { banner } from '../ui/shell.js';
import type { Inspector } from './host.js';
import { answerText } from './transfer.js';
import { TurnTabs } from './turnTabs.js';

/** What a turn asks of its playground. */
export interface TurnActions {
  again(turn: number): void;
  edit(turn: number, text: string): void;
  path(turn: number, path: number): void;
  branch(turn: number, parent: number, at: number, token: number | string): void;
  more(turn: number): void;
  version(turn: number, version: number): void;
  star(turn: number, path: number): void;
  /** Opens inspections of an answer, where the host can. */
  inspector: (() => Inspector) | undefined;
  /** Show an answer's Markdown; false where the host can't. */
  markdown(element: HTMLElement, text: string): boolean;
  stop(): void;
  listen(id: string, grown: () => void): () => void;
  growing(id: string): StreamState | undefined;
  /** The turn is higher now. */
  grown(): void;
  /** Whether there is a kernel. */
  can(): boolean;
}

/** An answer as it is known: the record, as the notebook keeps it, and what is shown of it. */
export interface KnownAnswer {
  record: GenerationRecord;
  payload: RecordPayload;
  markdown: string;
}

/** One question and its answer. */
export class TurnView {
  private readonly element = h('div', { class: 'turn' });
  private readonly asked = h('div', { class: 'asked' });
  private readonly name = h('span');
  private readonly answer = h('div');
  private readonly failure = h('div');
  private readonly versions = h('span', { class: 'versions' });
  private readonly branches = h('span', { class: 'branches fg2' });
  private readonly star: HTMLButtonElement;
  private readonly sideMain = h('div');
  private readonly side = h(
    'div',
    { class: 'side', hidden: true },
    h('h3', { class: 'spoken' }, 'Both models side by side'),
    this.sideMain,
  );
  private readonly sideView = new InspectionMount(this.sideMain, () => '');
  private readonly tabs: TurnTabs;
  private strip: Strip | undefined;
  private drawn: unknown[] = [];
  private listening = '';
  private off: (() => void) | undefined;
  private turn: PlaygroundTurn | undefined;
  private record: GenerationRecord | undefined;
  private markdown: string | undefined;

  constructor(
    parent: HTMLElement,
    private readonly number: number,
    private readonly actions: TurnActions,
  ) {
    const small = (label: string, name: 'again' | 'more', act: () => void) =>
      h(
        'button',
        { class: 'button plain', type: 'button', 'aria-label': label, title: label, onclick: act },
        name === 'again' ? icon('again') : label,
      );
    this.star = h('button', {
      class: 'button plain star',
      type: 'button',
      hidden: true,
      onclick: () => this.turn && this.actions.star(this.number, this.turn.path),
    });
    this.tabs = new TurnTabs(this.answer, actions.inspector);
    this.element.append(
      h(
        'div',
        { class: 'who' },
        'You',
        small('Edit', 'more', () => this.edit()),
      ),
      this.asked,
      h(
        'div',
        { class: 'who' },
        this.name,
        this.versions,
        this.star,
        this.branches,
        small('Regenerate', 'again', () => this.actions.again(this.number)),
        small('Copy', 'more', () => this.copy()),
        this.tabs.bar,
      ),
      this.answer,
      this.tabs.panel,
      this.side,
      this.failure,
    );
    parent.append(this.element);
  }

  show(
    turn: PlaygroundTurn,
    answer: KnownAnswer | undefined,
    side: InspectionPayload | undefined,
    mode: Mode,
    state: PlaygroundState,
  ): void {
    const { record, markdown } = answer ?? {};
    this.turn = turn;
    this.record = record;
    this.markdown = markdown;
    this.tabs.show(turn.live ? undefined : answer?.payload, turn.path);
    this.drawStar();
    this.side.hidden = !side;
    if (side) void this.sideView.show(side, {});
    this.drawVersions(!!state.turns.some(item => item.live));
    if (!this.asked.querySelector('textarea')) this.asked.textContent = visible(turn.asked);
    this.name.textContent = visible(record?.model.name || state.model || 'Model');
    const failed = turn.failed && banner(...errorParts(turn.failed), icon('error'));
    this.failure.replaceChildren(...(failed ? [failed] : []));
    if (turn.live !== this.listening) {
      this.off?.();
      this.listening = turn.live;
      this.off = turn.live ? this.actions.listen(turn.live, () => this.grow(record, mode)) : undefined;
    }
    const now = [record, markdown, mode, turn.live, turn.path, this.actions.can()];
    if (now.some((entry, n) => entry !== this.drawn[n])) {
      this.drawn = now;
      this.grow(record, mode);
    }
  }

  /** ‹ 2/3 › where there are several answers. */
  private drawVersions(busy: boolean): void {
    const [count, at] = this.turn!.versions;
    const step = (label: string, sign: string, to: number) =>
      h(
        'button',
        {
          class: 'button plain',
          type: 'button',
          'aria-label': label,
          title: label,
          disabled: busy || to < 0 || to >= count || !this.actions.can(),
          onclick: () => this.actions.version(this.number, to),
        },
        sign,
      );
    const focused = (this.versions.getRootNode() as ShadowRoot).activeElement?.getAttribute('aria-label');
    this.versions.replaceChildren(
      ...(count > 1
        ? [
            step('Earlier version', '‹', at - 1),
            h('span', { 'aria-live': 'polite' }, `${at + 1}/${count}`),
            step('Later version', '›', at + 1),
          ]
        : []),
    );
    if (focused) this.versions.querySelector<HTMLElement>(`[aria-label="${focused}"]`)?.focus();
  }

  /** A star for the branch that is looked at, and how many others there are. */
  private drawStar(): void {
    const { record, turn } = this;
    const others = record?.branches.length ?? 0;
    const starred = turn!.stars.includes(turn!.path);
    const label = starred ? 'Remove the star' : 'Mark with a star';
    this.star.hidden = !record || !!turn!.live;
    this.star.disabled = !this.actions.can();
    this.star.textContent = starred ? '★' : '☆';
    this.star.title = label;
    this.star.setAttribute('aria-label', label);
    this.star.setAttribute('aria-pressed', String(starred));
    const marked = turn!.stars.filter(path => path !== turn!.path).length;
    const stars = marked ? `, ${marked} with a star` : '';
    this.branches.textContent = others
      ? `${others} other ${others === 1 ? 'branch' : 'branches'}${stars}`
      : '';
  }

  private copy(): void {
    const { record, turn } = this;
    if (!record || !turn) return;
    copy(answerText(record, turn.path));
  }

  /** The record as it stands, with what is being made. */
  private grow(record: GenerationRecord | undefined, mode: Mode): void {
    const { turn } = this;
    if (!turn) return;
    const growing = turn.live ? this.actions.growing(turn.live) : undefined;
    let shown = record ?? emptyRecord();
    let live: StreamStatus | undefined;
    if (turn.live) {
      live = { maxTokens: growing?.most || 1 };
      const tokens = growing?.tokens ?? [];
      if (record && turn.fork) {
        shown = withGrowing(record, ...turn.fork, tokens);
      } else if (record && turn.more) {
        shown = withExtension(record, turn.path, tokens);
      } else shown = { ...emptyRecord(), tokens };
    } else if (!record) {
      this.strip?.dispose();
      this.strip = undefined;
      return;
    }
    const { actions } = this;
    const markdown = live ? (turn.fork || turn.more ? undefined : growing?.prose) : this.markdown;
    const host: StripHost = {
      markdown: element => !!markdown && actions.markdown(element, markdown),
      stop: actions.stop,
      branch: actions.can()
        ? (parent, at, token) => actions.branch(this.number, parent, at, token)
        : undefined,
      extend: actions.can() ? () => actions.more(this.number) : undefined,
      onPath: path => actions.path(this.number, path),
    };
    if (!this.strip) this.strip = new Strip(shown, this.answer, host, live, { mode, bare: true });
    else this.strip.update(shown, live, host);
    this.strip.setMode(mode);
    this.actions.grown();
  }

  private edit(): void {
    if (!this.turn || this.asked.querySelector('textarea')) return;
    const field = h('textarea', { rows: 3, 'aria-label': 'Edit the prompt' });
    field.value = this.turn.asked;
    const leave = () => {
      this.asked.textContent = visible(this.turn!.asked);
    };
    const resend = () => {
      const text = field.value;
      leave();
      this.actions.edit(this.number, text);
    };
    field.addEventListener('keydown', event => {
      if (event.key === 'Enter' && (event.shiftKey || event.ctrlKey || event.metaKey)) resend();
      else if (event.key === 'Escape') leave();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    this.asked.replaceChildren(
      field,
      h(
        'div',
        { class: 'row' },
        h('button', { class: 'button main', type: 'button', onclick: resend }, 'Send again'),
        h('button', { class: 'button', type: 'button', onclick: leave }, 'Cancel'),
      ),
    );
    field.focus();
  }

  dispose(): void {
    this.off?.();
    this.strip?.dispose();
    this.tabs.dispose();
    this.sideView.dispose();
    this.element.remove();
  }
}
