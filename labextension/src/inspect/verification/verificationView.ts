/** The answers of a notebook, generated again: a row an answer, and what an answer that drifted became. */

import { arrayOf, type InspectionRecord } from '../../protocol/inspection.js';
import type { ModelInfo } from '../../protocol/record.js';
import { bold, footer, onKeys } from '../../ui/controls.js';
import { h } from '../../ui/dom.js';
import { count, fixed, plural, visible } from '../../ui/format.js';
import { BaseInspectionView } from '../inspectionView.js';
import { OpenRows } from '../openRows.js';
import { type Answer, type Pair, readAnswers, readModel, readPair } from '../sideBySide/answers.js';
import { TokenColumn } from '../sideBySide/tokenColumn.js';
import { weighedTable } from '../sideBySide/weighedTable.js';
import { STYLE } from './verificationView.css.js';

type Kind = 'equal' | 'close' | 'drifted' | 'not run';
const KINDS: Kind[] = ['equal', 'close', 'drifted', 'not run'];
const SIGNS: Record<Kind, string> = { equal: '=', close: '≈', drifted: '≠', 'not run': '–' };
const WORDS: Record<Kind, string> = {
  equal: 'bit-equal',
  close: 'within tolerance',
  drifted: 'drifted',
  'not run': 'not run',
};

interface Outcome {
  cell: string;
  asks: string;
  model: ModelInfo;
  precision: string;
  tokens: number;
  kind: Kind;
  told: string;
  /** The largest difference of equal tokens, in bits. */
  delta: number;
  /** Before and now, where it drifted. */
  answers: Answer[];
  pair: Pair;
}

export class VerificationView extends BaseInspectionView {
  private readonly head = h('div', { class: 'row totals' });
  private readonly list = h('div', { class: 'list', role: 'treegrid', 'aria-label': 'answers' });
  private outcomes: Outcome[] = [];
  private readonly cursor = new OpenRows(
    this.list,
    () => this.outcomes.length,
    () => this.draw(),
    n => this.outcomes[n]?.answers.length === 2,
  );

  constructor(record: InspectionRecord, element: HTMLElement) {
    super(element, STYLE);
    this.shell.root.append(this.head, this.list, this.footer);
    onKeys(this.shell.root, {
      ...this.cursor.keys,
      n: () => this.goToDrift(),
    });
    this.update(record);
  }

  update(record: InspectionRecord): void {
    if (!this.setRecord(record)) return;
    const logprobs = arrayOf(record, 'logprob', 1).data;
    let begin = 0;
    const raw = Array.isArray(record.head.outcomes) ? record.head.outcomes : [];
    this.outcomes = raw.map(item => {
      const answers = readAnswers(item?.answers, logprobs, begin);
      begin += answers.reduce((sum, answer) => sum + answer.texts.length, 0);
      const kind = KINDS.find(name => name === item?.kind) ?? 'not run';
      return {
        cell: String(item?.cell ?? ''),
        asks: String(item?.asks ?? ''),
        model: readModel(item?.model),
        precision: String(item?.precision ?? ''),
        tokens: Number(item?.tokens) || 0,
        kind,
        told: String(item?.told ?? ''),
        delta: Number(item?.delta) || 0,
        answers,
        pair: readPair(item?.pair),
      };
    });
    this.draw();
  }

  private draw(): void {
    const counts = KINDS.map(kind => this.outcomes.filter(item => item.kind === kind).length);
    const words = KINDS.flatMap((kind, n) => (counts[n] ? [`${counts[n]} ${WORDS[kind]}`] : []));
    const parts = KINDS.map((kind, n) =>
      counts[n]
        ? h(
            'span',
            { class: `part ${name(kind)}`, style: `flex:${counts[n]}` },
            `${SIGNS[kind]} ${counts[n]}`,
          )
        : null,
    );
    const many = this.outcomes.length;
    this.head.replaceChildren(
      h('b', {}, `${count(many)} ${many === 1 ? 'answer' : 'answers'}`),
      h('span', { class: 'stack', role: 'img', 'aria-label': words.join(', ') }, ...parts),
      h('span', { class: 'fg2' }, visible(String(this.record.head.path ?? ''))),
    );
    const labels = ['', 'cell', 'asks', 'model', 'precision', 'tokens', 'outcome', 'largest Δ, bits', ''];
    const header = h(
      'div',
      { class: 'line head', role: 'row' },
      ...labels.map(label => h('span', { role: label ? 'columnheader' : 'cell' }, label)),
    );
    this.list.replaceChildren(header, ...this.outcomes.flatMap((item, n) => this.row(item, n)));
    if (!many) this.list.replaceChildren('The notebook has no answers.');
    const tokens = this.outcomes.reduce((sum, item) => sum + item.tokens, 0);
    const seconds = Number(this.record.head.seconds);
    this.footer.replaceChildren(
      footer(
        [
          bold(count(tokens), ` ${plural(tokens, 'token').trim()} again in ${fixed(seconds, 1)} s`),
          'equal: every bit that a notebook keeps',
          'tolerance 0.007 bits',
        ],
        [
          ['↑ ↓', 'cell'],
          ['⏎', 'open'],
          ['N', 'next drift'],
        ],
        { ...this.record.model, name: '' },
      ),
    );
  }

