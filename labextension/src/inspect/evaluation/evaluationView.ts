/** Models on a task: their accuracies with intervals, and the items in which they differ, token by token. */

import { arrayOf, type InspectionRecord, numbersOf, textsOf } from '../../protocol/inspection.js';
import { bold, footer, onKeys, stepAt } from '../../ui/controls.js';
import { h } from '../../ui/dom.js';
import {
  bits,
  count,
  fixed,
  percent,
  probability,
  shareOf,
  signed,
  tokenWord,
  visible,
} from '../../ui/format.js';
import { BaseInspectionView } from '../inspectionView.js';
import { OpenRows } from '../openRows.js';
import { STYLE } from './evaluationView.css.js';

interface ModelRow {
  name: string;
  /** What tells it from the others, where their names are equal. */
  short: string;
  accuracy: number;
  bounds: [number, number];
  byLetter: number;
  difference: [number, number, number] | undefined;
}

/** A choice as one model reads it. */
interface Reading {
  texts: string[];
  logprobs: ArrayLike<number>;
  total: number;
}

interface Item {
  number: number;
  context: string;
  choices: string[];
  gold: number[];
  picks: number[];
  /** Of each model, of each choice. */
  readings: Reading[][];
}

const EDGES = [1, 2, 3, 5, 8];
const MOST_SHOWN = 400;

export class EvaluationView extends BaseInspectionView {
  private readonly head = h('div', { class: 'row' });
  private readonly table = h('table', { class: 'models' });
  private readonly title = h('h4', {});
  private readonly list = h('div', { class: 'list', role: 'treegrid', 'aria-label': 'items' });
  private models: ModelRow[] = [];
  private items: Item[] = [];
  private readonly cursor = new OpenRows(
    this.list,
    () => this.items.length,
    () => this.drawItems(),
  );

  constructor(record: InspectionRecord, element: HTMLElement) {
    super(element, STYLE);
    this.shell.root.append(this.head, this.table, this.title, this.list, this.footer);
    onKeys(this.shell.root, {
      ...this.cursor.keys,
    });
    this.update(record);
  }

  update(record: InspectionRecord): void {
    if (!this.setRecord(record)) return;
    const list = (value: unknown): Record<string, unknown>[] =>
      (Array.isArray(value) ? value : []).map(item => (typeof item === 'object' && item ? item : {}));
    const rows = list(record.head.models);
    const nameOf = (item: Record<string, unknown>) => (item.model as { name?: unknown } | undefined)?.name;
    const same = rows.length > 1 && rows.every(item => nameOf(item) === nameOf(rows[0]!));
    this.models = rows.map(item => {
      const model = (typeof item.model === 'object' && item.model ? item.model : {}) as Record<
        string,
        unknown
      >;
      const [low = 0, high = 1] = numbersOf(item.acc_bounds).map(shareOf);
      const [shift, from, to] = numbersOf(item.difference);
      const name = [model.name, model.precision].filter(Boolean).map(String).join(', ');
      return {
        name: visible(name),
        short: visible(String((same ? model.precision : model.name) ?? '')),
        accuracy: shareOf(item.acc),
        bounds: [low, high],
        byLetter: shareOf(item.acc_norm),
        difference:
          shift === undefined || from === undefined || to === undefined ? undefined : [shift, from, to],
      };
    });
    const logprobs = arrayOf(record, 'logprob', 1).data;
    let begin = 0;
    const reading = (texts: string[]): Reading => {
      const part = Array.from(logprobs.slice(begin, begin + texts.length));
      begin += texts.length;
      return { texts, logprobs: part, total: part.reduce((sum, value) => sum + value, 0) };
    };
    this.items = list(record.head.items)
      .slice(0, MOST_SHOWN)
      .map(item => ({
        number: Number(item.number) || 0,
        context: String(item.context ?? ''),
        choices: textsOf(item.choices),
        gold: numbersOf(item.gold),
        picks: numbersOf(item.picks),
        readings: (Array.isArray(item.texts) ? item.texts : []).map(choices =>
          (Array.isArray(choices) ? choices : []).map(texts => reading(textsOf(texts))),
        ),
      }));
    this.draw();
  }

  private draw(): void {
    const total = Number(this.record.head.total) || 0;
    this.head.replaceChildren(
      h('b', {}, visible(String(this.record.head.task ?? ''))),
      h('span', { class: 'tag' }, `${count(total)} items`),
    );
    const labels = ['model', 'accuracy', '', '95 % interval', 'by letter', 'difference, points'];
    this.table.replaceChildren(
      h('thead', {}, h('tr', {}, ...labels.map((label, n) => this.columnHead(label, n)))),
      h('tbody', {}, ...this.models.map(model => this.modelRow(model))),
    );
    const several = this.models.length > 1;
    this.title.replaceChildren(
      'Items',
      h('small', {}, several ? ' the most different first' : ' the surest mistakes first'),
    );
    this.drawItems();
    this.footer.replaceChildren(
      footer(
        [
          bold(count(total), ' items'),
          'by letter: the logprob over the letters of a choice',
          ...(several ? ['difference: paired, Agresti and Min 2005'] : []),
        ],
        [
          ['↑ ↓', 'item'],
          ['⏎', 'open'],
        ],
        this.record.model,
      ),
    );
  }

