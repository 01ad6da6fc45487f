/** What is used of lzma1, whose own types are its sources, written for other checks than ours. */
export function compress(data: Uint8Array, level?: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9): Uint8Array;
