"""Takes out of a judge's reading what names a model, its vendor or its figures, and what tells a family by its form.

Names are replaced by `agent_x`, a valid identifier, so that code stays code. Taken out, in any case and as whole words
(`_` and `-` end a word), with `-`, `_`, `.`, `:`, `/`, spaces or nothing between their parts:

- what the roster names: agents, models (also their last path segment, and without tag), the hosts of their URLs, and
  every part of a model's name that is neither a size or kind word, nor a short word that any text may have;
- the names of vendors and of model families, with the version or size words behind them;
- words that also mean something else (`opus`, `haiku`) when a version stands behind them, or when the roster holds them
  and the task itself does not speak of them.

A name that the task itself gives to every agent (`the OpenAI client`) tells nothing and stays, in what it names: not
with a version that the task does not name, and not where the work speaks of its author ("As …", "I am …", "made by …").

The neutral names `agent_1`, `agent_2`, … stay.
"""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flatfield import plugins
from flatfield.scoring.verifying.matching import drawn
from flatfield.vendors.base import MARKUP, OPENS_CALL, REASONING_TAGS, marked_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from flatfield.records import AgentConfig, TrialRecord


# Makes neutral what tells a model's family by its form: control tokens, reasoning tags, calls written as text, ids.
#
# Every chat template has tokens of its own, and a server whose parser is not the model's leaves them in the text.
# What the task itself holds of them was given to every agent, tells nothing, and stays.


# Takes the effect out of texts that a model server would read as the end of a message.


_CONTROL = re.compile(
    r"<(?=[|｜/]?[\w|｜▁]{1,40}[|｜]>)"  # <|im_end|>, <｜end▁of▁sentence｜>
    r"|<(?=/?(?:start_of_turn|end_of_turn|bos|eos|s|system|assistant|human|think)>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS)\])"
    r"|<(?=</?SYS>>)"
)


def defused(text: str) -> str:
    """`text` with a space inside what chat templates use as control tokens: `< |im_end|>`, `[ INST]`.

    A server that tokenises a whole rendered conversation takes such tokens for real ones wherever they stand, also in
    what a task holds; a space keeps them readable and makes them text. Those of an agent are neutral before this.
    """
    return _CONTROL.sub(lambda match: f"{match[0]} ", text)


TOKEN = "[control token]"  # noqa: S105 - what stands for a token of a template
REASONING, REASONED = "[reasoning]", "[end of reasoning]"
CALL, CALLED = "[tool call]", "[end of tool call]"
_EDGE_CHARACTERS = 200_000
_LEAST_ID_CHARACTERS = 6

_ROLE = r"(?:assistant|model|user|system|developer|tool|ipython|ai|analysis|final|commentary|json)"
_ONE = re.compile(MARKUP)
_RUN = re.compile(rf"{MARKUP}(?:\s*(?:{_ROLE}\b\s*)?{MARKUP})*(?:{_ROLE}(?=[ \t]*(?:\n|\Z)))?")
_RUN_ON_A_LINE = re.compile(rf"{MARKUP}(?:(?:{_ROLE}\b)?{MARKUP})*(?:{_ROLE}(?=[ \t]*(?:\n|\Z)))?")
_TAGS = rf"(?:{REASONING_TAGS}|thoughts|reflection|mm:think)"
_CHANNEL = r"(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*analysis\s*<\|message\|>"
_CHANNEL_REASONING = re.compile(rf"{_CHANNEL}(.*?)<\|end\|>", re.DOTALL)
_OPENS = re.compile(
    rf"<{_TAGS}>|\[THINK\]|◁think▷|<\|START_THINKING\|>|<\|begin_of_thought\|>|{_CHANNEL}|<\|channel>\s*thought\b"
)
_CLOSES = re.compile(
    rf"</{_TAGS}>|\[/THINK\]|◁/think▷|<\|END_THINKING\|>|<\|end_of_thought\|>|<channel\|>|<｜end▁of▁thinking｜>"
)
_EMPTY = re.compile(rf"{re.escape(REASONING)}\s*{re.escape(REASONED)}")
_BEFORE = re.compile(rf"(?:{re.escape(TOKEN)}\s*)+(?={re.escape(CALL)}|{re.escape(REASONING)})")
_AFTER = re.compile(rf"({re.escape(CALLED)}|{re.escape(REASONED)})(?:\s*{re.escape(TOKEN)})+")
_AROUND = re.compile(rf"\s*({'|'.join(map(re.escape, (TOKEN, REASONING, REASONED, CALL, CALLED)))})\s*")

