-- Tokens, calls and cost of each minute
-- One row per minute and model.
-- $every: of so many minutes in a row, only the fullest one of each model, which keeps every peak (default: 1)
-- First: minute, model, total_tokens, cost_usd
-- Sums: calls, failed_calls, request_tokens, response_tokens, total_tokens, cost_usd
-- Chart: series x=minute y=total_tokens color=model
select minute, model, calls, failed_calls, request_tokens, response_tokens, total_tokens, cost_usd,
from minutes
qualify
    coalesce($every::integer, 1) <= 1
    or row_number() over (
        partition by model, epoch_ms(minute) // 60_000 // $every::integer order by total_tokens desc nulls last, minute
    ) = 1
order by minute, model;
