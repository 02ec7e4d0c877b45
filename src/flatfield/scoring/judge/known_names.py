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
    гигачат gigachat yandexgpt алиса мистраль микстраль дипсик лама ллама грок квен кими муншот кохере немотрон
    нвидиа майкрософт амазон алибаба байду тенсент минимакс
    ラマ ミストラル ディープシーク グロック クウェン ムーンショット コヒア
    エヌビディア マイクロソフト アマゾン アリババ バイドゥ テンセント ハギングフェイス
    라마 미스트랄 딥시크 그록 큐원 문샷 코히어
    엔비디아 마이크로소프트 아마존 알리바바 바이두 텐센트 허깅페이스
    微软 英伟达 亚马逊
    ميسترال ديبسيك جروك غروك كيوين مايكروسوفت إنفيديا מיסטרל דיפסיק גרוק מיקרוסופט אנבידיה
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

SHORT = _words("""
    act add age ago aid aim air all and any app api arm art ask bad bag bar bat bay bed bee big bit bot box boy
    bug bus but buy can cap car cat cli con cow css csv cup cut dad das day def del den der des dev did die dog
    dot dry due ear eat ego egg end era eye fan far fat fee few fit fix fly fog for fox fun gap gas gel gem gen
    get git got gpu gun gut guy had has hat hen her hex hey him hip his hit hot how hub hug ice ill ink int ion
    its jam jar jet job joy key kid kit lab las law lay led leg les let lib lie lip llm log los lot low mad man
    map mat men met mid min mix mod moe mom mud net new nor not now nut oak odd off oil old one opt our out own
    pad pan par pay pen per pet pie pig pin pip pop por pot put que ran rat raw ray red ref rev rib rim rip rod
    row rpc rub rug run sad sat say sea see set sex she shy sir sit six ski sky son spy sql src sub sum sun sur
    tab tag tan tar tax tea ten the tie tin tip tmp toe tom ton too top toy try two una und une uns use van var
    ver via vlm von war was way web wet who why win won xml yes yet you zip zoo
""")
"""Words of three letters that any text may have: no names, also where the roster has them."""

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
