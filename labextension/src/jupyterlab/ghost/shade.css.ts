import { css } from '../../ui/css.js';

export const styles = css`
  ::highlight(llm-magics-ghost-1) {
    text-decoration: underline dotted var(--jp-warn-color1, #f57c00) 1px;
    color: var(--jp-ui-font-color2, #757575);
  }
  ::highlight(llm-magics-ghost-2) {
    text-decoration: underline solid var(--jp-warn-color1, #f57c00) 2px;
    color: var(--jp-ui-font-color2, #757575);
  }
`;