_ID = re.compile(
    r"\b(?:(?:srv)?toolu_\w{4,}|tooluse_[\w-]{8,}|chatcmpl-(?:tool-)?[A-Za-z0-9-]{4,}|function-call-\d{3,}"
    r"|(?:call|msg|resp|rs|fc|gen)[_-](?=[A-Za-z-]*\d|[a-z-]*[A-Z])[A-Za-z0-9-]{8,}|functions\.\w+:\d+)(?![\w-])"
)
"""Ids of calls and replies: each is the fashion of one vendor or server."""
_NAMESPACE = re.compile(r"\b(?:functions|default_api)[.:](?=[A-Za-z_])")


def forms_in(texts: Iterable[str]) -> frozenset[str]:
    """The tokens, tags and ids that these texts hold."""
    patterns = (_ONE, _OPENS, _CLOSES, _ID)
    return frozenset(match[0] for text in texts for pattern in patterns for match in pattern.finditer(text))


class Forms:
    """Makes one trial's texts neutral."""

    def __init__(self, given: frozenset[str] = frozenset(), trial: TrialRecord | None = None) -> None:
        """`given`: the forms that every agent was given (`forms_in`), which stay. `trial`: whose calls' ids go."""
        self._given = given
        self._reads_calls = not any(map(OPENS_CALL.match, given))
        self._ids = _own_ids(trial)
        known = sorted(self._ids, key=len, reverse=True)
        self._known = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, known))})(?![\w-])") if known else None

    def said(self, text: str) -> str:
        """What an agent said, in the form in which any model would have said it.

        Calls and reasoning are told as such, a run of tokens is one, with one space around it.
        """
        return self._by_edges(text, self._said)

    def made(self, text: str) -> str:
        """What an agent wrote into files and calls, where line ends mean something: only tokens, tags and ids."""
        return self._by_edges(text, self._made)

    def name(self, text: str) -> str:
        """A tool's name as the agent called it, without a model's own name space before it."""
        return _NAMESPACE.sub("", self.made(text))

    def _by_edges(self, text: str, neutral: Callable[[str], str]) -> str:
        """Of a very long text, whose middle is cut out anyway, only the edges."""
        if len(text) <= 2 * _EDGE_CHARACTERS:
            return neutral(text)
        middle = text[_EDGE_CHARACTERS:-_EDGE_CHARACTERS]
        return f"{neutral(text[:_EDGE_CHARACTERS])}{middle}{neutral(text[-_EDGE_CHARACTERS:])}"

    def _said(self, text: str) -> str:
        was = text
        text = self._reasoning(self._numbered(_with_calls(text) if self._reads_calls else text))
        text = _RUN.sub(self._run, text)
        text = _EMPTY.sub("", _NAMESPACE.sub("", text) if CALL in text else text)
        if text == was:
            return text
        text = _AFTER.sub(r"\1", _BEFORE.sub("", text))
        return _AROUND.sub(r" \1 ", text).strip()

    def _made(self, text: str) -> str:
        return _RUN_ON_A_LINE.sub(self._run, self._reasoning(self._numbered(text)))

    def _reasoning(self, text: str) -> str:
        if "<|channel|>" not in self._given:
            text = _CHANNEL_REASONING.sub(rf"{REASONING}\1{REASONED}", text)
        opened = _OPENS.sub(lambda match: match[0] if match[0] in self._given else REASONING, text)
        return _CLOSES.sub(lambda match: match[0] if match[0] in self._given else REASONED, opened)

    def _run(self, match: re.Match[str]) -> str:
        tokens = {each[0] for each in _ONE.finditer(match[0])}
        if tokens & self._given:
            return _ONE.sub(lambda each: each[0] if each[0] in self._given else TOKEN, match[0])
        return TOKEN

    def _numbered(self, text: str) -> str:
        """Ids by the place of their call; one of no call of this trial has no number."""
        if self._known:
            text = self._known.sub(lambda match: self._ids[match[0]], text)
        return _ID.sub(lambda match: match[0] if match[0] in self._given else "call_id", text)


