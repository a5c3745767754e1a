/** Whether those who lost their connection find room to come back. */
export interface Comebacks {
  /** Some of them wait, or were told to come later and have not come yet. */
  readonly isHoldingUp: boolean;
}

export const COMEBACKS = Symbol('Comebacks');
