-- What the calls of each key cost. One row per key; a key is a struct of what is asked for.
-- `calls` are those that succeeded or of which nobody logged whether, `failed_calls` those that failed. A sum counts for
-- as many calls as it says, for none if it doesn't.
create macro cost_by(wanted) as table (
    with costs as (
        select
            wanted as key,
            coalesce(sum(requests) filter (success is not false), 0)::bigint as calls,
            count(*) filter (success is false) as failed_calls,
            sum(request_tokens)::bigint as request_tokens,
            sum(cache_read_tokens)::bigint as cache_read_tokens,
            sum(response_tokens)::bigint as response_tokens,
            sum(total_tokens)::bigint as total_tokens,
            sum(cost_usd) as cost_usd,
            count(*) filter (cost_usd is null and success is not false) as unpriced_calls,
        from llm_calls
        group by wanted
    )
    select *, cost_usd::double / nullif(sum(cost_usd) over (), 0)::double as cost_share from costs
);
