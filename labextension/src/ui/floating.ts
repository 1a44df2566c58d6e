/** Keeps the last line of a view that grows where it can be seen: its Stop must not be below the window. */

import { perFrame } from './dom.js';

/** Shift `line`, the last one in `view`, up into the part of the page that can be seen.
 *
 * The output that holds a view is a scroller of its own in Jupyter, so that `position: sticky` does nothing.
 * A view that grows is followed before the browser paints: a frame later, Stop would jump at every new line. */
export function keepFloating(
  view: HTMLElement,
  line: HTMLElement,
): { update(on: boolean): void; dispose(): void } {
  let on = false;
  const place = () => {
    line.style.transform = '';
    if (!on) return;
    const own = line.getBoundingClientRect();
    const below = own.bottom - visibleBottom(view);
    const most = own.top - view.getBoundingClientRect().top - own.height;
    const up = Math.min(below, most);
    if (up > 1) line.style.transform = `translateY(${-Math.ceil(up)}px)`;
  };
  const frame = perFrame(place);
  const scrolled = () => frame.ask();
  const size = typeof ResizeObserver === 'undefined' ? undefined : new ResizeObserver(place);
  return {
    update(now) {
      if (now !== on) {
        const change = now ? document.addEventListener : document.removeEventListener;
        change.call(document, 'scroll', scrolled, { capture: true });
        if (now) size?.observe(view);
        else size?.disconnect();
      }
      if (on || now) frame.ask();
      on = now;
      line.classList.toggle('afloat', on);
    },
    dispose() {
      document.removeEventListener('scroll', scrolled, { capture: true });
      size?.disconnect();
      frame.cancel();
    },
  };
}

/** The lowest line of the page that can be seen: that of the nearest ancestor that scrolls, or the window's. */
function visibleBottom(view: HTMLElement): number {
  let bottom = innerHeight;
  let element: Element | null = view;
  while (element) {
    if (
      element.scrollHeight > element.clientHeight + 1 &&
      /auto|scroll/.test(getComputedStyle(element).overflowY)
    )
      bottom = Math.min(bottom, element.getBoundingClientRect().bottom);
    const root: Node = element.getRootNode();
    element = element.parentElement ?? (root instanceof ShadowRoot ? root.host : null);
  }
  return bottom;
}
