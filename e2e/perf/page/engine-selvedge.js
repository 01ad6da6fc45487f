/**
 * selvedge through its public entry, as an application uses it.
 */

/** @param {{ url: string, threads: number, device?: string, simd?: string, contextLength?: number, prefixes?: false | object, speculation?: string | object }} options */
export async function openSelvedge({
  url,
  threads,
  device = 'cpu',
  simd = 'auto',
  contextLength = 2048,
  prefixes = false,
  // Peers are met without: what a step takes is compared, not how many tokens it gives.
  speculation = 'off',
}) {
  const { createClient } = await import('/selvedge/lib/index.js');
  const client = await createClient({
    model: url,
    device,
    threads,
    simd,
    contextLength,
    prefixes,
    speculation,
  });
  return {
    /** `readsAll`: the likeliest token by a way that computes all logits. Else a sketch of the head may do for most. */
    async run({ prompt, tokens, readsAll = false }) {
      const sampling = readsAll ? { temperature: 1, top_k: 1 } : { temperature: 0 };
      const { timings } = await client.completions.create({ prompt, max_tokens: tokens, ...sampling });
      return {
        promptTokens: timings.prompt_n,
        promptMs: timings.prompt_ms,
        decodeTokens: timings.predicted_n - 1,
        decodeMs: timings.predicted_ms,
      };
    },
    async chat(request) {
      const { choices, timings } = await client.chat.completions.create(request);
      return {
        text: choices[0].message.content,
        tokens: timings.predicted_n,
        ms: timings.predicted_ms,
        drafted: timings.draft_n,
        accepted: timings.draft_n_accepted,
      };
    },
    settle: () => client.prefixes.settled(),
    info: () => client.info(),
    close: () => client.close(),
  };
}
