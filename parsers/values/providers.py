"""Model names → providers, by one table of beginnings. A name that the table doesn't know has no provider."""

import polars as pl

from parsers.values.typed import looked_up

PREFIXES = {
    "claude": "anthropic",
    "gpt": "openai",
    "chatgpt": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "codex": "openai",
    "computer-use": "openai",
    "dall-e": "openai",
    "davinci": "openai",
    "omni-moderation": "openai",
    "text-embedding-3": "openai",
    "text-embedding-ada": "openai",
    "tts-": "openai",
    "whisper": "openai",
    "gemini": "google",
    "gemma": "google",
    "text-embedding-00": "google",
    "codestral": "mistral",
    "devstral": "mistral",
    "magistral": "mistral",
    "ministral": "mistral",
    "mistral": "mistral",
    "mixtral": "mistral",
    "open-mistral": "mistral",
    "open-mixtral": "mistral",
    "pixtral": "mistral",
    "voxtral": "mistral",
    "grok": "xai",
    "deepseek": "deepseek",
    "c4ai": "cohere",
    "command": "cohere",
    "embed-": "cohere",
    "rerank-": "cohere",
    "sonar": "perplexity",
    "kimi": "moonshot",
    "moonshot": "moonshot",
    "qwen": "alibaba",
    "qwq": "alibaba",
    "glm-": "zai",
    "minimax": "minimax",
    "mimo-": "xiaomi",
    "nova-": "amazon",
    "titan-": "amazon",
    "jamba": "ai21",
    "voyage-": "voyage",
}
"""Provider by how a model's name begins, in lower case; of several beginnings the longest counts."""

VENDORS = {
    "ai21": "ai21",
    "amazon": "amazon",
    "anthropic": "anthropic",
    "azure": "azure",
    "bedrock": "bedrock",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "google": "google",
    "groq": "groq",
    "meta": "meta",
    "meta-llama": "meta",
    "mistral": "mistral",
    "mistralai": "mistral",
    "kimi-code": "moonshot",
    "moonshotai": "moonshot",
    "ollama": "ollama",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "qwen": "alibaba",
    "together": "together",
    "together_ai": "together",
    "vertex_ai": "google",
    "x-ai": "xai",
    "xai": "xai",
    "z-ai": "zai",
}
"""Provider by what stands before the first `/`, or, on Bedrock, the first `.`, as in `anthropic.claude-…`."""

_ROUTED = r"^(?:bedrock|vertex_ai|models)/"
_REGION = r"^(?:us|eu|apac|jp|au|ca|global)\."
_FINE_TUNED = r"^ft:"


def provider_of(model: pl.Expr) -> pl.Expr:
    """Return the provider of *model*, NULL where the name doesn't tell.

    `vendor/model` and `vendor.model` name theirs; `name:tag` is Ollama's way of writing (but `ft:` marks OpenAI's
    fine-tuned models, and Bedrock ends its names in `:0`); everything else goes by how it begins.
    """
    return looked_up(model, _provider, pl.String)


def _provider(model: pl.Expr) -> pl.Expr:
    name = model.str.strip_chars().str.to_lowercase().str.replace(_ROUTED, "").str.replace(_REGION, "")
    vendor = name.str.extract(r"^([^/:]+)/", 1)
    dotted = name.str.extract(r"^([a-z0-9-]+)\.[a-z]", 1).replace_strict(VENDORS, default=None, return_dtype=pl.String)
    tagged = name.str.contains(r"^[^/:]+:[^/]+$") & ~name.str.contains(r"^(?:ft:|[a-z-]+\.).*|:\d+$")
    known = pl.coalesce(
        pl.when(name.str.replace(_FINE_TUNED, "").str.starts_with(start)).then(pl.lit(PREFIXES[start]))
        for start in sorted(PREFIXES, key=len, reverse=True)
    )
    return (
        pl.when(vendor.is_not_null())
        .then(vendor.replace_strict(VENDORS, default=vendor))
        .when(dotted.is_not_null())
        .then(dotted)
        .when(tagged)
        .then(pl.lit("ollama"))
        .otherwise(known)
    )
