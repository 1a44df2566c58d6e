/** The walk: one token's way through the model, station by station, with its real numbers. */

import type { InspectionRecord } from '../../protocol/inspection.js';
import { bold, footer, onKeys, RadioGroup, select } from '../../ui/controls.js';
import { h } from '../../ui/dom.js';
import { tokenWord } from '../../ui/format.js';
import type { InspectionHost } from '../inspectionView.js';
import { BaseInspectionView } from '../inspectionView.js';
import { WalkState } from './state.js';
import { StepFigures } from './steps.js';
import { STYLE } from './walkthroughView.css.js';

const STATIONS = ['Pieces', 'Vectors', 'Attention', 'Layers', 'Scores', 'Cut', 'Dice'];
const FULL: Record<number, [string, string]> = {
  0: ['Tokenizer', 'tokenizers'],
  2: ['Attention', 'attention'],
  3: ['Lens', 'lens'],
  4: ['Probe', 'probe'],
  5: ['Replay', 'replay'],
  6: ['Replay', 'replay'],
};

export class WalkthroughView extends BaseInspectionView {
  private readonly modes = new RadioGroup('steps', ['Step by step', 'All steps'], n => this.setMode(n));
  private readonly tokens = select('token', n => this.go(n, this.step));
  private readonly main = h('div', { tabindex: 0, role: 'group', 'aria-label': 'the walk' });
  private readonly way = new WalkState();
  private readonly figures;
  private mode = 0;
  private step = 0;

  constructor(record: InspectionRecord, element: HTMLElement, host: InspectionHost) {
    super(element, STYLE);
    this.figures = new StepFigures(this.way, this.shell.root, () => this.draw());
    this.shell.root.append(
      h('div', { class: 'row' }, this.modes.element, h('label', {}, 'token ', this.tokens.element)),
      this.busy,
      this.main,
      this.footer,
    );
    onKeys(this.shell.root, {
      ArrowLeft: () => this.go(this.way.token, this.step - 1),
      ArrowRight: () => this.next(),
      ArrowUp: () => this.go(this.way.token, this.step - 1),
      ArrowDown: () => this.go(this.way.token, this.step + 1),
      ',': () => this.go(this.way.token - 1, this.step),
      '.': () => this.go(this.way.token + 1, this.step),
      t: () => this.figures.throwAgain(),
      r: () => this.reset(),
      Enter: () => this.open(this.step),
    });
    this.update(record, host);
  }

  update(record: InspectionRecord, host: InspectionHost): void {
    if (!this.setRecord(record, host)) return this.draw();
    this.way.read(record);
    this.setMode(this.mode);
  }

  // --- going

  private setMode(mode: number): void {
    this.mode = mode;
    this.modes.show(mode);
    this.draw();
  }

  private go(token: number, step: number): void {
    const next = Math.max(0, Math.min(this.way.walked.length - 1, token));
    this.step = Math.max(0, Math.min(STATIONS.length - 1, step));
    if (next !== this.way.token) this.way.go(next);
    this.draw();
    this.main.focus({ preventScroll: true });
  }

  private next(): void {
    if (this.step < STATIONS.length - 1) this.go(this.way.token, this.step + 1);
    else if (this.way.token < this.way.walked.length - 1) this.go(this.way.token + 1, 0);
  }

  private reset(): void {
    this.way.rules = { ...this.way.was };
    this.way.thrown = 0;
    this.draw();
  }

  private open(step: number): void {
    const [, view] = FULL[step] ?? [];
    if (view && this.host.ask)
      this.host.ask({
        type: 'inspection.open',
        view,
        upto: this.way.last + 1,
        layer: this.way.head[0] + 1,
        token: this.way.token,
      });
  }

  // --- what is seen

