-- Calls that can be logged more than once, such as streamed or replayed messages. One row per call: the fullest record
-- that isn't a replay in a side chain, with the largest count of each kind of token.
create view repeated_calls as
with ranked as (
    select
        *,
        struct_pack(
            main_chain := not coalesce(regexp_matches(metadata, '"(is_?)?sidechain":\s*true', 'i'), false),
            response := coalesce(response_tokens, -1), total := coalesce(total_tokens, -1),
            source := source_id, place := -source_offset
        ) as quality,
    from identified_calls
)
select
    arg_max_null(
        columns(
            * exclude (
                call_key, quality, request_tokens, cache_read_tokens, cache_write_tokens, response_tokens,
                reasoning_tokens, total_tokens, cost_reported_usd, cost_computed_usd, cost_usd, cost_source
            )
        ),
        quality
    ),
    -- A replay may count more than its original did (what it read from the cache): the original is the call.
    coalesce(max(request_tokens) filter (quality.main_chain), max(request_tokens)) as request_tokens,
    coalesce(max(cache_read_tokens) filter (quality.main_chain), max(cache_read_tokens)) as cache_read_tokens,
    coalesce(max(cache_write_tokens) filter (quality.main_chain), max(cache_write_tokens)) as cache_write_tokens,
    coalesce(max(response_tokens) filter (quality.main_chain), max(response_tokens)) as response_tokens,
    coalesce(max(reasoning_tokens) filter (quality.main_chain), max(reasoning_tokens)) as reasoning_tokens,
    coalesce(
        max(request_tokens) filter (quality.main_chain) + max(response_tokens) filter (quality.main_chain),
        max(total_tokens) filter (quality.main_chain),
        max(request_tokens) + max(response_tokens),
        max(total_tokens)
    ) as total_tokens,
    -- A cost may be reported with any of the copies.
    coalesce(max(cost_reported_usd) filter (quality.main_chain), max(cost_reported_usd)) as cost_reported_usd,
    coalesce(max(cost_computed_usd) filter (quality.main_chain), max(cost_computed_usd)) as cost_computed_usd,
    coalesce(
        max(cost_reported_usd) filter (quality.main_chain),
        max(cost_reported_usd),
        max(cost_computed_usd) filter (quality.main_chain),
        max(cost_computed_usd)
    ) as cost_usd,
    case
        when max(cost_reported_usd) is not null then 'reported'
        when max(cost_computed_usd) is not null then 'computed'
        else max(cost_source)
    end as cost_source,
from ranked
group by call_key;
