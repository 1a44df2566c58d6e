import { css } from '../ui/css.js';

export const STYLE = css`
  .table {
    margin-top: 6px;
  }
  .line {
    display: grid;
    grid-template-columns: 18px minmax(110px, 1.5fr) minmax(110px, 2.2fr) 56px 64px 64px minmax(96px, 1fr);
    gap: 10px;
    align-items: center;
    padding: 6px 0;
    border-bottom: 1px solid var(--llm-line);
    cursor: pointer;
  }
  .line.head {
    cursor: default;
    color: var(--llm-fg2);
    font-size: 11px;
    align-items: end;
    padding: 0 0 4px;
    border-color: var(--llm-line2);
  }
  .line > .n {
    text-align: right;
  }
  .line b {
    font-weight: 600;
  }
  .line.open {
    background: var(--llm-cell);
  }
  .line > .tri {
    color: var(--llm-fg2);
    transition: none;
  }
  .line.open .tri {
    transform: rotate(90deg);
  }
  .line[aria-selected="true"] {
    box-shadow: inset 2px 0 var(--llm-accent);
  }
  .pieces {
    display: flex;
    flex-wrap: wrap;
    gap: 2px 4px;
    min-width: 0;
  }
  .pieces span {
    font: 13px var(--llm-code);
    overflow-wrap: anywhere;
  }
  .pieces i {
    font-style: normal;
    background: var(--llm-piece-1);
    border-radius: 2px;
    padding: 0 2px;
  }
  .pieces span:nth-child(even) i {
    background: var(--llm-piece-2);
  }

  .pieces small {
    display: block;
    font: 10.5px var(--llm-ui);
    color: var(--llm-fg2);
  }
  .axis {
    position: relative;
    height: 20px;
    background-repeat: repeat-x;
  }
  .axis .seg {
    position: absolute;
    top: 1px;
    height: 18px;
    overflow: hidden;
    white-space: nowrap;
    font: 11px / 18px var(--llm-code);
    padding-left: 3px;
    box-sizing: border-box;
    border-right: 1px solid var(--llm-bg);
  }
  .axis .seg.h0 {
    background: var(--llm-line2);
  }
  .axis .p {
    position: absolute;
    top: 3px;
    white-space: nowrap;
    color: var(--llm-fg2);
    font-size: 11px;
    padding-left: 6px;
  }
  .axis .tick {
    white-space: nowrap;
    position: absolute;
    transform: translateX(-50%);
    font-size: 10.5px;
    bottom: 0;
  }
  .axis .tick:first-of-type {
    transform: none;
  }
  .share {
    display: grid;
    grid-template-columns: 1fr 50px;
    gap: 8px;
    align-items: center;
  }
  .share .n {
    text-align: right;
  }
  .inner {
    background: var(--llm-cell);
    padding: 4px 12px 10px 30px;
    border-bottom: 1px solid var(--llm-line);
  }
  .inner table {
    border-collapse: collapse;
    width: 100%;
  }
  .inner td,
  .inner th {
    padding: 4px 8px;
    border-bottom: 1px solid var(--llm-line);
    font-weight: 400;
    text-align: right;
    white-space: nowrap;
  }
  .inner :is(td, th):first-child,
  .inner :is(td, th):last-child {
    text-align: left;
  }
  .inner td:last-child {
    white-space: normal;
    color: var(--llm-fg2);
    font: 11px var(--llm-code);
  }
  .inner th {
    color: var(--llm-fg2);
    font-size: 11px;
  }
  .hold {
    display: flex;
    gap: 14px;
    align-items: center;
    margin: 12px 0 4px;
    color: var(--llm-fg2);
  }
  .hold .strip {
    flex: 1;
    display: flex;
    height: 14px;
  }
  .hold .strip i {
    display: block;
    height: 100%;
    border-right: 1px solid var(--llm-bg);
    background: var(--llm-mass-4);
  }
  .hold .strip i:nth-child(even) {
    background: var(--llm-mass-3);
  }
  .hold .strip i.hatched {
    background: var(--llm-hatched);
  }
  .note {
    color: var(--llm-fg2);
    margin: 6px 0;
  }
  @container (max-width: 640px) {
    .line {
      grid-template-columns: 14px minmax(110px, 1.4fr) 60px 60px;
    }
    .line > :nth-child(3),
    .line > :nth-child(5),
    .line > .share {
      display: none;
    }
    .line > :nth-child(6) {
      display: none;
    }
  }
`;
