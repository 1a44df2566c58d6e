/** The walk: one token's way through the model, station by station, with its real numbers. */

import { h } from '../../dom.js';
import { tokenWord } from '../../format.js';
import type { Look, LookHost } from '../../inside.js';
import { bold, Choice, foot, onKeys, picker } from './parts.js';
import { InsideView } from './view.js';
import { FIGURES_STYLE } from './walkParts.js';
import { Stations } from './walkStations.js';
import { Way } from './walkWay.js';

const STATIONS = ['Pieces', 'Vectors', 'Attention', 'Layers', 'Scores', 'Cut', 'Dice'];
const FULL: Record<number, [string, string]> = {
  0: ['Tokenizer', 'tokenizers'],
  2: ['Attention', 'attention'],
  3: ['Lens', 'lens'],
  4: ['Probe', 'probe'],
  5: ['Replay', 'replay'],
  6: ['Replay', 'replay'],
};

const STYLE = `${FIGURES_STYLE}
.path{display:grid;grid-template-columns:repeat(7,minmax(0,1fr));margin:4px 0 14px}
.path button{all:unset;cursor:pointer;position:relative;font:12px/1.4 var(--llm-ui);padding-right:8px}.path button:focus-visible{outline:2px solid var(--llm-focus)}
.path button::before{content:"";position:absolute;left:32px;right:4px;top:11px;height:2px;background:var(--llm-line2)}.path button:last-child::before{display:none}.path .done::before{background:var(--llm-mass-solid)}
.path i{display:flex;align-items:center;justify-content:center;width:22px;height:22px;border-radius:12px;border:1.5px solid var(--llm-line2);font-style:normal;font-weight:600;font-size:11px;color:var(--llm-fg2)}
.path .done i{border-color:var(--llm-mass-solid);color:var(--llm-accent)}.path .now i{background:var(--llm-mass-solid);border-color:var(--llm-mass-solid);color:var(--llm-accent-on)}.path .now b{color:var(--llm-accent)}
.path b{display:block;font-weight:400;margin-top:4px}.path .done b{color:var(--llm-fg)}.path small{display:block;font-size:11px;color:var(--llm-fg2);overflow:hidden;text-overflow:ellipsis;white-space:nowrap;min-height:15px}
.one{font:17px/1.45 var(--llm-text);margin:4px 0 10px}.one code{font-size:15px}.nav{display:flex;gap:8px;align-items:center;margin-top:14px}.nav .link{margin-left:auto}
.link{all:unset;cursor:pointer;color:var(--llm-accent)}.link[disabled]{color:var(--llm-fg2);cursor:default}.link:focus-visible{outline:2px solid var(--llm-focus)}
.sliders{display:flex;flex-wrap:wrap;gap:6px 28px;margin-top:10px}
.all{display:grid;grid-template-columns:34px minmax(0,240px) minmax(0,1fr);gap:14px 16px}.all .no{display:flex;flex-direction:column;align-items:center}.all .no i{display:flex;align-items:center;justify-content:center;width:22px;height:22px;border:1.5px solid var(--llm-mass-solid);border-radius:12px;font-style:normal;font-weight:600;font-size:11px;color:var(--llm-accent)}.all .no::after{content:"";flex:1;width:2px;background:var(--llm-mass-solid);margin-bottom:-14px}
.all .what>b{display:block;font:600 14px var(--llm-ui)}.all .what p{margin:4px 0;color:var(--llm-fg2)}
.said{font:19px/1.5 var(--llm-text);white-space:pre-wrap;overflow-wrap:anywhere}.said mark{background:var(--llm-mass-4);color:var(--llm-on);font-weight:600;border-radius:2px}.said i{display:inline-block;width:7px;height:1.1em;vertical-align:text-bottom;background:var(--llm-mass-solid);margin-left:2px}
.throws>div{display:grid;grid-template-columns:14px 84px 1fr 60px 44px;gap:8px;align-items:center;height:26px}.throws .on{font-weight:600}.throws .dot{width:9px;height:9px;border-radius:5px;background:var(--llm-heat-solid)}.throws .n{text-align:right}.throws .scale{position:relative}.throws .ring{position:absolute;top:-2px;width:8px;height:8px;border:2px solid var(--llm-fg);border-radius:7px;background:var(--llm-bg);transform:translateX(-50%)}
@container (max-width:640px){.path b,.path small{display:none}.all{grid-template-columns:30px minmax(0,1fr)}.all>:nth-child(3n){grid-column:2}}
@media print{.path,.nav,.sliders{display:none!important}}`;

export class WalkView extends InsideView {
  private readonly modes = new Choice('steps', ['Step by step', 'All steps'], n => this.setMode(n));
  private readonly tokens = picker('token', n => this.go(n, this.step));
  private readonly main = h('div', { tabindex: 0, role: 'group', 'aria-label': 'the walk' });
  private readonly way = new Way();
  private readonly figures;
  private mode = 0;
  private step = 0;

  constructor(look: Look, element: HTMLElement, host: LookHost) {
    super(element, STYLE);
    this.figures = new Stations(this.way, this.shell.root, () => this.draw());
    this.shell.root.append(
      h('div', { class: 'row' }, this.modes.element, h('label', {}, 'token ', this.tokens.element)),
      this.busy,
      this.main,
      this.end,
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
    this.update(look, host);
  }

  update(look: Look, host: LookHost): void {
    if (!this.take(look, host)) return this.draw();
    this.way.read(look);
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
        do: 'open',
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
      this.way.walked.map((each, n) => `${tokenWord(each.text)} ${n + 1} of ${this.way.walked.length}`),
      this.way.token,
    );
    if (this.mode) this.drawAll();
    else this.drawStep();
    this.end.replaceChildren(
      foot(
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
        this.way.look.model,
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
      this.figures.said(),
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
