/** A tuning run: how it stands, its loss, and answers before and after. A function of its record. */

import type { TuningHost, TuningRecord } from '../protocol/tuning.js';
import { h, icon } from '../ui/dom.js';
import { bytes, count, fixed, visible } from '../ui/format.js';
import { recordDetails } from '../ui/recordDetails.js';
import { banner, type Shell, shell } from '../ui/shell.js';
import { beforeAfter } from './beforeAfter.js';
import { lossChart } from './lossChart.js';
import { STYLE } from './tuningView.css.js';

const WORDS: Record<string, string> = {
  new: 'Not begun',
  loading: 'Getting ready',
  training: 'Training',
  paused: 'Paused',
  done: 'Tuned',
  stopped: 'Stopped',
  failed: 'Failed',
  interrupted: 'Interrupted',
};
const REST_MS = 300;
const MORE = 100;
const MOST = 1.5;

export class Tuning {
  private readonly shell: Shell;
  private record!: TuningRecord;
  private host: TuningHost = {};
  private prompt = 0;
  private dismissed = -1;
  private strength: number | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly parts = {
    head: h('div', { class: 'head' }),
    bars: h('div', { class: 'bars' }),
    notice: h('div', { 'aria-live': 'polite' }),
    chart: h('div'),
    samples: h('div', { class: 'samples' }),
    pair: h('div', { class: 'pair' }),
    said: h('div'),
    saving: h('div', { class: 'kept' }),
    foot: h('div', { class: 'foot' }),
  };
  private readonly observer: ResizeObserver | undefined;
  private readonly slider = h('input', {
    type: 'range',
    min: 0,
    max: MOST,
    step: 0.05,
    'aria-label': 'strength',
    oninput: () => this.slid(),
  });
  private readonly amount = h('b');
  private readonly name = h('input', {
    class: 'field',
    type: 'text',
    placeholder: 'its name',
    'data-act': 'name',
  });
  private deleting = false;
  private width = 0;

  constructor(record: TuningRecord, parent: HTMLElement, host: TuningHost = {}) {
    this.shell = shell(parent, STYLE);
    const root = h('div', { class: 'tuning' }, ...Object.values(this.parts));
    this.shell.root.append(root);
    if (typeof ResizeObserver !== 'undefined') {
      this.observer = new ResizeObserver(() => {
        if (Math.abs(root.clientWidth - this.width) > 2) this.drawChart();
      });
      this.observer.observe(root);
    }
    this.update(record, host);
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.observer?.disconnect();
    this.shell.dispose();
  }

  update(record: TuningRecord, host: TuningHost = {}): void {
    this.record = record;
    this.host = host;
    if (this.strength !== undefined && Math.abs(this.strength - record.strength) < 1e-6)
      this.strength = undefined;
    const { parts } = this;
    parts.bars.parentElement!.classList.toggle('paused', record.state === 'paused');
    // What has the focus is not taken away from under the reader's fingers.
    this.keepFocus(parts.head, () => parts.head.replaceChildren(...this.head()));
    parts.bars.replaceChildren(...this.bars());
    parts.notice.replaceChildren(...this.notice());
    this.drawChart();
    this.drawSamples();
    const remarks = [record.plan?.reason, ...record.notes, ...endings(record)].filter(Boolean) as string[];
    parts.said.replaceChildren(...remarks.map(text => h('p', { class: 'said' }, visible(text))));
    this.keepFocus(parts.saving, () => parts.saving.replaceChildren(...this.keeping()));
    parts.foot.replaceChildren(...this.foot());
  }

  private keepFocus(parent: HTMLElement, change: () => void): void {
    const focused = (parent.getRootNode() as ShadowRoot | Document).activeElement;
    const name = focused && parent.contains(focused) ? focused.getAttribute('data-act') : null;
    change();
    if (name) parent.querySelector<HTMLElement>(`[data-act=${name}]`)?.focus();
  }

