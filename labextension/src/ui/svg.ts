/** SVG elements without a framework; a string is always a text node. */

const NS = 'http://www.w3.org/2000/svg';

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: { [name: string]: string | number | undefined } = {},
  ...children: (Node | string)[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** A path through points. */
export function points(xs: readonly number[], ys: readonly number[]): string {
  return xs.map((x, n) => `${x.toFixed(1)},${ys[n]!.toFixed(1)}`).join(' ');
}
