"""Exports a GGUF file of the llama architecture as the hub publishes it for transformers.js.

The graph is that of the hub's optimised exports: one GroupQueryAttention a layer with the rotation inside,
SimplifiedLayerNormalization, and an attention mask from which lengths are derived. It is written in f32 and then
quantised dynamically to 8 bits (MatMulInteger), which is the format onnxruntime runs fastest on a CPU.

Usage: export_onnx.py SOURCE FOLDER
"""

import json
import os
import sys

import gguf
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

MICROSOFT = "com.microsoft"


class Graph:
    """Collects nodes and initialisers; every operation returns the name of its first output."""

    def __init__(self):
        self.nodes = []
        self.initializers = []

    def constant(self, name, values):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator, inputs, outputs, domain="", **attributes):
        self.nodes.append(
            helper.make_node(operator, inputs, outputs, name=outputs[0], domain=domain, **attributes)
        )
        return outputs[0]

    def linear(self, name, value, weight):
        """weight is [outputs, inputs], as GGUF has it; MatMul wants it the other way round."""
        return self.node("MatMul", [value, self.constant(f"{name}.weight", weight.T)], [name])


class Model:
    def __init__(self, path):
        self.reader = gguf.GGUFReader(path)
        self.tensors = {tensor.name: tensor for tensor in self.reader.tensors}
        architecture = self.get("general.architecture")
        assert architecture == "llama", f"only llama can be exported, not {architecture}"
        self.layers = self.get("llama.block_count")
        self.hidden = self.get("llama.embedding_length")
        self.heads = self.get("llama.attention.head_count")
        self.kv_heads = self.get("llama.attention.head_count_kv")
        self.head = self.hidden // self.heads
        self.inner = self.get("llama.feed_forward_length")
        self.context = self.get("llama.context_length")
        self.base = self.get("llama.rope.freq_base")
        self.epsilon = self.get("llama.attention.layer_norm_rms_epsilon")
        self.tokens = self.get("tokenizer.ggml.tokens")

    def get(self, key):
        return self.reader.fields[key].contents()

    def weight(self, name):
        tensor = self.tensors[name]
        return gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)

    def weight_in_halves(self, name, heads):
        """GGUF's llama rows pair neighbours (2i, 2i+1) for the rotation; the hub's pair halves (i, i + n/2)."""
        weight = self.weight(name)
        split = weight.reshape(heads, self.head // 2, 2, -1)
        return split.swapaxes(1, 2).reshape(weight.shape)


def export(model, path):
    graph = Graph()
    embedding = model.weight("token_embd.weight")
    sequence_lengths, total_length = add_lengths(graph)
    cos, sin = add_rotation(graph, model)
    table = graph.constant("embedding", embedding)
    value = graph.node("Gather", [table, "input_ids"], ["embedded"])
    inputs, outputs = [], []
    for layer in range(model.layers):
        pair = [f"past_key_values.{layer}.{part}" for part in ("key", "value")]
        present = [f"present.{layer}.{part}" for part in ("key", "value")]
        lengths = [*pair, sequence_lengths, total_length, cos, sin]
        value = add_layer(graph, model, layer, value, lengths, present)
        inputs += [float_info(name, ["batch_size", model.kv_heads, "past_sequence_length", model.head]) for name in pair]
        outputs += [float_info(name, ["batch_size", model.kv_heads, "total_sequence_length", model.head]) for name in present]
    value = keep_last(graph, add_norm(graph, model, "final_norm", value, "output_norm.weight"))
    head = model.weight("output.weight") if "output.weight" in model.tensors else embedding
    graph.linear("logits", value, head)
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch_size", "sequence_length"])
    mask = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch_size", "total_sequence_length"])
    logits = float_info("logits", ["batch_size", "logits_length", len(model.tokens)])
    keep = helper.make_tensor_value_info("num_logits_to_keep", TensorProto.INT64, [])
    proto = helper.make_graph(
        graph.nodes, "decoder", [ids, mask, keep, *inputs], [logits, *outputs], graph.initializers
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
    onnx.save(helper.make_model(proto, opset_imports=opsets, ir_version=9), path)


def float_info(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def add_lengths(graph):
    one = graph.constant("one", np.array([1], np.int64))
    summed = graph.node("ReduceSum", ["attention_mask", one], ["mask_sum"], keepdims=1)
    less = graph.node("Sub", [summed, one], ["mask_sum_less_one"])
    lengths = graph.node("Cast", [less], ["sequence_lengths"], to=TensorProto.INT32)
    shape = graph.node("Shape", ["attention_mask"], ["mask_shape"])
    total = graph.node("Gather", [shape, graph.constant("one_scalar", np.array(1, np.int64))], ["total_64"])
    return lengths, graph.node("Cast", [total], ["total_length"], to=TensorProto.INT32)


def keep_last(graph, value):
    """The last num_logits_to_keep rows, or all for 0: a prompt needs the head for one row only."""
    shape = graph.constant("one_entry", np.array([1], np.int64))
    count = graph.node("Reshape", ["num_logits_to_keep", shape], ["kept_rows"])
    start = graph.node("Neg", [count], ["first_kept_row"])
    end = graph.constant("end_of_rows", np.array([np.iinfo(np.int64).max], np.int64))
    return graph.node("Slice", [value, start, end, shape], ["kept"])


def add_rotation(graph, model):
    frequencies = model.base ** (-np.arange(0, model.head, 2, dtype=np.float64) / model.head)
    angles = np.arange(model.context, dtype=np.float64)[:, None] * frequencies
    cos = graph.constant("cos", np.cos(angles).astype(np.float32))
    return cos, graph.constant("sin", np.sin(angles).astype(np.float32))


def add_norm(graph, model, name, value, weight):
    scale = graph.constant(f"{name}.scale", model.weight(weight))
    return graph.node(
        "SimplifiedLayerNormalization", [value, scale], [name], axis=-1, epsilon=model.epsilon, stash_type=1
    )


def add_layer(graph, model, layer, value, lengths, present):
    gguf_name, name = f"blk.{layer}", f"layer{layer}"
    normed = add_norm(graph, model, f"{name}.attention_norm", value, f"{gguf_name}.attn_norm.weight")
    query = graph.linear(f"{name}.query", normed, model.weight_in_halves(f"{gguf_name}.attn_q.weight", model.heads))
    key = graph.linear(f"{name}.key", normed, model.weight_in_halves(f"{gguf_name}.attn_k.weight", model.kv_heads))
    values = graph.linear(f"{name}.value", normed, model.weight(f"{gguf_name}.attn_v.weight"))
    attended = graph.node(
        "GroupQueryAttention",
        [query, key, values, *lengths],
        [f"{name}.attended", *present],
        domain=MICROSOFT,
        num_heads=model.heads,
        kv_num_heads=model.kv_heads,
        do_rotary=1,
        rotary_interleaved=0,
        scale=model.head**-0.5,
    )
    projected = graph.linear(f"{name}.projected", attended, model.weight(f"{gguf_name}.attn_output.weight"))
    value = graph.node("Add", [value, projected], [f"{name}.after_attention"])
    normed = add_norm(graph, model, f"{name}.ffn_norm", value, f"{gguf_name}.ffn_norm.weight")
    gate = graph.linear(f"{name}.gate", normed, model.weight(f"{gguf_name}.ffn_gate.weight"))
    up = graph.linear(f"{name}.up", normed, model.weight(f"{gguf_name}.ffn_up.weight"))
    sigmoid = graph.node("Sigmoid", [gate], [f"{name}.sigmoid"])
    silu = graph.node("Mul", [gate, sigmoid], [f"{name}.silu"])
    inner = graph.node("Mul", [silu, up], [f"{name}.inner"])
    down = graph.linear(f"{name}.down", inner, model.weight(f"{gguf_name}.ffn_down.weight"))
    return graph.node("Add", [value, down], [f"{name}.output"])


def write_config(model, folder):
    eos = model.get("tokenizer.ggml.eos_token_id")
    bos = model.get("tokenizer.ggml.bos_token_id")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": model.hidden,
        "intermediate_size": model.inner,
        "num_attention_heads": model.heads,
        "num_hidden_layers": model.layers,
        "num_key_value_heads": model.kv_heads,
        "head_dim": model.head,
        "max_position_embeddings": model.context,
        "rms_norm_eps": model.epsilon,
        "rope_theta": model.base,
        "hidden_act": "silu",
        "tie_word_embeddings": "output.weight" not in model.tensors,
        "vocab_size": len(model.tokens),
        "bos_token_id": bos,
        "eos_token_id": eos,
        "pad_token_id": eos,
    }
    write_json(folder, "config.json", config)
    write_json(folder, "generation_config.json", {"bos_token_id": bos, "eos_token_id": eos, "pad_token_id": eos})
    tokenizer = {
        "tokenizer_class": "GPT2Tokenizer",
        "bos_token": model.tokens[bos],
        "eos_token": model.tokens[eos],
        "pad_token": model.tokens[eos],
        "unk_token": model.tokens[0],
        "clean_up_tokenization_spaces": False,
        "chat_template": model.get("tokenizer.chat_template"),
    }
    write_json(folder, "tokenizer_config.json", tokenizer)


def write_tokenizer(model, folder):
    types = model.get("tokenizer.ggml.token_type")
    added = [
        {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i, text in enumerate(model.tokens)
        if types[i] == gguf.TokenType.CONTROL
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    digits = {"type": "Digits", "individual_digits": True}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {text: i for i, text in enumerate(model.tokens)},
            "merges": model.get("tokenizer.ggml.merges"),
        },
    }
    write_json(folder, "tokenizer.json", tokenizer)


def write_json(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False)


def main(source, folder):
    model = Model(source)
    os.makedirs(os.path.join(folder, "onnx"), exist_ok=True)
    full = os.path.join(folder, "onnx", "model.onnx")
    export(model, full)
    quantized = os.path.join(folder, "onnx", "model_quantized.onnx")
    options = {"DefaultTensorType": TensorProto.FLOAT}
    quantize_dynamic(full, quantized, weight_type=QuantType.QInt8, per_channel=True, extra_options=options)
    os.remove(full)
    write_config(model, folder)
    write_tokenizer(model, folder)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
