"""Writes test/models/golden-blocks.json: what the Python package `gguf` makes of blocks of every tensor type.

Run by hand in the environment that scripts/make-peers.mjs makes: golden_blocks.py TARGET. The bytes come from the
generator of test/models/random.ts (Mulberry32), so that the file holds hashes and a few values only. NaNs are hashed
as 0x7fc00000: which NaN it is means nothing.
"""

import hashlib
import json
import sys

import gguf
import numpy as np

TYPES = "F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K Q4_K Q5_K Q6_K".split()
QUANTISERS = "F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1".split()
# Whole blocks of one byte: zeros, ones, the sign bits, the largest numbers, and alternating bits.
EXTREMES = (0x00, 0xFF, 0x80, 0x7F, 0x55, 0xAA)
VALUES = 16384
SHOWN = 4


def mulberry32(seed: int):
    state = seed
    while True:
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        mixed = ((state ^ (state >> 15)) * (1 | state)) & 0xFFFFFFFF
        mixed = ((mixed + ((mixed ^ (mixed >> 7)) * (61 | mixed))) & 0xFFFFFFFF) ^ mixed
        yield (mixed ^ (mixed >> 14)) & 0xFFFFFFFF


def random_bytes(seed: int, count: int) -> np.ndarray:
    numbers = mulberry32(seed)
    return np.array([next(numbers) >> 24 for _ in range(count)], dtype=np.uint8)


def blocks_of(kind: gguf.GGMLQuantizationType, seed: int) -> np.ndarray:
    size, width = gguf.GGML_QUANT_SIZES[kind]
    extremes = np.repeat(np.array(EXTREMES, dtype=np.uint8), width)
    return np.concatenate([extremes, random_bytes(seed, VALUES // size * width)])


def dequantised(kind: gguf.GGMLQuantizationType, data: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        values = gguf.quants.dequantize(data, kind).astype(np.float32).ravel().copy()
    words = values.view(np.uint32)
    words[np.isnan(values)] = 0x7FC00000
    return words


def to_quantise(seed: int) -> np.ndarray:
    """Halves between -2 and 2, exact in every language; the last blocks are zeros, and ones of one sign."""
    numbers = mulberry32(seed)
    values = np.array([(next(numbers) >> 20) - 2048 for _ in range(VALUES)], dtype=np.float32) / np.float32(1024)
    return np.concatenate([values, np.zeros(256, np.float32), np.ones(256, np.float32), -np.ones(256, np.float32)])


def sha256(data: np.ndarray) -> str:
    return hashlib.sha256(data.tobytes()).hexdigest()


def main(target: str) -> None:
    golden = {"gguf": "0.17.1", "values": VALUES, "extremes": list(EXTREMES), "dequantised": {}, "quantised": {}}
    for index, name in enumerate(TYPES):
        kind = gguf.GGMLQuantizationType[name]
        words = dequantised(kind, blocks_of(kind, index + 1))
        shown = [f"{int(word):08x}" for word in words[-SHOWN:]]
        golden["dequantised"][name] = {"seed": index + 1, "last": shown, "sha256": sha256(words)}
    for index, name in enumerate(QUANTISERS):
        packed = gguf.quants.quantize(to_quantise(index + 101), gguf.GGMLQuantizationType[name])
        golden["quantised"][name] = {"seed": index + 101, "sha256": sha256(packed.view(np.uint8))}
    with open(target, "w", encoding="utf-8") as file:
        json.dump(golden, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
