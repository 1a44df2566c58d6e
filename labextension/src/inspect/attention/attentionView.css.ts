import { css } from '../../ui/css.js';

export const STYLE = css`
  .sheet {
    display: grid;
    gap: 3px;
    overflow: auto;
    max-height: 420px;
    font: 11px / 1 var(--llm-ui);
    color: var(--llm-fg2);
    justify-content: start;
    margin: 6px 0 14px;
  }
  .sheet span {
    display: flex;
    align-items: center;
    justify-content: center;
    min-width: 18px;
  }
  .sheet .on {
    color: var(--llm-accent);
    font-weight: 600;
  }
  .sheet canvas {
    display: block;
    background: var(--llm-cell);
    cursor: pointer;
    image-rendering: pixelated;
  }
  .sheet canvas.on {
    outline: 2px solid var(--llm-accent);
    outline-offset: 1px;
    border-radius: 1px;
  }
  .two {
    display: grid;
    grid-template-columns: minmax(0, 1fr) minmax(0, 1.05fr);
    gap: 28px;
  }
  .matrix {
    position: relative;
    min-width: 0;
  }
  .matrix canvas {
    display: block;
    cursor: crosshair;
  }
  .names {
    position: relative;
    height: 64px;
    font: 12px var(--llm-code);
    color: var(--llm-fg2);
  }
  .names span {
    position: absolute;
    bottom: 4px;
    transform-origin: 0 100%;
    transform: rotate(-45deg);
    white-space: nowrap;
    max-width: 86px;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .rows {
    position: absolute;
    left: 0;
    text-align: right;
    font: 12px var(--llm-code);
    color: var(--llm-fg2);
  }
  .rows span {
    display: block;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    padding-right: 8px;
  }
  :is(.rows, .names) .on {
    color: var(--llm-accent);
    font-weight: 600;
  }
  .cells {
    position: absolute;
    pointer-events: none;
    font: 11px / 1 var(--llm-ui);
  }
  .cells b {
    position: absolute;
    display: flex;
    align-items: center;
    justify-content: center;
    font-weight: 400;
    color: var(--llm-on);
  }
  .some {
    position: absolute;
    left: 0;
    top: 0;
    font: 11px / 14px var(--llm-code);
    color: var(--llm-fg2);
  }
  .some span {
    position: absolute;
    right: 0;
    max-width: 100%;
    transform: translateY(-50%);
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    background: var(--llm-bg);
  }
  .some .on {
    color: var(--llm-accent);
    font-weight: 600;
    z-index: 1;
  }
  .ring {
    position: absolute;
    border: 2px solid var(--llm-accent);
    border-radius: 2px;
    pointer-events: none;
  }
  .arcs {
    overflow-x: auto;
    padding-right: 4px;
  }
  .matrix {
    padding-bottom: 4px;
  }
  .arcs svg {
    display: block;
  }
  .arcs path {
    fill: none;
    stroke: var(--llm-mass-4);
  }
  .arcs .most {
    stroke: var(--llm-mass-solid);
  }
  .arcs text {
    font: 14px var(--llm-text);
    fill: var(--llm-fg2);
    cursor: pointer;
  }
  .arcs .lit {
    fill: var(--llm-fg);
  }
  .arcs .from {
    fill: var(--llm-accent);
    font-weight: 600;
  }
  .arcs .p {
    font: 11px var(--llm-ui);
  }
  h3 {
    font: 600 14px var(--llm-ui);
    margin: 0 0 4px;
    display: flex;
    justify-content: space-between;
  }
  h3 span {
    font-weight: 400;
    color: var(--llm-fg2);
  }
  table {
    width: 100%;
    border-collapse: collapse;
    margin-top: 12px;
  }
  td,
  th {
    padding: 5px 8px;
    border-bottom: 1px solid var(--llm-line);
    text-align: left;
    font-weight: 400;
  }
  th {
    color: var(--llm-fg2);
    font-size: 11px;
  }
  td:last-child,
  th:last-child {
    text-align: right;
  }
  .switch {
    display: inline-flex;
    gap: 6px;
    align-items: center;
  }
  @container (max-width: 640px) {
    .two {
      grid-template-columns: 1fr;
    }
  }
  @media print {
    .sheet {
      max-height: none;
      overflow: visible;
    }
  }
`;
