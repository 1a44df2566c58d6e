import { css } from './css.js';

export const MENU_STYLE = css`
  .menu {
    position: relative;
  }
  .menu ul {
    position: absolute;
    right: 0;
    top: 26px;
    z-index: 20;
    margin: 0;
    padding: 4px;
    list-style: none;
    background: var(--llm-surface);
    color: var(--own-fg);
    border-radius: 6px;
    box-shadow:
      var(--llm-shadow),
      0 0 0 1px var(--own-line);
    min-width: 150px;
  }
  .menu li {
    padding: 4px 10px;
    border-radius: 4px;
    cursor: pointer;
    white-space: nowrap;
  }
  .menu li:hover,
  .menu li:focus {
    background: var(--llm-cell);
  }
`;
