import { css } from '../../ui/css.js';
import { READING_TEXT_STYLE } from '../readingText.css.js';

/** Two continuations, and what each weighed; the outcomes of a notebook use it too. */
export const COLUMNS_STYLE = css`
  .common {
    border-left: 2px solid var(--llm-line2);
    padding-left: 12px;
    color: var(--llm-fg2);
  }
  .common p {
    font: 15px / 27px var(--llm-text);
    margin: 0;
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    max-height: 30vh;
    overflow: auto;
  }
  small {
    font-size: 11px;
    color: var(--llm-fg2);
  }
  .columns {
    display: grid;
    grid-template-columns: 1fr 1fr;
    gap: 26px;
    margin-top: 6px;
  }
  .column {
    border-left: 2px solid var(--llm-line2);
    padding-left: 12px;
    min-width: 0;
  }
  .column.b {
    border-color: var(--llm-accent);
  }
  .column .text {
    max-height: 50vh;
  }
  .text .parted {
    outline: 2px solid var(--llm-fg2);
    border-radius: 3px;
  }
  .b .text .parted {
    outline-color: var(--llm-accent);
  }
  .caret {
    display: inline-block;
    width: 7px;
    height: 1.1em;
    vertical-align: text-bottom;
    background: var(--llm-fg2);
  }
  .b .caret {
    background: var(--llm-accent);
  }
  .map {
    display: block;
    width: 100%;
    height: 36px;
    margin-top: 8px;
    border-bottom: 1px solid var(--llm-line);
  }
  .map .bar-0 {
    fill: var(--llm-fg3);
  }
  .map :is(.bar-1, .bar-2) {
    fill: var(--llm-heat-2);
  }
  .map .bar-3 {
    fill: var(--llm-heat-3);
  }
  .map .bar-4 {
    fill: var(--llm-heat-4);
  }
  .map .bar-5 {
    fill: var(--llm-heat-5);
  }
  .map .here {
    fill: var(--llm-fg2);
  }
  .b .map .here {
    fill: var(--llm-accent);
  }
  .weighed {
    border-collapse: collapse;
    width: 100%;
    font-size: 12px;
  }
  .weighed :is(td, th) {
    border-bottom: 1px solid var(--llm-line);
    padding: 4px 8px 4px 0;
    text-align: right;
    font-weight: 400;
  }
  .weighed :is(td, th):first-child {
    text-align: left;
    white-space: pre;
  }
  .weighed th {
    font-size: 11px;
    color: var(--llm-fg2);
    text-align: left;
  }
  .weighed th:last-child {
    text-align: right;
  }
  .weighed .share {
    min-width: 60px;
    width: 24%;
  }
  .weighed .taken {
    font-weight: 600;
  }
  @container (max-width: 640px) {
    .columns {
      grid-template-columns: 1fr;
    }
  }
  @media (prefers-reduced-motion: no-preference) {
    .caret {
      animation: blink 1s steps(2) infinite;
    }
    @keyframes blink {
      50% {
        opacity: 0;
      }
    }
  }
`;

const RULES = css`
  .who {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 8px;
    align-items: center;
  }
  .who .tag {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    max-width: 100%;
  }
  .b .who :is(b, .tag) {
    color: var(--llm-accent);
    border-color: var(--llm-accent);
  }
  .who .state {
    margin-left: auto;
    font-size: 11px;
    color: var(--llm-fg2);
  }
  .figures {
    display: flex;
    flex-wrap: wrap;
    gap: 0 12px;
    font-size: 11px;
    color: var(--llm-fg2);
    margin: 4px 0 2px;
  }
  .figures b {
    color: var(--llm-fg);
    font-size: 12px;
  }
  .failure {
    color: var(--llm-error-text);
    display: flex;
    gap: 6px;
    align-items: center;
  }
  .below {
    display: grid;
    grid-template-columns: minmax(0, 1.7fr) minmax(0, 1fr);
    gap: 36px;
    border-top: 1px solid var(--llm-line);
    margin-top: 10px;
  }
  h4 {
    font: 600 12px var(--llm-ui);
    margin: 10px 0 6px;
  }
  .sentence {
    font-size: 11.5px;
    color: var(--llm-fg2);
    margin: 8px 0 0;
    overflow-wrap: anywhere;
  }
  .time {
    display: grid;
    grid-template-columns: 1.2em 1fr 5em;
    gap: 8px;
    align-items: center;
    margin: 6px 0;
    font-size: 12px;
  }
  .time span:last-child {
    text-align: right;
  }
  @container (max-width: 640px) {
    .below {
      grid-template-columns: 1fr;
      gap: 8px;
    }
  }
`;

export const STYLE = READING_TEXT_STYLE + COLUMNS_STYLE + RULES;
