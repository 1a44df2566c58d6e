import { readFileSync } from 'node:fs';
import { beforeEach, expect, test, vi } from 'vitest';
import type { InspectionHost } from '../src/inspect/inspectionView.js';
import { InspectionMount } from '../src/inspect/registry.js';
import { decide, type Rules } from '../src/inspect/replay/sampler.js';
import type { InspectionPayload } from '../src/protocol/inspection.js';
import { readInspection } from '../src/protocol/inspection.js';
import { inside } from './helpers.js';

const GOLDEN: Record<string, InspectionPayload> = JSON.parse(
  readFileSync('../tests/golden/inside-1.json', 'utf8'),
);
const HOSTILE: Record<string, InspectionPayload> = JSON.parse(
  readFileSync('../tests/golden/inside-1-hostile.json', 'utf8'),
);

let element: HTMLElement;
beforeEach(() => {
  document.body.replaceChildren();
  element = document.createElement('div');
  document.body.append(element);
});

async function open(payload: InspectionPayload, host: InspectionHost = {}): Promise<ShadowRoot> {
  await new InspectionMount(element, () => 'as text').show(payload, host);
  return inside(element);
}

function press(target: Element, key: string): void {
  target.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, composed: true }));
}

test.each(Object.keys(GOLDEN))('%s is drawn from its record alone', async name => {
  const root = await open(GOLDEN[name]!);
  expect(root.querySelector('.banner')).toBeNull();
  expect(root.querySelector('.view')!.textContent!.length).toBeGreaterThan(40);
});

test.each(Object.keys(HOSTILE))('hostile texts stay text in %s', async name => {
  const root = await open(HOSTILE[name]!, { ask: () => {} });
  expect(root.querySelector('.banner')).toBeNull();
  expect(root.querySelector('script,img,iframe,object,[onerror],[onclick]')).toBeNull();
  for (const button of root.querySelectorAll('button')) button.click();
  expect(root.querySelector('script,img,iframe,object,[onerror]')).toBeNull();
});

test.each(Object.keys(GOLDEN))('a damaged %s says so, and keeps the text', async name => {
  const root = await open({ ...GOLDEN[name]!, data: 'AAAA' });
  expect(root.querySelector('.banner')!.textContent).toContain("can't be read");
  expect(element.querySelector('pre')!.textContent).toBe('as text');
});

test('a view is kept when the kernel comes, and when its record is replaced', async () => {
  const mount = new InspectionMount(element, () => '');
  await mount.show(GOLDEN.lens!, {});
  const view = inside(element).querySelector('.view');
  await mount.show(GOLDEN.lens!, { ask: () => {} });
  expect(inside(element).querySelector('.view')).toBe(view);
  await mount.show({ ...GOLDEN.lens!, data: `${GOLDEN.lens!.data}\n` }, {}); // another text of the same record
  expect(inside(element).querySelector('.view')).toBe(view);
});

test('an unknown view says so', async () => {
  const root = await open({ ...GOLDEN.lens!, view: '__proto__' });
  expect(root.querySelector('.banner')!.textContent).toContain('no view called __proto__');
});

test('arrays come back as Python wrote them', async () => {
  const { arrays, head } = await readInspection(GOLDEN.lens!);
  const rank = arrays.get('rank')!;
  expect(rank.shape).toEqual([3, 4]);
  expect([...rank.data.slice(8)]).toEqual([0, 0, 0, 0]);
  expect(arrays.get('logprob')!.data[8]).toBeCloseTo(Math.log(0.5), 3);
  expect(head.texts).toEqual(['The', ' cap', ' of', ' is']);
});

