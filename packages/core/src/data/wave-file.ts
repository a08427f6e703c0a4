import type { HostTensor, Signature, SignatureInput } from "../graph/index.js";
import { isFixed } from "../graph/index.js";
import type { DataFile } from "./data-file.js";
import { fileError, truncatedError } from "./errors.js";
import type { RecordSource } from "./record-dataset.js";
import { fitted, tensorOf } from "./record-input.js";

/** Sound of one channel, −1 to 1. */
export interface Sound {
  readonly samples: Float32Array;
  /** Hz. */
  readonly rate: number;
}

/** Changes the sampling rate; injected, so that core depends on no resampler. */
export type Resample = (samples: Float32Array, from: number, to: number) => Float32Array;

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

/**
 * Reads a WAV file (RIFF): PCM of 8 to 32 bits, or floats; channels are averaged.
 * @throws {DataError} E5002 no such file, or a coding that is none of these.
 */
export function readWave(bytes: Uint8Array, file: string): Sound {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tag = (at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));
  const damaged = (problem: string) =>
    fileError("E5002", file, problem, "Save the sound as WAV with PCM or float samples.");
  if (bytes.length < 12 || tag(0) !== "RIFF" || tag(8) !== "WAVE") throw damaged("is no WAV file");
  let format: { coding: number; channels: number; rate: number; bits: number } | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at + 4, true);
    const start = at + 8;
    if (tag(at) === "fmt " && size >= 16 && start + 16 <= bytes.length) {
      const coding = view.getUint16(start, true);
      const extended = coding === EXTENSIBLE && size >= 26 && start + 26 <= bytes.length;
      format = {
        coding: extended ? view.getUint16(start + 24, true) : coding,
        channels: view.getUint16(start + 2, true),
        rate: view.getUint32(start + 4, true),
        bits: view.getUint16(start + 14, true),
      };
    } else if (tag(at) === "data") {
      if (!format) throw damaged("has its samples before their format");
      // A recorder that was stopped leaves the size open.
      const end = Math.min(bytes.length, size === 0 || size === 0xffffffff ? bytes.length : start + size);
      if (size !== 0xffffffff && start + size > bytes.length) throw truncatedError(file, start + size, bytes.length);
      return { samples: decoded(view, start, end, format, damaged), rate: format.rate };
    }
    at = start + size + (size % 2);
  }
  throw damaged("has no samples");
}

function decoded(
  view: DataView,
  start: number,
  end: number,
  { coding, channels, rate, bits }: { coding: number; channels: number; rate: number; bits: number },
  damaged: (problem: string) => Error,
): Float32Array {
  const size = bits / 8;
  const read = readerOf(view, coding, bits);
  if (!read || channels < 1 || rate < 1) throw damaged(`has coding ${coding} of ${bits} bits in ${channels} channels`);
  const samples = new Float32Array(Math.floor((end - start) / (size * channels)));
  for (let i = 0, at = start; i < samples.length; i++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++, at += size) sum += read(at);
    samples[i] = sum / channels;
  }
  return samples;
}

function readerOf(view: DataView, coding: number, bits: number): ((at: number) => number) | undefined {
  if (coding === FLOAT && bits === 32) return (at) => view.getFloat32(at, true);
  if (coding === FLOAT && bits === 64) return (at) => view.getFloat64(at, true);
  if (coding !== PCM) return undefined;
  if (bits === 8) return (at) => (view.getUint8(at) - 128) / 128;
  if (bits === 16) return (at) => view.getInt16(at, true) / 2 ** 15;
  if (bits === 24) return (at) => ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 2 ** 23;
  if (bits === 32) return (at) => view.getInt32(at, true) / 2 ** 31;
  return undefined;
}

/** Inputs that ask for the sampling rate go by these names. */
const RATE_NAME = /^(sr|fs|(sample|sampling)?_?rate)$/i;

/** How sound becomes samples of an input. */
export interface SoundOptions {
  /** Hz that the model expects. Default: that of the files. */
  readonly sampleRate?: number;
  /** From one window to the next; where the model leaves the length open, also the window's. Default: one after the other; whole files. */
  readonly stride?: number;
  /** Windows are samples of their own though the network has states: those follow from outputs. Default: false. */
  readonly apart?: boolean;
  readonly resample?: Resample;
}

