/** What the pointer is over: a token after a moment, and the card as long as it is there. */

import type { TokenCard } from './tokenCard.js';

const HOVER_MS = 120;
const NEXT_MS = 20; // where a card is open already
const LEAVE_MS = 250; // to get from the token to its card

/** What has tokens under the pointer. */
export interface Pointed {
  element: HTMLElement;
  /** Undefined: none; null: somebody else's. */
  at(x: number, y: number, target: EventTarget | null): number | undefined | null;
}

export interface PointerActions {
  over(place: number): void;
  pick(place: number): void;
  leave(): void;
}

/** Follows the pointer in `root`; gives back what ends it. */
export function followHover(
  root: HTMLElement,
  text: Pointed,
  card: TokenCard,
  actions: PointerActions,
): () => void {
  const ended = new AbortController();
  const { signal } = ended;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const later = (work: () => void, ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => !card.pinned && work(), ms);
  };
  const onCard = () => card.element.matches(':hover');
  const { element } = text;

  element.addEventListener('pointermove', event => {
    if (event.pointerType === 'touch' || event.buttons) return;
    const target = event.composedPath()[0] ?? null; // afterwards it is forgotten
    const openCard = () => {
      const place = text.at(event.clientX, event.clientY, target);
      if (place === null) return;
      if (place !== undefined) actions.over(place);
      else if (!onCard()) actions.leave();
    };
    later(openCard, card.open ? NEXT_MS : HOVER_MS);
  });
  element.addEventListener('pointerleave', () => later(() => !onCard() && actions.leave(), LEAVE_MS));
  card.element.addEventListener('pointerenter', () => clearTimeout(timer));
  card.element.addEventListener('pointerleave', () => !card.pinned && actions.leave());
  element.addEventListener('click', event => {
    if (getSelection()?.toString()) return; // a selection is being made
    const place = text.at(event.clientX, event.clientY, event.composedPath()[0] ?? null);
    if (place === null) return;
    if (place === undefined) actions.leave();
    else actions.pick(place);
  });
  // A card belongs to one strip: a click anywhere else closes it, and what scrolls away leaves it behind.
  const outside = (event: Event) => card.pinned && !event.composedPath().includes(root) && actions.leave();
  document.addEventListener('pointerdown', outside, { capture: true, signal });
  const scrolled = (event: Event) => {
    const within = event.composedPath()[0] ?? event.target;
    if (card.open && !(within instanceof Node && card.element.contains(within))) card.hide();
  };
  document.addEventListener('scroll', scrolled, { capture: true, signal });
  return () => {
    clearTimeout(timer);
    ended.abort();
  };
}
