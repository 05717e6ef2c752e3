"""A logged provider and model → the one entry of genai-prices that it names, or none. Nothing is guessed."""

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genai_prices.types import MatchLogic, ModelInfo, Provider

_ALIASES = {
    "amazon": "aws",
    "amazon-bedrock": "aws",
    "aws-bedrock": "aws",
    "aws.bedrock": "aws",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure-ai": "azure",
    "azure-openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "bedrock": "aws",
    "bedrock-converse": "aws",
    "claude": "anthropic",
    "copilot": "github-copilot",
    "fireworks-ai": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen-ai": "google",
    "gcp.vertex-ai": "google",
    "gemini": "google",
    "google-genai": "google",
    "google-gla": "google",
    "google-vertex": "google",
    "mistral-ai": "mistral",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "openai-chat": "openai",
    "openai-codex": "openai",
    "openai-responses": "openai",
    "perplexity-ai": "perplexity",
    "text-completion-openai": "openai",
    "together-ai": "together",
    "togetherai": "together",
    "vertex": "google",
    "vertex-ai": "google",
    "voyage": "voyageai",
    "xai": "x-ai",
}
_NO_PROVIDER = {"litellm", "litellm-proxy", "unknown", ""}
_OWN_SERVER = re.compile(
    r"(?:^|[-.])(?:compatible|custom|kobold(?:cpp)?|llama-?(?:cpp|\.cpp|file)|lm-?studio|lmdeploy|local(?:ai|host)?|mlx"
    r"|ollama|self-hosted|sglang|tgi|triton|vllm|xinference)(?:[-.]|$)"
)
"""Names of what people run themselves: whatever the model is called, its maker isn't paid."""

_BEDROCK = re.compile(r"(?:^|[./])(?:amazon|anthropic|cohere|deepseek|meta|mistral|nvidia|openai|qwen)\.[a-z]")

# What may follow a model's name without naming another model: dates, revisions, `latest`, `preview`.
# `-lite`, `-8b`, `:free`, `-fast` may not: those are other models, at up to several times the price.
_RELEASE = re.compile(
    r"(?:[-@](?:latest|default|preview|\d{3,4}|\d{8}|\d{4}-\d\d-\d\d|\d\d-\d\d|\d\d-\d{4}|v\d+:\d+)|:\d+k?|\[1m\])+$"
)
_COMPACT_DATE = re.compile(r"-(\d{4})(\d\d)(\d\d)$")
_FINE_TUNED = re.compile(r"^(ft:[^:]+):.*$")
_PATH = re.compile(r"^(?:arn:|(?:projects/.*|publishers/[^/]+/)?models/)")


class Match(NamedTuple):
    """An entry of genai-prices, and the provider that it was found under."""

    provider: "Provider"
    model: "ModelInfo"


def provider_id(provider: str) -> str | None:
    """Return genai-prices' id of a logged *provider* such as `azure_openai`; None when it has none.

    The library's own provider clauses are not used: `contains openai` would take `openai-compatible`, which is
    usually somebody's own server.
    """
    logged = provider.strip().lower()
    name = logged.replace("_", "-")
    return next((known for known in (logged, _ALIASES.get(name, name)) if known in _providers()), None)


def find(provider: str | None, model: str) -> tuple[Match, ...]:
    """Return what *model* of *provider* may be: nothing, one entry, or several when no provider says which.

    With a provider the answer is the library's own match, or nothing where that rests on a loose clause. A name that
    only Bedrock gives is sold by AWS, also where its maker is logged, or was derived from the name, as its provider.
    Without a provider, every one that claims the model is a candidate. A provider that no table knows, such as the name
    of a framework or an SDK's `openai.chat`, is the one before its dot, else the model's maker.
    """
    ref = _FINE_TUNED.sub(r"\1", model.strip().lower())
    if provider is not None and provider.strip().lower().replace("_", "-") not in _NO_PROVIDER:
        name = provider_id(provider)
        if name is None:
            return _of_unknown(provider, ref)
        found = _find_in(name, ref)
        if not found and is_of_bedrock(ref):
            found = _find_in("aws", ref)
        return (found,) if found else ()
    return tuple({match.provider.id: match for match in _candidates(ref)}.values())


def stands_for(provider: str, model: str) -> str | None:
    """Return the id of the provider that an unknown *provider* stands for where it says who sold *model*, else None."""
    if provider_id(provider) is not None:
        return None
    found = _of_unknown(provider, model.strip().lower())
    return found[0].provider.id if len(found) == 1 else None


def _of_unknown(provider: str, ref: str) -> tuple[Match, ...]:
    name = provider.strip().lower().replace("_", "-")
    if _OWN_SERVER.search(name):
        return ()
    head, dot, _ = name.partition(".")
    if dot and (known := provider_id(head)) and (found := _find_in(known, ref)):
        return (found,)
    # A name that only Bedrock gives is no name of its maker's.
    if is_of_bedrock(ref):
        return ()
    return tuple({match.provider.id: match for match in (*_prefixed(ref), *_claimed(ref))}.values())


