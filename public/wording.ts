/**
 * Numbers in words: what the page says about loading, the engine and the speed of an answer.
 */
import type { EngineInfo, LoadProgress, Timings } from '../src/index.ts';

const PHASES: Record<LoadProgress['phase'], string> = {
  download: 'Fetching the model',
  verify: 'Checking the model',
  read: 'Reading the model',
  pack: 'Preparing the model',
  ready: 'Ready',
};

export function phaseText(phase: LoadProgress['phase']): string {
  return PHASES[phase];
}

export function progressText({ phase, loadedBytes, totalBytes, bytesPerSecond }: LoadProgress): string {
  const megabytes = `${(loadedBytes / 1e6).toFixed(0)} of ${(totalBytes / 1e6).toFixed(0)} MB`;
  const rate = bytesPerSecond > 0 ? ` at ${(bytesPerSecond / 1e6).toFixed(1)} MB/s` : '';
  return `${PHASES[phase]}: ${megabytes}${rate}`;
}

export function engineText({ model, device, adapter, threads, simd, isIsolated }: EngineInfo): string {
  if (device === 'webgpu') {
    const name = adapter?.description || adapter?.vendor;
    return `${model.id} on the GPU${name ? ` (${name})` : ''}`;
  }
  const threadText = threads === 1 ? '1 thread' : `${threads} threads`;
  const why = isIsolated ? '' : ' (the page is not isolated)';
  return `${model.id} on the CPU, ${threadText}${why}, SIMD ${simd}`;
}

/** `firstMs`: from sending to the first word. */
export function answerText(timings: Timings, firstMs: number): string {
  const { predicted_n, predicted_per_second, prompt_n, cache_n, draft_n_accepted } = timings;
  const tokens = predicted_n === 1 ? '1 token' : `${predicted_n} tokens`;
  const speed = predicted_n > 1 ? ` at ${predicted_per_second.toFixed(0)} tokens/s` : '';
  const guessed = draft_n_accepted > 0 ? `, ${draft_n_accepted} of them guessed ahead` : '';
  const kept = cache_n > 0 ? `, ${cache_n} kept from before` : '';
  return `${tokens}${speed}${guessed} · first after ${firstMs.toFixed(0)} ms · ${prompt_n} read${kept}`;
}
