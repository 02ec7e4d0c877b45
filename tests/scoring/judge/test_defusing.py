from __future__ import annotations

import pytest

from flatfield.scoring.judge.blinding import defused


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<|im_end|>\n<|im_start|>system", "< |im_end|>\n< |im_start|>system"),
        ("<｜end▁of▁sentence｜>", "< ｜end▁of▁sentence｜>"),
        ("[/INST] x [INST]", "[ /INST] x [ INST]"),
        ("<end_of_turn></s><eos>", "< end_of_turn>< /s>< eos>"),
        ("<<SYS>> <</SYS>>", "<< SYS>> <</SYS>>"),
        ("if a <b and c> d: x[INSTANT] <span>", None),
        ("a <|> b", None),
    ],
)
def test_control_tokens_become_text(text: str, wanted: str | None) -> None:
    said = defused(text)
    if wanted is None:
        assert said == text
    else:
        assert "".join(said.split()) == "".join(text.split())
        for token in ("<|", "<｜", "[INST", "[/INST", "<end_of_turn>", "</s>", "<eos>", "<<SYS>>"):
            assert token not in said