test('lens: the slider, the keys, the top ten', async () => {
  const root = await open(GOLDEN.lens!);
  const grid = root.querySelector('.grid')!;
  const say = () => root.querySelector('.say')!.textContent;
  expect(say()).toContain('after layer 3, at ␣is (4), it would say ␣a 50 %, its final answer');
  // The slider and the sentence stand above the picture, the ten best over it.
  const [above, hold] = [root.querySelector('.above')!, root.querySelector('.hold')!];
  expect(above.compareDocumentPosition(hold) & Node.DOCUMENT_POSITION_FOLLOWING).toBeTruthy();
  expect(above.querySelector('.slider')).not.toBeNull();
  expect([...hold.children].map(child => child.className.split(' ')[0])).toEqual(['grid', 'ten']);
  press(grid, 'ArrowUp');
  expect(say()).toContain('after layer 2');
  expect(root.querySelector('.labels .on')!.textContent).toBe('2');
  press(grid, 'ArrowLeft');
  expect(say()).toContain('at ␣of (3)');
  const slider = root.querySelector<HTMLInputElement>('.slider input')!;
  slider.value = '1';
  slider.dispatchEvent(new Event('input'));
  expect(say()).toContain('after layer 1');
  press(grid, 'Enter');
  expect(root.querySelectorAll('.ten li')).toHaveLength(2);
  press(grid, 'Escape');
  expect(root.querySelector<HTMLElement>('.ten')!.hidden).toBe(true);
  expect(root.querySelector('.curve svg')!.getAttribute('aria-label')).toContain('rank of');
  vi.useRealTimers();
});

test('attention: a head is picked, by click and by keys', async () => {
  const root = await open(GOLDEN.attention!);
  const title = () => root.querySelector('h3')!.textContent;
  const say = () => root.querySelector('.say')!.textContent;
  // It opens on the head that looks most at one token.
  expect(title()).toBe('Layer 2, head 2');
  expect(say()).toMatch(/Token ␣is \(4\) looks at ␣cap \(2\) most: 7[78] %/);
  root.querySelector<HTMLElement>('canvas[data-layer="0"][data-head="0"]')!.click();
  expect(title()).toBe('Layer 1, head 1');
  const sheet = root.querySelector('.sheet')!;
  press(sheet, 'ArrowRight');
  press(sheet, 'ArrowDown');
  press(sheet, ',');
  expect(title()).toBe('Layer 2, head 2');
  expect(say()).toContain('Token ␣of (3)');
  const hide = root.querySelector<HTMLInputElement>('input[type=checkbox]')!;
  hide.checked = false;
  hide.dispatchEvent(new Event('change'));
  expect(say()).toContain('looks at The (1) most: 50 %');
  press(sheet, 'ArrowDown');
  expect(title()).toBe('Layer 2, mean of the heads');
});

test('attention: a layer that was not kept needs the kernel', async () => {
  const asked: unknown[] = [];
  const { readInspection: read } = await import('../src/protocol/inspection.js');
  const inspection = await read(GOLDEN.attention!);
  inspection.head.kept = [1];
  inspection.arrays.get('triangles')!.shape = [1, 3, 10];
  const { AttentionView } = await import('../src/inspect/attention/attentionView.js');
  const view = new AttentionView(inspection, element, { ask: act => asked.push(act) });
  const root = inside(element);
  press(root.querySelector('.sheet')!, 'ArrowRight');
  expect(root.querySelector('.matrix')!.textContent).toContain('the record holds layer 1 whole');
  root.querySelector<HTMLButtonElement>('.matrix .button')!.click();
  expect(asked).toEqual([{ type: 'inspection.layer', layer: 2 }]);
  view.update(inspection, {});
  expect(root.querySelector('.matrix')!.textContent).toContain('needs a running kernel');
});

