-- Our tokens and cost by UTC day and model, as providers bill them. One row per day and model.
-- A model's date is left out of its name, because exports have it and logs often don't. A day of nothing but failed calls
-- that used no tokens is no row: nobody bills it.
create view reconcilable as
with days as (
    select
        epoch_us(created_at) // 86_400_000_000 as day_number, model, min(provider) as provider,
        count(*) filter (success is not false) as calls,
        sum(request_tokens)::bigint as request_tokens,
        sum(response_tokens)::bigint as response_tokens,
        sum(cache_read_tokens)::bigint as cache_read_tokens,
        sum(cost_usd) as cost_usd,
        count(*) filter (token_source = 'estimated') as estimated_calls,
        count(*) filter (cost_usd is null and success is not false) as unpriced_calls,
    from llm_calls
    group by all
)
select
    date '1970-01-01' + day_number::integer as day,
    regexp_replace(model, '-(\d{8}|\d{4}-\d{2}-\d{2})$', '') as model,
    sum(columns(* exclude (day_number, model, provider, cost_usd)))::bigint,
    sum(cost_usd) as cost_usd,
    min(provider) as provider,
from days
group by all
having sum(calls) > 0 or count(cost_usd) > 0 or sum(request_tokens + response_tokens) is not null;
