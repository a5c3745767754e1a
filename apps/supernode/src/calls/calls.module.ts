import { Module } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { ClockModule } from '../clock/clock.module.ts';
import { ChannelsModule } from '../gateway/channels.module.ts';
import { PrismaCallLog } from '../persistence/call-log.prisma.ts';
import { CallHistory } from './call-history.service.ts';
import { CALL_LOG } from './call-log.port.ts';
import { CallRecorder } from './call-recorder.ts';
import { CallRetention } from './call-retention.service.ts';

/** History of calls. That they ring and are answered is the matter of `rendezvous`. */
@Module({
  imports: [ClockModule, ChannelsModule],
  providers: [
    BackgroundTasks,
    CallHistory,
    CallRecorder,
    CallRetention,
    { provide: CALL_LOG, useClass: PrismaCallLog },
  ],
  exports: [CallHistory],
})
export class CallsModule {}
