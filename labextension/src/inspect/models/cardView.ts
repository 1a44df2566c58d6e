/** The card of a model: what its license asks, what it costs to run, and where it comes from. */

import type { InspectionRecord } from '../../protocol/inspection.js';
import { footer, needsKernel, onKeys } from '../../ui/controls.js';
import { copy, h, icon } from '../../ui/dom.js';
import { bytes, count, percent, visible } from '../../ui/format.js';
import { BaseInspectionView, type InspectionHost } from '../inspectionView.js';
import { STYLE } from './cardView.css.js';
import { type MemoryAt, memoryChart } from './memoryChart.js';
import { fields, languageName, type ModelRow, number, readRow, text } from './modelRow.js';
import { commercialClass, unknown } from './modelsView.js';

const TRAINING: [name: string, label: string][] = [
  ['texts', 'texts'],
  ['until', 'until'],
  ['languages', 'languages'],
  ['made_from', 'made from'],
];
/** Where the bar of a KL divergence ends, and where its colours change, in nats a token. */
const KL = [0.001, 0.01, 0.1];

interface Condition {
  question: string;
  answer: string;
  section: string;
}

export class CardView extends BaseInspectionView {
  private readonly main = h('div');
  private row!: ModelRow;

  constructor(record: InspectionRecord, element: HTMLElement, host: InspectionHost) {
    super(element, STYLE);
    this.shell.root.append(this.main, this.busy, this.footer);
    onKeys(this.shell.root, { c: () => copy(this.markdown()) });
    this.update(record, host);
  }

  update(record: InspectionRecord, host: InspectionHost): void {
    this.setRecord(record, host);
    this.row = readRow(record.head.row);
    const license = fields(record.head.license);
    this.main.replaceChildren(
      ...this.title(license),
      h(
        'div',
        { class: 'halves' },
        h('div', {}, ...this.conditions(license), ...this.training()),
        h('div', {}, ...this.memory(), ...this.precisions(), ...this.saving()),
      ),
    );
    const unknowns = this.main.querySelectorAll('.unknown').length;
    this.footer.replaceChildren(
      footer(
        [
          'sources: license, model card, config.json',
          h('span', {}, h('b', {}, count(unknowns)), ' things are unknown, and are not guessed'),
        ],
        [['C', 'copy']],
        { ...record.model, name: '' },
      ),
    );
  }

  private title(license: Record<string, unknown>): HTMLElement[] {
    const { row } = this;
    const fetchButton = h(
      'button',
      {
        class: 'button main',
        type: 'button',
        onclick: () => this.host.ask?.({ type: 'inspection.pull', name: row.name }),
      },
      `Fetch${Number.isFinite(row.fetch) ? ` ${bytes(row.fetch)}` : ''}`,
    );
    needsKernel(fetchButton, this.host);
    if (row.state === 'in use') fetchButton.hidden = true;
    const about = [
      visible(row.repository || row.name),
      this.record.model.revision && `revision ${visible(this.record.model.revision.slice(0, 12))}`,
      Number.isFinite(row.parameters) && `${(row.parameters / 1e9).toFixed(2)} B weights`,
      Number.isFinite(row.context) && `context ${count(row.context)}`,
      visible(row.goodFor),
    ];
    return [
      h(
        'div',
        { class: 'title' },
        h('h2', {}, visible(row.title)),
        h('span', { class: `chip ${commercialClass(row)}` }, visible(text(license.short) || 'unknown')),
        row.gated ? h('span', { class: 'chip unclear' }, 'gated') : '',
        h(
          'span',
          { class: 'right' },
          h(
            'button',
            { class: 'button', type: 'button', onclick: () => copy(this.markdown()) },
            icon('cell'),
            'Copy as Markdown',
          ),
          fetchButton,
        ),
      ),
      h('p', { class: 'about' }, about.filter(Boolean).join(' · ')),
    ];
  }

  private get list(): Condition[] {
    const raw = fields(this.record.head.license).conditions;
    return (Array.isArray(raw) ? raw : []).map(item => ({
      question: text(item?.question),
      answer: text(item?.answer),
      section: text(item?.section),
    }));
  }