def _own_ids(trial: TrialRecord | None) -> Mapping[str, str]:
    """The neutral name of each id of a trial's calls; one that may be a word or a number is none."""
    found: dict[str, str] = {}
    for number, call in enumerate((call for turn in trial.turns for call in turn.reply.calls) if trial else (), 1):
        if len(call.id) >= _LEAST_ID_CHARACTERS and re.search(r"\d", call.id) and re.search(r"[^\W\d]", call.id):
            found.setdefault(call.id, f"call_{number}")
    return found


def _with_calls(text: str) -> str:
    """`text` with each call that was written as text in one form: its name, and an argument a line."""
    parts: list[str] = []
    done = 0
    for found in marked_calls(text):
        parts.append(text[done : found.start])
        parts += [_told(call.name, call.values or {}) for call in found.calls]
        done = found.end
    return "".join((*parts, text[done:]))


def _told(name: str, values: Mapping[str, Any]) -> str:
    lines = (f"{key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items())
    return "\n".join((f"{CALL} {name}", *lines, CALLED))


# Names of model families and vendors, and the words beside them: what a model may call itself whoever is compared.


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


# Takes out what a text tells of its author's own seconds, dollars and tokens; those of trains and wars stay.
#
# An amount is the author's where a label says so ("Runtime: 3.2 s"), where the author, "it" or the run is who took,
# cost or used it, where it is "spent" or "elapsed", or where time and money stand side by side alone ("(3.2 s,
# $0.02)"). In English, German, French and Spanish.


_NUMBER = r"(?>(?<!\d)\d{1,12}(?:[.,]\d{1,9}){0,4}(?!\d))"
# Possessive and bounded throughout: a text of nothing but amounts must be read in a moment, too.
_TIME_UNIT = (
    r"(?:ms|s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?|millisec\w*|sekunden?|minuten?|stunden?|secondes?|heures?"
    r"|segundos?|minutos?|horas?)"
)
_TIME = rf"{_NUMBER}\s*{_TIME_UNIT}(?![^\W_])"
_LARGE = r"(?!\s*(?:k|m|bn|thousand|million|billion|trillion|mio|mrd|millionen|millions|millones)(?![^\W_]))"
_MONEY = (
    rf"(?:(?:US)?[$€£]\s?{_NUMBER}(?:\s*(?:USD|EUR))?"
    rf"|{_NUMBER}\s*(?:[$€£]|(?:USD|EUR|dollars?|dólares|cents?|euros?|centimes?|centavos?|céntimos?)(?![^\W_])))"
    rf"{_LARGE}"
)
_TOKENS = rf"{_NUMBER}\s*(?:(?:input|output|prompt|completion|total)\s+)?tokens?(?![^\W_])"
_FIGURE = rf"(?:{_TIME}|{_MONEY}|{_TOKENS})"
_AND = r"\s{0,3}+(?:[,;/|·+&]|and|und|et|y|for|für|pour|por|in|en)?\s{0,3}+"
_FIGURES = rf"(?>{_FIGURE}(?:{_AND}{_FIGURE}){{0,3}})"
_NEARLY = (
    r"(?:(?:me|us|mich|mir|about|around|only|just|roughly|approximately|a total of|a|in total|etwa|rund|ca\.|nur"
    r"|ungefähr|insgesamt|environ|seulement|unos|unas|solo|en total|≈|~)\s*){0,4}+"
)
_VERB = (
    r"(?:took|takes?|cost|costs|used|spent|needed|consumed|lasted|ran\s+(?:for|in)|(?:finished|done|completed)\s+in"
    r"|dauerte|brauchte|kostete|verbrauchte|benötigte|hat|habe|(?:fertig|erledigt)\s+(?:in|nach)"
    r"|(?:a\s+|ai\s+)?(?:pris|coûté|duré|mis|utilisé|consommé|dépensé|terminé\s+en)|coûte|coûtait"
    r"|(?:ha\s+|he\s+)?(?:tardado|costado|durado|usado|gastado|tomado)|tardó|tardé|costó|duró|tomó|llevó|usé|usó|gasté)"
)
_DONE = r"(?:\s+(?:gebraucht|gedauert|gekostet|verbraucht|benötigt|in\s+total|insgesamt|au\s+total|en\s+total)\b)?"
_SUBJECT = (
    r"(?:\b(?:I|it|this|that|we|everything|ich|es|das|dies|wir|alles|je|cela|ça|ce|nous|esto|eso|yo|me)"
    r"|\b(?:this|the|my|dieser|der|mein|cette|mon|esta|la)\s+(?:whole\s+|entire\s+)?(?:run|work|task|job|lauf|durchlauf"
    r"|exécution|tâche|travail|ejecución|tarea|trabajo)|\bl['’]exécution)"
)
_ADVERB = r"(?:\s+(?:has|have|had|only|just|also|all|me|m['’]a|en\s+tout)){0,3}"
_AT_START = r"(?:^|[.!?;:(\[]\s|[(\[])\s{0,8}+"
_MADE = rf"{_VERB}\s+{_NEARLY}{_FIGURES}{_DONE}(?:\s+(?:and|und)\s+{_FIGURES}{_DONE})?"
_MORE = rf"(?:\s*(?:,|and|und|et|y|,\s*and)\s*(?:it\s+|es\s+)?{_MADE}){{0,3}}"
_LABEL = (
    r"\b(?:(?:total|overall|wall|wall[\s-]clock|elapsed|api|my)[\s-]+)?(?:run[\s-]?time|elapsed(?:\s+time)?|duration|latency"
    r"|time(?:\s+(?:taken|spent|used|elapsed))?|costs?|price|spent|tokens?(?:\s+used)?|took|laufzeit|dauer|zeit|gesamtzeit"
    r"|kosten|gesamtkosten|durée|temps(?:\s+\w+)?|coûts?|duración|tiempo(?:\s+\w+)?|costos?|costes?)"
)
_SIDE = r"\s{0,3}[,;/|·+]\s{0,3}"
_MIXED = (
    rf"(?:{_TIME}(?:{_SIDE}(?:{_MONEY}|{_TOKENS})){{1,3}}|{_MONEY}(?:{_SIDE}(?:{_TIME}|{_TOKENS})){{1,3}}"
    rf"|{_TOKENS}(?:{_SIDE}(?:{_TIME}|{_MONEY})){{1,3}})"
)
_ENDS = r"(?=\s*(?:[.,;:!)\]]|$))"
_GONE = (
    r"(?:spent|elapsed|used|in\s+total|gebraucht|verbraucht|ausgegeben|dépensés?|écoulée?s?|utilisés?|gastados?|usados?"
    r"|transcurridos?)"
)
_FLAGS = re.IGNORECASE | re.MULTILINE


@cache
def _keeping() -> tuple[re.Pattern[str], ...]:
    """What the first group holds stays; all behind it goes. Compiled when a judge first reads: that takes a while."""
    return (
        re.compile(rf"({_SUBJECT}{_ADVERB}\s+){_MADE}{_MORE}", _FLAGS),
        re.compile(rf"(\bj['’]){_MADE}{_MORE}", _FLAGS),
        re.compile(rf"({_AT_START}){_MADE}{_MORE}", _FLAGS),
        re.compile(rf"((?:^|[.;:,(\[—-])\s{{0,8}}+){_FIGURES}\s+{_GONE}{_ENDS}", _FLAGS),
        re.compile(r"()\b(?:took|cost)\s+(?:me|us)\s+" + rf"{_NEARLY}{_FIGURES}", _FLAGS),
        re.compile(rf"(){_LABEL}\s{{0,3}}[:=][*_\s]{{0,4}}{_NEARLY}{_FIGURES}", _FLAGS),
        re.compile(rf"()\btotal\s+(?:costs?|time)\s+{_FIGURES}", _FLAGS),
        re.compile(rf"([(\[]\s{{0,3}}){_MIXED}(?=\s{{0,3}}[)\]])", _FLAGS),
        re.compile(rf"(^[ \t*—-]{{0,8}}+){_MIXED}(?=[ \t.*]{{0,8}}$)", _FLAGS),
    )


WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        cost costs dollar dollars seconds second minutes minute took token tokens duration runtime usd
        kosten kostet kostete dauer dauert sekunden minuten laufzeit
        coût coûte durée secondes costo coste cuesta duración segundos minutos
        """,
    )
)
"""A task that has one of these may ask for such figures."""


def without_own_figures(text: str) -> str:
    """`text` with what its author used replaced by `[…]`."""
    for pattern in _keeping():
        text = pattern.sub(r"\1[…]", text)
    return text


# ---------------------------------------------------------------------------- every name, taken out


STAND_IN = "agent_x"
_LONGEST_NAME_CHARACTERS = 400
_SEPARATOR = r"[\s\-\u2010-\u2015_.:/@]"
_ON_ONE_LINE = r"[ \u00a0\u202f\-\u2010-\u2015_.:/@]?"
# Letters of other scripts end a word too (我是Claude). An escaped line end leaves its letter before the word: \nClaude.
_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
_END = r"(?![A-Za-z0-9])"
_TOP_LEVEL = r"(?:com|ai|org|net|io|dev|co|cn|eu|app|cloud|azure|internal)"

_BOUNDS = {
    "[\u0430-\u044f\u0451]": (
        "(?<![\u0430-\u044f\u0451])",
        "(?=[\u0430\u0435\u0438\u043e\u0443\u044b\u044d\u044e\u044f\u0439\u043c\u0445\u0432\u044c]{0,3}(?![\u0430-\u044f\u0451]))",
    ),
    "[\u30a1-\u30fa\u30fc]": ("(?<![\u30a1-\u30fa\u30fc])", "(?![\u30a1-\u30fa\u30fc])"),
    "[\uac00-\ud7a3]": (
        "(?<![\uac00-\ud7a3])",
        "(?=(?:\ub294|\uc740|\uc774|\uac00|\ub97c|\uc744|\uc758|\uc640|\uacfc|\ub3c4|\ub85c|\uc785\ub2c8\ub2e4|\uc608\uc694|\uc5d0|\ub77c)|(?![\uac00-\ud7a3]))",
    ),
}
"""By the first letter of a name in Cyrillic, Katakana or Hangul: what may not stand before it, and what must behind it.

\u043b\u0430\u043c\u0430 is no name inside \u0440\u0435\u043a\u043b\u0430\u043c\u0430; case endings and particles are.
"""
_VERSION = r"[vrk]?\d+(?:[.\-]\d+)*[a-z]{0,2}"
_AUTHOR_BEFORE = re.compile(
    r"(?:\bi\s+am|\bi['’]?m|\bi,|\bas|\bthis\s+is|\bmy\s+name(?:['’]s|\s+is)|\bcalled|\bauthor\W{1,3}|\bsigned\W{0,3}"
    r"|\b(?:written|done|fixed|generated|created|made|trained|built|developed|powered|co-authored)[\s-]+(?:by|with|at):?)"
    r"\s+(?:an?\s+|the\s+)?$",
    re.IGNORECASE,
)
_AUTHOR_AFTER = re.compile(
    r"\s*(?:,?\s+here\b|,\s+(?:an?|the)\s+(?:large\s+)?(?:ai|language|assistant|model)\b)", re.IGNORECASE
)
_AUTHOR_CHARACTERS = 60
_UNUSUAL = re.compile(r"(?=\S*[^\x00-\x7f])\S{1,200}")
_UNSEEN = re.compile(
    "[\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2060-\\u2064\\u2066-\\u206f\\ufeff\\ufff9-\\ufffb"
    "\\U000e0000-\\U000e007f]"
)
"""Characters that nobody sees and that turn others round; joiners, which scripts and emoji need, are not among them."""
_NEUTRAL = re.compile(r"agent_\d+", re.IGNORECASE)


@lru_cache(maxsize=64)
def _names_pattern(full: frozenset[str], known: frozenset[str], words: frozenset[str]) -> re.Pattern[str]:
    """What finds whole names, words, and hosts of `known` ones. It takes long to compile; a run's tasks share it."""
    names = [
        *(_spaced(name) for name in sorted(full, key=lambda name: (-len(name), name))),
        *PHRASES,
        rf"(?:{_known(words)})(?:{_VERSION})?",
        rf"(?:{_any(VERSIONED)}){_SEPARATOR}{{0,3}}{_VERSION}",
    ]
    tail = rf"(?:{_ON_ONE_LINE}(?:{_VERSION}|{_any(QUALIFIERS)}){_END})*"
    host = rf"(?:[\w\-]{{1,63}}\.){{0,4}}(?:{_any(known)})(?:\.{_TOP_LEVEL}\b)+(?::\d+)?"
    return re.compile(rf"{_START}(?:{host}|(?:{'|'.join(names)}){_END}{tail}){_END}", re.IGNORECASE)


class Blinder:
    """Scrubs the names of a roster, and all well-known ones, from text."""

    def __init__(
        self, agents: Sequence[AgentConfig], task_texts: Iterable[str] = (), given_texts: Iterable[str] = ()
    ) -> None:
        """`task_texts`: what the task itself says; an everyday word that it uses is not taken for a name.

        `given_texts`: what every agent was given; names in them stay names. `given_forms` are what chat templates write
        in both, and tell nothing of an agent that writes them, too.
        """
        told, given = tuple(task_texts), tuple(given_texts)
        spoken = {word.lower() for text in told for word in re.findall(r"[^\W\d_]+", text)}
        full, words = _roster_names(agents)
        self._speaks_of_cost = not spoken.isdisjoint(WORDS)
        known = families()
        self._pattern = _names_pattern(frozenset({*full, *providers()}), known, known | (words - spoken))
        self.given_forms = forms_in((*told, *given))
        self._given = {_parts(match[0]) for text in given for match in self._pattern.finditer(text)}

    def scrub(self, text: str) -> str:
        """`text` with every name replaced; lone surrogates, which no API takes, become `?`.

        A name counts as it looks: full-width letters, invisible characters inside it and letters of other scripts that
        are drawn alike do not hide it. What an answer tells of its own seconds, dollars and tokens goes too, where the
        task does not speak of these. What cannot be seen is shown.
        """
        text = _UNUSUAL.sub(self._as_drawn, text)
        replaced = self._pattern.sub(self._replaced if self._given else STAND_IN, text)
        if not self._speaks_of_cost:
            replaced = without_own_figures(replaced)
        return _UNSEEN.sub(_shown, replaced).encode(errors="replace").decode()

    def _as_drawn(self, match: re.Match[str]) -> str:
        """A word as it is drawn, where that is a name; else as it is."""
        plain = drawn(match[0])
        return plain if self._pattern.search(plain) and not self._pattern.search(match[0]) else match[0]

    def _replaced(self, match: re.Match[str]) -> str:
        """The name itself, where it is one that the task gave and does not say who wrote this."""
        before = match.string[max(0, match.start() - _AUTHOR_CHARACTERS) : match.start()]
        if _AUTHOR_BEFORE.search(before) or _AUTHOR_AFTER.match(match.string, match.end()):
            return STAND_IN
        parts = _parts(match[0])
        return match[0] if any(_holds(parts, given) for given in self._given) else STAND_IN

    def cut(self, text: str, limit_characters: int) -> str:
        """`text` scrubbed, of about `limit_characters`: its beginning, how much is missing, and its end.

        It is never cut inside a name: half a name would be told from none.
        """
        if len(text) <= limit_characters:
            return self.scrub(text)
        head = self._clear(text, limit_characters * 2 // 3)
        tail = max(head, self._clear(text, len(text) - limit_characters // 3))
        return f"{self.scrub(text[:head])}\n[… {tail - head:,} characters cut …]\n{self.scrub(text[tail:])}"

    def _clear(self, text: str, position: int) -> int:
        """The end of the name that `position` lies in, or `position`."""
        start = max(0, position - _LONGEST_NAME_CHARACTERS)
        for match in self._pattern.finditer(text, start, position + _LONGEST_NAME_CHARACTERS):
            if match.start() < position < match.end():
                return match.end()
        return position


def _roster_names(agents: Sequence[AgentConfig]) -> tuple[set[str], set[str]]:
    """Full names, and the single words by which a model would call itself or its maker: every part of its name."""
    full: set[str] = set()
    words: set[str] = set()
    for agent in agents:
        segment = re.split(r"[/\\]", agent.model)[-1]
        plain = re.sub(r"\.gguf$", "", segment, flags=re.IGNORECASE)
        full.update({agent.name, agent.model, segment, plain, plain.split(":")[0], _host(agent.base_url)})
        if not plugins.traits_or_usual(agent.provider).is_word:
            full.update({agent.provider, f"{agent.provider}:{agent.model}"})
        parts = [part.lower() for part in re.findall(r"[^\W\d_]+", f"{_owner(agent.model)} {plain}")]
        words.update(part for part in parts if _is_telling(part))
    return {name for name in full if len(name) > 1 and not _NEUTRAL.fullmatch(name)}, words


def _is_telling(part: str) -> bool:
    """Whether a part of a model's name is a name: not a size or a kind, nor a short word that any text may have."""
    return part in EVERYDAY or (part not in COMMON and (len(part) >= 4 or (len(part) == 3 and part not in SHORT)))


def _shown(match: re.Match[str]) -> str:
    return f"[U+{ord(match[0]):04X}]"


def _owner(model: str) -> str:
    """Whose a model of a hub is: `lab` of `hf.co/lab/zephyr`; of a file on disk nothing can be told."""
    parts = model.split("/")
    return "" if model.startswith(("/", ".", "~")) or len(parts) not in {2, 3} else parts[-2]


def _host(url: str | None) -> str:
    """The host a base URL names; a loopback address tells nothing by itself, so there only host and port together."""
    parts = urlsplit(url or "")
    host = parts.hostname or ""
    if host in {"localhost", "127.0.0.1", "::1"}:
        return parts.netloc if parts.port else ""
    return host


def _parts(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W\d_]+|\d+", name.lower()))


def _holds(parts: tuple[str, ...], given: tuple[str, ...]) -> bool:
    """Whether a name is a given one, perhaps with words around it, but with no number of its own."""
    for start in range(len(parts) - len(given) + 1):
        if parts[start : start + len(given)] == given:
            return not any(part.isdigit() for part in parts[:start] + parts[start + len(given) :])
    return False


def _spaced(name: str) -> str:
    """A pattern for a name with any separators, or none, between its parts: gpt-5-mini, GPT 5 Mini, gpt5mini."""
    parts = re.findall(r"[^\W\d_]+|\d+", name)
    return rf"{_SEPARATOR}{{0,3}}".join(re.escape(part) for part in parts) if parts else re.escape(name)


def _known(words: Iterable[str]) -> str:
    """A pattern for words of which those in other scripts end where their script's words do, endings aside.

    What bounds the words of a script stands there once: to compile it takes ten times as long as a word.
    """
    by_script: dict[tuple[str, str], list[str]] = {}
    for word in words:
        bounds = next((bounds for letters, bounds in _BOUNDS.items() if re.match(letters, word)), ("", ""))
        by_script.setdefault(bounds, []).append(word)
    return "|".join(f"{before}(?:{_any(each)}){behind}" for (before, behind), each in sorted(by_script.items()))


def _any(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))
