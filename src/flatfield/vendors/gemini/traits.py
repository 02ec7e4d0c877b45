"""`gemini`: what the vendor states about itself."""

from __future__ import annotations

from flatfield.records import Traits

TRAITS = Traits(
    name="gemini",
    other_names=("google", "google-genai", "google-ai-studio", "vertex", "vertex-ai", "googleai"),
    url="https://generativelanguage.googleapis.com",
    url_variable="GOOGLE_GEMINI_BASE_URL",
    key_variables=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    key_headers=("authorization", "x-goog-api-key"),
    price_name="google",
    model_prefix="models/",
    maker="google",
    makes="gemini|gemma",
    known_as=(
        *("gemini", "gemma", "bard", "deepmind", "google", "googleapis"),
        *("谷歌", "双子座", "ジェミニ", "グーグル", "제미나이", "구글", "джемини", "гемини", "гугл"),
        *("джемма", "ジェマ", "젬마", "ディープマインド", "딥마인드", "дипмайнд", "جيميني", "جوجل", "גוגל", "ג'מיני"),
    ),
    unsupported=("context_tokens", "gpu_layers"),
    recalls=True,
    color="purple",
)
