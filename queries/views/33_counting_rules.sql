-- What providers count against their rate limits, as documented on 2026-02-01. One row per provider and limit.
-- A count is the sum of each kind of token times its weight; `*` is every provider that has no rows of its own.
-- `reserved` = 1: the call's max_tokens, where known, count instead of its output.
create view counting_rules as
from (
    values
        ('anthropic', 'ITPM', 1, 1, 0, 0, 0, 'uncached input and cache writes'),
        ('anthropic', 'OTPM', 0, 0, 0, 1, 0, 'output'),
        ('openai', 'TPM', 1, 1, 1, 1, 1, 'input, and max_tokens or else output'),
        ('azure', 'TPM', 1, 1, 1, 1, 1, 'input, and max_tokens or else output'),
        ('bedrock', 'TPM', 1, 1, 1, 1, 1, 'input, and max_tokens or else output'),
        ('cerebras', 'TPM', 1, 1, 1, 1, 1, 'input, and max_tokens or else output'),
        ('google', 'TPM', 1, 1, 1, 0, 0, 'input'),
        ('groq', 'TPM', 1, 1, 0, 1, 0, 'uncached input and output'),
        ('*', 'TPM', 1, 1, 1, 1, 0, 'input and output')
) as rules (provider, counts, uncached_input, cache_write, cache_read, output, reserved, meaning);
