import { readFileSync } from 'node:fs';
import { beforeEach, expect, test } from 'vitest';
import { TuningRenderer } from '../src/jupyterlab/tuningRenderer.js';
import { TUNING_MIME } from '../src/protocol/mime.js';
import { StreamStore } from '../src/protocol/streams.js';
import { readTuning, type TuningCommand, type TuningRecord } from '../src/protocol/tuning.js';
import { smooth, ticks } from '../src/tuning/lossChart.js';
import { duration, Tuning } from '../src/tuning/tuningView.js';
import { inside } from './helpers.js';

let element: HTMLElement;
beforeEach(() => {
  document.body.replaceChildren();
  element = document.createElement('div');
  document.body.append(element);
});

const HOSTILE: string[] = JSON.parse(readFileSync('../tests/hostile_texts.json', 'utf8'));

function run(more: Partial<TuningRecord> = {}): TuningRecord {
  return readTuning({
    id: 'x',
    final: false,
    state: 'training',
    model: { name: 'tiny', precision: 'int8', licence: 'MIT' },
    source: 'cell',
    rows: { all: 20, train: 16, choose: 2, final: 2 },
    rank: 8,
    plan: { first: 0, steps: 40, every: 4, rate: 0.003, reason: 'all 30 layers' },
    step: 12,
    total: 40,
    tokens_per_s: 1180,
    left_s: 192,
    memory: { weights: 138e6, adapter: 29e6, activations: 412e6, limit: 1e9 },
    weights: [921600, 134.5e6],
    adapter_step: 12,
    loss: [
      [1, 2, 3],
      [3, 2, 1],
    ],
    held_out: [
      [0, 4, 8, 12],
      [3, 2, 2.1, 2.2],
    ],
    best: 4,
    rising: true,
    prompts: [
      {
        prompt: 'who',
        before: ['I', ' am', ' one'],
        after: [
          {
            step: 8,
            strength: 1,
            text: [
              ['Arr, ', 1],
              ['am', 0],
            ],
            lost: [0, 2],
          },
        ],
      },
    ],
    strength: 1,
    ...more,
  });
}

test('a run is told in words, bars, curves and answers', () => {
  const orders: TuningCommand[] = [];
  const view = new Tuning(run(), element, { order: order => orders.push(order) });
  const root = inside(element);
  const text = root.querySelector('.tuning')!.textContent!;
  for (const words of [
    'Training',
    'tiny | LoRA r=8',
    'cell · 20 rows',
    'step 12 of 40',
    '1,180 tok/s · 3 min 12 s left',
    'memory 579 MB',
    'room for 1.0 GB',
    'risen for 2 checks: 2.00 → 2.20',
    'best 2.00 at 4',
    'held-out 2.20',
    'train 2.00',
    '921,600 trainable of 134.5 M parameters',
  ])
    expect(text).toContain(words);
  expect([...root.querySelectorAll('.gone')].map(item => item.textContent)).toEqual(['I', 'one']);
  expect([...root.querySelectorAll('.come')].map(item => item.textContent)).toEqual(['Arr,']);
  for (const button of [...root.querySelectorAll('button')]) button.click();
  expect(orders.map(item => item.type)).toEqual([
    'tuning.pause',
    'tuning.stop',
    'tuning.extend',
    'tuning.revert',
  ]);
  expect(root.querySelector('.banner')).toBeNull(); // the last one closes it
  view.update(run({ state: 'paused' }), { order: order => orders.push(order) });
  expect(root.querySelector('[data-act=go]')).not.toBeNull();
  view.dispose();
});

test('with no kernel it can be read, and nothing can be asked', () => {
  new Tuning(run({ state: 'done', final: true, why: '40 steps were made' }), element);
  const buttons = [
    ...inside(element).querySelectorAll<HTMLButtonElement>('.head button, .warn .button:not(.plain)'),
  ];
  expect(buttons.length).toBe(2);
  expect(buttons.every(item => item.disabled)).toBe(true);
  expect(inside(element).querySelector<HTMLInputElement>('input')!.disabled).toBe(true);
  expect(inside(element).textContent).toContain('a manner, not facts');
});

test('whatever a file holds, something is drawn', () => {
  for (const data of [
    undefined,
    null,
    3,
    [],
    { prompts: [null, { before: 3 }, { prompt: 1, before: [2], after: [{ text: [[1, 2]] }, {}] }] },
    { loss: [[1, 'x', null], [2]], held_out: 'no', best: 7, rising: true, memory: null, state: '<b>' },
    { notes: [{}], weights: 'x', rows: 4, model: [] },
  ]) {
    element.replaceChildren();
    new Tuning(readTuning(data), element);
    expect(inside(element).querySelector('.stage')).not.toBeNull();
  }
});

test.each(HOSTILE)('no text becomes active: %s', text => {
  const asked = {
    prompt: text,
    before: [text],
    after: [{ step: 1, strength: 1, text: [[text, 1]], lost: [0] }],
  };
  const record = run({
    why: text,
    name: text,
    source: text,
    notes: [text],
    model: { name: text, precision: text, licence: text },
    prompts: [asked as never],
  });
  new Tuning(record, element);
  const root = inside(element);
  expect(root.querySelector('script, iframe, img, link, object, a, form, [onerror], [onload]')).toBeNull();
  expect(root.querySelectorAll('style').length).toBe(1);
});

