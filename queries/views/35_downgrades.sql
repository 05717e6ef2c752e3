-- One tier down, as listed on 2026-02-01: which model could take the calls of another, and what it costs a million tokens.
-- One row per family of models; the longest prefix that fits counts.
create view downgrades as
from (
    values
        ('claude-opus-', 'claude-sonnet-4-5', 3.00, 0.30, 15.00),
        ('claude-sonnet-', 'claude-haiku-4-5', 1.00, 0.10, 5.00),
        ('claude-3-opus', 'claude-sonnet-4-5', 3.00, 0.30, 15.00),
        ('claude-3-5-sonnet', 'claude-haiku-4-5', 1.00, 0.10, 5.00),
        ('claude-3-7-sonnet', 'claude-haiku-4-5', 1.00, 0.10, 5.00),
        ('gpt-5', 'gpt-5-mini', 0.25, 0.025, 2.00),
        ('gpt-5-mini', 'gpt-5-nano', 0.05, 0.005, 0.40),
        ('gpt-5-nano', null, null, null, null),
        ('gpt-4.1', 'gpt-4.1-mini', 0.40, 0.10, 1.60),
        ('gpt-4.1-mini', 'gpt-4.1-nano', 0.10, 0.025, 0.40),
        ('gpt-4.1-nano', null, null, null, null),
        ('gpt-4o', 'gpt-4o-mini', 0.15, 0.075, 0.60),
        ('gpt-4o-mini', null, null, null, null),
        ('gemini-2.5-pro', 'gemini-2.5-flash', 0.30, 0.03, 2.50),
        ('gemini-2.5-flash', 'gemini-2.5-flash-lite', 0.10, 0.01, 0.40),
        ('gemini-2.5-flash-lite', null, null, null, null)
) as tiers (prefix, to_model, input_usd_per_million, cached_usd_per_million, output_usd_per_million);
