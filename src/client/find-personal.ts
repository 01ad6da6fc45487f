/**
 * Looks for what is personal in all texts of a conversation, in the time that the policy gives. A search that fails or
 * takes longer says nothing, which counts as sensitive.
 */
import type { Detection, Detector, Finding } from '../privacy/detection.ts';
import type { LabelledText } from '../privacy/taint.ts';
import type { Clock } from '../provider/clock.ts';
import type { DetectionFacts } from '../router/decision.ts';

export interface Search {
  /** Null for media, which are not text. */
  texts: readonly (string | null)[];
  terms: readonly string[];
  timeoutMs: number;
  signal: AbortSignal | undefined;
}

/** One for each text; undefined for media, which are not text. */
export type Detections = readonly (Detection | undefined)[];

/** Undefined: nothing is known. Rejects only with the caller's own abort. */
export async function findPersonal(
  openDetector: () => Promise<Detector>,
  { texts, terms, timeoutMs, signal }: Search,
  clock: Clock,
): Promise<Detections | undefined> {
  const giveUp = new AbortController();
  const late = new Promise<undefined>((resolve) => {
    const cancel = clock.after(timeoutMs, () => {
      giveUp.abort();
      resolve(undefined);
    });
    giveUp.signal.addEventListener('abort', cancel, { once: true });
  });
  const both = signal ? AbortSignal.any([signal, giveUp.signal]) : giveUp.signal;
  const search = async (): Promise<Detections> => {
    const detector = await openDetector();
    const detections: (Detection | undefined)[] = [];
    for (const text of texts) {
      detections.push(text === null ? undefined : await detector.detect(text, { terms, signal: both }));
    }
    return detections;
  };
  try {
    return await Promise.race([search().catch(() => undefined), late]);
  } finally {
    giveUp.abort();
    signal?.throwIfAborted();
  }
}

/** What leaves in no case, whatever the text is labelled. */
export function isProtected({ source, kind }: Finding): boolean {
  return source === 'checksum' || source === 'term' || kind === 'credential';
}

/**
 * `detections` are those of the texts, then those of what stands beside the messages: names of tools, schemas and the like,
 * which are not redacted. Names of people among them are taken for words.
 */
export function detectionFacts(
  texts: readonly LabelledText[],
  detections: Detections | undefined,
): DetectionFacts {
  const beside = (detections ?? []).slice(texts.length).flatMap((detection) => detection?.findings ?? []);
  const media = texts.filter((text) => text.field === 'media' && text.class !== 'public');
  const findings: Record<string, number> = {};
  let protectedCount = 0;
  let residualRisk = 0;
  for (const [i, detection] of (detections ?? []).slice(0, texts.length).entries()) {
    for (const finding of detection?.findings ?? []) {
      findings[finding.kind] = (findings[finding.kind] ?? 0) + 1;
      if (isProtected(finding)) protectedCount += 1;
    }
    if (texts[i]?.class !== 'public') residualRisk = Math.max(residualRisk, detection?.residualRisk ?? 0);
  }
  return {
    state: detections ? 'done' : 'failed',
    findings,
    protectedCount,
    unredactableCount: media.length + beside.filter(({ source }) => source !== 'tagger').length,
    residualRisk,
  };
}

/** What to put an alias for: everything that was found, in public texts only what is protected. */
export function toRedact(texts: readonly LabelledText[], detections: Detections): (readonly Finding[])[] {
  return texts.map((text, i) => {
    const findings = detections[i]?.findings ?? [];
    return text.class === 'public' ? findings.filter(isProtected) : findings;
  });
}
