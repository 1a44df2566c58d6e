/** The colours and sizes of the design. */

import { css } from './css.js';

const LIGHT = css`
  --llm-bg: #fff;
  --llm-surface: #fff;
  --own-fg: #212121;
  --own-fg2: #616161;
  --llm-fg3: #9e9e9e;
  --own-line: #e0e0e0;
  --llm-line2: #bdbdbd;
  --llm-accent: #1565c0;
  --llm-accent-soft: #e3f2fd;
  --llm-accent-on: #fff;
  --llm-on: #1f1f1f;
  --llm-heat-1: #fef2d9;
  --llm-heat-2: #ffe2b3;
  --llm-heat-3: #ffcc88;
  --llm-heat-4: #fca94b;
  --llm-heat-5: #f0872d;
  --llm-heat-line: #853a00;
  --llm-heat-solid: #c2570c;
  --llm-mass-1: #e3f3fd;
  --llm-mass-2: #c5e5fa;
  --llm-mass-3: #a0d3f9;
  --llm-mass-4: #79bbf3;
  --llm-mass-5: #5aa0e6;
  --llm-mass-line: #0d5aa7;
  --llm-mass-solid: #1565c0;
  --llm-piece-1: #f1f2f4;
  --llm-piece-2: #e4e7eb;
  --llm-track: #eee;
  --llm-cell: #f6f6f6;
  --llm-warn: #fff6e5;
  --llm-warn-line: #f0c36d;
  --llm-error: #fdecea;
  --llm-error-line: #e9a8a1;
  --llm-error-text: #b3261e;
  --llm-shadow: 0 4px 16px #0003;
`;

const DARK = css`
  --llm-bg: #111;
  --llm-surface: #1b1b1b;
  --own-fg: #e8e8e8;
  --own-fg2: #a8a8a8;
  --llm-fg3: #6b6b6b;
  --own-line: #2e2e2e;
  --llm-line2: #4a4a4a;
  --llm-accent: #64b5f6;
  --llm-accent-soft: #12283c;
  --llm-accent-on: #0b1a27;
  --llm-on: #f5f5f5;
  --llm-heat-1: #2b2112;
  --llm-heat-2: #422d11;
  --llm-heat-3: #5c370e;
  --llm-heat-4: #7a400c;
  --llm-heat-5: #994712;
  --llm-heat-line: #ffb066;
  --llm-heat-solid: #f08c3a;
  --llm-mass-1: #15232f;
  --llm-mass-2: #183147;
  --llm-mass-3: #194164;
  --llm-mass-4: #1c5182;
  --llm-mass-5: #2562a1;
  --llm-mass-line: #8cc8ff;
  --llm-mass-solid: #5aa9ec;
  --llm-piece-1: #1c1e21;
  --llm-piece-2: #2a2e33;
  --llm-track: #262626;
  --llm-cell: #1a1a1a;
  --llm-warn: #2a2110;
  --llm-warn-line: #6b4e14;
  --llm-error: #2e1614;
  --llm-error-line: #73342e;
  --llm-error-text: #ff8a80;
  --llm-shadow: 0 4px 16px #000a;
`;

const RULES = css`
  :host {
    --llm-hatched: repeating-linear-gradient(135deg, var(--llm-line2) 0 2px, transparent 2px 5px);
    --llm-fg: var(--vscode-editor-foreground, var(--jp-content-font-color1, var(--own-fg)));
    --llm-fg2: var(--vscode-descriptionForeground, var(--own-fg2));
    --llm-line: var(--jp-border-color2, var(--own-line));
    --llm-focus: var(--vscode-focusBorder, var(--jp-brand-color1, var(--llm-accent)));
    --llm-text: var(--jp-content-font-family, system-ui, -apple-system, "Segoe UI", sans-serif);
    --llm-ui: var(--jp-ui-font-family, system-ui, -apple-system, "Segoe UI", sans-serif);
    --llm-code: var(--jp-code-font-family, ui-monospace, Menlo, Consolas, monospace);
    display: block;
    color: var(--llm-fg);
    font-family: var(--llm-ui);
    font-size: 12px;
    line-height: 1.35;
    font-variant-numeric: tabular-nums;
    text-align: left;
  }
  :host([data-llm-theme="dark"]) {
    color-scheme: dark;
  }
  :host([data-llm-paint]) {
    --llm-fg: var(--own-fg);
    --llm-fg2: var(--own-fg2);
    --llm-line: var(--own-line);
    background: var(--llm-bg);
    padding: 8px;
  }
  @media print {
    :host,
    :host([data-llm-theme="dark"]) {
      --llm-fg: var(--own-fg);
      --llm-fg2: var(--own-fg2);
      print-color-adjust: exact;
      -webkit-print-color-adjust: exact;
    }
  }
`;

/** Custom properties for a shadow root; the host's own where the design says so. */
export const THEME_STYLE =
  `:host{${LIGHT}}:host([data-llm-theme=dark]){${DARK}}` +
  `@media print{:host,:host([data-llm-theme=dark]){${LIGHT}}}` +
  RULES;
