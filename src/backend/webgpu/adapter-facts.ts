/** What is told of a GPU. Types only: the page's program compiles them too. */

/** As the browser tells it; strings are empty where it tells nothing. */
export interface AdapterFacts {
  vendor: string;
  architecture: string;
  device: string;
  description: string;
  /** The processor in the role of a GPU: slower than kernels made for it. */
  isSoftware: boolean;
  /** Sorted, by their names in WebGPU. */
  features: string[];
  limits: Record<AdapterLimit, number>;
}

export type AdapterLimit =
  | 'maxBufferSize'
  | 'maxStorageBufferBindingSize'
  | 'maxStorageBuffersPerShaderStage'
  | 'maxComputeWorkgroupStorageSize'
  | 'maxComputeInvocationsPerWorkgroup'
  | 'maxComputeWorkgroupsPerDimension';