test('probe: sorted by the measure, opened, and what they hold together', async () => {
  const asked: unknown[] = [];
  const root = await open(GOLDEN.probe!, { ask: act => asked.push(act) });
  const names = () =>
    [...root.querySelectorAll('.line:not(.head)')].map(
      line => line.getAttribute('aria-label')!.split(',')[0],
    );
  expect(names()).toEqual(['␣Paris', '␣not␣Paris', 'Rome']);
  expect(root.querySelector('.hold')!.textContent).toContain('these 81 %, others 19 %');
  press(root.querySelector('.table')!, 'ArrowDown');
  press(root.querySelector('.table')!, 'Enter');
  expect([...root.querySelectorAll('.inner td')].map(cell => cell.textContent).slice(0, 6)).toEqual([
    't8',
    '8',
    '1.0 %',
    '6',
    '6.64',
    '6.64',
  ]);
  press(root.querySelector('.table')!, '3');
  expect(root.querySelector('.segments [aria-checked=true]')!.textContent).toBe('Per byte');
  expect(root.querySelector('.note')!.textContent).toContain(
    'Joined to the prompt these are cut otherwise: Rome',
  );
  root.querySelector<HTMLButtonElement>('.note .button')!.click();
  const field = root.querySelector<HTMLInputElement>('.field')!;
  field.value = ' Nice';
  press(field, 'Enter');
  expect(asked).toEqual([
    { type: 'inspection.add', text: ' Rome' },
    { type: 'inspection.add', text: ' Nice' },
  ]);
});

test('compare: the worst, the search, and the other way round', async () => {
  const root = await open(GOLDEN.compare!);
  const say = () => root.querySelector('.say')!.textContent;
  const texts = () =>
    [...root.querySelectorAll('.worst tr:not(:first-of-type) .d')].map(cell => cell.textContent);
  expect(texts()).toEqual(['−3.00', '−1.00']);
  expect(root.querySelector('.text [data-n="3"]')!.className).toBe('l2');
  press(root.querySelector('.text')!, 'N');
  press(root.querySelector('.text')!, 'n');
  press(root.querySelector('.text')!, 'n');
  expect(say()).toContain('␣wide (4): A 80 %, B 10 %, −3.00 bits · A would say ␣wide, B ␣red');
  expect(root.querySelector('.foot')!.textContent).toContain('the answers part at token 5');
  expect(root.querySelector('aside')!.textContent).toContain('no clear difference: 0 lies within');
  const find = root.querySelector<HTMLInputElement>('.field')!;
  find.value = 'Δ < -0.5';
  find.dispatchEvent(new Event('input'));
  expect(root.querySelectorAll('.text .hit')).toHaveLength(2);
  find.value = 'flips';
  find.dispatchEvent(new Event('input'));
  expect([...root.querySelectorAll('.text .hit')].map(item => item.textContent)).toEqual(['wide']);
  [...root.querySelectorAll('button')].find(button => button.textContent!.includes('swap'))!.click();
  expect(texts()).toEqual(['−0.26']);
  expect(root.querySelector('aside .mean')!.textContent).toBe('+1.000');
  expect(root.querySelector('.text')!.textContent).toContain('A goes on: (end)');
});

interface SamplerCase {
  ids: number[];
  logprobs: number[];
  seen: number[];
  log_total: number;
  u: number;
  rest: number;
  rules: Rules;
  made: { order: number[]; shares: number[]; removed: string[]; chosen: number; lacks: number };
}

test('the sampler decides as in Python', () => {
  const cases: SamplerCase[] = JSON.parse(readFileSync('../tests/golden/sampler-1.json', 'utf8'));
  for (const item of cases) {
    const candidates = item.ids.map((id, n) => ({ id, logprob: item.logprobs[n]!, seen: item.seen[n]! > 0 }));
    const decision = decide(candidates, item.log_total, item.u, item.rules, item.rest);
    expect(decision.order.map(one => one.id)).toEqual(item.made.order);
    expect(decision.removed).toEqual(item.made.removed);
    expect(decision.order[decision.chosen]!.id).toBe(item.made.chosen);
    expect(decision.lacks).toBeCloseTo(item.made.lacks, 12);
    for (const [n, share] of decision.shares.entries()) expect(share).toBeCloseTo(item.made.shares[n]!, 10);
  }
});