/**
 * Sound files for an input of waves. An input of open length takes a file whole; one of a fixed length takes windows: each is a sample, or,
 * where the network has states, all windows of a file are one sequence.
 */
export async function openWaves(
  files: readonly DataFile[],
  signature: Signature,
  options: SoundOptions,
): Promise<RecordSource> {
  const input = signature.inputs.find(({ role, dtype }) => role === "data" && (dtype ?? "float32").startsWith("float"));
  if (!input)
    throw fileError(
      "E5003",
      files[0]!.path,
      "is sound, and no input of the model takes it",
      "Give .npz for this model.",
    );
  // Axes of one element beside the time, as [N, T, 1] has, change nothing of how many numbers a window is.
  const sizes = input.dims?.slice(1) ?? [undefined];
  const fixed = sizes.every(isFixed) ? sizes.reduce((product, size) => product * size, 1) : undefined;
  const width = fixed ?? options.stride;
  const rates = signature.inputs.filter(({ name, dtype }) => RATE_NAME.test(name) && /^u?int/.test(dtype ?? ""));
  const isSequence = fixed !== undefined && sizes.length === 1 && !isFixed(input.dims![0]) && options.apart !== true;
  const whole = width === undefined || (isSequence && signature.inputs.some(({ role }) => role === "state"));
  const places: { file: DataFile; from: number }[] = [];
  for (const file of files) {
    const { samples } = await sound(file, options);
    if (samples.length === 0) throw fileError("E5002", file.path, "holds no sound", "Remove it.");
    const windows = whole ? 1 : windowsOf(samples.length, width!, options.stride);
    for (let at = 0; at < windows; at++) places.push({ file, from: at * (options.stride ?? width ?? 0) });
  }
  let kept: { file: DataFile; sound: Sound } | undefined;
  return {
    length: places.length,
    names: new Set([input.name, ...rates.map(({ name }) => name)]),
    sequence: (index) => places[index]!.file.path,
    id: (index) => (whole ? places[index]!.file.path : `${places[index]!.file.path}@${places[index]!.from}`),
    async read(index) {
      const { file, from } = places[index]!;
      const own = kept?.file === file ? kept : { file, sound: await sound(file, options) };
      kept = own;
      const rateOf = (taker: SignatureInput) =>
        tensorOf(
          taker,
          (taker.dims ?? []).map(() => 1),
          [own.sound.rate],
          file.path,
        );
      return {
        ...Object.fromEntries(rates.map((taker) => [taker.name, rateOf(taker)])),
        [input.name]: tensorAt(input, own.sound.samples, from, { width, whole, stride: options.stride }, file.path),
      };
    },
  };
}

const windowsOf = (length: number, width: number, stride = width) =>
  Math.max(1, Math.ceil((length - width) / stride) + 1);

async function sound(file: DataFile, { sampleRate, resample }: SoundOptions): Promise<Sound> {
  const read = readWave(await file.read(), file.path);
  if (sampleRate === undefined || sampleRate === read.rate) return read;
  if (!resample)
    throw fileError("E5003", file.path, `has ${read.rate} Hz, wanted are ${sampleRate}`, "Resample it before.");
  return { samples: resample(read.samples, read.rate, sampleRate), rate: sampleRate };
}

function tensorAt(
  input: SignatureInput,
  samples: Float32Array,
  from: number,
  { width, whole, stride }: { width: number | undefined; whole: boolean; stride: number | undefined },
  file: string,
): HostTensor {
  if (width === undefined) {
    const lead = Math.max(0, (input.dims?.length ?? 2) - 2);
    return tensorOf(
      input,
      fitted(input, [...Array.from({ length: lead }, () => 1), samples.length], file),
      samples,
      file,
    );
  }
  const rows = whole ? windowsOf(samples.length, width, stride) : 1;
  const data = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const start = from + row * (stride ?? width);
    data.set(samples.subarray(start, start + width), row * width);
  }
  if (whole) return tensorOf(input, [rows, width], data, file);
  const sizes = input.dims?.slice(1) ?? [undefined];
  // The length that the model leaves open is the window's.
  const open = sizes.findLastIndex((size) => !isFixed(size));
  return tensorOf(
    input,
    [1, ...sizes.map((size, axis) => (axis === open ? width : isFixed(size) ? size : 1))],
    data,
    file,
  );
}
