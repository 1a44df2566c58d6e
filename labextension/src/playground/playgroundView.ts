/** The playground: a conversation, its settings, and the strip in every answer. */

import type { InspectionPayload } from '../protocol/inspection.js';
import { PLAYGROUND_MIME } from '../protocol/mime.js';
import {
  type PlaygroundMessage,
  type PlaygroundState,
  type PlaygroundTurn,
  readPlayground,
} from '../protocol/playground.js';
import { readRecord } from '../protocol/record.js';
import { STRIP_STYLE } from '../strip/strip.css.js';
import { Segments } from '../strip/toolbar.js';
import { copy, h, icon } from '../ui/dom.js';
import { count, errorParts } from '../ui/format.js';
import type { Mode } from '../ui/measures.js';
import { Menu } from '../ui/menu.js';
import { banner, type Shell, shell } from '../ui/shell.js';
import { ConversationSearch, matches } from './conversationSearch.js';
import type { PlaygroundHost } from './host.js';
import { PromptList } from './libraryBox.js';
import { STYLE } from './playgroundView.css.js';
import { SETTINGS_STYLE } from './settings.css.js';
import { SettingsPanel } from './settings.js';
import { answerText, asMarkdown, chooseFile, download } from './transfer.js';
import { type KnownAnswer, type TurnActions, TurnView } from './turn.js';

const SILENCE_MS = 6000;
/** Orders to which the kernel always says something. */
const ANSWERED = new Set([
  ...['send', 'again', 'edit', 'branch', 'more', 'clear', 'undo', 'version', 'model', 'adapter', 'cells'],
  ...['compare', 'star', 'import'],
]);

