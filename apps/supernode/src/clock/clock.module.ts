import { Module } from '@nestjs/common';
import { CLOCK } from './clock.port.ts';
import { PaddedRefusals } from './padded-refusals.ts';
import { SCHEDULER } from './scheduler.port.ts';
import { systemClock } from './system-clock.ts';
import { systemScheduler } from './system-scheduler.ts';

const providers = [
  { provide: CLOCK, useValue: systemClock },
  { provide: SCHEDULER, useValue: systemScheduler },
];

@Module({ providers: [...providers, PaddedRefusals], exports: [...providers, PaddedRefusals] })
export class ClockModule {}