test('replay: sliders show what the same dice would have done', async () => {
  const asked: unknown[] = [];
  const root = await open(GOLDEN.replay!, { ask: act => asked.push(act) });
  const foot = () => root.querySelector('.foot')!.textContent;
  const shown = () => [...root.querySelectorAll('.cand code')].map(item => item.textContent);
  // It opens on the first step that had a choice, and replayed it gives the record.
  expect(root.querySelector('.line b')!.textContent).toBe(' sea');
  expect(root.querySelector('.cand.now.rec code')!.textContent).toBe('␣w4');
  expect(root.querySelector('.bands svg')!.getAttribute('aria-label')).toBe('0.750: ␣w4');
  expect(foot()).toContain('2 of 3 steps have a choice');
  vi.useFakeTimers();
  const slide = (name: string, value: string) => {
    const input = root.querySelector<HTMLInputElement>(`input[aria-label="${name}"]`)!;
    input.value = value;
    input.dispatchEvent(new Event('input'));
    vi.advanceTimersByTime(200);
  };
  slide('top-p', '0.45');
  vi.useRealTimers();
  await new Promise(done => setTimeout(done, 50));
  expect(shown().length).toBe(4);
  expect([...root.querySelectorAll('.cand.gone .rule')].map(item => item.textContent)).toEqual([
    'top-p',
    'top-p',
    'top-p',
  ]);
  expect(root.querySelector('.cand.now code')!.textContent).toBe('␣w3');
  expect(foot()).toContain('1 other tokens, the first at 2');
  root.querySelector<HTMLButtonElement>('.button.main')!.click();
  expect(asked).toEqual([{ type: 'inspection.open', view: 'branch', at: 1, token: 3 }]);
  press(root.querySelector('.strip')!, 'r');
  expect(foot()).not.toContain('other tokens');
  press(root.querySelector('.strip')!, 'ArrowRight');
  expect(root.querySelector('.line b')!.textContent).toBe(' the');
});

test('tree: a click on a path reads it; what is rare is folded', async () => {
  const asked: unknown[] = [];
  const root = await open(GOLDEN.tree!, { ask: act => asked.push(act) });
  const status = () => root.querySelector('.told')!.textContent;
  expect(status()).toBe('The cap of is w3 w4 w5 …');
  const bands = () => [...root.querySelectorAll('.wood rect[role=treeitem]')];
  const title = (n: number) => bands()[n]!.querySelector('title')!.textContent;
  expect(bands().map((_, n) => title(n)!.split('\n')[0])).toContain(' w8 w9');
  // Every band has its share, and the chosen way lies inside the bands.
  const wood = root.querySelector('.wood')!;
  expect(wood.querySelectorAll('text.p[x]')).toHaveLength(bands().length);
  const box = (rect: Element) =>
    ['x', 'y', 'width', 'height'].map(name => Number(rect.getAttribute(name))) as [
      number,
      number,
      number,
      number,
    ];
  const strands = [...wood.querySelectorAll('rect.strand')].map(box);
  expect(strands.length).toBeGreaterThan(1);
  for (const [x, y, wide, tall] of strands)
    expect(
      bands()
        .map(box)
        .some(
          ([left, top, width, height]) =>
            left <= x && top <= y && x + wide <= left + width && y + tall <= top + height,
        ),
    ).toBe(true);
  bands()
    .find((_, n) => title(n)!.startsWith(' w8 w9'))!
    .dispatchEvent(new MouseEvent('click'));
  expect(status()).toBe('The cap of is w8 w9 …');
  expect(root.querySelector('.fork')!.textContent).toContain('the model, and the 5 samples');
  press(root.querySelector('.wood')!, 'ArrowUp');
  expect(status()).toContain('w3');
  press(root.querySelector('.wood')!, 'ArrowRight');
  expect(root.querySelector('.told .at')!.textContent).toBe(
    root.querySelectorAll('.told [data-n]')[1]!.textContent,
  );
  root.querySelector<HTMLInputElement>('.slider input')!.value = '8';
  root.querySelector('.slider input')!.dispatchEvent(new Event('input'));
  [...root.querySelectorAll('button')].find(button => button.textContent === '5 more')!.click();
  expect(asked).toEqual([{ type: 'inspection.extend', samples: 5 }]);
  expect(root.querySelector('.foot')!.textContent).toContain('5 samples, 4 different·2 first tokens');
});

