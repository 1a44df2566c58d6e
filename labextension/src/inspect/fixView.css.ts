import { css } from '../ui/css.js';

export const STYLE = css`
  .lines {
    font: 13px / 20px var(--llm-code);
    border: 1px solid var(--llm-line);
    border-radius: 4px;
    overflow: auto;
    max-height: 60vh;
    margin: 6px 0;
  }
  .line {
    display: flex;
    gap: 8px;
    padding: 0 8px;
  }
  .line code {
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    min-width: 0;
  }
  .sign {
    flex: none;
    width: 1ch;
    color: var(--llm-fg2);
  }
  .skip {
    color: var(--llm-fg2);
    background: var(--llm-cell);
  }
  .gone {
    background: var(--llm-heat-1);
    color: var(--llm-on);
  }
  .come {
    background: var(--llm-mass-1);
    color: var(--llm-on);
  }
  mark {
    color: inherit;
    border-radius: 2px;
  }
  .gone mark {
    background: var(--llm-heat-3);
    box-shadow: inset 0 -1px var(--llm-heat-line);
  }
  .come mark {
    background: var(--llm-mass-3);
    box-shadow: inset 0 1px var(--llm-mass-line);
  }
  @container (max-width: 480px) {
    .row .button {
      height: 32px;
    }
  }
`;
