-- Calls by the clock minute in which they finished. One row per minute and model.
create view minutes as
with numbered as (
    -- Minutes are the same in every time zone of today, and counting them is much cheaper than asking a calendar.
    select
        epoch_us(created_at) // 60_000_000 as number, model,
        count(*) as requests,
        count(*) filter (success is not false) as calls,
        sum(request_tokens)::bigint as request_tokens,
        sum(response_tokens)::bigint as response_tokens,
        sum(total_tokens)::bigint as total_tokens,
        sum(cost_usd) as cost_usd,
    from single_calls
    group by all
)
select
    make_timestamptz(number * 60_000_000) as minute, model, calls, requests - calls as failed_calls,
    request_tokens, response_tokens, total_tokens, cost_usd,
from numbered;
