import { beforeEach, expect, type Mock, test, vi } from 'vitest';
import { Minimap } from '../src/strip/minimap.js';
import { MEASURES } from '../src/ui/measures.js';
import { token } from './helpers.js';

const WIDTH = 100;
let pick: Mock<(place: number) => void>;
let map: Minimap;
beforeEach(() => {
  document.body.replaceChildren();
  pick = vi.fn();
  map = new Minimap(pick, () => '#000', vi.fn());
  document.body.append(map.element);
  Object.defineProperty(map.element, 'clientWidth', { value: WIDTH });
  const box = { left: 0, width: WIDTH } as DOMRect;
  map.element.querySelector('canvas')!.getBoundingClientRect = () => box;
});
const press = (x: number) =>
  map.element
    .querySelector('canvas')!
    .dispatchEvent(Object.assign(new Event('pointerdown'), { clientX: x }) as PointerEvent);

test('a press picks the token below it, and nothing where there are no tokens', () => {
  map.show([], 10, MEASURES.surprisal);
  press(50);
  expect(pick).not.toHaveBeenCalled();
  const tokens = Array.from({ length: 10 }, () => token('a'));
  map.show(tokens, 10, MEASURES.surprisal);
  press(55);
  press(1000); // the pointer left the map
  expect(pick.mock.calls).toEqual([[5], [9]]);
});

test('many tokens share a bar, which picks the most unexpected of them', () => {
  const tokens = Array.from({ length: 500 }, (_, n) => token('a', n === 103 ? -9 : -0.1));
  map.show(tokens, 500, MEASURES.surprisal);
  expect(map.group).toBe(10);
  press(20.9);
  expect(pick.mock.calls).toEqual([[103]]);
});

test('it is a slider for a screen reader', () => {
  map.show([token('a'), token('b')], 2, MEASURES.surprisal);
  map.mark(1, 'b, 60 %');
  const names = ['role', 'aria-valuemin', 'aria-valuenow', 'aria-valuemax', 'aria-valuetext'];
  expect(names.map(name => map.element.getAttribute(name))).toEqual(['slider', '1', '2', '2', 'b, 60 %']);
  map.mark(undefined);
  expect(map.element.querySelector<HTMLElement>('.mark')!.hidden).toBe(true);
});

test('the window shows which part is in view', () => {
  map.show(
    Array.from({ length: 20 }, () => token('a')),
    20,
    MEASURES.surprisal,
  );
  map.window([5, 9]);
  const box = map.element.querySelector<HTMLElement>('.window')!;
  expect([box.hidden, box.style.left, box.style.width]).toEqual([false, '25%', '25%']);
  map.window(undefined);
  expect(box.hidden).toBe(true);
});
