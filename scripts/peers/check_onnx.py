"""Prints, as JSON, the tokens that an exported model chooses greedily. Usage: check_onnx.py FOLDER IDS COUNT"""

import json
import os
import sys

import numpy as np
import onnxruntime


def main(folder: str, ids: list[int], count: int) -> None:
    session = onnxruntime.InferenceSession(os.path.join(folder, "onnx", "model_quantized.onnx"))
    past = {
        entry.name: np.zeros((1, entry.shape[1], 0, entry.shape[3]), np.float32)
        for entry in session.get_inputs()
        if entry.name.startswith("past_key_values")
    }
    chosen: list[int] = []
    step = ids
    for length in range(len(ids), len(ids) + count):
        feeds = {
            "input_ids": np.array([step], np.int64),
            "attention_mask": np.ones((1, length), np.int64),
            "num_logits_to_keep": np.array(1, np.int64),
        }
        logits, *present = session.run(None, {**feeds, **past})
        past = dict(zip(past, present))
        step = [int(logits[0, -1].argmax())]
        chosen += step
    print(json.dumps(chosen))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]))
