/** A run over many rows: how far it is, what came of it, and how often it was right. */

import { type InspectionRecord, numbersOf, textsOf } from '../../protocol/inspection.js';
import { bar, bold, columnHead, footer, onKeys } from '../../ui/controls.js';
import { h, icon } from '../../ui/dom.js';
import { count, fixed, percent, plural, shareOf, visible } from '../../ui/format.js';
import { BaseInspectionView, type InspectionHost } from '../inspectionView.js';
import { SHARE_STACK_STYLE } from '../shareStack.css.js';
import { shareStack } from '../shareStack.js';
import { rateCurve, workersTable } from './progress.js';
import { STYLE } from './rowsView.css.js';
import { calibrationText, confusionTable, reliabilityPlot } from './scores.js';

const STATES: Record<string, string> = {
  running: 'Answering',
  done: 'Answered',
  stopped: 'Stopped: run the cell again to continue',
};

export class RowsView extends BaseInspectionView {
  private readonly head = h('div', { class: 'row title' });
  private readonly progress = h('div', { class: 'progress' });
  private readonly main = h('div', { class: 'grid' });
  private readonly tables = h('div');
  private readonly stop = h(
    'button',
    { class: 'button', type: 'button', onclick: () => this.host.interrupt?.() },
    icon('stop'),
    'Stop and keep',
  );

  constructor(record: InspectionRecord, element: HTMLElement, host: InspectionHost) {
    super(element, SHARE_STACK_STYLE + STYLE);
    this.shell.root.append(this.head, this.progress, this.main, this.tables, this.footer);
    onKeys(this.shell.root, { Escape: () => !this.stop.hidden && this.host.interrupt?.() });
    this.update(record, host);
  }

  update(record: InspectionRecord, host: InspectionHost): void {
    if (this.setRecord(record, host)) this.draw();
    this.stop.hidden = record.head.state !== 'running' || !host.interrupt;
  }

  private number(name: string): number {
    return Math.max(0, Number(this.record.head[name]) || 0);
  }

  private draw(): void {
    const { head } = this.record;
    const state = String(head.state ?? '');
    const done = this.number('done');
    const total = this.number('total');
    const failed = this.number('failed');
    const seconds = this.number('seconds');
    const rate = seconds ? done / seconds : 0;
    const left = state === 'running' && rate > 0 ? ` · about ${duration((total - done) / rate)} left` : '';
    this.head.replaceChildren(
      h('span', { class: `dot ${state === 'running' ? 'live' : ''}`, 'aria-hidden': 'true' }, '●'),
      h('b', {}, STATES[state] ?? state),
      h('span', { class: 'tag' }, `${visible(String(head.source ?? ''))} · ${count(total)} rows`),
      h('span', { class: 'right' }, this.stop),
    );
    const part = (name: string, share: number) => {
      const element = h('i', { class: name });
      element.style.width = `${100 * Math.max(0, Math.min(1, share))}%`;
      return element;
    };
    this.progress.replaceChildren(
      h(
        'div',
        { class: 'row small' },
        h('span', {}, h('b', {}, count(done)), ` of ${count(total)} rows`),
        h('span', { class: 'right' }, `${fixed(rate, 1)} rows/s · ${duration(seconds)}${left}`),
      ),
      h(
        'div',
        {
          class: 'track',
          role: 'progressbar',
          'aria-valuemin': 0,
          'aria-valuemax': total,
          'aria-valuenow': done,
          'aria-label': 'rows',
        },
        part(state === 'stopped' ? 'grey' : 'good', (done - failed) / Math.max(total, 1)),
        part('bad', failed / Math.max(total, 1)),
      ),
      h(
        'div',
        { class: 'row small fg2' },
        failed ? h('span', {}, `${count(failed)} with an error; the others go on`) : null,
        h('span', {}, 'each finished row is kept: a stop or a crash loses nothing'),
      ),
    );
    const curve = rateCurve(head.rate);
    if (curve) this.progress.append(curve);
    this.main.replaceChildren(...this.labels(), ...this.accuracy(), ...this.scores());
    this.tables.replaceChildren(
      ...workersTable(head.workers, this.number('more_workers'), state === 'running'),
      ...this.table('First results', head.first),
      ...this.table('Least sure', head.least),
      ...this.errors(),
    );
    const columns = textsOf(head.columns).map(visible).join(', ');
    this.footer.replaceChildren(
      footer(
        [bold(count(done), `${plural(done, 'row')}`), ...(columns ? [`written: ${columns}`] : [])],
        [],
        this.record.model,
      ),
    );
  }