def is_of_bedrock(ref: str) -> bool:
    """Return whether only Bedrock calls a model *ref*, in lower case, whoever made it."""
    return _BEDROCK.search(ref) is not None


def providers() -> "list[Provider]":
    """Return the providers of the installed genai-prices: its data as shipped, whatever has been fetched since."""
    return list(_providers().values())


def names(provider: str | None = None) -> "Iterator[str]":
    """Return the names of all models that have a price, at *provider* or anywhere."""
    own = provider and provider_id(provider)
    return (name for name, ids in _sellers().items() if own is None or own in ids)


def trusted(model: "ModelInfo", ref: str) -> bool:
    """Return whether *model* is what *ref* names: by id, or by a clause that covers all of it but a release suffix.

    genai-prices also matches by prefix and by substring, so `gemini-1.5-flash-8b` gets the price of
    `gemini-1.5-flash`, twice its own. Such a match counts only when the rest is a date, a revision or the like.
    """
    return ref == model.id.lower() or any(
        _covers(model.match, form) for form in (ref, _COMPACT_DATE.sub(r"-\1-\2-\3", ref))
    )


def _candidates(ref: str) -> "Iterator[Match]":
    claimed = list(_claimed(ref)) + [found for found in [is_of_bedrock(ref) and _find_in("aws", ref)] if found]
    yield from _prefixed(ref)
    yield from claimed
    # A model's maker claims it by name; resellers that list the same name are asked only when no maker does.
    if not claimed:
        for name in _sellers().get(ref, ()):
            if found := _find_in(name, ref):
                yield found


def _prefixed(ref: str) -> "Iterator[Match]":
    """Return what *ref* is at the provider before its slash."""
    head, slash, rest = ref.partition("/")
    if slash and (name := provider_id(head)) and (found := _find_in(name, rest)):
        yield found


def _claimed(ref: str) -> "Iterator[Match]":
    """Return what *ref* is at the providers that claim such a name: as a rule its maker."""
    for provider in providers():
        if provider.model_match is not None and provider.model_match.is_match(ref):
            found = _find_in(provider.id, ref)
            if found:
                yield found


def _find_in(name: str, ref: str) -> Match | None:
    provider = _providers()[name]
    for form in _forms(name, ref):
        model = provider.find_model(form, all_providers=providers())
        if model is not None and trusted(model, form):
            return Match(provider, model)
    return None


def _forms(name: str, ref: str) -> "Iterator[str]":
    yield ref
    head, slash, rest = ref.partition("/")
    if slash and provider_id(head) == name:
        yield rest
    if slash and _PATH.match(ref):
        yield ref.rpartition("/")[2]


def _covers(clause: "MatchLogic", ref: str) -> bool:
    from genai_prices import types

    if isinstance(clause, types.ClauseOr):
        return any(_covers(part, ref) for part in clause.or_)
    if isinstance(clause, types.ClauseAnd):
        return clause.is_match(ref) and any(_covers(part, ref) for part in clause.and_)
    if not clause.is_match(ref):
        return False
    start, end = _span(clause, ref)
    suffix = _RELEASE.search(ref)
    return end >= (suffix.start() if suffix else len(ref)) and (start == 0 or ref[start - 1] in "/.:")


def _span(clause: "MatchLogic", ref: str) -> tuple[int, int]:
    """Return which part of *ref* the leaf *clause* speaks about."""
    from genai_prices import types

    if isinstance(clause, types.ClauseRegex):
        match = re.search(clause.regex, ref)
        return match.span() if match else (0, 0)
    if isinstance(clause, types.ClauseContains):
        start = ref.index(clause.contains.lower())
        return start, start + len(clause.contains)
    if isinstance(clause, types.ClauseEndsWith):
        return len(ref) - len(clause.ends_with), len(ref)
    if isinstance(clause, types.ClauseStartsWith):
        return 0, len(clause.starts_with)
    return 0, len(ref)


@cache
def _providers() -> "dict[str, Provider]":
    # Not `get_snapshot()`: a process that fetched newer prices would stamp them with the version installed here.
    from genai_prices.data import providers as shipped

    return {provider.id: provider for provider in shipped}


@cache
def _sellers() -> dict[str, tuple[str, ...]]:
    """Return the ids of the providers that list each model, by every name that they give it."""
    sellers: dict[str, dict[str, None]] = {}
    for provider in providers():
        for model in provider.models:
            for name in (model.id.lower(), *_names(model.match)):
                sellers.setdefault(name, {})[provider.id] = None
    return {name: tuple(ids) for name, ids in sellers.items()}


def _names(clause: "MatchLogic") -> "Iterator[str]":
    from genai_prices import types

    if isinstance(clause, types.ClauseEquals):
        yield clause.equals.lower()
    elif isinstance(clause, types.ClauseOr):
        for part in clause.or_:
            yield from _names(part)
