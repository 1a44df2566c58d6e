import { css } from '../ui/css.js';

export const CARD_STYLE = css`
  .card {
    box-sizing: border-box;
    width: 318px;
    max-width: calc(100vw - 16px);
    margin: 0;
    padding: 0;
    position: fixed;
    inset: auto;
    border: 0;
    border-radius: 6px;
    background: var(--llm-surface);
    color: var(--own-fg);
    box-shadow:
      var(--llm-shadow),
      0 0 0 1px var(--own-line);
    font: 12px / 1.35 var(--llm-ui);
    animation: fade 120ms;
    z-index: 1000;
  }
  @keyframes fade {
    from {
      opacity: 0;
    }
  }
  .card .cap {
    display: flex;
    gap: 8px;
    align-items: baseline;
    padding: 10px 12px 0;
    white-space: nowrap;
  }
  .card .cap b {
    font: 600 14px var(--llm-code);
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .card .cap span,
  .card .k,
  .card p,
  .rest {
    color: var(--own-fg2);
  }
  .card .cap .hex {
    margin-left: auto;
    font: 11px var(--llm-code);
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .card dl {
    display: flex;
    justify-content: space-between;
    margin: 6px 12px;
  }
  .card dt {
    font-size: 11px;
    color: var(--own-fg2);
  }
  .card dd {
    margin: 0;
    font-weight: 600;
  }
  .card p {
    margin: 4px 12px;
    font-size: 11px;
  }
  .others {
    margin: 4px 4px;
  }
  .others ul {
    list-style: none;
    margin: 0;
    padding: 0;
  }
  .others :is(li, .rest) {
    display: flex;
    align-items: center;
    gap: 8px;
    height: 19px;
    padding: 0 8px;
    border-radius: 4px;
    font-size: 11px;
    position: relative;
  }
  .others :is(li, .rest) code {
    font: 11px var(--llm-code);
    width: 96px;
    padding-left: 10px;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    background: none;
    color: inherit;
  }
  .others .bar {
    flex: 1;
    height: 8px;
    background: var(--llm-track);
    border-radius: 1px;
  }
  .others .bar i {
    display: block;
    height: 100%;
    background: var(--llm-mass-4);
    border-radius: 1px;
  }
  .others .p {
    width: 52px;
    text-align: right;
  }
  .others .banned {
    color: var(--llm-fg2);
  }
  .others .banned code {
    text-decoration: line-through;
  }
  .others .banned .bar i {
    background: var(--llm-mass-2);
  }
  .others .chosen {
    font-weight: 600;
  }
  .others .chosen .bar i {
    background: var(--llm-heat-solid);
  }
  .others .chosen::before {
    content: "";
    position: absolute;
    left: 4px;
    width: 7px;
    height: 7px;
    border-radius: 4px;
    background: var(--llm-heat-solid);
  }
  .others .can {
    cursor: pointer;
  }
  .others .can:hover,
  .others [aria-selected="true"] {
    background: var(--llm-cell);
    outline: 1px solid var(--llm-line2);
  }
  .others .rest code {
    font: 11px var(--llm-ui);
  }
  .others .bar .hatched {
    background: var(--llm-hatched);
  }
  .card .keys {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 12px;
    padding: 7px 12px;
    border-top: 1px solid var(--own-line);
    color: var(--own-fg2);
    font-size: 11px;
  }
  .card form .field {
    flex: 1;
  }
  .card form {
    display: flex;
    gap: 6px;
    margin: 4px 12px 8px;
  }
  @media (prefers-reduced-motion: reduce) {
    .card {
      animation: none;
    }
  }
  @media print {
    .card {
      display: none;
    }
  }
`;