test('ticks are round, the mean is over what there is', () => {
  expect(ticks(0.9, 3.4)).toEqual([0.5, 1, 1.5, 2, 2.5, 3, 3.5]);
  expect(ticks(2, 2)).toEqual([0, 1]);
  expect(smooth([4, 2])).toEqual([4, 3]);
  expect(smooth(Array(20).fill(1)).at(-1)).toBe(1);
  expect(duration(61)).toBe('1 min 01 s');
});

test('a run that the kernel has lost takes no orders', async () => {
  const answers = new StreamStore({ send: () => {} } as never);
  const sent: unknown[] = [];
  const connection = {
    answers,
    availability: 'ready',
    send: (order: unknown) => sent.push(order),
    onAvailability: () => () => {},
    onLoad: () => () => {},
  };
  const panel = { sessionContext: { session: { kernel: { status: 'idle' } } } };
  const hear = (message: unknown) => answers.onMessage(message as never, undefined);
  const view = new TuningRenderer({ panel, connection } as never);
  const record = run({ final: true, state: 'stopped', rising: false });
  await view.renderModel({ data: { [TUNING_MIME]: record } } as never);
  const root = () => inside(view.node);
  const more = () => root().querySelector<HTMLButtonElement>('[data-act=more]')!;
  const slider = () => root().querySelector<HTMLInputElement>('.slider input')!;
  expect([more().disabled, slider().disabled]).toEqual([true, true]); // nobody knows yet
  expect(sent).toEqual([{ type: 'tuning.query', id: 'x' }]);
  hear({ type: 'known', id: 'x' });
  expect([more().disabled, slider().disabled]).toEqual([false, false]);
  more().click();
  hear({ type: 'gone', id: 'x' });
  expect([more().disabled, slider().disabled]).toEqual([true, true]);
  // A banner without a shadow root has no style, and its icon no size.
  const announcement = view.node.querySelector('.llm-magics-said')!;
  expect(announcement.shadowRoot!.querySelector('.banner')!.textContent).toContain('no longer has this run');
  expect(view.node.querySelector('svg')).toBeNull();
});

test('the way back to the best step is offered whenever the adapter is another one', () => {
  const orders: TuningCommand[] = [];
  const host = { order: (order: TuningCommand) => orders.push(order) };
  const ended = { final: true, state: 'stopped', rising: false } as const;
  const view = new Tuning(run(ended), element, host);
  const back = () => inside(element).querySelector<HTMLButtonElement>('[data-act=back]');
  expect(back()!.textContent).toBe('Go back to step 4');
  back()!.click();
  expect(orders).toEqual([{ type: 'tuning.revert' }]);
  view.update(run({ ...ended, adapter_step: 4 }), host);
  expect(back()).toBeNull();
  view.update(run({ ...ended, rising: true }), host); // the banner has it
  expect(back()).toBeNull();
  inside(element).querySelector<HTMLButtonElement>('.banner [aria-label=Close]')!.click();
  expect(back()).not.toBeNull();
});

test('a run that learnt nothing does not say that it is tuned', () => {
  const view = new Tuning(run({ final: true, state: 'done', adapter_step: 0, best: 0 }), element);
  const stage = () => inside(element).querySelector('.stage')!.textContent;
  expect(stage()).toBe('Nothing was learnt');
  expect(inside(element).querySelector('.light.warned')).not.toBeNull();
  view.update(run({ final: true, state: 'done' }));
  expect(stage()).toBe('Tuned');
});

test('an adapter is saved under a name, and deleted after a question', () => {
  const orders: TuningCommand[] = [];
  const host = { order: (order: TuningCommand) => orders.push(order) };
  const view = new Tuning(run({ final: true, state: 'done' }), element, host);
  const root = inside(element);
  const act = (name: string) => root.querySelector<HTMLButtonElement>(`.kept [data-act=${name}]`)!;
  const name = root.querySelector<HTMLInputElement>('.kept input')!;
  name.value = ' pirate ';
  act('keep').click();
  expect(orders).toEqual([{ type: 'tuning.save', name: 'pirate' }]);
  view.update(run({ final: true, state: 'done', kept: 'pirate' }), host);
  expect(root.querySelector('.kept')!.textContent).toContain('kept as pirate · %%llm -a pirate');
  act('ask').click();
  expect(orders.length).toBe(1);
  act('ask').click();
  expect(act('really')).toBeNull();
  act('ask').click();
  act('really').click();
  expect(orders[1]).toEqual({ type: 'tuning.delete' });
  view.update(run({ final: true, state: 'done', kept: 'pirate' }));
  expect(act('ask').disabled).toBe(true);
  view.update(run({ final: true, state: 'done', adapter_step: 0 }), host);
  expect(root.querySelector('.kept')!.childElementCount).toBe(0);
});

test('the lines of a narrow range have different numbers', () => {
  const loss: [number[], number[]] = [
    [1, 2, 3],
    [5.52, 5.5, 5.49],
  ];
  new Tuning(run({ loss, held_out: [[], []], best: null }), element);
  const shown = [...inside(element).querySelectorAll('.chart text')].map(item => item.textContent);
  const numbers = shown.filter(item => /^\d\.\d+$/.test(item!));
  expect(numbers.length).toBeGreaterThan(2);
  expect(new Set(numbers).size).toBe(numbers.length);
});
