import { Injectable } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';

/** Something to be done before the listeners close; resolves when it is, at the latest after `windowMs`. */
export type DrainStep = (windowMs: number) => Promise<void>;

/** The way out of a supernode that stops (DESIGN 5.8): who has clients to send elsewhere takes part. */
@Injectable()
export class Draining {
  private readonly steps: DrainStep[] = [];
  private hasBegun = false;

  constructor(private readonly tasks: BackgroundTasks) {}

  /** From when the supernode begins to stop, before any of its slots went elsewhere. */
  get isDraining(): boolean {
    return this.hasBegun;
  }

  /** Steps run at the same time, once the slots of this supernode have new owners, or could not be given away. */
  onDrain(step: DrainStep): void {
    this.steps.push(step);
  }

  /** Called by the composition root: nothing new is to begin. */
  begin(): void {
    this.hasBegun = true;
  }

  /** Called by the composition root. */
  async run(windowMs: number): Promise<void> {
    await Promise.all(this.steps.map((step) => this.tasks.attempt('Draining', () => step(windowMs))));
  }
}
