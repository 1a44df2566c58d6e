/** Elements without a framework. A string is always a text node: nothing is ever read as HTML. */

type Child = Node | string | null | undefined | false;
type Props = { [name: string]: string | number | boolean | undefined | null | ((event: never) => void) };

/** `on…` are listeners, everything else an attribute; false and undefined leave it out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function')
      element.addEventListener(name.slice(2).toLowerCase(), value as unknown as EventListener);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child): child is Node | string => child != null && child !== false));
  return element;
}

/** Simple line icons; the paths are ours. */
const ICONS = {
  search: 'M7 2a5 5 0 1 0 0 10A5 5 0 0 0 7 2ZM11 11l3.5 3.5',
  more: 'M3 8h.01M8 8h.01M13 8h.01',
  stop: 'M4.5 4.5h7v7h-7Z',
  pause: 'M5.5 4v8M10.5 4v8',
  play: 'M5 3.5v9l7-4.5Z',
  plus: 'M8 3v10M3 8h10',
  branch: 'M5 3v10M5 9c5 0 6-1 6-4M11 3v2',
  cell: 'M2.5 4.5v-2h11v8h-5M5 9v5M2.5 11.5h5',
  send: 'M8 13V3M4 7l4-4 4 4',
  again: 'M13 8a5 5 0 1 1-2-4M11 1v3H8',
  down: 'M4 6l4 4 4-4',
  up: 'M4 10l4-4 4 4',
  warning: 'M8 2l6.5 11.5h-13ZM8 6.5v3M8 11.5h.01',
  info: 'M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13ZM8 7.5v4M8 5h.01',
  error: 'M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13ZM8 4.5v4M8 11h.01',
} as const;

export function icon(name: keyof typeof ICONS): SVGSVGElement {
  const ns = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(ns, 'svg');
  const path = document.createElementNS(ns, 'path');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', `icon ${name}`);
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

/** Runs a function at most once a frame. */
export function perFrame(work: () => void): { ask(): void; cancel(): void } {
  let asked = 0;
  return {
    ask() {
      asked ||= requestAnimationFrame(() => {
        asked = 0;
        work();
      });
    },
    cancel() {
      cancelAnimationFrame(asked);
      asked = 0;
    },
  };
}
export function copy(text: string): void {
  void navigator.clipboard?.writeText(text);
}
