-- What each call counted against the limits of its provider: instants (microseconds) and amounts, as lists.
-- One row per provider and model; `names` are the limits of `first` and, where there are two, of `second`. `charge` is the
-- instant that counts: `end`, or `start` of the call.
create macro rate_demands(charge) as table (
    with rules as (
        select
            provider,
            list(counts order by counts) as names,
            list(meaning order by counts) as meanings,
            list(columns(['uncached_input', 'cache_write', 'cache_read', 'output', 'reserved']) order by counts),
        from counting_rules
        group by provider
    ),
    amounts as (
        select
            provider, model,
            epoch_us(if(charge = 'start', coalesce(started_at, created_at), created_at)) as at_us,
            coalesce(cache_read_tokens, 0) as read, coalesce(cache_write_tokens, 0) as written,
            greatest(coalesce(request_tokens, 0) - read - written, 0) as uncached,
            coalesce(response_tokens, 0) as output,
            coalesce(max_tokens, output) as reserved,
        from llm_calls
    ),
    demands as (
        select
            amounts.provider, model, at_us, names, meanings,
            uncached * uncached_input[1] + written * cache_write[1] + read * cache_read[1]
                + if(rules.reserved[1] = 1, amounts.reserved, amounts.output * rules.output[1]) as first,
            if(
                len(names) > 1,
                uncached * uncached_input[2] + written * cache_write[2] + read * cache_read[2]
                    + if(rules.reserved[2] = 1, amounts.reserved, amounts.output * rules.output[2]),
                null
            ) as second,
        from amounts
        inner join rules
            on rules.provider = if(
                amounts.provider in (select provider from counting_rules), amounts.provider, '*'
            )
    )
    select
        provider, model, any_value(names) as names, any_value(meanings) as meanings,
        list(at_us) as instants, list(first) as first, list(second) filter (second is not null) as second,
    from demands
    group by provider, model
);
