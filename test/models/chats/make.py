"""Renders the chat templates of this folder as the Python package transformers does, into golden.json.

    pip install transformers==5.24.0 jinja2==3.1.6
    python3 test/models/chats/make.py

Where the templates come from is said with each family. What a template raises is recorded as an error.
"""

import json
import pathlib

import jinja2
import transformers.utils.chat_template_utils as utils
from transformers import __version__

FOLDER = pathlib.Path(__file__).parent

SDIST = "llama-cpp-python 0.3.36 (source distribution), vendor/llama.cpp/models/templates/"
TRL = "trl 1.16.0, trl/chat_templates/"
CHATML = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
LLAMA_3 = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>"]
PHI_3 = ["<s>", "</s>", "<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"]
GEMMA = ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"]
GRANITE = ["<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>", "<|tool_call|>"]
MISTRAL = ["<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"]
MISTRAL_3 = [*MISTRAL, "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[THINK]", "[/THINK]", "[ARGS]"]
DEEPSEEK = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"]
DEEPSEEK_MARKS = [
    "<｜User｜>", "<｜Assistant｜>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>", "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>",
]
THINK = ["<think>", "</think>"]
TOOLS = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]

# source, begin and end token, control tokens, user-defined tokens: as the vocabularies of these families have them.
FAMILIES = {
    "smollm2": ("SmolLM2-135M-Instruct.Q4_1.gguf", "<|im_start|>", "<|im_end|>", CHATML, []),
    "smollm3": (SDIST + "HuggingFaceTB-SmolLM3-3B.jinja", "<|begin_of_text|>", "<|im_end|>", [*CHATML[:2], *LLAMA_3], [*THINK, *TOOLS]),
    "qwen2.5": ("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", "<|endoftext|>", "<|im_end|>", CHATML, TOOLS[:2]),
    "qwen3": (SDIST + "Qwen-Qwen3-0.6B.jinja", None, "<|im_end|>", CHATML, [*THINK, *TOOLS]),
    "qwq": (SDIST + "Qwen-QwQ-32B.jinja", None, "<|im_end|>", CHATML, [*THINK, *TOOLS]),
    "llama-3.1": (SDIST + "meta-llama-Llama-3.1-8B-Instruct.jinja", LLAMA_3[0], "<|eot_id|>", LLAMA_3, []),
    "llama-3.2": (SDIST + "meta-llama-Llama-3.2-3B-Instruct.jinja", LLAMA_3[0], "<|eot_id|>", LLAMA_3, []),
    "gemma-2": (SDIST + "google-gemma-2-2b-it.jinja", "<bos>", "<eos>", GEMMA, ["<b>", "\n\n"]),
    "gemma-3": (TRL + "gemma3.jinja", "<bos>", "<eos>", [*GEMMA, "<start_of_image>"], ["<b>", "\n\n", "\n"]),
    "phi-3": (TRL + "phi3.jinja", "<s>", "<|endoftext|>", PHI_3, []),
    "phi-3.5": (SDIST + "microsoft-Phi-3.5-mini-instruct.jinja", "<s>", "<|endoftext|>", PHI_3, []),
    "granite-3.3": (SDIST + "ibm-granite-granite-3.3-2B-Instruct.jinja", GRANITE[0], GRANITE[0], GRANITE, []),
    "granite-4.0": (SDIST + "ibm-granite-granite-4.0.jinja", GRANITE[0], GRANITE[0], GRANITE, TOOLS[:2]),
    "mistral-nemo": (SDIST + "mistralai-Mistral-Nemo-Instruct-2407.jinja", "<s>", "</s>", MISTRAL, []),
    "ministral-3-reasoning": (SDIST + "mistralai-Ministral-3-14B-Reasoning-2512.jinja", "<s>", "</s>", MISTRAL_3, []),
    "deepseek-r1-distill": (SDIST + "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja", *DEEPSEEK, DEEPSEEK, [*DEEPSEEK_MARKS, *THINK]),
    "deepseek-v3.1": (SDIST + "deepseek-ai-DeepSeek-V3.1.jinja", *DEEPSEEK, DEEPSEEK, [*DEEPSEEK_MARKS, *THINK]),
}


