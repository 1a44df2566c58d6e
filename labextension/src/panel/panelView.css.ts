import { css } from '../ui/css.js';

export const PANEL_STYLE = css`
  .panel {
    color: var(--llm-fg);
  }
  .top {
    display: flex;
    justify-content: space-between;
    align-items: center;
    padding: 4px 12px;
  }
  h2 {
    font-size: 11px;
    letter-spacing: 0.5px;
    text-transform: uppercase;
    margin: 0;
  }
  details > summary {
    display: flex;
    align-items: center;
    gap: 6px;
    min-height: 25px;
    padding: 0 12px;
    cursor: pointer;
    background: var(--jp-layout-color2, var(--llm-cell));
    border-block: 1px solid var(--llm-line);
    list-style: none;
  }
  summary::before {
    content: "▸";
    width: 10px;
  }
  details[open] > summary::before {
    content: "▾";
  }
  summary:focus-visible {
    outline: 2px solid var(--llm-focus);
    outline-offset: -2px;
  }
  h3 {
    white-space: nowrap;
    font-size: 12px;
    font-weight: 600;
    margin: 0;
  }
  .count {
    margin-left: auto;
    color: var(--llm-fg2);
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .body {
    padding: 8px 12px 10px;
  }
  p {
    margin: 0 0 4px;
    overflow-wrap: anywhere;
  }
  ul {
    list-style: none;
    margin: 0;
    padding: 0;
  }
  li {
    padding: 5px 0;
  }
  li + li {
    border-top: 1px solid var(--llm-line);
  }
  .head {
    display: flex;
    flex-wrap: wrap;
    justify-content: space-between;
    align-items: center;
    gap: 2px 8px;
  }
  .head b {
    overflow-wrap: anywhere;
    min-width: 0;
  }
  .head input {
    margin: 0 6px 0 0;
    vertical-align: middle;
  }
  .acts {
    display: flex;
    align-items: center;
    gap: 4px;
  }
  .chip {
    border: 1px solid var(--llm-line2);
    border-radius: 9px;
    padding: 0 7px;
    font-size: 11px;
    color: var(--llm-fg2);
  }
  .stack {
    display: flex;
    height: 7px;
    background: var(--llm-track);
    margin: 4px 0;
  }
  .weights {
    background: var(--llm-mass-4);
  }
  .caches {
    background: var(--llm-mass-solid);
  }
  .swatch {
    display: inline-block;
    width: 8px;
    height: 8px;
    margin-right: 4px;
  }
  .swatch.caches {
    margin-left: 6px;
  }
  .buttons {
    display: flex;
    flex-wrap: wrap;
    gap: 6px;
    margin-top: 6px;
  }
  .buttons .field {
    max-width: 100%;
  }
  .strength {
    display: flex;
    align-items: center;
    gap: 8px;
    margin-top: 4px;
  }
  .strength input {
    flex: 1;
    min-width: 60px;
    accent-color: var(--llm-mass-solid);
  }
  .strength output {
    font-weight: 600;
    min-width: 2.4em;
  }
  .progress {
    height: 4px;
    background: var(--llm-track);
    margin: 4px 0;
    overflow: hidden;
  }
  .progress i {
    display: block;
    height: 100%;
    background: var(--llm-mass-solid);
  }
  .progress.paused i {
    background: var(--llm-fg2);
  }
  .progress.unknown {
    background: var(--llm-hatched);
  }
  .ask {
    border-left: 2px solid var(--llm-error-text);
    background: var(--llm-error);
    padding: 6px 8px;
    margin-top: 4px;
  }
  .button.danger {
    border-color: var(--llm-error-text);
    color: var(--llm-error-text);
  }
  .bad {
    color: var(--llm-error-text);
  }
  .bad .icon {
    vertical-align: middle;
    margin-right: 4px;
  }
  .switch {
    display: flex;
    align-items: center;
    gap: 6px;
    margin-bottom: 4px;
  }
  .banner {
    margin: 6px 8px;
  }
`;
