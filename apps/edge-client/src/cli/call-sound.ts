import { readFile, writeFile } from 'node:fs/promises';
import { parse } from 'node:path';
import { WavSink, WavSource, type Call, type VoiceSource } from '../index.ts';

/** What a call says and keeps. */
export interface SoundOptions {
  /** WAV file to say. */
  readonly play?: string;
  /** WAV file to write what was heard into. */
  readonly record?: string;
}

/** Without a file to say, the rate of the recording. */
const SILENT_SAMPLE_RATE = 16_000;

/** The files of one call. */
export class CallSound {
  readonly sampleRate: WavSource['sampleRate'];
  /** The whole file was said; never without one. */
  readonly played: Promise<void>;
  readonly #source: VoiceSource | undefined;
  readonly #sink: WavSink;
  readonly #recordTo: string | undefined;

  private constructor(wav: WavSource | undefined, recordTo: string | undefined) {
    this.sampleRate = wav?.sampleRate ?? SILENT_SAMPLE_RATE;
    this.#sink = new WavSink(this.sampleRate);
    this.#recordTo = recordTo;
    let onPlayed: () => void = () => undefined;
    this.played = new Promise((resolve) => (onPlayed = resolve));
    this.#source = wav && {
      read: () => {
        const frame = wav.read();
        if (wav.hasEnded) onPlayed();
        return frame;
      },
    };
  }

  /** `turn`: counts the calls of one command, so that a recording does not replace the one before. */
  static async open({ play, record }: SoundOptions, turn = 0): Promise<CallSound> {
    const wav = play === undefined ? undefined : new WavSource(await readFile(play));
    return new CallSound(wav, record === undefined || turn === 0 ? record : numbered(record, turn + 1));
  }

  attach(call: Call): void {
    call.voice.source = this.#source;
    if (this.#recordTo !== undefined) call.recordPcm((pcm) => this.#sink.write(pcm));
  }

  /** Writes the recording, if one was asked for. */
  async save(): Promise<void> {
    if (this.#recordTo !== undefined) await writeFile(this.#recordTo, this.#sink.toFile());
  }
}

/** `b.wav` as `b-2.wav`. */
function numbered(path: string, number: number): string {
  const { dir, name, ext } = parse(path);
  return `${dir === '' ? '' : `${dir}/`}${name}-${String(number)}${ext}`;
}
