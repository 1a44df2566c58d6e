/** The models that have a name, as a table: what may be used, what fits, how fast it is. */

import type { InspectionRecord } from '../../protocol/inspection.js';
import { footer, needsKernel, onKeys, RadioGroup, select, textInput } from '../../ui/controls.js';
import { h } from '../../ui/dom.js';
import { bytes, count, fixed, visible } from '../../ui/format.js';
import { BaseInspectionView, type InspectionHost } from '../inspectionView.js';
import { matches } from './filter.js';
import { fields, languageName, type ModelRow, number, readRow, text } from './modelRow.js';
import { STYLE } from './modelsView.css.js';

const COLUMNS: [label: string, order: (row: ModelRow) => number | string][] = [
  ['model', row => row.title.toLowerCase()],
  ['license', row => row.license.short.toLowerCase()],
  ['commercial', row => ['yes', 'on terms', 'no'].indexOf(row.license.commercial) & 3],
  ['it asks for', row => row.license.asks],
  ['fetch', row => row.fetch],
  ['memory', row => row.memory?.expected ?? Number.NaN],
  ['tok/s', row => -(row.speed?.value ?? Number.NaN)],
  ['context', row => -row.context],
  ['', row => (row.state ? 0 : 1)],
];
const KINDS = ['', 'fits', 'cached'];

export class ModelsView extends BaseInspectionView {
  private readonly kinds = new RadioGroup('which', ['All', 'Fits here', 'In the cache'], n => this.choose(n));
  private readonly license = select('license', () => this.draw());
  private readonly language = select('language', () => this.draw());
  private readonly find = textInput('search', 'Name, < 2 GB, > 20 tok/s', 'Find a model');
  private readonly about = h('p', { class: 'about' });
  private readonly table = h('div', { role: 'treegrid', 'aria-label': 'models' });
  private rows: ModelRow[] = [];
  private shown: ModelRow[] = [];
  private kind = 0;
  private order = 5;
  private opened = '';
  private current = '';
  private licenses: string[] = [];
  private languages: string[] = [];

  constructor(record: InspectionRecord, element: HTMLElement, host: InspectionHost) {
    super(element, STYLE);
    this.find.addEventListener('input', () => this.draw());
    this.shell.root.append(
      h(
        'div',
        { class: 'row' },
        this.kinds.element,
        this.license.element,
        this.language.element,
        h('span', { class: 'right' }, this.find),
      ),
      this.about,
      this.busy,
      this.table,
      this.footer,
    );
    onKeys(this.shell.root, {
      f: () => this.choose(this.kind === 1 ? 0 : 1),
      '/': () => this.find.focus(),
      c: () => this.current && this.card(this.current),
    });
    onKeys(this.table, {
      ArrowDown: () => this.move(1),
      ArrowUp: () => this.move(-1),
      Home: () => this.move(-this.shown.length),
      End: () => this.move(this.shown.length),
      ArrowRight: () => this.open(this.current),
      ArrowLeft: () => this.open(''),
      Escape: () => this.open(''),
      Enter: () => this.open(this.opened === this.current ? '' : this.current),
    });
    this.update(record, host);
  }

  update(record: InspectionRecord, host: InspectionHost): void {
    if (this.setRecord(record, host)) {
      const raw = Array.isArray(record.head.rows) ? record.head.rows : [];
      this.rows = raw.map(readRow);
      this.licenses = [...new Set(this.rows.map(row => row.license.short))].sort();
      this.languages = [...new Set(this.rows.flatMap(row => row.languages))].sort();
      this.license.set(['license: any', ...this.licenses.map(visible)], 0);
      this.language.set(['language: any', ...this.languages.map(code => visible(languageName(code)))], 0);
    }
    this.draw();
  }

  private choose(kind: number): void {
    this.kind = kind;
    this.kinds.show(kind);
    this.draw();
  }

  private move(by: number): void {
    const at = this.shown.findIndex(row => row.name === this.current);
    const next = this.shown[Math.max(0, Math.min(this.shown.length - 1, at + by))];
    if (!next) return;
    this.current = next.name;
    this.draw();
    const element = this.table.querySelector<HTMLElement>('[role=row][tabindex="0"]');
    element?.focus({ preventScroll: true });
    element?.scrollIntoView({ block: 'nearest' });
  }

  private setCurrent(name: string): void {
    this.current = name;
    for (const [n, element] of [...this.table.querySelectorAll<HTMLElement>('.line')].entries())
      element.tabIndex = this.shown[n]?.name === name ? 0 : -1;
  }

  private open(name: string): void {
    this.opened = name;
    this.draw();
    this.table.querySelector<HTMLElement>('[role=row][tabindex="0"]')?.focus({ preventScroll: true });
  }

  private card(name: string): void {
    if (this.host.ask && !this.host.busy) this.host.ask({ type: 'inspection.open', view: 'card', name });
  }

