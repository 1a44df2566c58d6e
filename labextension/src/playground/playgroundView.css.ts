import { css } from '../ui/css.js';

export const STYLE = css`
  .play {
    display: flex;
    border: 1px solid var(--llm-line);
    border-radius: 6px;
    height: min(720px, 70vh);
    min-height: min(360px, 90vh);
    overflow: hidden;
    background: var(--llm-bg);
    color: var(--own-fg);
  }
  .play > .right {
    flex: 1;
    min-width: 0;
    display: flex;
    flex-direction: column;
  }
  .head {
    display: flex;
    gap: 8px 10px;
    align-items: center;
    flex-wrap: wrap;
    padding: 10px 16px;
    border-bottom: 1px solid var(--llm-line);
  }
  .head h2 {
    font: 600 13px var(--llm-ui);
    margin: 0;
  }
  .head .meter {
    margin-left: auto;
  }
  .measures {
    padding: 8px 16px 0;
  }
  .turns {
    flex: 1;
    overflow-y: auto;
    padding: 12px 16px;
    overscroll-behavior: contain;
  }
  .turn {
    margin-bottom: 18px;
  }
  .turn.hit {
    outline: 2px solid var(--llm-accent);
    outline-offset: 4px;
    border-radius: 2px;
  }
  .find-turn {
    display: inline-flex;
    gap: 6px;
    align-items: center;
  }
  .find-turn .field {
    width: 170px;
  }
  .saved {
    display: flex;
    flex-wrap: wrap;
    gap: 6px;
    margin-bottom: 6px;
  }
  .saved .field {
    flex: 1;
    min-width: 90px;
  }
  .right > .saved {
    margin: 6px 16px 0;
  }
  .right > .saved .field {
    flex: 0 1 190px;
  }
  .tabs {
    margin-left: auto;
    display: inline-flex;
    gap: 2px;
  }
  .tabs button {
    border: 0;
    border-bottom: 2px solid transparent;
    background: none;
    color: var(--llm-fg2);
    font: 12px / 20px var(--llm-ui);
    padding: 0 6px;
    cursor: pointer;
  }
  .tabs button[aria-selected="true"] {
    color: var(--llm-accent);
    border-color: var(--llm-accent);
  }
  .tab-panel pre {
    max-height: 320px;
    overflow: auto;
    font: 12px / 1.4 var(--llm-code);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .branches {
    font-weight: 400;
  }
  .who .star {
    opacity: 1;
    font-size: 15px;
  }
  .side {
    margin-top: 8px;
  }
  .who {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
    align-items: center;
    font-weight: 600;
    margin: 10px 0 2px;
  }
  .who .button {
    opacity: 0;
    height: 20px;
  }
  .turn:hover .who .button,
  .who .button:focus-visible {
    opacity: 1;
  }
  @media (hover: none) {
    .who .button {
      opacity: 1;
    }
  }
  .asked {
    font: 15px / 24px var(--llm-text);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .ask {
    display: flex;
    gap: 8px;
    align-items: flex-end;
    margin: 8px 16px 14px;
    border: 1px solid var(--llm-line2);
    border-radius: 6px;
    padding: 8px;
  }
  .ask:focus-within {
    outline: 2px solid var(--llm-focus);
    outline-offset: -1px;
  }
  .ask textarea,
  .turn textarea {
    flex: 1;
    border: 0;
    resize: none;
    background: none;
    color: inherit;
    font: 14px / 20px var(--llm-text);
    min-height: 22px;
    max-height: 160px;
    min-width: 0;
  }
  .ask textarea:focus-visible {
    outline: 0;
  }
  .versions {
    display: inline-flex;
    align-items: center;
    font-weight: 400;
    color: var(--llm-fg2);
  }
  .who .versions .button {
    opacity: 1;
  }
  .versions .button:disabled {
    color: var(--llm-fg3);
  }
  .meter {
    color: var(--llm-fg2);
    font-size: 11px;
    white-space: nowrap;
  }
  .failure .banner {
    margin: 0 16px;
  }
  .failure .close {
    margin-left: auto;
  }
  .turn textarea {
    width: 100%;
    border: 1px solid var(--llm-line2);
    border-radius: 4px;
    padding: 6px 8px;
  }
  .empty {
    color: var(--llm-fg2);
    padding: 24px 0;
    text-align: center;
  }
  .play .text.long {
    max-height: 40vh;
  }
  .fold {
    display: none;
  }
  @container (max-width: 640px) {
    .play {
      flex-direction: column;
      height: auto;
      max-height: none;
    }
    .play > .right {
      min-height: 520px;
    }
    .play > .rail-box {
      display: none;
      border-right: 0;
      border-bottom: 1px solid var(--llm-line);
      flex: none;
      max-height: 50vh;
    }
    .play.open > .rail-box {
      display: flex;
    }
    .fold {
      display: inline-flex;
    }
    .turns {
      max-height: 60vh;
    }
  }
`;