def say(role, content, **fields):
    return {"role": role, "content": content, **fields}


SYSTEM = say("system", "You are brief.")
HI = say("user", "Hi, who are you?")
ANSWER = say("assistant", "A loom.\n\nReally.")
NEXT = say("user", "Since when?")
CALL = say("tool", '{"weather": "fine"}', name="weather", tool_call_id="abcdefghi")
THOUGHT = say("assistant", "<think>\nWho am I?\n</think>\n\nA loom.")
PARTED = say("assistant", "A loom.", reasoning_content="Who am I?")

# name: messages, whether the answer begins after them, further variables
CHATS = {
    "one question": ([HI], True, {}),
    "a system message": ([SYSTEM, HI], True, {}),
    "several turns": ([HI, ANSWER, NEXT], True, {}),
    "several turns with a system message": ([SYSTEM, HI, ANSWER, NEXT], True, {}),
    "an answer that said nothing": ([HI, say("assistant", ""), NEXT], True, {}),
    "an answer at the end": ([HI, ANSWER], False, {}),
    "an answer at the end, and another begins": ([HI, ANSWER], True, {}),
    "what a tool said": ([HI, say("assistant", "I look."), CALL], True, {}),
    "what a tool said, and more": ([SYSTEM, HI, say("assistant", "I look."), CALL, say("assistant", "Fine."), NEXT], True, {}),
    "two questions at once": ([HI, NEXT], True, {}),
    "unicode": ([say("system", "Réponds 🧵"), say("user", "你好，مرحبا 👩🏽‍🚀 \u200d")], True, {}),
    "white space around everything": ([say("system", "\n a \n"), say("user", "  b\t\n\n"), say("assistant", "\n\nc  "), say("user", " \n d ")], True, {}),
    "code": ([say("user", "if (a < b && c > d) { x = '\\n' + \"{{ y }}\" + '{% z %}'; }")], True, {}),
    "nothing": ([say("user", "")], True, {}),
    "only a system message": ([SYSTEM], True, {}),
    "thinking is off": ([HI, ANSWER, NEXT], True, {"enable_thinking": False}),
    "thinking is on": ([HI, ANSWER, NEXT], True, {"enable_thinking": True, "thinking": True}),
    "thinking is off, with a system message": ([SYSTEM, HI], True, {"enable_thinking": False}),
    "thought within an answer": ([HI, THOUGHT, NEXT], True, {}),
    "thought beside an answer": ([HI, PARTED, NEXT], True, {}),
    "thought beside the last answer": ([HI, PARTED], False, {}),
    "a mode in the system message": ([say("system", "Be brief. /no_think"), HI], True, {}),
}


class Clock:
    """7 March 2026, 9:05:03."""

    @staticmethod
    def now():
        import datetime

        return datetime.datetime(2026, 3, 7, 9, 5, 3)


utils.datetime = Clock


def render(template, begin, end, chat):
    messages, generates, variables = chat
    try:
        texts, _ = utils.render_jinja_template(
            [messages],
            chat_template=template,
            add_generation_prompt=generates,
            bos_token=begin or "",
            eos_token=end,
            **variables,
        )
        return {"text": texts[0]}
    except jinja2.exceptions.UndefinedError as error:
        return {"fails": str(error)}
    except jinja2.exceptions.TemplateError as error:
        return {"refuses": str(error)}
    except TypeError as error:
        return {"fails": str(error)}


def family(name):
    source, begin, end, control, user_defined = FAMILIES[name]
    template = (FOLDER / "templates" / f"{name}.jinja").read_text()
    return {
        "source": source,
        "begin": begin,
        "end": end,
        "control": control,
        "userDefined": user_defined,
        "rendered": {title: render(template, begin, end, chat) for title, chat in CHATS.items()},
    }


golden = {
    "transformers": __version__,
    "chats": {
        title: {"messages": messages, "addGenerationPrompt": generates, "variables": variables}
        for title, (messages, generates, variables) in CHATS.items()
    },
    "families": {name: family(name) for name in FAMILIES},
}
(FOLDER / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
