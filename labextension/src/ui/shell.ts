/** The root that every view stands in: a shadow root with the colours, so that no host's style gets in. */

import { h, icon, perFrame } from './dom.js';
import { SHELL_STYLE } from './shell.css.js';
import { THEME_STYLE } from './theme.css.js';
import { followTheme } from './theme.js';

export interface Shell {
  /** Where the view puts its elements. */
  root: HTMLElement;
  /** The computed value of a custom property. */
  color(name: string): string;
  /** Call `draw` once the colours can be read, and whenever they change: a canvas keeps what was painted. */
  onColors(draw: () => void): void;
  dispose(): void;
}

/** A root below `parent`; what stands in one already needs none of its own, only its style. */
export function shell(parent: HTMLElement, style: string): Shell {
  const outer = parent.getRootNode();
  const inside = outer instanceof ShadowRoot && outer.host.hasAttribute('data-llm-view');
  if (inside) {
    const root = h('div', { class: 'view' });
    const name = `llm-${hash(style)}`;
    if (!outer.getElementById(name)) outer.append(h('style', { id: name }, style));
    parent.append(root);
    const off: (() => void)[] = [];
    return {
      root,
      color: name => value(outer.host, name),
      onColors: draw => off.push(watchColors(outer.host, draw)),
      dispose() {
        for (const item of off) item();
        root.remove();
      },
    };
  }
  // On the focused element itself or its shadow host: JupyterLab's own shortcuts then let our keys be.
  const host = h('div', { 'data-llm-view': true, 'data-lm-suppress-shortcuts': 'true' });
  const root = h('div', { class: 'view' });
  host.attachShadow({ mode: 'open' }).append(h('style', {}, THEME_STYLE + SHELL_STYLE + style), root);
  parent.append(host);
  // What is focused because something in it was clicked shows no ring.
  root.addEventListener('pointerdown', () => root.classList.add('pointed'), { capture: true });
  root.addEventListener('keydown', () => root.classList.remove('pointed'), { capture: true });
  const off = [followTheme(host)];
  return {
    root,
    color: name => value(host, name),
    onColors: draw => off.push(watchColors(host, draw)),
    dispose() {
      for (const item of off) item();
      host.remove();
    },
  };
}

/** A view that is built before it is in the document has no colours yet: its host has no size either. */
function watchColors(host: Element, draw: () => void): () => void {
  // JupyterLab takes cells out of the page for a moment: one frame later they are back, or their size tells.
  const frame = perFrame(() => host.isConnected && draw());
  const colours = new MutationObserver(() => frame.ask());
  colours.observe(host, { attributes: true, attributeFilter: ['data-llm-theme', 'data-llm-paint'] });
  let connected = host.isConnected;
  const size =
    typeof ResizeObserver === 'undefined'
      ? undefined
      : new ResizeObserver(() => {
          if (host.isConnected && !connected) draw();
          connected = host.isConnected;
        });
  size?.observe(host);
  // Paper is white: what was painted for a dark page is painted anew.
  const paper = window.matchMedia?.('print');
  paper?.addEventListener('change', draw);
  return () => {
    paper?.removeEventListener('change', draw);
    frame.cancel();
    colours.disconnect();
    size?.disconnect();
  };
}

function value(element: Element, name: string): string {
  return getComputedStyle(element).getPropertyValue(name).trim() || '#888';
}

function hash(text: string): number {
  let sum = 0;
  for (let n = 0; n < text.length; n++) sum = (31 * sum + text.charCodeAt(n)) | 0;
  return sum >>> 0;
}

/** Give the focus back to what the view stands in: in a notebook its cell. */
export function returnFocus(target: HTMLElement): void {
  const root = target.getRootNode();
  const outer = root instanceof ShadowRoot ? root.host : target;
  const holder = outer.parentElement?.closest<HTMLElement>('[tabindex]');
  if (holder) holder.focus({ preventScroll: true });
  else target.blur();
}

/** A banner with what is wrong and what to do next. */
export function banner(what: string, next: string, icon?: Element): HTMLElement {
  return h(
    'div',
    { class: 'banner', role: 'alert' },
    icon ?? null,
    h('div', {}, h('b', {}, what), h('div', {}, next)),
  );
}

const SAID = 'llm-magics-said';

/** Show an error below a view that stands in the page itself: in a root of its own, as it needs our style. */
export function showError(node: HTMLElement, what: string, next: string): void {
  const { root } = shell(node, '');
  (root.getRootNode() as ShadowRoot).host.classList.add(SAID);
  root.append(banner(what, next, icon('error')));
  (root.getRootNode() as ShadowRoot).host.scrollIntoView?.({ block: 'nearest' });
}

/** Remove the errors that were shown. */
export function clearErrors(node: HTMLElement): void {
  for (const old of node.querySelectorAll(`.${SAID}`)) old.remove();
}
