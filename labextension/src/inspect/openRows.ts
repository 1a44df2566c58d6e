/** The rows of a list, of which one is the current one and one may be open: arrows move, Enter opens. */

export class OpenRows {
  /** The row that the keys are at. */
  at = 0;
  /** The row that is open; -1 for none. */
  open = -1;

  constructor(
    private readonly list: HTMLElement,
    private readonly count: () => number,
    private readonly draw: () => void,
    /** Whether a row has anything inside. */
    private readonly canOpen: (n: number) => boolean = () => true,
  ) {}

  /** What the keys of a view do, for `onKeys`. */
  get keys(): Record<string, () => void> {
    return {
      ArrowUp: () => this.go(this.at - 1),
      ArrowDown: () => this.go(this.at + 1),
      Enter: () => this.toggle(this.at),
    };
  }

  /** Move the focus to a row. */
  go(n: number): void {
    this.at = Math.max(0, Math.min(this.count() - 1, n));
    for (const [at, line] of this.lines().entries()) line.tabIndex = at === this.at ? 0 : -1;
    this.focus();
  }

  /** Open a row, or close it where it is open. */
  toggle(n: number): void {
    this.at = n;
    this.open = this.open === n || !this.canOpen(n) ? -1 : n;
    this.draw();
    this.focus();
  }

  private lines(): HTMLElement[] {
    return [...this.list.querySelectorAll<HTMLElement>('.line:not(.head)')];
  }

  private focus(): void {
    this.lines()[this.at]?.focus({ preventScroll: true });
  }
}