  /** It ended, and the adapter is as it was before the first step. */
  private get untaught(): boolean {
    const { final, adapter_step, state } = this.record;
    return final && !adapter_step && (state === 'done' || state === 'stopped');
  }

  /** Whether the banner offers the way back to the best step. */
  private get warns(): boolean {
    const { record } = this;
    const restored = record.final && record.adapter_step === record.best; // it went back by itself
    return record.rising && record.best !== null && !restored && this.dismissed !== record.best;
  }

  private get going(): boolean {
    return !this.record.final;
  }

  private head(): HTMLElement[] {
    const { record } = this;
    const { order } = this.host;
    const bad = record.state === 'failed' || record.state === 'interrupted';
    const light =
      this.going && record.state !== 'paused' ? '' : bad ? 'bad' : this.untaught ? 'warned' : 'idle';
    const button = (
      act: string,
      words: string,
      picture: 'stop' | 'pause' | 'play' | 'plus' | 'again',
      on: () => void,
    ) =>
      h(
        'button',
        { class: 'button', type: 'button', 'data-act': act, disabled: !order, onclick: on },
        icon(picture),
        words,
      );
    const buttons: HTMLElement[] = [];
    if (record.state === 'training' || record.state === 'paused') {
      buttons.push(
        record.state === 'paused'
          ? button('go', 'Resume', 'play', () => order?.({ type: 'tuning.resume' }))
          : button('pause', 'Pause', 'pause', () => order?.({ type: 'tuning.pause' })),
        button('stop', 'Stop and keep', 'stop', () => order?.({ type: 'tuning.stop' })),
      );
    }
    if (record.step && record.state !== 'loading')
      buttons.push(
        button('more', `${MORE} steps`, 'plus', () => order?.({ type: 'tuning.extend', steps: MORE })),
      );
    const { best } = record;
    if (record.final && best && record.adapter_step !== best && !this.warns)
      buttons.push(
        button('back', `Go back to step ${best}`, 'again', () => order?.({ type: 'tuning.revert' })),
      );
    const parts = [record.model.name, record.rank ? `LoRA r=${record.rank}` : ''].filter(Boolean);
    const data = record.rows.all ? `${record.source} · ${count(record.rows.all)} rows` : record.source;
    return [
      h('span', { class: `light ${light}` }),
      h(
        'span',
        { class: 'stage', role: 'status' },
        this.untaught ? 'Nothing was learnt' : (WORDS[record.state] ?? visible(record.state)),
      ),
      ...[parts.join(' | '), data].filter(Boolean).map(text => h('span', { class: 'tag' }, visible(text))),
      h('span', { class: 'right', title: order ? '' : 'needs the kernel that made this run' }, ...buttons),
    ];
  }

  private bars(): HTMLElement[] {
    const { record } = this;
    const share = record.total ? Math.min(record.step / record.total, 1) : 0;
    const speed = record.tokens_per_s ? `${count(record.tokens_per_s)} tok/s` : '';
    const left = this.going && record.left_s !== null ? duration(record.left_s) : '';
    const words = record.total
      ? ['step ', h('b', {}, count(record.step)), ` of ${count(record.total)}`]
      : [record.step ? `step ${record.step}` : visible(record.why) || 'reading'];
    const steps = h(
      'div',
      {},
      h(
        'div',
        { class: 'line' },
        h('span', {}, ...words),
        h(
          'span',
          { class: 'fg2' },
          [speed, left && ''].filter(Boolean).join(''),
          speed && left ? ' · ' : '',
          left && h('b', {}, left),
          left && ' left',
        ),
      ),
      bar([['s2', share]], 'steps'),
    );
    const { weights, adapter, activations, limit } = record.memory;
    if (!weights) return [steps];
    const sizes = [weights, adapter ?? 0, activations ?? 0];
    const total = sizes.reduce((sum, item) => sum + item, 0);
    const most = Math.max(limit ?? total, total);
    const names = ['weights', 'adapter + optimiser', 'activations'];
    const memory = h(
      'div',
      {},
      h(
        'div',
        { class: 'line' },
        h('span', {}, 'memory ', h('b', {}, bytes(total))),
        h('span', { class: 'fg2' }, limit ? `room for ${bytes(limit)}` : ''),
      ),
      bar(
        sizes.map((entry, n) => [`s${n + 1}`, entry / most]),
        'memory',
      ),
      h(
        'div',
        { class: 'keys' },
        ...sizes.map((value, n) =>
          h('span', {}, h('i', { style: `background:var(${KEYS[n]})` }), `${names[n]} ${bytes(value)}`),
        ),
      ),
    );
    return [steps, memory];
  }