test('tokenizers: the same stretch in all of them, and what a language costs', async () => {
  const asked: unknown[] = [];
  const root = await open(GOLDEN.tokenizers!, { ask: act => asked.push(act) });
  const marked = () => [...root.querySelectorAll('.text .same')].map(span => span.textContent);
  press(root.querySelector('.cols')!, 'ArrowRight');
  expect(marked()).toEqual(['é', '▯', 'é']);
  expect(root.querySelector('.detail')!.textContent).toContain('é 1 letter, 2 bytes c3 a9');
  press(root.querySelector('.cols')!, 'ArrowRight');
  expect(marked()).toEqual([' ok', ' ', 'o', 'k']);
  expect([...root.querySelectorAll('.x')].map(cell => cell.textContent)).toEqual(['1', '1', '×2.0', '×1.2']);
  root.querySelectorAll<HTMLButtonElement>('.segments button')[2]!.click();
  expect(root.querySelectorAll('.text span')[1]!.textContent).toBe('c3 a9');
  const field = root.querySelector<HTMLInputElement>('.field')!;
  field.value = 'org/name';
  press(field, 'Enter');
  expect(asked).toEqual([{ type: 'inspection.add', name: 'org/name' }]);
});

test('attribution: what speaks for it and what against, and another question', async () => {
  const asked: unknown[] = [];
  const root = await open(GOLDEN.causes!, { ask: act => asked.push(act) });
  expect(root.querySelector('.why')!.textContent).toBe('Why ␣the (61 %) and not ␣a (5.0 %)?');
  expect([...root.querySelectorAll('.bars b')].map(item => item.textContent)).toEqual([
    '+2.89',
    '−1.44',
    '+0.14',
  ]);
  expect(root.querySelector('.say')!.textContent).toBe(
    'Without ␣cap (2) ␣the would be less likely by 2.89 bits',
  );
  press(root.querySelector('.text')!, 'ArrowRight');
  expect(root.querySelector('.say')!.textContent).toContain('more likely by 1.44 bits');
  const [target, against] = root.querySelectorAll<HTMLInputElement>('.field');
  target!.value = ' sea';
  press(against!, 'Enter');
  expect(asked).toEqual([{ type: 'inspection.target', target: ' sea', against: ' a' }]); // the contrast stays (A12)
});

test('memorised: how far, and where it would have turned', async () => {
  const root = await open(GOLDEN.memory!);
  expect(root.querySelector('.lead')!.textContent).toBe(
    'Given the first token it goes on word for word for 2 of 3.',
  );
  expect(root.querySelector('.say')!.textContent).toBe('␣is (4): 1.8 %, rank 8, where it would say ␣in');
  expect(root.querySelectorAll('.text .run')).toHaveLength(2);
  press(root.querySelector('.text')!, 'ArrowLeft');
  expect(root.querySelector('.say')!.textContent).toContain('the likeliest');
});

test('watch: strings behind every token, as probability and as rank', async () => {
  const root = await open(GOLDEN.watch!);
  const row = (n: number) => [...root.querySelectorAll('tr')[n]!.children].map(cell => cell.textContent);
  expect(row(1)).toEqual(['␣Paris', '80 %', '1']);
  press(root.querySelector('.text')!, 'ArrowLeft');
  expect(row(0)[0]).toBe('behind ␣of (3)');
  expect(row(2)).toEqual(['␣Lyon␣city', '1.0 %', '61']);
  press(root.querySelector('.text')!, '2');
  expect(root.querySelector('.plot')!.getAttribute('aria-label')).toContain('rank of ␣Paris');
  expect(root.querySelector('.foot')!.textContent).toContain('␣Lyon␣city by its first token ␣Lyon');
});

