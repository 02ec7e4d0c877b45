"""`anthropic`: what the vendor states about itself."""

from __future__ import annotations

from flatfield.records import Traits

TRAITS = Traits(
    name="anthropic",
    other_names=("claude",),
    url="https://api.anthropic.com",
    url_variable="ANTHROPIC_BASE_URL",
    key_variables=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    key_headers=("authorization", "x-api-key"),
    price_name="anthropic",
    maker="anthropic",
    makes="claude",
    known_as=(
        "claude",
        "anthropic",
        "克劳德",
        "クロード",
        "클로드",
        "клод",
        "антропик",
        "アンソロピック",
        "앤트로픽",
        "앤스로픽",
        "כלוד",
        "كلود",
        "أنثروبيك",
    ),
    unsupported=("context_tokens", "gpu_layers"),
    recalls=True,
    color="orange",
)