  private draw(): void {
    const { head } = this.record;
    const license = this.licenses[this.license.element.selectedIndex - 1];
    const language = this.languages[this.language.element.selectedIndex - 1];
    const words = `${KINDS[this.kind]} ${this.find.value}`;
    const key = COLUMNS[this.order]![1];
    this.shown = this.rows
      .filter(row => (license === undefined || row.license.short === license) && matches(row, words))
      .filter(row => language === undefined || row.languages.includes(language))
      .map((row, n) => ({ row, n, key: key(row) }))
      .sort((a, b) => compare(a.key, b.key) || a.n - b.n)
      .map(item => item.row);
    if (!this.shown.some(row => row.name === this.current)) this.current = this.shown[0]?.name ?? '';
    for (const [n, button] of [...this.kinds.element.children].entries())
      button.textContent = `${['All', 'Fits here', 'In the cache'][n]} ${this.rows.filter(row => matches(row, KINDS[n]!)).length}`;
    this.drawAbout();
    this.table.replaceChildren(
      this.header(),
      ...this.shown.flatMap(row => this.drawRow(row)),
      this.shown.length ? '' : h('p', { class: 'empty' }, 'No model matches. Choose All, or other words.'),
    );
    const cached = this.rows.filter(row => row.state).length;
    this.footer.replaceChildren(
      footer(
        [
          h('span', {}, h('b', {}, count(this.rows.length)), ' models'),
          h('span', {}, h('b', {}, count(cached)), ' in the cache'),
          h('span', {}, 'a summary of licenses, not advice'),
          h('span', {}, text(head.date).slice(0, 10)),
        ],
        [
          ['↑ ↓', 'model'],
          ['⏎', 'open'],
          ['/', 'find'],
          ['F', 'fits here'],
          ['C', 'card'],
        ],
        { ...this.record.model, name: '' },
      ),
    );
  }

  private drawAbout(): void {
    const machine = fields(this.record.head.machine);
    const cores = number(machine.cores);
    const parts = [
      `This machine: ${count(cores)} core${cores === 1 ? '' : 's'}, ${bytes(number(machine.free))} free`,
    ];
    const rate = number(machine.rate);
    if (Number.isFinite(rate)) parts.push(`reads ${(rate / 1e9).toFixed(0)} GB/s of weights`);
    const button = h(
      'button',
      { class: 'link', type: 'button', onclick: () => this.host.ask?.({ type: 'inspection.measure' }) },
      'measure it, 2 s',
    );
    needsKernel(button, this.host);
    this.about.replaceChildren(
      `${parts.join(', ')}. `,
      ...(Number.isFinite(rate)
        ? [h('b', {}, 'Bold'), ' speeds were measured here, ≈ is expected from that.']
        : ['Speed is not measured: ', button, '.']),
    );
  }

  private header(): HTMLElement {
    const cells = COLUMNS.map(([label], n) => {
      const name = label === 'memory' ? `memory, ${count(number(this.record.head.context))} tokens` : label;
      const sorted = n === this.order;
      const button = h(
        'button',
        { type: 'button', class: 'sort', onclick: () => this.sort(n) },
        name,
        sorted && name ? ' ▴' : '',
      );
      return h(
        'span',
        { role: 'columnheader', class: `c${n}`, 'aria-sort': sorted ? 'ascending' : 'none' },
        name ? button : '',
      );
    });
    return h('div', { role: 'row', class: 'head' }, ...cells);
  }

  private sort(n: number): void {
    this.order = n;
    this.draw();
  }

  private drawRow(row: ModelRow): HTMLElement[] {
    const open = row.name === this.opened;
    const { memory, speed } = row;
    const free = number(fields(this.record.head.machine).free);
    const share = memory ? memory.expected / free : 0;
    const bar = h('span', { class: `bar ${memory?.verdict.replace(' ', '-') ?? ''}` }, h('i'));
    bar.querySelector('i')!.style.width = `${Math.min(1, share) * 100}%`;
    const [first, ...rest] = visible(row.title).split(/ (?=[\d.]+[MB×]|[EM]\d)/);
    const cells: (HTMLElement | string)[][] = [
      [
        h('span', { class: 'chevron', 'aria-hidden': 'true' }),
        h('b', {}, first!),
        rest.length ? ` ${rest.join(' ')}` : '',
      ],
      [h('span', { class: `chip ${commercialClass(row)}` }, visible(row.license.short))],
      [h('span', { class: commercialClass(row) }, unknown(row.license.commercial))],
      [unknown(row.license.asks), row.gated ? h('span', { class: 'gated' }, 'gated') : ''],
      [Number.isFinite(row.fetch) ? `${row.fetchKnown ? '' : '≈ '}${bytes(row.fetch)}` : unknown('unknown')],
      memory ? [h('span', {}, bytes(memory.expected)), bar, verdict(memory.verdict)] : [unknown('unknown')],
      [speed ? (speed.measured ? h('b', {}, speedText(speed.value)) : `≈ ${speedText(speed.value)}`) : '–'],
      [Number.isFinite(row.context) ? count(row.context) : unknown('unknown')],
      [row.state ? h('span', { class: `state ${row.state.replace(/ /g, '-')}` }, row.state) : ''],
    ];
    const main = h(
      'div',
      {
        role: 'row',
        class: `line${open ? ' open' : ''}${memory?.verdict === 'too large' ? ' large' : ''}`,
        'aria-expanded': String(open),
        'aria-level': 1,
        tabindex: row.name === this.current ? 0 : -1,
        onfocus: () => this.setCurrent(row.name),
        onclick: () => {
          this.current = row.name;
          this.open(open ? '' : row.name);
        },
      },
      ...cells.map((cell, n) => h('span', { role: 'gridcell', class: `c${n}` }, ...cell)),
    );
    return open ? [main, this.details(row)] : [main];
  }