  private row(item: Outcome, n: number): HTMLElement[] {
    const opens = item.answers.length === 2;
    const changed = item.precision && item.precision !== item.model.precision;
    const precision = changed ? `${item.model.precision} → ${item.precision}` : item.model.precision;
    const cells = [
      h('span', { 'aria-hidden': 'true' }, opens ? (this.cursor.open === n ? '⌄' : '›') : ''),
      h('span', { class: 'mono' }, `[${visible(item.cell)}]`),
      h('span', { class: 'asks', title: visible(item.asks) }, visible(item.asks)),
      h('span', { class: 'model', title: visible(item.model.name) }, visible(item.model.name)),
      h('span', {}, visible(precision)),
      h('span', { class: 'n' }, item.tokens ? count(item.tokens) : '–'),
      h(
        'span',
        { class: `outcome ${name(item.kind)}` },
        h('b', {}, SIGNS[item.kind]),
        ` ${WORDS[item.kind]}`,
      ),
      h('span', { class: 'n' }, item.kind === 'not run' ? '–' : item.delta ? fixed(item.delta, 4) : '0'),
      h('span', { class: 'told', title: visible(item.told) }, visible(item.told)),
    ];
    for (const cell of cells) cell.setAttribute('role', 'gridcell');
    const line = h(
      'div',
      {
        class: `line${this.cursor.open === n ? ' opened' : ''}`,
        role: 'row',
        tabindex: n === this.cursor.at ? 0 : -1,
        'aria-expanded': opens ? String(this.cursor.open === n) : undefined,
        onclick: () => this.cursor.toggle(n),
      },
      ...cells,
    );
    return this.cursor.open === n && opens ? [line, this.details(item)] : [line];
  }

  private details(item: Outcome): HTMLElement {
    const [before, now] = item.answers as [Answer, Answer];
    const { pair } = item;
    const say = h('div', { class: 'say', 'aria-live': 'polite' });
    const sections = [before, now].map((answer, side) => {
      const column = new TokenColumn(n => {
        say.textContent = column.mark(n);
      });
      const token = pair.token[side]!;
      column.show(answer, pair.common[side]!, token ? token - 1 : undefined, 'surprisal');
      const changed = side && before.model.precision !== now.model.precision;
      const title = [
        side ? 'now' : 'record',
        answer.model.precision,
        changed ? 'the precision is another' : '',
      ];
      return h(
        'section',
        { class: `column ${'ab'[side]}` },
        h('small', {}, title.filter(Boolean).map(visible).join(' · ')),
        column.text,
        column.map,
      );
    });
    const chosen = [before, now].map((answer, side) => answer.texts[pair.token[side]! - 1]);
    return h(
      'div',
      { class: 'details', role: 'row' },
      h(
        'div',
        { role: 'gridcell' },
        h(
          'div',
          { class: 'common' },
          h('small', {}, `the same · ${count(pair.common[0])}${plural(pair.common[0], 'token')}`),
          h('p', {}, visible(before.texts.slice(0, pair.common[0]).join(''))),
        ),
        h('div', { class: 'columns' }, ...sections),
        say,
        pair.next.length ? weighedTable(pair, chosen, ['record', 'now']) : null,
        h('p', { class: 'fg2' }, visible(pair.sentence)),
      ),
    );
  }

  private goToDrift(): void {
    const many = this.outcomes.length;
    for (let step = 1; step <= many; step++) {
      const n = (this.cursor.at + step) % many;
      if (this.outcomes[n]!.kind !== 'drifted') continue;
      this.cursor.at = n;
      if (this.cursor.open !== n) return this.cursor.toggle(n);
      return this.cursor.go(n);
    }
  }
}

const name = (kind: Kind): string => kind.replace(' ', '-');
