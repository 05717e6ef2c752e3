-- Tokens, calls and cost of each minute
-- One row per minute and model.
-- First: minute, model, total_tokens, cost_usd
-- Sums: calls, failed_calls, request_tokens, response_tokens, total_tokens, cost_usd
-- Chart: series x=minute y=total_tokens color=model
select minute, model, calls, failed_calls, request_tokens, response_tokens, total_tokens, cost_usd,
from minutes
order by minute, model;