  private details(row: ModelRow): HTMLElement {
    const { memory } = row;
    const list = (title: string, items: string[]) =>
      items.length ? [h('h4', {}, title), h('ul', {}, ...items.map(item => h('li', {}, visible(item))))] : [];
    const fetchButton = h(
      'button',
      {
        class: 'button main',
        type: 'button',
        onclick: () => this.host.ask?.({ type: 'inspection.pull', name: row.name }),
      },
      row.state ? 'Fetch again' : `Fetch${Number.isFinite(row.fetch) ? ` ${bytes(row.fetch)}` : ''}`,
    );
    const cardButton = h(
      'button',
      { class: 'button', type: 'button', onclick: () => this.card(row.name) },
      'Card',
    );
    needsKernel(fetchButton, this.host);
    needsKernel(cardButton, this.host);
    const free = number(fields(this.record.head.machine).free);
    return h(
      'div',
      { role: 'row', class: 'details', 'aria-level': 2 },
      h(
        'div',
        { role: 'gridcell', class: 'parts' },
        h(
          'div',
          {},
          ...list('You may', row.license.may),
          ...list('You must', row.license.must),
          row.license.may.length ? '' : h('p', {}, 'commercial use: ', unknown('unknown')),
        ),
        h('div', {}, ...(memory ? memoryParts(memory, free, row.context) : ['memory: ', unknown('unknown')])),
        h(
          'div',
          {},
          h('h4', {}, 'Languages'),
          h('p', {}, row.languages.length ? row.languages.map(languageName).join(', ') : unknown('unknown')),
          h('h4', {}, 'Good for'),
          h('p', {}, visible(row.goodFor)),
          h('p', { class: 'fg2' }, visible(row.repository)),
        ),
        h(
          'div',
          { class: 'actions' },
          fetchButton,
          cardButton,
          row.gated
            ? h('p', { class: 'fg2' }, 'gated: agree on its page, then set ', h('code', {}, 'HF_TOKEN'))
            : '',
        ),
      ),
    );
  }
}

function memoryParts(
  memory: { weights: number; cache: number; working: number; max_tokens: number },
  free: number,
  context: number,
): HTMLElement[] {
  const part = (name: string, size: number, kind: string): [HTMLElement, HTMLElement] => {
    const bar = h('i', { class: kind });
    bar.style.width = `${Math.min(100, (100 * size) / free)}%`;
    return [bar, h('span', {}, h('i', { class: `swatch ${kind}` }), `${name} ${bytes(size)}`)];
  };
  const parts = [
    part('weights', memory.weights, 'm4'),
    part('cache', memory.cache, 'solid'),
    part('work', memory.working, 'work'),
  ];
  return [
    h('h4', {}, `Memory, of ${bytes(free)} free`),
    h('div', { class: 'stack', 'aria-hidden': 'true' }, ...parts.map(item => item[0])),
    h('p', { class: 'legend-row' }, ...parts.map(item => item[1])),
    h('h4', {}, 'Fits up to'),
    h('p', {}, h('b', {}, count(memory.max_tokens)), ` tokens of ${count(context)}`),
  ];
}

export function unknown(value: string): HTMLElement | string {
  return value && value !== 'unknown' ? visible(value) : h('span', { class: 'unknown' }, 'unknown');
}

export function commercialClass(row: ModelRow): string {
  return { yes: 'yes', 'on terms': 'terms', no: 'no' }[row.license.commercial] ?? 'unclear';
}

const verdict = (value: string): HTMLElement | string =>
  value === 'fits' ? '' : h('small', {}, value === 'tight' ? 'tight' : 'too large');
const speedText = (value: number): string => (value >= 20 ? count(value) : fixed(value, 1));

/** What is not known comes last. */
function compare(a: number | string, b: number | string): number {
  if (typeof a === 'string' || typeof b === 'string') return String(a).localeCompare(String(b));
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a - b;
}