  private conditions(license: Record<string, unknown>): HTMLElement[] {
    const rows = this.list.map(item =>
      h(
        'tr',
        {},
        h('th', { scope: 'row' }, visible(item.question)),
        h('td', {}, visible(item.answer)),
        h('td', { class: 'section' }, visible(item.section)),
      ),
    );
    const url = text(license.url);
    const link = /^https:\/\//.test(url)
      ? h('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, visible(url.slice(8)))
      : '';
    const read = text(license.read);
    return [
      h('h3', {}, 'License, as conditions'),
      rows.length
        ? h('table', {}, ...rows)
        : h('p', {}, 'commercial use: ', unknown('unknown'), '. No rule of a license is applied.'),
      h(
        'p',
        { class: 'fg2' },
        visible(text(license.name)),
        ...(link ? [', ', link] : []),
        ...(read ? [', ', h('b', {}, `read ${visible(read)}`)] : [', its text was not read']),
        '. A summary, not advice; the text decides.',
      ),
      text(license.source) ? h('p', { class: 'fg2' }, `from: ${visible(text(license.source))}`) : h('span'),
    ];
  }

  private training(): HTMLElement[] {
    const known = fields(this.record.head.training);
    const value = (name: string): HTMLElement | string =>
      name === 'languages' && this.row.languages.length
        ? this.row.languages.map(languageName).join(', ')
        : unknown(text(known[name]));
    return [
      h('h3', {}, 'What it was trained on'),
      h(
        'table',
        {},
        ...TRAINING.map(([name, label]) =>
          h('tr', {}, h('th', { scope: 'row' }, label), h('td', {}, value(name))),
        ),
      ),
    ];
  }

  private memory(): HTMLElement[] {
    const raw = this.record.head.contexts;
    const curve: MemoryAt[] = (Array.isArray(raw) ? raw : [])
      .map(item => ({ tokens: number(item?.tokens), bytes: number(item?.bytes) }))
      .filter(item => item.tokens > 0 && item.bytes > 0);
    const title = h('h3', {}, 'Memory by context ', h('small', {}, 'GB, tokens on a log axis'));
    const { memory } = this.row;
    if (!memory || !curve.length) return [title, h('p', {}, unknown('unknown'))];
    const free = number(this.record.head.free);
    const holder = h('div');
    holder.append(memoryChart(curve, free, memory.max_tokens));
    return [
      title,
      holder,
      h(
        'p',
        {},
        'Fits up to ',
        h('b', {}, count(memory.max_tokens)),
        ` of ${count(this.row.context)} tokens in ${bytes(free)}.`,
      ),
    ];
  }

  private precisions(): HTMLElement[] {
    const raw = this.record.head.precisions;
    const rows = (Array.isArray(raw) ? raw : []).map(item => {
      const kl = number(item?.kl);
      const same = number(item?.same);
      const bar = h(
        'span',
        { class: 'bar' },
        h('i', { class: `h${1 + KL.filter(edge => kl >= edge).length}` }),
      );
      bar.querySelector('i')!.style.width =
        `${Math.max(0, Math.min(1, 1 + Math.log10(kl / 0.1) / 3)) * 100}%`;
      return h(
        'tr',
        {},
        h('th', { scope: 'row' }, visible(text(item?.name))),
        h('td', { class: 'n' }, bytes(number(item?.bytes))),
        ...(Number.isFinite(kl)
          ? [
              h('td', { class: 'kl' }, bar, kl === 0 ? '0' : kl.toPrecision(2)),
              h('td', { class: 'n' }, percent(same)),
            ]
          : [h('td', { class: 'fg2', colspan: 2 }, 'not measured')]),
      );
    });
    if (!rows.length) return [];
    const head = ['precision', 'weights', 'KL to fp32, nats/token', 'same choice'];
    return [
      h('h3', {}, 'What precision costs'),
      h('table', {}, h('tr', {}, ...head.map(name => h('th', { scope: 'col' }, name))), ...rows),
    ];
  }

  private saving(): HTMLElement[] {
    const saving = fields(this.record.head.saving);
    const items = (name: string) =>
      (Array.isArray(saving[name]) ? (saving[name] as unknown[]) : []).map(item => visible(text(item)));
    const column = (title: string, mark: string, words: string[]) =>
      h(
        'div',
        {},
        h('h4', {}, title),
        h(
          'ul',
          { class: 'marks' },
          ...words.map(word => h('li', {}, h('span', { 'aria-hidden': 'true' }, mark), word)),
        ),
      );
    const left = items('left');
    return [
      h('h3', {}, 'If you save or publish what you made of it'),
      h(
        'div',
        { class: 'two' },
        column('save and merge do', '✓', items('done')),
        left.length ? column('left to you', '☐', left) : h('div'),
      ),
    ];
  }

  /** Twin: to_markdown() in models/catalog/card.py. */
  private markdown(): string {
    const license = fields(this.record.head.license);
    const rows = this.list.map(item => `| ${item.question} | ${item.answer} | ${item.section} |`);
    return [
      `# ${this.row.title}`,
      '',
      `License: [${text(license.name)}](${text(license.url)})`,
      '',
      '| question | answer | section |',
      '|---|---|---|',
      ...rows,
      '',
      'A summary, not advice; the text decides.',
      '',
    ].join('\n');
  }
}
