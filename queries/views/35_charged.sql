-- What calls counted against the limits of their provider, as `counting_rules` say, in spans of so many seconds: of those
-- after a moment and until another, either of which may be NULL. One row per provider, model, what counts, and span with
-- calls; `second` is its first one since 1970. Failed calls count as requests. The replay of `limits` counts alike, in
-- `rate_demands.sql`: call by call, two limits at once, for speed.
create macro charged(after, until, seconds) as table (
    with parts as (
        select
            provider, model, epoch_us(created_at) // (seconds * 1_000_000) * seconds as second,
            coalesce(cache_read_tokens, 0) as cache_read_part, coalesce(cache_write_tokens, 0) as cache_write_part,
            greatest(coalesce(request_tokens, 0) - cache_read_part - cache_write_part, 0) as uncached_part,
            coalesce(response_tokens, 0) as output_part,
            coalesce(max_tokens, output_part) as bound,
        from single_calls
        where (after is null or created_at > after) and (until is null or created_at <= until)
    ),
    spans as materialized (  -- before each is counted: there are far fewer of them than calls
        select
            provider, model, second,
            sum(uncached_part) as uncached, sum(cache_write_part) as written, sum(cache_read_part) as read,
            sum(output_part) as generated, sum(bound) as bound, count(*) as requests,
        from parts
        group by all
    )
    select
        spans.provider, model, counts, second,
        (
            uncached * uncached_input + written * cache_write + read * cache_read
            + if(reserved = 1, bound, generated * output)
        )::bigint as amount,
    from spans
    inner join counting_rules as rule
        on rule.provider = if(spans.provider in (select provider from counting_rules), spans.provider, '*')
    union all
    select provider, model, 'RPM', second, requests from spans
);
