/**
 * Deciding which steps are begun before they are asked for. Where one token is decoded after the other, the next step differs
 * from the last in its id and position only, and the id is on the GPU: so it is submitted behind the last one at once, and the GPU
 * works while the host reads, thinks and asks. What was begun is used if the next step is just that one, and forgotten if not:
 * what it wrote lies behind the cache's end. Its bits are those of any other step.
 */
import type { PickRequest, Sampling } from '../session.ts';
import type { GpuCache } from './kv-cache.ts';
import type { StepNumbers } from './step.ts';

/** One token after the other, picked without regard to what was said before. */
export interface PlainStep {
  cache: GpuCache;
  /** Of the cache, when the step was begun. */
  edition: number;
  step: StepNumbers;
  sampling: Sampling;
}

/** Steps of one row in a row, as asked for, before the next is begun unasked: a draft or a last token would be for nothing. */
const PLAIN_STREAK = 2;

/** Undefined where what comes next depends on what the host knows. */
export function plainStepOf(
  cache: GpuCache,
  step: StepNumbers,
  requests: readonly PickRequest[],
): PlainStep | undefined {
  const [request] = requests;
  if (step.rows !== 1 || requests.length !== 1 || !request) return undefined;
  const { sampling } = request;
  if (changesWithOutput(sampling)) return undefined;
  return { cache, edition: cache.edition, step, sampling };
}

function changesWithOutput({
  bias,
  repetitionPenalty,
  frequencyPenalty,
  presencePenalty,
}: Sampling): boolean {
  return (bias?.size ?? 0) > 0 || repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
}

export function isSameStep(a: PlainStep, b: PlainStep): boolean {
  return (
    a.cache === b.cache &&
    a.edition === b.edition &&
    a.step.position === b.step.position &&
    a.step.candidates === b.step.candidates &&
    isSameSampling(a.sampling, b.sampling)
  );
}

/** Of those that do not change with the output. */
function isSameSampling(a: Sampling, b: Sampling): boolean {
  const fields = ['temperature', 'topK', 'topP', 'minP', 'seed', 'choice', 'statistics', 'topCount'] as const;
  return fields.every((field) => a[field] === b[field]);
}

export function nextStepOf({ step, ...others }: PlainStep): PlainStep {
  return { ...others, step: { ...step, position: step.position + 1 } };
}

/** Counts the steps that were as foreseen. */
export class PlainStreak {
  #expected: PlainStep | undefined;
  #length = 0;

  /** Takes the step that is asked for; whether the one after it may be begun too. */
  observe(step: PlainStep | undefined): boolean {
    const isNext = step && this.#expected && isSameStep(step, this.#expected);
    this.#length = isNext ? this.#length + 1 : 0;
    this.#expected = step && nextStepOf(step);
    return this.#length >= PLAIN_STREAK;
  }

  end(): void {
    this.#expected = undefined;
  }
}
