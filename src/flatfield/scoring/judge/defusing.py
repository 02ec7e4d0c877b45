"""Takes the effect out of texts that a model server would read as the end of a message."""

from __future__ import annotations

import re

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