  private notice(): HTMLElement[] {
    const { record } = this;
    if (record.state === 'failed' || record.state === 'interrupted')
      return [banner(WORDS[record.state]!, visible(record.why), icon('error'))];
    if (!this.warns || record.best === null) return [];
    const [steps, validation] = record.held_out;
    const best = validation[steps.indexOf(record.best)]!;
    const { order } = this.host;
    const notice = banner(
      `Held-out loss has risen for 2 checks: ${fixed(best, 2)} → ${fixed(validation.at(-1)!, 2)}.`,
      'It begins to learn the rows by heart.',
      icon('warning'),
    );
    notice.classList.add('warn');
    notice.setAttribute('role', 'status');
    notice.append(
      h(
        'span',
        { class: 'right' },
        h(
          'button',
          {
            class: 'button',
            type: 'button',
            disabled: !order,
            onclick: () => order?.({ type: 'tuning.revert' }),
          },
          `Go back to step ${record.best}`,
        ),
        h(
          'button',
          {
            class: 'button plain',
            type: 'button',
            'aria-label': 'Close',
            onclick: () => {
              this.dismissed = record.best!;
              this.update(this.record, this.host);
            },
          },
          '×',
        ),
      ),
    );
    return [notice];
  }

  private drawChart(): void {
    const { record, parts } = this;
    this.width = parts.chart.parentElement?.clientWidth ?? 0;
    if (record.loss[0].length + record.held_out[0].length < 1) return parts.chart.replaceChildren();
    parts.chart.replaceChildren(
      h('div', { class: 'axis' }, 'loss, nats/token'),
      lossChart(record, Math.max(this.width, 360)),
    );
  }

  private drawSamples(): void {
    const { record, parts } = this;
    parts.samples.hidden = parts.pair.hidden = !record.prompts.length;
    if (!record.prompts.length) return;
    this.prompt = Math.min(this.prompt, record.prompts.length - 1);
    const shown = record.prompts[this.prompt]!;
    const select = parts.samples.querySelector('select');
    if (!select || select.options.length !== record.prompts.length)
      parts.samples.replaceChildren(...this.chooser());
    const strength = this.strength ?? record.strength;
    this.slider.disabled = !this.host.order || !record.step;
    if (this.strength === undefined) this.slider.value = String(strength);
    this.amount.textContent = fixed(strength, 2);
    parts.pair.replaceChildren(...beforeAfter(shown, record));
  }

  private chooser(): HTMLElement[] {
    const select = h('select', {
      class: 'field',
      'aria-label': 'Prompt',
      onchange: () => {
        this.prompt = select.selectedIndex;
        this.drawSamples();
      },
    });
    for (const item of this.record.prompts)
      select.append(h('option', {}, visible(item.prompt).slice(0, 120)));
    select.selectedIndex = this.prompt;
    return [
      h('h4', {}, 'Samples'),
      select,
      h('label', { class: 'slider' }, h('span', { class: 'fg2' }, 'strength'), this.slider, this.amount),
    ];
  }