  private labels(): HTMLElement[] {
    const raw = Array.isArray(this.record.head.labels) ? this.record.head.labels : [];
    if (!raw.length) return [];
    const rows = raw.map(item => ({
      name: visible(String(item?.name ?? '')),
      count: Math.max(0, Number(item?.count) || 0),
      truth: Math.max(0, Number(item?.truth) || 0),
    }));
    const total = rows.reduce((sum, row) => sum + row.count, 0) || 1;
    const known = rows.some(row => row.truth);
    const lines = rows.map(row => {
      const shown = bar(row.count / total);
      if (known) {
        const mark = h('span', { class: 'mark', title: `true: ${count(row.truth)}` });
        mark.style.left = `${
          (100 * row.truth) /
          Math.max(
            rows.reduce((sum, item) => sum + item.truth, 0),
            1,
          )
        }%`;
        shown.append(mark);
      }
      return h(
        'div',
        { class: 'label' },
        h('code', { title: row.name }, row.name),
        shown,
        h('span', {}, count(row.count)),
        h('span', { class: 'fg2' }, percent(row.count / total)),
      );
    });
    const head = h('h4', {}, 'Labels', known ? h('small', {}, ' line: the truth') : null);
    return [h('section', {}, head, ...lines)];
  }

  private accuracy(): HTMLElement[] {
    const a = (this.record.head.accuracy ?? {}) as Record<string, unknown>;
    const total = Number(a.total) || 0;
    if (!total) return [];
    const share = (name: string) => percent(shareOf(a[name]));
    const right = Number(a.right) || 0;
    return [
      h(
        'section',
        {},
        h('h4', {}, 'Accuracy'),
        h(
          'div',
          {},
          h('span', { class: 'big' }, percent(right / total)),
          ` [${share('low')}, ${share('high')}]`,
        ),
        h(
          'p',
          { class: 'fg2' },
          `${count(right)} of ${count(total)} rows, 95 % Wilson interval. Always the commonest label: ${share('commonest')}.`,
        ),
      ),
    ];
  }

  private scores(): HTMLElement[] {
    const { head } = this.record;
    const plot = reliabilityPlot(head.reliability);
    const told = calibrationText(head.calibration);
    if (plot && told) plot.append(h('p', {}, told));
    const mixed = confusionTable(head.confusion);
    return [plot, mixed].filter(item => item !== undefined);
  }

  private table(title: string, value: unknown): HTMLElement[] {
    const raw = Array.isArray(value) ? value : [];
    if (!raw.length) return [];
    const rows = raw.map(item => {
      const answer = visible(String(item?.answer ?? ''));
      const truth = visible(String(item?.truth ?? ''));
      const p = typeof item?.p === 'number' ? item.p : undefined;
      return h(
        'tr',
        {},
        h('td', { class: 'n' }, count(Number(item?.row) || 0)),
        h(
          'td',
          { class: 'text', title: visible(String(item?.text ?? '')) },
          visible(String(item?.text ?? '')),
        ),
        h('td', { class: 'answer', title: answer }, h('b', {}, answer)),
        h('td', { class: 'n' }, p === undefined ? '' : percent(p)),
        h('td', { class: 'share' }, this.shares(item?.shares) ?? (p === undefined ? null : bar(p))),
        h(
          'td',
          { class: truth && truth !== answer ? 'wrong' : '' },
          truth && truth !== answer ? `≠ ${truth}` : truth,
        ),
      );
    });
    const names = [
      'row',
      'text',
      'answer',
      '',
      '',
      rows.length && raw.some(item => item?.truth) ? 'truth' : '',
    ];
    const head = h('tr', {}, ...names.map(columnHead));
    return [
      h('h4', {}, title, ...this.legend()),
      h('table', { class: 'rows' }, h('thead', {}, head), h('tbody', {}, ...rows)),
    ];
  }

  private shareNames(): string[] {
    return textsOf(this.record.head.share_names).map(visible);
  }

  /** The shares of all labels of a row as one bar; none where there are too many labels to tell apart. */
  private shares(value: unknown): HTMLElement | undefined {
    const names = this.shareNames();
    const shares = numbersOf(value).map(shareOf);
    if (names.length < 2 || names.length > 3 || shares.length !== names.length) return undefined;
    const parts = names.map((name, n) => ({ title: `${name} ${percent(shares[n]!)}`, share: shares[n]! }));
    return shareStack(parts, parts.map(part => part.title).join(', '));
  }

  private legend(): HTMLElement[] {
    const names = this.shareNames();
    if (names.length < 2 || names.length > 3) return [];
    return names.map((name, n) =>
      h('span', { class: 'key stack' }, h('i', { class: `part-${n}`, 'aria-hidden': 'true' }), name),
    );
  }

  private errors(): HTMLElement[] {
    const raw = Array.isArray(this.record.head.errors) ? this.record.head.errors : [];
    if (!raw.length) return [];
    const rows = raw.slice(0, 50).map(item => {
      const [row] = numbersOf(item);
      return h(
        'tr',
        {},
        h('td', { class: 'n' }, count(row ?? Number.NaN)),
        h('td', { class: 'text' }, visible(String(Array.isArray(item) ? (item[1] ?? '') : ''))),
      );
    });
    const more = this.number('failed') - rows.length;
    return [
      h('h4', {}, 'Errors'),
      h('table', { class: 'rows' }, h('tbody', {}, ...rows)),
      ...(more > 0 ? [h('p', { class: 'fg2' }, `and ${count(more)} more`)] : []),
    ];
  }
}

function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 90) return `${fixed(seconds, seconds < 10 ? 1 : 0)} s`;
  return `${count(seconds / 60)} min`;
}
