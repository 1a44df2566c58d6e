/** Tell which of the two themes a view is in, and follow it. */

type Rgb = [number, number, number];

/** sRGB of a computed colour; undefined where it is transparent or unknown. */
export function parseColor(text: string): Rgb | undefined {
  const parts = text.match(/[\d.]+/g)?.map(Number);
  if (!text.startsWith('rgb') || !parts || parts.length < 3 || parts[3] === 0) return undefined;
  return parts.slice(0, 3) as Rgb;
}

/** CIE lightness, 0 to 100. */
export function lightness(rgb: Rgb): number {
  const linear = rgb.map(value => {
    const c = value / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  const y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return y > 0.008856 ? 116 * Math.cbrt(y) - 16 : 903.3 * y;
}

/** Keeps `data-llm-theme` and `data-llm-paint` of the element as the page's theme has them. */
export function followTheme(element: HTMLElement): () => void {
  const update = () => {
    const { theme, paint } = themeOf(element);
    element.dataset.llmTheme = theme;
    element.toggleAttribute('data-llm-paint', paint);
  };
  update();
  const observer = new MutationObserver(update);
  for (const target of [document.body, document.documentElement])
    observer.observe(target, {
      attributes: true,
      attributeFilter: ['class', 'theme', 'data-jp-theme-light'],
    });
  const media = window.matchMedia?.('(prefers-color-scheme: dark)');
  media?.addEventListener('change', update);
  return () => {
    observer.disconnect();
    media?.removeEventListener('change', update);
  };
}

function themeOf(element: HTMLElement): { theme: 'light' | 'dark'; paint: boolean } {
  let background: Rgb | undefined;
  for (let parent = element.parentElement; parent && !background; parent = parent.parentElement)
    background = parseColor(getComputedStyle(parent).backgroundColor);
  const light = background && lightness(background);
  const { body, documentElement: html } = document;
  const jupyter = body.dataset.jpThemeLight;
  let dark: boolean;
  if (jupyter) dark = jupyter === 'false';
  else if (body.classList.contains('vscode-dark') || html.getAttribute('theme') === 'dark') dark = true;
  else if (light !== undefined) dark = light < 50;
  else dark = window.matchMedia?.('(prefers-color-scheme: dark)')?.matches ?? false;
  // The ramps are tuned for these two grounds; on another one the view brings its own.
  const near = light === undefined || Math.abs(light - (dark ? 5.1 : 100)) <= 3;
  return { theme: dark ? 'dark' : 'light', paint: !near };
}