  private slid(): void {
    this.strength = Number(this.slider.value);
    this.amount.textContent = fixed(this.strength, 2);
    clearTimeout(this.timer);
    this.timer = setTimeout(
      () => this.host.order?.({ type: 'tuning.strength', strength: this.strength! }),
      REST_MS,
    );
  }

  /** The adapter on the disk: its name and *Delete*, or a name for it and *Save*. */
  private keeping(): HTMLElement[] {
    const { record, host } = this;
    if (!record.final || !record.adapter_step) return [];
    const button = (act: string, words: string, on: () => void) =>
      h(
        'button',
        { class: 'button', type: 'button', 'data-act': act, disabled: !host.order, onclick: on },
        words,
      );
    if (record.kept) {
      const ask = () => {
        this.deleting = !this.deleting;
        this.update(record, host);
      };
      const really = () => {
        this.deleting = false;
        host.order?.({ type: 'tuning.delete' });
      };
      const words = h(
        'span',
        {},
        'kept as ',
        h('b', {}, visible(record.kept)),
        ' · ',
        h('code', {}, `%%llm -a ${visible(record.kept)}`),
      );
      return this.deleting
        ? [
            words,
            h('span', {}, 'Delete it from the disk?'),
            button('really', 'Delete', really),
            button('ask', 'Keep it', ask),
          ]
        : [words, button('ask', 'Delete', ask)];
    }
    const save = () => host.order?.({ type: 'tuning.save', name: this.name.value.trim() });
    this.name.disabled = !host.order;
    this.name.onkeydown = event => {
      event.stopPropagation();
      if (event.key === 'Enter') save();
    };
    return [h('label', {}, 'adapter ', this.name), button('keep', 'Save', save)];
  }

  private foot(): HTMLElement[] {
    const { record } = this;
    const { rows, plan, weights } = record;
    const parts: HTMLElement[] = [];
    const add = (...children: (string | HTMLElement)[]) =>
      parts.push(h('span', {}, parts.length ? '· ' : '', ...children));
    if (record.prompts.length) add('same seed, same prompt');
    if (rows.choose && plan)
      add('held-out: ', h('b', {}, count(rows.choose)), ` rows, checked every ${count(plan.every)} steps`);
    if (weights[0])
      add(h('b', {}, count(weights[0])), ` trainable of ${fixed(weights[1] / 1e6, 1)} M parameters`);
    const model = { ...record.model, revision: '', fingerprint: '' };
    return [...parts, h('span', { class: 'chips' }, ...recordDetails(model))];
  }
}

const KEYS = ['--llm-mass-4', '--llm-mass-solid', '--llm-heat-4'];

function bar(shares: [string, number][], name: string): HTMLElement {
  const total = shares.reduce((sum, [, share]) => sum + share, 0);
  return h(
    'div',
    {
      class: 'bar',
      role: 'progressbar',
      'aria-label': name,
      'aria-valuemin': 0,
      'aria-valuemax': 100,
      'aria-valuenow': Math.round(100 * total),
    },
    ...shares.map(([colour, share]) =>
      h('i', { class: colour, style: `width:${(100 * share).toFixed(2)}%` }),
    ),
  );
}

function endings(record: TuningRecord): string[] {
  const sentences: string[] = [];
  if (record.final && record.why && record.state !== 'failed' && record.state !== 'interrupted')
    sentences.push(`${record.why}. The adapter is that of step ${record.adapter_step}.`);
  const { perplexity } = record;
  if (perplexity) {
    const [low, high] = perplexity.after_interval;
    sentences.push(
      `Perplexity ${fixed(perplexity.before, 2)} → ${fixed(perplexity.after, 2)} [${fixed(low, 2)}, ${fixed(high, 2)}] on ${count(perplexity.rows)} rows that nothing was chosen on.`,
    );
  }
  if (record.final && record.step)
    sentences.push('A preview learns a manner, not facts: what it says in that manner may be wrong.');
  return sentences;
}

export function duration(seconds: number): string {
  const whole = Math.max(Math.round(seconds), 0);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}
