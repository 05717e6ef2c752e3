-- What each call counts against the limits of its provider, as `counting_rules` say. One row per call and count; failed
-- calls count as requests. The replay of `limits` counts alike, in `rate_demands.sql`: two limits at once, for speed.
create view charged_calls as
with parts as (
    select
        created_at, provider, model,
        coalesce(cache_read_tokens, 0) as cache_read_part, coalesce(cache_write_tokens, 0) as cache_write_part,
        greatest(coalesce(request_tokens, 0) - cache_read_part - cache_write_part, 0) as uncached_part,
        coalesce(response_tokens, 0) as output_part,
        coalesce(max_tokens, output_part) as bound,
    from single_calls
)
select
    created_at, parts.provider, model, counts,
    uncached_part * uncached_input + cache_write_part * cache_write + cache_read_part * cache_read
        + if(reserved = 1, bound, output_part * output) as amount,
from parts
inner join counting_rules as rule
    on rule.provider = if(parts.provider in (select provider from counting_rules), parts.provider, '*')
union all
select created_at, provider, model, 'RPM', 1 from parts;
