/** What the page of a test asks of worker.ts. */
export interface KeysCall {
  call: 'take' | 'remove' | 'removeAll';
  tenant: string;
}
