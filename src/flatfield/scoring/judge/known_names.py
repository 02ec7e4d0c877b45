"""Names of model families and vendors, and the words beside them: what a model may call itself whoever is compared."""

from __future__ import annotations

from flatfield import plugins


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OTHERS = _words("""
    codellama llama tinyllama mistral mistralai mixtral ministral magistral codestral devstral pixtral qwen qwq alibaba
    tongyi deepseek grok xai groq openrouter cohere nemotron nvidia smollm huggingface zhipu zhipuai chatglm glm kimi
    moonshot moonshotai minimax ernie baidu olmo allenai vllm sglang lmstudio llamacpp xllamacpp microsoft azure bedrock
    amazon cerebras fireworksai togetherai vicuna starcoder wizardlm internlm hunyuan tencent stepfun doubao bytedance
    ai21
    通义千问 千问 阿里巴巴 阿里云 深度求索 智谱 月之暗面 文心一言 百度 混元 腾讯 豆包 字节跳动 讯飞星火 零一万物
    гигачат gigachat yandexgpt алиса мистраль дипсик лама
""")
"""Those of whom no vendor states that it is known so."""


def families() -> frozenset[str]:
    """Words of vendors and model families, in lower case: taken out wherever they stand as a word."""
    return _OTHERS.union(word.lower() for vendor in plugins.all_traits() for word in vendor.known_as)


def providers() -> tuple[str, ...]:
    """The names of vendors that say who they are: not those that are everyday words, too."""
    return tuple(vendor.name for vendor in plugins.all_traits() if not vendor.is_word)


PHRASES = (
    r"hugging[\s\-_]face",
    r"lm[\s\-_]studio",
    r"[xz]\.ai",
    r"meta[\s\-_]?(?:ai|llama)",
    r"command[\s\-_]r(?:[\s\-_]?plus|\+)?",
    r"o[134][\s\-_](?:mini|pro|preview)",
    r"(?:made|trained|developed|created|built|powered)\s+(?:\w+\s+)?(?:by|at|from)\s+(?:meta|ibm|apple|reka|nous)",
)
"""Regular expressions for names of more than one word."""

EVERYDAY = _words("opus sonnet haiku fable phi meta falcon granite nova titan yi jamba")
"""Names that are also words: taken out where the roster holds them and the task does not speak of them."""

VERSIONED = EVERYDAY - {"meta", "fable"}
"""Taken out with a version behind them, whoever is compared: Opus 4.1."""

QUALIFIERS = _words("""
    mini nano micro pro flash lite ultra turbo plus max preview instruct coder oss thinking reasoner chat large
    medium small tiny latest exp opus sonnet haiku
""")
"""Size and kind words: part of a name behind it, no name by themselves."""

COMMON = QUALIFIERS | _words("""
    test tests model models fake demo base code local custom default file data agent answer text good best fast
    slow none echo script scripted path home oracle noop command tuned finetune finetuned main user name tool
    tools json native hello judge beta alpha gguf awq gptq lora vision embedding distill merged merge release
    experimental uncensored abliterated long context quant quantized think thinker reasoning research labs team
    community open inference router auto free models model-garden assistant
""")
"""First words of model names that tell nothing."""
