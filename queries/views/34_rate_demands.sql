-- What each call counted against the limits of its provider: instants (microseconds) and amounts, as lists.
-- One row per provider and model; `names` are the limits of `first` and, where there are two, of `second`. `charge` is the
-- instant that counts: `end`, or `start` of the call.
create macro rate_demands(charge) as table (
    with providers as (
        select distinct provider from llm_calls
    ),
    rules as (
        select
            providers.provider, rule.* exclude (provider),
            row_number() over (partition by providers.provider order by counts) as nth,
        from providers
        inner join counting_rules as rule
            on rule.provider = if(
                providers.provider in (select provider from counting_rules), providers.provider, '*'
            )
    ),
    both_rules as (
        select
            provider,
            list(counts order by nth) as names,
            list(meaning order by nth) as meanings,
            max(columns(['uncached_input', 'cache_write', 'cache_read', 'output', 'reserved'])) filter (nth = 1) as '\0_1',
            max(columns(['uncached_input', 'cache_write', 'cache_read', 'output', 'reserved'])) filter (nth = 2) as '\0_2',
        from rules
        group by provider
    ),
    calls as (
        select
            provider, model,
            epoch_us(if(charge = 'start', coalesce(started_at, created_at), created_at)) as at_us,
            coalesce(cache_read_tokens, 0) as read, coalesce(cache_write_tokens, 0) as written,
            greatest(coalesce(request_tokens, 0) - read - written, 0) as uncached,
            coalesce(response_tokens, 0) as generated,
            coalesce(max_tokens, generated) as bound,
        from llm_calls
    ),
    demands as (
        select
            calls.provider, model, at_us,
            uncached * uncached_input_1 + written * cache_write_1 + read * cache_read_1
                + if(reserved_1 = 1, bound, generated * output_1) as first,
            -- NULL for a provider with only one limit.
            uncached * uncached_input_2 + written * cache_write_2 + read * cache_read_2
                + if(reserved_2 = 1, bound, generated * output_2) as second,
        from calls
        inner join both_rules on calls.provider is not distinct from both_rules.provider
    ),
    of_models as (
        select
            provider, model,
            list(at_us) as instants, list(first) as first, list(second) filter (second is not null) as second,
        from demands
        group by provider, model
    )
    select of_models.*, names, meanings
    from of_models
    inner join both_rules on of_models.provider is not distinct from both_rules.provider
);
