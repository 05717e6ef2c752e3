-- All calls, each counted once however often it was logged. One row per logical call.
-- Nearly every record that is left is a call of its own and passes as it is; only those whose key comes again, of which a
-- hash of eight bytes tells no other, are compared with each other: the fullest record that isn't a replay in a side chain
-- is the call, with the largest count of each kind of token.
create or replace view llm_calls as
with logged_twice as (
    select log_source_id as source_id, log_source_offset as source_offset from maestro_pairs
    union all
    select usage_source_id, usage_source_offset from maestro_pairs
    union all
    select source_id, source_offset from teed_calls
),
records as (
    select *, if(call_key is null, null, hash(call_key)) as key_hash
    from identified_calls
    anti join logged_twice using (source_id, source_offset)
),
repeated as (
    select key_hash from records where key_hash is not null group by key_hash having count(*) > 1
),
ranked as (
    select
        *,
        struct_pack(
            main_chain := not coalesce(side_chain, if(
                getvariable('told_apart'), false, regexp_matches(metadata, '(?i)"(is_?)?sidechain":\s*true')
            ), false),
            response := coalesce(response_tokens, -1), total := coalesce(total_tokens, -1),
            source := source_id, place := -source_offset
        ) as quality,
    from records
    semi join repeated using (key_hash)
)
select * exclude (side_chain, call_key, key_hash) from records anti join repeated using (key_hash)
union all by name
select
    arg_max_null(
        columns(
            * exclude (
                side_chain, call_key, key_hash, quality, request_tokens, cache_read_tokens, cache_write_tokens, response_tokens,
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
group by call_key
union all by name
select * exclude (side_chain, superseded) from paired_calls;
