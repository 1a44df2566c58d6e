import { css, sizes } from '../ui/css.js';

export const HEIGHT = 30;

const RULES = css`
  .map {
    position: relative;
    margin: 8px 0 0;
    padding-bottom: 9px;
  }
  .map canvas {
    display: block;
    width: 100%;
    height: var(--minimap-height);
    cursor: pointer;
  }
  .mark {
    position: absolute;
    top: calc(var(--minimap-height) + 1px);
    width: 0;
    border: 5px solid transparent;
    border-top: 0;
    border-bottom: 7px solid var(--llm-accent);
    margin-left: -5px;
    pointer-events: none;
  }
  .window {
    position: absolute;
    top: 0;
    height: var(--minimap-height);
    background: #8883;
    border: 1px solid var(--llm-line2);
    box-sizing: border-box;
    cursor: grab;
    min-width: 6px;
  }
  .ends {
    display: flex;
    justify-content: space-between;
    color: var(--llm-fg2);
    font-size: 11px;
  }
`;

export const MINIMAP_STYLE = sizes('minimap', { height: HEIGHT }) + RULES;
