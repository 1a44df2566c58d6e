/** Tag a template as CSS, so that the formatter and editors read it as such. It takes no expressions. */
export function css(rules: TemplateStringsArray): string {
  return rules.join('');
}

/** Give numbers (pixels) and other values to a style sheet as custom properties, such as `--minimap-height`. */
export function sizes(view: string, values: Record<string, number | string>): string {
  const properties = Object.entries(values).map(
    ([name, value]) => `--${view}-${name}:${typeof value === 'number' ? `${value}px` : value};`,
  );
  return `:host{${properties.join('')}}`;
}
