import koffi from 'koffi';
import { constants, openSync } from 'node:fs';
import { LabError } from './errors.ts';
import { CLONE_DEVICE } from './tun-availability.ts';

/** From linux/if_tun.h; the same on all architectures on which Node runs. */
const TUNSETIFF = 0x400454ca;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
/** `struct ifreq`: 16 bytes of name, then a union that begins with the flags. */
const IFREQ_BYTES = 40;
const IFREQ_FLAGS_AT = 16;

const POLLIN = 0x0001;
const POLLFD_BYTES = 8;
const POLLFD_EVENTS_AT = 4;
const POLLFD_RETURNED_AT = 6;
/** Of asm-generic/errno.h. */
const RETRY: readonly number[] = [koffi.os.errno['EAGAIN'] ?? 11, koffi.os.errno['EINTR'] ?? 4];

/**
 * A TUN device: what the kernel routes to it can be read, one IP packet each, and what is written is routed on. Node has
 * neither the ioctl that attaches a program to it, nor a wait for a file with a time limit below a millisecond, so the C
 * library is called directly.
 */
export class TunDevice {
  readonly #descriptor: number;
  /** The device, and whatever else is waited for with it. */
  readonly #pollSet = Buffer.alloc(2 * POLLFD_BYTES);
  readonly #calls = systemCalls();

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
    for (const at of [0, POLLFD_BYTES]) this.#pollSet.writeInt16LE(POLLIN, at + POLLFD_EVENTS_AT);
    this.#pollSet.writeInt32LE(descriptor, 0);
  }

  /** @throws LabError `LAB_SETUP_FAILED` */
  static attach(name: string): TunDevice {
    const device = new TunDevice(openSync(CLONE_DEVICE, constants.O_RDWR | constants.O_NONBLOCK));
    const request = Buffer.alloc(IFREQ_BYTES);
    request.write(name, 'latin1');
    request.writeInt16LE(IFF_TUN | IFF_NO_PI, IFREQ_FLAGS_AT);
    if (device.#calls.ioctl(device.#descriptor, TUNSETIFF, request) !== 0) throw failure('TUNSETIFF');
    return device;
  }

  /**
   * Waits, blocking the whole process, until there is a packet, or something to read from `other`, or the time is over; no limit
   * means for ever. True: there is something to read from `other`, or its end.
   */
  wait(limitMs: number | undefined, other: number): boolean {
    const limit = limitMs === undefined ? null : timespec(limitMs);
    this.#pollSet.writeInt32LE(other, POLLFD_BYTES);
    this.#pollSet.writeInt16LE(0, POLLFD_BYTES + POLLFD_RETURNED_AT);
    if (this.#calls.ppoll(this.#pollSet, 2, limit, null) < 0) mustBeRetry('ppoll');
    return this.#pollSet.readInt16LE(POLLFD_BYTES + POLLFD_RETURNED_AT) !== 0;
  }

  /** Reads one packet into `room`; its length, or 0 when there is none. */
  read(room: Uint8Array): number {
    const length = this.#calls.read(this.#descriptor, room, room.length);
    if (length < 0) mustBeRetry('read');
    return Math.max(0, length);
  }

  /** Hands a packet back to the kernel; false when it does not want it. */
  write(packet: Uint8Array): boolean {
    return this.#calls.write(this.#descriptor, packet, packet.length) === packet.length;
  }
}

function systemCalls() {
  const library = koffi.load(null); // the C library that Node itself uses
  koffi.struct('timespec', { seconds: 'long', nanoseconds: 'long' });
  const find = (prototype: string) => library.func(prototype) as (...parameters: unknown[]) => number;
  return {
    ioctl: find('int ioctl(int fd, unsigned long request, void *argument)'),
    ppoll: find('int ppoll(void *set, unsigned long count, timespec *limit, void *mask)'),
    read: find('intptr_t read(int fd, void *room, uintptr_t length)'),
    write: find('intptr_t write(int fd, void *bytes, uintptr_t length)'),
  };
}

function timespec(milliseconds: number): { seconds: number; nanoseconds: number } {
  const seconds = Math.floor(milliseconds / 1_000);
  return { seconds, nanoseconds: Math.round((milliseconds - seconds * 1_000) * 1e6) };
}

function mustBeRetry(call: string): void {
  if (!RETRY.includes(koffi.errno())) throw failure(call);
}

function failure(call: string): LabError {
  return new LabError('LAB_SETUP_FAILED', `${call} of a network device failed with errno ${koffi.errno()}`);
}
