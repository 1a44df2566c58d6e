/** A corrected cell, as the difference that it makes. Nothing of it runs by itself. */

import { type InspectionRecord, numbersOf } from '../protocol/inspection.js';
import { footer, onKeys } from '../ui/controls.js';
import { copy, h, icon } from '../ui/dom.js';
import { visible } from '../ui/format.js';
import { STYLE } from './fixView.css.js';
import { BaseInspectionView, type CellState, type InspectionHost } from './inspectionView.js';

const WHY: Record<CellState, string> = {
  same: 'Put the corrected cell in its place; it is not run.',
  changed: 'cell %1 is another now',
  gone: 'cell %1 is not in this notebook any more',
};

export class FixView extends BaseInspectionView {
  private readonly lines = h('div', { class: 'lines', role: 'group', tabindex: 0 });
  private readonly actions = h('div', { class: 'row' });
  private readonly said = h('span', { class: 'fg2', role: 'status' });

  constructor(record: InspectionRecord, element: HTMLElement, host: InspectionHost) {
    super(element, STYLE);
    this.shell.root.append(this.lines, this.actions, this.footer);
    // The cell may have been edited since the view was drawn.
    this.actions.addEventListener('pointerenter', () => this.drawActions());
    onKeys(this.shell.root, { r: () => this.replace(), b: () => this.insert() });
    this.update(record, host);
  }

  update(record: InspectionRecord, host: InspectionHost): void {
    if (this.setRecord(record, host)) this.draw();
    this.drawActions();
  }

  private get number(): number {
    return Number(this.record.head.number) || 0;
  }

  private source(name: 'before' | 'after'): string {
    const text = this.record.head[name];
    return typeof text === 'string' ? text : '';
  }

  private draw(): void {
    const raw = Array.isArray(this.record.head.lines) ? this.record.head.lines : [];
    this.lines.setAttribute('aria-label', `what changes in cell ${this.number}`);
    this.lines.replaceChildren(
      ...raw.map(item => {
        const sign = ['-', '+', '@'].includes(item?.sign) ? String(item.sign) : ' ';
        const text = typeof item?.text === 'string' ? item.text : '';
        const name = { '-': 'gone', '+': 'come', '@': 'skip', ' ': '' }[sign];
        return h(
          'div',
          { class: `line ${name}` },
          h('span', { class: 'sign' }, sign === '-' ? '−' : sign),
          h('code', {}, ...marked(text, item?.marks)),
        );
      }),
    );
    this.footer.replaceChildren(
      footer(
        [`cell ${this.number}, corrected; nothing was run`],
        this.host.cells
          ? [
              ['R', 'replace'],
              ['B', 'below'],
            ]
          : [],
        this.record.model,
      ),
    );
  }

  private drawActions(): void {
    const { cells } = this.host;
    const state = cells?.state(this.number, this.source('before'));
    const button = (label: string, act: () => void, title: string, enabled = true) =>
      h('button', { class: 'button', type: 'button', title, disabled: !enabled, onclick: act }, label);
    const replaceable = state === 'same';
    const buttons: (HTMLElement | null)[] = [
      state
        ? button(
            'Replace the cell',
            () => this.replace(),
            WHY[state].replace('%1', String(this.number)),
            replaceable,
          )
        : null,
      cells
        ? button('Insert below', () => this.insert(), 'Put the corrected cell below; it is not run.')
        : null,
      button('Copy', () => copy(this.source('after')), 'Copy the corrected cell'),
    ];
    if (state && !replaceable) this.said.textContent = WHY[state].replace('%1', String(this.number));
    const shown = buttons.filter(item => item !== null);
    const first = shown[0];
    if (first && cells) first.prepend(icon('cell'));
    this.actions.replaceChildren(...shown, this.said);
  }

  private replace(): void {
    const { cells } = this.host;
    const done = cells?.replace(this.number, this.source('before'), this.source('after'));
    if (done) this.said.textContent = 'Replaced. Undo in the cell takes it back.';
    this.drawActions();
  }

  private insert(): void {
    this.host.cells?.insert([this.source('after')]);
  }
}

/** A line with the letters that changed marked. */
function marked(text: string, marks: unknown): (HTMLElement | string)[] {
  const parts: (HTMLElement | string)[] = [];
  let at = 0;
  for (const mark of Array.isArray(marks) ? marks : []) {
    // Places are in characters of Python: a pair of surrogates is one.
    const [begin = 0, end = 0] = numbersOf(mark);
    if (!(begin >= at && end > begin)) continue;
    parts.push(visible(slice(text, at, begin)), h('mark', {}, visible(slice(text, begin, end))));
    at = end;
  }
  return [...parts, visible(slice(text, at))];
}

const slice = (text: string, begin: number, end?: number): string => [...text].slice(begin, end).join('');