export class Playground {
  private readonly shell: Shell;
  private readonly rail: SettingsPanel;
  private readonly turns = h('div', { class: 'turns', role: 'log', 'aria-label': 'Conversation' });
  private readonly failure = h('div', { class: 'failure' });
  private readonly meter = h('span', { class: 'meter' });
  private readonly prompt = h('textarea', { rows: 1, 'aria-label': 'Prompt' });
  private readonly send: HTMLButtonElement;
  private readonly stop: HTMLButtonElement;
  private readonly play: HTMLElement;
  private readonly segments = new Segments(mode => this.setMode(mode));
  private readonly shown: TurnView[] = [];
  /** Answers by their keys, also of versions that are not looked at. */
  private readonly records = new Map<string, KnownAnswer>();
  /** The answers next to those of the compared model, by the keys of their turns. */
  private readonly sides = new Map<string, InspectionPayload>();
  /** The conversation as the notebook keeps it: what an export writes. */
  private saved: object;
  private readonly prompts: PromptList | undefined;
  private readonly actions: TurnActions;
  private dismissed = '';
  private toldUndo = false;
  private mode: Mode = 'text';
  private readonly off: (() => void)[] = [];
  private opened = false;
  private unknown = false;
  private follow = true;
  private silence: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private state: PlaygroundState,
    element: HTMLElement,
    private readonly host: PlaygroundHost | undefined,
    private readonly markdown?: (element: HTMLElement, text: string) => void,
  ) {
    this.shell = shell(element, STRIP_STYLE + SETTINGS_STYLE + STYLE);
    this.rail = new SettingsPanel(
      {
        set: (settings, system, raw, form, set) => this.order('set', { settings, system, raw, form, set }),
        model: name => this.order('model', { name }),
        adapter: (name, strength) => this.order('adapter', { name, strength }),
        compare: name => this.order('compare', { name }),
      },
      host?.library,
    );
    this.saved = state;
    this.actions = this.turnActions();
    this.send = h(
      'button',
      { class: 'button main', type: 'button', onclick: () => this.ask() },
      icon('send'),
      'Send ',
      h('kbd', {}, '⇧⏎'),
    );
    this.stop = h(
      'button',
      { class: 'button', type: 'button', hidden: true, onclick: () => this.order('stop') },
      icon('stop'),
      'Stop ',
      h('kbd', {}, 'Esc'),
    );
    const fold = h(
      'button',
      { class: 'button fold', type: 'button', 'aria-expanded': 'false' },
      'Settings',
      icon('down'),
    );
    fold.addEventListener('click', () =>
      fold.setAttribute('aria-expanded', String(this.play.classList.toggle('open'))),
    );
    const search = new ConversationSearch(
      words => matches(this.state.turns, this.texts(), words),
      turn => this.reveal(turn),
    );
    const head = h(
      'div',
      { class: 'head' },
      h('h2', {}, 'Playground'),
      fold,
      search.element,
      this.meter,
      h('button', { class: 'button', type: 'button', onclick: () => this.order('clear') }, 'Clear'),
      this.menu().element,
      h(
        'button',
        { class: 'button main', type: 'button', onclick: () => this.order('cells') },
        icon('cell'),
        'Insert as cell',
      ),
    );
    const ask = h('div', { class: 'ask' }, this.prompt, this.stop, this.send);
    this.prompts =
      host?.library &&
      new PromptList(
        host.library,
        text => {
          this.prompt.value = text;
          this.prompt.dispatchEvent(new Event('input'));
          this.prompt.focus();
        },
        () => this.prompt.value,
      );
    this.play = h(
      'div',
      { class: 'play' },
      this.rail.element,
      h(
        'div',
        { class: 'right' },
        head,
        h('div', { class: 'measures' }, this.segments.element),
        this.turns,
        this.failure,
        this.prompts?.element ?? null,
        ask,
      ),
    );
    this.shell.root.append(this.play);
    this.listen();
    for (const turn of state.turns) {
      if (turn.kept) void this.keep(turn.key, turn.kept, turn.markdown ?? '');
      if (turn.side) this.sides.set(turn.key, turn.side);
    }
    this.draw();
    if (host) {
      this.off.push(host.onPlay(message => (!message.id || message.id === state.id) && this.hear(message)));
      this.off.push(host.onAvailability(() => this.reached()));
      this.reached();
    }
  }

  dispose(): void {
    clearTimeout(this.silence);
    for (const off of this.off.splice(0)) off();
    for (const view of this.shown.splice(0)) view.dispose();
    this.rail.dispose();
    this.prompts?.dispose();
    this.shell.dispose();
  }

  /** The kernel may have come, or come again: tell it of this conversation. */
  private reached(): void {
    const { availability: reach } = this.host!;
    const ready = reach !== 'none';
    if (ready && !this.opened) this.order('open');
    this.opened = ready;
    this.draw();
  }

  private order(act: string, more: object = {}): void {
    if (this.unknown && act !== 'open') {
      // What the notebook's file holds is read by the kernel when it is used, and not when it is opened.
      this.unknown = false;
      this.host?.send({ type: 'playground.restore', id: this.state.id, saved: this.state });
    }
    this.host?.send({ type: `playground.${act}`, id: this.state.id, ...more });
    if (!ANSWERED.has(act)) return;
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      if (this.host?.availability === 'ready')
        this.fail('The kernel does not answer.\nRun %load_ext llm_magics in a cell, then try again.');
    }, SILENCE_MS);
  }

  private hear(message: PlaygroundMessage): void {
    clearTimeout(this.silence);
    if (message.models && message.memory)
      this.rail.have(message.models, message.memory, message.adapters ?? []);
    if (message.kept && message.key) void this.keep(message.key, message.kept, message.markdown ?? '');
    if (message.side && message.key) {
      this.sides.set(message.key, message.side);
      this.draw();
    }
    if (message.bundle) {
      this.saved = (message.bundle[PLAYGROUND_MIME] ?? this.saved) as object;
      this.host?.write?.(message.bundle);
    }
    if (message.cells) this.insert(message.cells);
    if (message.unknown || message.gone) this.unknown = true;
    if (message.gone) this.order('open');
    if (message.now) {
      this.unknown = false;
      this.state = readPlayground(message.now);
      this.draw();
    }
  }

  private async keep(
    key: string,
    choice: NonNullable<PlaygroundTurn['kept']>,
    markdown: string,
  ): Promise<void> {
    try {
      this.records.set(key, { record: await readRecord(choice), payload: choice, markdown });
    } catch (error) {
      return this.fail(error instanceof Error ? error.message : String(error));
    }
    this.draw();
  }

  private insert(cells: string[]): void {
    if (!cells.length) return this.fail('There is nothing to insert yet. Ask something first.');
    if (this.host?.insertCells) {
      const undo = this.host.insertCells(cells);
      const words =
        cells.length === 1 ? '1 cell was added below.' : `${cells.length} cells were added below.`;
      this.showNotice(words, 'Undo', undo);
    } else {
      copy(cells.join('\n\n'));
      this.fail(
        'Copied to the clipboard; this application does not allow inserting cells. Paste it into a new one.',
        true,
      );
    }
  }

  private fail(text: string, mild = false): void {
    const shown = banner(...errorParts(text), icon(mild ? 'warning' : 'error'));
    if (mild) shown.classList.add('warn');
    this.say(shown, () => {
      this.dismissed = this.state.failed;
    });
  }

  /** Say what was done, with a way back. */
  private showNotice(what: string, back: string, undo: () => void): void {
    const shown = banner(what, '', icon('info'));
    shown.classList.add('warn', 'told');
    shown.setAttribute('role', 'status');
    const again = () => {
      undo();
      this.failure.replaceChildren();
    };
    shown.append(h('button', { class: 'button', type: 'button', onclick: again }, back));
    this.say(shown);
  }

  private say(shown: HTMLElement, closed: () => void = () => {}): void {
    const close = () => {
      closed();
      this.failure.replaceChildren();
    };
    const label = 'Close this message';
    shown.append(
      h('button', { class: 'button plain close', type: 'button', 'aria-label': label, onclick: close }, '×'),
    );
    this.failure.replaceChildren(shown);
  }

  // --- drawing

  private get busy(): boolean {
    return this.state.turns.some(turn => turn.live) || !!this.state.loading;
  }

  private draw(): void {
    const { state, host } = this;
    const reach = host?.availability ?? 'none';
    this.rail.show(state);
    this.segments.show(this.mode);
    const grown = state.turns.length > this.shown.length;
    while (this.shown.length > state.turns.length) this.shown.pop()!.dispose();
    for (const [n, turn] of state.turns.entries()) {
      this.shown[n] ??= new TurnView(this.turns, n, this.actions);
      this.shown[n].show(turn, this.records.get(turn.key), this.sides.get(turn.key), this.mode, state);
    }
    this.turns.querySelector('.empty')?.remove();
    if (!state.turns.length)
      this.turns.append(
        h('div', { class: 'empty' }, 'Ask the model something. Each answer shows what it weighed.'),
      );
    if (grown) this.follow = true;
    this.following();
    if (state.failed) {
      if (state.failed !== this.dismissed) this.fail(state.failed);
    } else {
      this.dismissed = '';
      if (this.failure.firstElementChild && !this.failure.querySelector('.warn'))
        this.failure.replaceChildren();
    }
    const undo = state.undo && reach !== 'none';
    if (undo && !this.toldUndo)
      this.showNotice('The conversation is cleared.', 'Undo', () => this.order('undo'));
    if (!undo && this.toldUndo) this.failure.replaceChildren();
    this.toldUndo = undo;
    const { context } = state;
    this.meter.textContent = context ? `${count(context[0])} of ${count(context[1])} tokens` : '';
    this.meter.title = context ? 'what the conversation takes of what the model can read' : '';
    this.send.hidden = this.busy;
    this.stop.hidden = !this.busy;
    this.send.disabled = reach === 'none';
    this.prompt.disabled = reach === 'none';
    this.prompt.placeholder =
      reach === 'none'
        ? 'Needs a running kernel'
        : reach === 'queued'
          ? 'The kernel is busy: this waits until the cell is done'
          : state.raw
            ? 'A text to go on with'
            : 'Ask, or ↑ for the last prompt';
  }

  /** Stay at the end, if it was in view. */
  private following(): void {
    if (this.follow) this.turns.scrollTop = this.turns.scrollHeight;
  }

  private setMode(mode: Mode): void {
    this.mode = mode;
    this.draw();
  }

  // --- what one does

  private ask(): void {
    const text = this.prompt.value;
    if (!text.trim() || this.busy) return;
    this.failure.replaceChildren();
    this.order('send', { text });
    this.prompt.value = '';
    this.prompt.style.height = '';
  }

  private listen(): void {
    const { turns } = this;
    const { root } = this.shell;
    const update = () => {
      this.follow = turns.scrollTop + turns.clientHeight >= turns.scrollHeight - 40;
    };
    turns.addEventListener('wheel', () => setTimeout(update, 100), { passive: true });
    turns.addEventListener('pointerup', update);
    this.prompt.addEventListener('input', () => {
      this.prompt.style.height = '';
      this.prompt.style.height = `${Math.min(this.prompt.scrollHeight, 160)}px`;
    });
    this.prompt.addEventListener('keydown', event => {
      if (event.key === 'Enter' && (event.shiftKey || event.ctrlKey || event.metaKey)) this.ask();
      else if (event.key === 'ArrowUp' && !this.prompt.value) {
        this.prompt.value = this.state.turns.at(-1)?.asked ?? '';
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    root.addEventListener('keydown', event => {
      if (event.key === 'Escape' && this.busy) this.order('stop');
      // Notebook shortcuts must not act on what is typed here.
      event.stopPropagation();
    });
  }

  /** The texts of the answers that are looked at. */
  private texts(): string[] {
    return this.state.turns.map(turn => answerText(this.records.get(turn.key)?.record, turn.path));
  }

  private menu(): Menu {
    const name = 'conversation';
    const models = () => this.state.turns.map(turn => this.records.get(turn.key)?.record.model.name ?? '');
    const any = () => this.state.turns.length > 0;
    return new Menu([
      [
        'Export as Markdown',
        () => download(`${name}.md`, 'text/markdown', asMarkdown(this.state, this.texts(), models())),
        any,
      ],
      ['Export as JSON', () => download(`${name}.json`, 'application/json', JSON.stringify(this.saved)), any],
      [
        'Import …',
        () =>
          chooseFile(
            saved => this.order('import', { saved }),
            what => this.fail(what),
          ),
        () => !!this.host && this.host.availability !== 'none' && !this.busy,
      ],
    ]);
  }

  /** Scroll to a turn that was found, and mark it. */
  private reveal(turn: number | undefined): void {
    for (const [n, item] of [...this.turns.querySelectorAll('.turn')].entries()) {
      item.classList.toggle('hit', n === turn);
      if (n === turn) item.scrollIntoView?.({ block: 'nearest' });
    }
    if (turn !== undefined) this.follow = false;
  }

  private turnActions(): TurnActions {
    const { host } = this;
    return {
      again: (turn: number) => this.order('again', { turn }),
      edit: (turn: number, text: string) => this.order('edit', { turn, text }),
      path: (turn: number, path: number) => this.order('path', { turn, path }),
      branch: (turn: number, parent: number, at: number, token: number | string) =>
        this.order('branch', { turn, parent, at, token }),
      more: (turn: number) => this.order('more', { turn }),
      version: (turn: number, version: number) => this.order('version', { turn, version }),
      star: (turn: number, path: number) => this.order('star', { turn, path }),
      inspector: host?.inspector && (() => host.inspector!()),
      markdown: (element, text) => {
        this.markdown?.(element, text);
        return !!this.markdown;
      },
      stop: () => this.order('stop'),
      listen: (id: string, grown: () => void) => this.host!.answers.listen(id, grown),
      growing: (id: string) => this.host?.answers.stream(id),
      grown: () => this.following(),
      can: () => !!this.host && this.host.availability !== 'none',
    };
  }
}