  private draw(): void {
    if (!this.way.walked.length) return this.main.replaceChildren('There is no token to walk.');
    this.tokens.set(
      this.way.walked.map((item, n) => `${tokenWord(item.text)} ${n + 1} of ${this.way.walked.length}`),
      this.way.token,
    );
    if (this.mode) this.drawAll();
    else this.drawStep();
    this.footer.replaceChildren(
      footer(
        [
          bold(
            String(this.mode ? STATIONS.length : this.step + 1),
            this.mode ? ' steps' : ` of ${STATIONS.length}`,
            this.mode ? '' : 'step ',
          ),
          h(
            'span',
            {},
            'token ',
            h('b', {}, String(this.way.token + 1)),
            ` of ${this.way.walked.length}, place ${this.way.last + 2}`,
          ),
        ],
        [
          [this.mode ? '↑ ↓' : '← →', 'step'],
          [', .', 'token'],
          ['T', 'throw'],
        ],
        this.way.record.model,
      ),
    );
  }

  private drawStep(): void {
    const path = STATIONS.map((name, n) => {
      const state = n === this.step ? 'now done' : n < this.step ? 'done' : '';
      const result = n <= this.step || n < this.step ? this.way.result(n) : '';
      return h(
        'button',
        {
          class: state,
          type: 'button',
          role: 'tab',
          'aria-selected': String(n === this.step),
          tabindex: n === this.step ? 0 : -1,
          onclick: () => this.go(this.way.token, n),
        },
        h('i', {}, String(n + 1)),
        h('b', {}, name),
        h('small', { title: result }, result),
      );
    });
    const last = this.step === STATIONS.length - 1;
    const done = last && this.way.token === this.way.walked.length - 1;
    const label = last
      ? done
        ? 'Done'
        : 'Walk the next token'
      : `Next: ${STATIONS[this.step + 1]!.toLowerCase()}`;
    const nav = h(
      'div',
      { class: 'nav' },
      h(
        'button',
        {
          class: 'button',
          type: 'button',
          disabled: this.step === 0,
          onclick: () => this.go(this.way.token, this.step - 1),
        },
        '◂ Back',
      ),
      h(
        'button',
        { class: 'button main', type: 'button', disabled: done, onclick: () => this.next() },
        label,
        done ? '' : ' ▸',
      ),
      this.link(this.step),
    );
    this.main.replaceChildren(
      h('div', { class: 'path', role: 'tablist', 'aria-label': 'stations' }, ...path),
      nav, // where the stations are: at the same height in each of them
      h('p', { class: 'one', 'aria-live': 'polite' }, ...this.way.sentence(this.step)),
      ...this.figures.figure(this.step),
    );
  }

  private link(step: number): HTMLElement | string {
    const [name] = FULL[step] ?? [];
    if (!name) return '';
    const can = !!this.host.ask && !this.host.busy;
    return h(
      'button',
      {
        class: 'link',
        type: 'button',
        disabled: !can,
        title: can ? '' : 'needs a running kernel',
        onclick: () => this.open(step),
      },
      this.mode ? `${name} ↗` : `open the full view: ${name} ↗`,
    );
  }

  private drawAll(): void {
    const rows = STATIONS.flatMap((name, n) => [
      h('div', { class: 'no' }, h('i', {}, String(n + 1))),
      h('div', { class: 'what' }, h('b', {}, name), h('p', {}, ...this.way.sentence(n)), this.link(n)),
      h('div', {}, ...this.figures.figure(n, true)),
    ]);
    const done = this.way.token === this.way.walked.length - 1;
    this.main.replaceChildren(
      h('div', { class: 'all' }, ...rows),
      this.figures.answerLine(),
      h(
        'div',
        { class: 'nav' },
        this.figures.throwButton(),
        h(
          'button',
          {
            class: 'button main',
            type: 'button',
            disabled: done,
            onclick: () => this.go(this.way.token + 1, 0),
          },
          done ? 'Done' : 'Walk the next token ▸',
        ),
      ),
    );
  }
}