  private columnHead(label: string, n: number): HTMLElement {
    const wide = n === 2 || n === 3 ? 'wide' : '';
    return label ? h('th', { class: wide, scope: 'col' }, label) : h('td', { class: wide });
  }

  private modelRow(model: ModelRow): HTMLElement {
    const [low, high] = model.bounds;
    const line = h('i');
    line.style.left = `${100 * low}%`;
    line.style.width = `${100 * (high - low)}%`;
    const point = h('b');
    point.style.left = `${100 * model.accuracy}%`;
    const told = `${percent(low)} to ${percent(high)}`;
    const difference = model.difference?.map(value => 100 * value);
    return h(
      'tr',
      {},
      h('td', {}, model.name),
      h('td', {}, h('b', {}, percent(model.accuracy))),
      h(
        'td',
        { class: 'wide' },
        h('span', { class: 'interval', role: 'img', 'aria-label': `interval ${told}` }, line, point),
      ),
      h('td', { class: 'wide' }, told),
      h('td', {}, percent(model.byLetter)),
      h(
        'td',
        {},
        difference
          ? `${signed(difference[0]!, 1)} [${signed(difference[1]!, 1)}, ${signed(difference[2]!, 1)}]`
          : '',
      ),
    );
  }

  private drawItems(): void {
    this.list.style.setProperty('--n', String(Math.max(this.models.length, 1)));
    const labels = ['', 'question', ...this.models.map(model => model.short), 'right'];
    const header = h(
      'div',
      { class: 'line head', role: 'row' },
      ...labels.map(label => h('span', { role: label ? 'columnheader' : 'cell', title: label }, label)),
    );
    this.list.replaceChildren(header, ...this.items.flatMap((item, n) => this.row(item, n)));
  }

  private row(item: Item, n: number): HTMLElement[] {
    const choice = (place: number | undefined): string => visible(item.choices[place ?? -1] ?? '–');
    const cells = [
      h('span', { class: 'fg2' }, count(item.number)),
      h('span', { class: 'text' }, h('bdi', {}, visible(item.context.slice(-300)))),
      ...this.models.map((_, m) => {
        const pick = item.picks[m];
        const isRight = pick !== undefined && item.gold.includes(pick);
        const title = `${choice(pick)}, ${isRight ? 'right' : 'wrong'}`;
        return h(
          'span',
          { class: isRight ? 'right' : 'wrong', title },
          `${isRight ? '✓' : '✗'} ${choice(pick)}`,
        );
      }),
      h('span', { class: 'fg2' }, item.gold.map(choice).join(', ')),
    ];
    for (const cell of cells) cell.setAttribute('role', 'gridcell');
    const line = h(
      'div',
      {
        class: 'line',
        role: 'row',
        tabindex: n === this.cursor.at ? 0 : -1,
        'aria-expanded': String(this.cursor.open === n),
        onclick: () => this.cursor.toggle(n),
      },
      ...cells,
    );
    return this.cursor.open === n ? [line, this.details(item)] : [line];
  }

  /** The question, and each choice in its tokens as each model reads it. */
  private details(item: Item): HTMLElement {
    const rows = item.readings.flatMap((readings, m) => {
      const most = Math.max(...readings.map(reading => reading.total));
      const sum = readings.reduce((all, reading) => all + Math.exp(reading.total - most), 0);
      return readings.map((reading, choice) => {
        const mark = item.gold.includes(choice) ? '✓' : '';
        const share = Math.exp(reading.total - most) / sum;
        return h(
          'tr',
          {},
          h('td', { title: this.models[m]?.name ?? '' }, this.models[m]?.short ?? ''),
          h('td', {}, mark),
          h('td', {}, item.picks[m] === choice ? h('b', {}, percent(share)) : percent(share)),
          h('td', { class: 'n' }, fixed(reading.total, 2)),
          h('td', {}, ...reading.texts.map((text, n) => piece(text, reading.logprobs[n] ?? 0))),
        );
      });
    });
    const heads = ['model', 'right', 'share', 'nats', 'tokens; the darker, the less expected'];
    return h(
      'div',
      { class: 'details', role: 'row' },
      h(
        'div',
        { role: 'gridcell' },
        h('pre', { tabindex: 0 }, visible(item.context)),
        h(
          'table',
          { class: 'choices' },
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              ...heads.map((name, n) => h('th', { class: n === 3 ? 'n' : '', scope: 'col' }, name)),
            ),
          ),
          h('tbody', {}, ...rows),
        ),
      ),
    );
  }
}

function piece(text: string, logprob: number): HTMLElement {
  const surprise = bits(-logprob);
  const title = `${percent(probability(logprob))}, ${fixed(surprise, 2)} bits`;
  return h('code', { class: `h${stepAt(EDGES, surprise)}`, title }, tokenWord(text));
}