test('walk: station by station with the keys, to the next token, and to the full views', async () => {
  const asked: unknown[] = [];
  const root = await open(GOLDEN.walk!, { ask: act => asked.push(act) });
  const main = root.querySelector('[role=group]')!;
  const one = () => root.querySelector('.one')!.textContent;
  const now = () => root.querySelector('.path .now b')!.textContent;
  expect(one()).toBe('The text is cut into 4 pieces that the model knows by number; it never sees letters.');
  press(main, 'ArrowRight');
  expect(one()).toContain('␣cap begins as 8 numbers, the same ones both times');
  press(main, 'ArrowRight');
  expect(one()).toContain('this head gives ␣cap 70 % of its attention');
  expect(root.querySelector('.heads .on')!.textContent).toContain('+2.00');
  press(main, 'Enter');
  press(main, 'ArrowRight');
  expect(one()).toBe('Read out early it says something else; ␣w3 leads from layer 2 on.');
  press(main, 'ArrowRight');
  expect(one()).toContain('␣w3 has 19.49, 1.10 above the next, 3.0 times the share.');
  press(main, 'ArrowRight');
  expect(now()).toBe('Cut');
  expect(root.querySelectorAll('.gates .gone')).toHaveLength(0);
  const slider = root.querySelector<HTMLInputElement>('input[aria-label="min-p"]')!;
  slider.value = '0.3';
  slider.dispatchEvent(new Event('input'));
  expect(root.querySelectorAll('.gates .gone')).toHaveLength(2);
  press(main, 'r');
  press(main, 'ArrowRight');
  expect(one()).toBe('A random number decides: 0.250 lies in the piece of ␣w3, one of 4.');
  press(main, 't');
  expect(root.querySelector('.said')!.textContent).toContain('w3');
  // The first throw is another one: not that of the walk's own seed once more.
  const [, own, other] = /this walk has seed (\S+)\. Seed (\d+) throws/.exec(one() + main.textContent)!;
  expect(other).not.toBe(own);
  press(main, 'ArrowRight');
  expect([now(), root.querySelector('.foot')!.textContent!.includes('token 2 of 2')]).toEqual([
    'Pieces',
    true,
  ]);
  press(main, ',');
  root.querySelectorAll<HTMLButtonElement>('.segments button')[1]!.click();
  expect(root.querySelectorAll('.all .no')).toHaveLength(7);
  expect(asked).toEqual([{ type: 'inspection.open', view: 'attention', upto: 4, layer: 2, token: 0 }]);
});

test('as a widget, where our plugin is not', async () => {
  const { default: widget } = await import('../src/hosts/anywidget.js');
  const model = {
    get: (name: string) => ({ kind: 'inside', payload: GOLDEN.lens })[name],
    send: () => {},
    on: () => {},
    off: () => {},
  };
  const off = widget.render({ model, el: element });
  await vi.waitFor(() =>
    expect(inside(element).querySelector('.say')!.textContent).toContain('after layer 3'),
  );
  off();
  expect(element.childElementCount).toBe(0);
});

test('a corrected cell is put where the user says, and what was edited meanwhile is left alone', async () => {
  const calls: unknown[] = [];
  let state: 'same' | 'changed' = 'same';
  const cells = {
    insert: (sources: string[]) => calls.push(sources),
    replace: (...args: unknown[]) => calls.push(args) > 0 && state === 'same',
    state: () => state,
  };
  const root = await open(GOLDEN.fix!, { cells });
  const [replace, below] = [...root.querySelectorAll('button')];
  expect([...root.querySelectorAll('mark')].map(item => item.textContent)).toEqual(['price', 'prices']);
  replace!.click();
  expect(calls[0]).toEqual([
    6,
    expect.stringContaining('sum(price)'),
    expect.stringContaining('sum(prices)'),
  ]);
  below!.click();
  state = 'changed';
  root.querySelector('.row')!.dispatchEvent(new Event('pointerenter'));
  expect(root.querySelector('button')!.disabled).toBe(true);
  expect(root.querySelector('[role=status]')!.textContent).toBe('cell 6 is another now');
  // On a page that is no notebook there is the text to copy.
  const page = await open(GOLDEN.fix!, {});
  expect([...page.querySelectorAll('button')].map(item => item.textContent)).toEqual(['Copy']);
});
