import { describe, expect, it } from '@jest/globals';
import { encodeVoiceFrame, FRAME_BYTES, SAMPLES_PER_FRAME } from './voice-frame.ts';
import { VoiceRecorder } from './voice-recorder.ts';

function frame(sequence: number, timestamp = sequence * SAMPLES_PER_FRAME): Uint8Array {
  return encodeVoiceFrame({ sequence, timestamp, samples: new Uint8Array(FRAME_BYTES).fill(sequence + 1) });
}

function recorderOf(...datagrams: readonly Uint8Array[]): VoiceRecorder {
  const recorder = new VoiceRecorder();
  for (const datagram of datagrams) recorder.add(datagram);
  return recorder;
}

/** The first byte of each frame of the recording. */
function heard(recorder: VoiceRecorder, frames: number): number[] {
  const recording = recorder.samples(frames);
  expect(recording.length).toBe(frames * FRAME_BYTES);
  return Array.from({ length: frames }, (_, at) => recording[at * FRAME_BYTES]!);
}

describe('VoiceRecorder', () => {
  it('puts frames where they belong, in whatever order they come', () => {
    expect(heard(recorderOf(frame(2), frame(0), frame(1)), 3)).toEqual([1, 2, 3]);
  });

  it('leaves silence where a frame is missing, and names it', () => {
    const recorder = recorderOf(frame(0), frame(3));

    expect(heard(recorder, 5)).toEqual([1, 0, 0, 4, 0]);
    expect(recorder.missing(0, 5)).toEqual([1, 2, 4]);
    expect(recorder.missing(2, 4)).toEqual([2]);
    expect(recorder.missing(4, 2)).toEqual([]);
  });

  it('counts a frame that comes twice once', () => {
    expect(recorderOf(frame(0), frame(1), frame(1)).framesReceived).toBe(2);
  });

  it('rejects what is no frame, and a frame whose time does not fit its number', () => {
    const recorder = recorderOf(frame(0), new Uint8Array(3), frame(1, 7));

    expect(recorder.framesReceived).toBe(1);
    expect(recorder.rejected).toBe(2);
    expect(heard(recorder, 2)).toEqual([1, 0]);
  });

  it('does not record frames beyond the stated end', () => {
    expect(heard(recorderOf(frame(0), frame(9)), 2)).toEqual([1, 0]);
  });
});
