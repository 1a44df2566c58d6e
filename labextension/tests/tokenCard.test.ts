import { beforeEach, expect, test, vi } from 'vitest';
import { TokenCard } from '../src/strip/tokenCard.js';
import { record, token } from './helpers.js';

let card: TokenCard;
const at = { left: 100, bottom: 40, top: 20 } as DOMRect;
beforeEach(() => {
  document.body.replaceChildren();
  card = new TokenCard();
  document.body.append(card.element);
});
const options = () => [...card.element.querySelectorAll<HTMLElement>('[role=option]')];

test('numbers are in bits, with the logprob in nats below', () => {
  const tokens = [token('a', Math.log(0.5)), token('b', Math.log(0.25))];
  card.show(record(...tokens), tokens, 1, at, {});
  const facts = [...card.element.querySelectorAll('dd')].map(item => item.textContent);
  expect(facts).toEqual(['25 %', '2.00 bits', '1', '1.44 bits']);
  expect(card.element.textContent).toContain('logprob −1.386 nats · token 2 of 2');
});

test('the first token of a scored text has no prediction', () => {
  const tokens = [token('a'), token('b')];
  card.show({ ...record(...tokens), predicted_from: 1 }, tokens, 0, at, {});
  expect(card.element.textContent).toContain('there is no prediction for it');
  expect(options()).toEqual([]);
});

test('a click on another token branches, and on the chosen one does not', () => {
  const branch = vi.fn();
  const tokens = [token('a')];
  card.show(record(...tokens), tokens, 0, at, { branch });
  for (const option of options()) option.click();
  expect(branch.mock.calls).toEqual([[0, 1002]]);
});

test('without a kernel nothing can be chosen, and the card says why', () => {
  const tokens = [token('a')];
  card.show(record(...tokens), tokens, 0, at, {});
  expect(card.element.querySelector('.can')).toBeNull();
  expect(card.element.textContent).toContain('Branching needs a running kernel.');
});

test('the keys go through the alternatives in a circle', () => {
  const tokens = [token('a')];
  card.show(record(...tokens), tokens, 0, at, { branch: vi.fn() });
  expect(card.selected).toBeUndefined();
  card.step(-1);
  expect(card.selected!.text).toBe('a!');
  card.step(1);
  expect(card.selected!.text).toBe('a');
  expect(options().map(option => option.getAttribute('aria-selected'))).toEqual(['true', 'false']);
});

test('other words can be typed into a pinned card', () => {
  const branch = vi.fn();
  const tokens = [token('a')];
  card.show(record(...tokens), tokens, 0, at, { branch });
  expect(card.element.querySelector('form')).toBeNull();
  card.pinned = true;
  card.show(record(...tokens), tokens, 0, at, { branch });
  const form = card.element.querySelector('form')!;
  form.dispatchEvent(new Event('submit', { cancelable: true }));
  expect(branch).not.toHaveBeenCalled();
  form.querySelector('input')!.value = ' else';
  form.dispatchEvent(new Event('submit', { cancelable: true }));
  expect(branch.mock.calls).toEqual([[0, ' else']]);
});

test('hiding the card unpins it', () => {
  const tokens = [token('a')];
  card.show(record(...tokens), tokens, 0, at, {});
  card.pinned = true;
  card.hide();
  expect([card.open, card.pinned]).toEqual([false, false]);
});

test('under a grammar the card tells what was allowed, and strikes what was not', () => {
  const chosen = { ...token('mat', -2), allowed: 5, log_allowed: -1.5 };
  chosen.alternatives = [
    { id: 90, text: 'L', logprob: -0.5, banned: true },
    { id: chosen.id, text: 'mat', logprob: -2 },
  ];
  const branch = vi.fn();
  const card = new TokenCard();
  document.body.append(card.element);
  card.show(record(chosen), [chosen], 0, new DOMRect(), { branch });
  const text = card.element.textContent ?? '';
  expect(text).toContain('of what is allowed61 %');
  expect(text).toContain('before the schema14 %');
  expect(text).toContain('5 tokens allowed here · forbidden by the schema 78 %');
  const banned = card.element.querySelector<HTMLElement>('.banned')!;
  expect(banned.textContent).toContain('L');
  banned.click();
  expect(branch).not.toHaveBeenCalled();
});
